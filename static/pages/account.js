/** The account: who one is, the password, API tokens, sessions. */

import { call, get, getAll } from "../api.js";
import { setTheme, THEMES } from "../appearance.js";
import { h, render, swap } from "../dom.js";
import { ago, deviceName, now, utc } from "../format.js";
import { update } from "../session.js";
import { note, noteError } from "../components/announce.js";
import { backLink, blank, bones, errorText } from "../components/blank.js";
import { openDialog } from "../components/dialog.js";
import { field, filled, onSubmit, passwordInput, picker } from "../components/field.js";
import { icon } from "../components/icon.js";
import { createToken } from "../components/token_dialog.js";

/** The page. */
export function page({ signal }) {
  const root = h(
    "div",
    { class: "edit account-page" },
    h("h1", { tabindex: "-1" }, "Account"),
    bones("block", "block"),
  );
  load(signal)
    .then((known) => signal.aborted || swap(root, ...content(known)))
    .catch((error) => signal.aborted || swap(root, trouble(error)));
  return root;
}

async function load(signal) {
  const [profile, tokens, sessions] = await Promise.all([
    get("users/profile", { signal }).then((body) => body.data),
    getAll("users/tokens", { signal }),
    getAll("users/sessions", { signal }),
  ]);
  return { profile, tokens, sessions };
}

function content({ profile, tokens, sessions }) {
  const sessionBox = sessionsSection(sessions);
  return [
    h("h1", { tabindex: "-1" }, "Account"),
    profileForm(profile),
    passwordForm(profile, sessionBox.reload),
    tokensSection(tokens),
    sessionBox.node,
  ];
}

function trouble(error) {
  const sign = icon("alert");
  return blank({ sign, title: "The account cannot be shown", text: errorText(error), action: backLink() });
}

function box(name, title, ...inside) {
  return h("section", { class: "card", "aria-labelledby": name }, h("h2", { id: name }, title), inside);
}

const submit = (text) => h("div", { class: "actions" }, h("button", { class: "button primary", type: "submit" }, text));

function profileForm(profile) {
  const first = h("input", { autocomplete: "given-name", maxlength: "128", dir: "auto" });
  const last = h("input", { autocomplete: "family-name", maxlength: "128", dir: "auto" });
  const email = h("input", { type: "email", autocomplete: "email", autocapitalize: "none", spellcheck: "false" });
  const password = passwordInput({ autocomplete: "current-password", "data-what": "your password" });
  const proof = field({
    name: "current_password",
    label: "Your password",
    control: password,
    hint: "Needed for another email address: it is what you sign in with.",
  });
  const zones = new Set([profile.timezone, "UTC", ...Intl.supportedValuesOf("timeZone")]);
  const zone = picker(
    [...zones].map((name) => [name, name.replaceAll("_", " ")]),
    profile.timezone,
  );
  const theme = picker(Object.entries(THEMES), profile.theme);
  const secret = password.querySelector("input");
  [first.value, last.value, email.value] = [profile.first_name, profile.last_name, profile.email];

  email.oninput = () => {
    proof.hidden = email.value.trim() === profile.email;
    if (proof.hidden) secret.value = "";
  };
  email.oninput();

  const form = h(
    "form",
    { class: "fields" },
    h(
      "div",
      { class: "pair" },
      field({ name: "first_name", label: "First name", control: first, required: false }),
      field({ name: "last_name", label: "Last name", control: last, required: false }),
    ),
    field({ name: "email", label: "Email", control: email }),
    proof,
    h(
      "div",
      { class: "pair" },
      field({
        name: "timezone",
        label: "Time zone",
        control: zone,
        hint: "The dashboard itself shows your device's time.",
      }),
      field({ name: "theme", label: "Theme", control: theme, hint: "On this device, and wherever you sign in next." }),
    ),
    submit("Save profile"),
  );
  onSubmit(form, async () => {
    const body = filled({ email: email.value.trim(), current_password: secret.value });
    const { data } = await call("PUT", "users/profile", {
      ...body,
      first_name: first.value.trim(),
      last_name: last.value.trim(),
      timezone: zone.value,
      theme: theme.value,
      locale: profile.locale,
    });
    profile = data;
    email.oninput();
    setTheme(data.theme);
    update(data);
    note("Your profile is saved.");
  });
  return box("profile", "Profile", form);
}

function passwordForm({ email }, saved) {
  const present = passwordInput({ autocomplete: "current-password", "data-what": "the current password" });
  const next = passwordInput({ autocomplete: "new-password", "data-what": "the new password" });
  const form = h(
    "form",
    { class: "fields" },
    // For password managers, which keep a password by the name it belongs to.
    h("input", { type: "email", autocomplete: "username", value: email, hidden: true }),
    field({ name: "current_password", label: "Current password", control: present }),
    field({ name: "new_password", label: "New password", control: next, hint: "At least 8 characters." }),
    submit("Change password"),
  );
  onSubmit(form, async () => {
    const [current_password, new_password] = [present, next].map((one) => one.querySelector("input").value);
    await call("POST", "users/password", filled({ current_password, new_password }));
    form.reset();
    note("Your password is changed. All other sessions are signed out.");
    await saved();
  });
  return box("password", "Password", form);
}

/**
 * A section with a list that is asked for again after each change.
 * @returns {{node: HTMLElement, reload: () => Promise<void>}}
 */
function listSection({ name, title, path, found, draw }) {
  const node = h("section", { class: "card", "aria-labelledby": name });
  const show = () => render(node, h("h2", { id: name, tabindex: "-1" }, title), draw(found, reload));
  const reload = async () => {
    try {
      found = await getAll(path);
      show();
    } catch (error) {
      noteError(error, "The list may be old.");
    }
  };
  show();
  return { node, reload };
}

function tokensSection(found) {
  const draw = (tokens, reload) => [
    h(
      "p",
      { class: "hint" },
      "For scripts and programs that call the ",
      h("a", { href: "docs" }, "API"),
      " as you. A token cannot sign in here, nor change this account.",
    ),
    tokens.length > 0 &&
      h(
        "ul",
        { class: "things", role: "list" },
        tokens.map((token) => tokenRow(token, reload)),
      ),
    h(
      "div",
      { class: "actions" },
      h(
        "button",
        { type: "button", class: "button", onclick: async () => (await createToken()) && reload() },
        icon("add"),
        "Create token",
      ),
    ),
  ];
  return listSection({ name: "tokens", title: "API tokens", path: "users/tokens", found, draw }).node;
}

function tokenRow(token, reload) {
  const expired = token.expires_at && Date.parse(token.expires_at) < now();
  return thing({
    key: token.id,
    sign: icon("key"),
    name: token.name,
    detail: [h("code", {}, `${token.prefix}…`), token.scope === "write" ? " Read and write" : " Read only"],
    times: [
      token.last_used_at ? `Used ${ago(token.last_used_at)}` : "Never used",
      token.expires_at ? [expired ? "Expired " : "Expires ", when(token.expires_at)] : "Never expires",
    ],
    button: ["Delete", `Delete token ${token.name}`, () => deleteToken(token, reload)],
  });
}

async function deleteToken(token, reload) {
  const done = await openDialog({
    title: "Delete this token?",
    body: [h("p", {}, h("strong", { dir: "auto" }, token.name), " stops working at once, wherever it is used.")],
    confirm: "Delete token",
    danger: true,
    work: () => call("DELETE", `users/tokens/${token.id}`),
  });
  if (!done) return;
  await reload();
  note(`Token ${token.name} is deleted.`);
}

function sessionsSection(found) {
  const draw = (sessions, reload) => [
    h("p", { class: "hint" }, "Where you are signed in. End what you do not know, and change your password."),
    h(
      "ul",
      { class: "things", role: "list" },
      [...sessions].sort((a, b) => b.is_current - a.is_current).map((session) => sessionRow(session, reload)),
    ),
  ];
  return listSection({ name: "sessions", title: "Sessions", path: "users/sessions", found, draw });
}

function sessionRow(session, reload) {
  const name = deviceName(session.user_agent);
  const end = async () => {
    try {
      await call("DELETE", `users/sessions/${session.id}`);
      await reload();
      note(`${name} is signed out.`);
    } catch (error) {
      noteError(error, `${name} was not signed out.`);
    }
  };
  return thing({
    key: session.id,
    sign: icon("service"),
    name,
    title: session.user_agent,
    detail: session.address,
    times: [
      session.is_current ? h("strong", {}, "This browser") : `Active ${ago(session.last_used_at)}`,
      ["Signed in ", when(session.created_at)],
    ],
    button: session.is_current ? null : ["End", `End session of ${name}`, end],
  });
}

const when = (iso) => h("time", { datetime: iso, title: utc(iso) }, ago(iso));

/** One line of a list: what it is, when, and the button that ends it. */
function thing({ key, sign, name, title = null, detail, times, button }) {
  return h(
    "li",
    { key, class: "thing" },
    sign,
    h("div", {}, h("b", { dir: "auto", title }, name), h("p", { class: "hint" }, detail)),
    h(
      "div",
      { class: "times" },
      times.map((time) => h("p", {}, time)),
    ),
    button &&
      h("button", { type: "button", class: "button small", "aria-label": button[1], onclick: button[2] }, button[0]),
  );
}
