/** Sign in. */

import { get } from "../api.js";
import { setTheme } from "../appearance.js";
import { h } from "../dom.js";
import { signIn } from "../session.js";
import { field, filled, onSubmit, passwordInput } from "../components/field.js";
import { icon, logo } from "../components/icon.js";

/** A warning for a connection that others on the way can read. */
export function plainHttpWarning() {
  if (isSecureContext) return null;
  return h(
    "p",
    { class: "aside" },
    icon("alert"),
    "This connection is not encrypted (plain HTTP). Others on the network can read your password.",
  );
}

/** The theme that the user has chosen for wherever they sign in. */
async function bringTheme() {
  const profile = await get("users/profile").catch(() => null);
  if (profile && profile.data.theme !== "auto") setTheme(profile.data.theme);
}

/** The page. */
export function page() {
  const email = h("input", {
    type: "email",
    name: "email",
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
  });
  const password = passwordInput({ name: "password", autocomplete: "current-password" });
  const form = h(
    "form",
    { class: "card narrow" },
    h("div", { class: "greeting" }, logo(), h("h1", { tabindex: "-1" }, "Sign in"), h("p", {}, "to UptimeHunt")),
    field({ name: "email", label: "Email", control: email }),
    field({ name: "password", label: "Password", control: password }),
    h("div", { class: "actions" }, h("button", { class: "button primary wide", type: "submit" }, "Sign in")),
    plainHttpWarning(),
  );
  onSubmit(form, async () => {
    await signIn(filled({ email: email.value.trim(), password: password.querySelector("input").value }));
    bringTheme();
  });
  queueMicrotask(() => email.focus());
  return h("div", { class: "gate" }, form);
}
