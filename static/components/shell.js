/** What surrounds every page: brand, account menu, the banner for a lost connection, the live region. */

import { setTheme, theme, THEMES } from "../appearance.js";
import { h, morph } from "../dom.js";
import { changes, signOut, user } from "../session.js";
import { connection } from "../poll.js";
import { announcer, announce, noteError } from "./announce.js";
import { icon, logo } from "./icon.js";

/** Mark the present theme: the account page changes it too. */
function showTheme({ currentTarget }) {
  for (const input of currentTarget.querySelectorAll("input")) input.checked = input.value === theme();
}

function account() {
  const name = [user.first_name, user.last_name].filter(Boolean).join(" ");
  const close = () => document.getElementById("account").hidePopover();
  const leave = () => {
    close();
    signOut().catch((error) => noteError(error, "You are signed out here, but the server was not told."));
  };
  return [
    h(
      "button",
      { class: "quiet account", type: "button", popovertarget: "account", "aria-label": "Account and appearance" },
      icon("user"),
    ),
    h(
      "div",
      { id: "account", class: "menu", popover: "auto", ontoggle: showTheme },
      h("p", { class: "who" }, name && h("strong", { dir: "auto" }, name), h("span", { dir: "auto" }, user.email)),
      h(
        "fieldset",
        { class: "segments" },
        h("legend", {}, "Appearance"),
        Object.entries(THEMES).map(([value, label]) =>
          h(
            "label",
            {},
            h("input", { type: "radio", name: "theme", value, onchange: () => setTheme(value) }),
            h("span", {}, label),
          ),
        ),
      ),
      h(
        "ul",
        { class: "ways-out" },
        h("li", {}, h("a", { class: "quiet", href: "#/account", onclick: close }, icon("user"), "Account")),
        h("li", {}, h("a", { class: "quiet", href: "docs" }, icon("book"), "API")),
      ),
      h("button", { type: "button", class: "wide", onclick: leave }, "Sign out"),
    ),
  ];
}

function header() {
  return h(
    "header",
    { class: "top" },
    h(
      "div",
      { class: "inside" },
      h("a", { class: "brand", href: "#/", "aria-label": "UptimeHunt, overview" }, logo(), h("span", {}, "UptimeHunt")),
      user && account(),
    ),
  );
}

/** The banner: what is shown may be old. It counts down to the next try. */
function banner() {
  const line = h("span", {});
  const element = h(
    "div",
    { class: "banner", hidden: true },
    icon("offline"),
    line,
    h("button", { type: "button", onclick: connection.retry }, "Try now"),
  );
  let timer = 0;
  const tick = () => {
    const wait = Math.round((connection.lost.retryAt - Date.now()) / 1000);
    line.textContent = `Connection lost. What you see may be old. ${wait > 0 ? `Trying again in ${wait} s.` : "Trying again…"}`;
  };
  connection.addEventListener("change", () => {
    const lost = Boolean(connection.lost);
    if (element.hidden === lost) announce(lost ? "Connection lost. What you see may be old." : "Connected again.");
    element.hidden = !lost;
    clearInterval(timer);
    if (!lost) return;
    tick();
    timer = setInterval(tick, 1000);
  });
  return element;
}

/** The frame of the page, to be put above <main> once. */
export function shell() {
  const top = header();
  for (const event of ["change", "update"]) changes.addEventListener(event, () => morph(top, header()));
  const frame = document.createDocumentFragment();
  frame.append(top, banner(), ...announcer());
  return frame;
}
