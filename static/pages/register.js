/** First run: the first account, which becomes the administrator's. */

import { h } from "../dom.js";
import { register } from "../session.js";
import { field, filled, onSubmit, passwordInput } from "../components/field.js";
import { logo } from "../components/icon.js";
import { plainHttpWarning } from "./login.js";

/** The page. */
export function page() {
  const email = h("input", { type: "email", autocomplete: "username", autocapitalize: "none", spellcheck: "false" });
  const first = h("input", { autocomplete: "given-name" });
  const last = h("input", { autocomplete: "family-name" });
  const password = passwordInput({ autocomplete: "new-password" });
  const form = h(
    "form",
    { class: "card narrow" },
    h(
      "div",
      { class: "greeting" },
      logo(),
      h("h1", { tabindex: "-1" }, "Welcome to UptimeHunt"),
      h("p", {}, "Create the administrator's account. It stays on this server."),
    ),
    field({ name: "email", label: "Email", control: email }),
    field({ name: "password", label: "Password", control: password, hint: "At least 8 characters." }),
    h(
      "div",
      { class: "pair" },
      field({ name: "first_name", label: "First name", control: first, required: false }),
      field({ name: "last_name", label: "Last name", control: last, required: false }),
    ),
    h("div", { class: "actions" }, h("button", { class: "button primary wide", type: "submit" }, "Create the account")),
    plainHttpWarning(),
  );
  onSubmit(form, () =>
    register(
      filled({
        email: email.value.trim(),
        password: password.querySelector("input").value,
        first_name: first.value.trim(),
        last_name: last.value.trim(),
      }),
    ),
  );
  queueMicrotask(() => email.focus());
  return h("div", { class: "gate" }, form);
}
