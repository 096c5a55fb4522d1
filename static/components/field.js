/**
 * One form field: label, control, hint and errors, tied together for screen readers; and the placing of the API's
 * error details at the fields they are about.
 */

import { h } from "../dom.js";
import { icon } from "./icon.js";

let count = 0;

/** A fresh id for a control and its label. */
export const freshId = () => `f${(count += 1)}`;

/**
 * A field.
 * @param {Object} spec
 * @param {string} spec.name as the API's error details name it
 * @param {string} spec.label
 * @param {HTMLElement} spec.control an input, select or textarea; or `group: true` and an element with several
 * @param {string} [spec.hint]
 * @param {boolean} [spec.required] optional fields are marked, required ones are the rule
 * @param {boolean} [spec.inline] a checkbox before its label
 */
export function field({ name, label, control, hint, required = true, inline = false, extra = null, short = false }) {
  const input = control.matches("input, select, textarea") ? control : control.querySelector("input, select, textarea");
  input.id ||= freshId();
  if (!input.name) input.name = name;
  const hintId = `${input.id}-hint`;
  const text = h(
    "label",
    { for: input.id },
    label,
    !required && !inline && h("span", { class: "optional" }, " (optional)"),
  );
  if (hint) input.setAttribute("aria-describedby", hintId);
  if (required && !inline) input.setAttribute("aria-required", "true");
  return h(
    "div",
    { class: `field${inline ? " inline" : ""}${short ? " short" : ""}`, "data-field": name },
    inline ? [h("span", { class: "line" }, control, text)] : [text, control, extra],
    hint && h("p", { class: "hint", id: hintId }, hint),
  );
}

/** A field of several controls, as `field` otherwise. */
export function manyField({ name, label, hint, control }) {
  return h(
    "fieldset",
    { class: "many", "data-field": name },
    h("legend", {}, label),
    hint && h("p", { class: "hint" }, hint),
    control,
  );
}

/** A body without what was left empty: the API then says "is required". */
export const filled = (body) => Object.fromEntries(Object.entries(body).filter(([, value]) => value !== ""));

/** Take away the errors of the last try. */
export function clearErrors(root) {
  for (const node of root.querySelectorAll(".error-text, .form-error")) node.remove();
  for (const node of root.querySelectorAll("[aria-invalid]")) {
    node.removeAttribute("aria-invalid");
    const rest = (node.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && !id.endsWith("-error"));
    if (rest.length) node.setAttribute("aria-describedby", rest.join(" "));
    else node.removeAttribute("aria-describedby");
  }
}

/**
 * Show an ApiError in a form: each message at its field, the rest above the buttons; the focus goes to the first.
 * @param {HTMLElement} root the form
 * @param {import("../api.js").ApiError} error
 */
function showErrors(root, error) {
  clearErrors(root);
  const left = [];
  for (const [name, messages] of Object.entries(error.details ?? {})) {
    if (!placeError(root, name, messages)) left.push(...messages.map((message) => `${name}: ${message}`));
  }
  const placed = root.querySelector("[aria-invalid]");
  if (left.length || !placed) {
    const text = left.length ? left.join(" ") : error.message;
    const id = error.code === "INTERNAL_ERROR" && error.requestId ? ` Request ${error.requestId}.` : "";
    root
      .querySelector(".actions")
      .before(h("p", { class: "form-error", role: "alert", tabindex: "-1" }, icon("alert"), text + id));
  }
  for (let box = placed?.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
  (placed ?? root.querySelector(".form-error")).focus();
}

function placeError(root, name, messages) {
  // "headers.0.name" finds its own field, else the one of the row, else the one of the list.
  for (let path = name; path; path = path.slice(0, Math.max(0, path.lastIndexOf(".")))) {
    const box = root.querySelector(`[data-field="${CSS.escape(path)}"]`);
    const input = box?.querySelector("input, select, textarea, button");
    if (!input) continue;
    const id = `${(input.id ||= freshId())}-error`;
    const known = document.getElementById(id);
    if (known) known.append(` ${messages.join(" ")}`);
    else box.append(h("p", { class: "error-text", id }, icon("alert"), h("span", {}, messages.join(" "))));
    input.setAttribute("aria-invalid", "true");
    const described = (input.getAttribute("aria-describedby") ?? "").split(" ").filter((part) => part && part !== id);
    input.setAttribute("aria-describedby", [id, ...described].join(" "));
    return true;
  }
  return false;
}

/**
 * A select.
 * @param {Array<[string, string]>} choices value and word of each
 * @param {string} chosen value
 */
export function picker(choices, chosen) {
  return h(
    "select",
    {},
    choices.map(([value, word]) => h("option", { value, selected: value === chosen }, word)),
  );
}

/**
 * A password input with a button that shows what is in it.
 * @param {Object} props of the input
 */
export function passwordInput(props) {
  const input = h("input", { type: "password", ...props });
  const toggle = h(
    "button",
    {
      type: "button",
      class: "quiet",
      "aria-pressed": "false",
      onclick: () => {
        const shown = input.type === "text";
        input.type = shown ? "password" : "text";
        toggle.setAttribute("aria-pressed", String(!shown));
        toggle.textContent = shown ? "Show" : "Hide";
      },
    },
    "Show",
  );
  toggle.setAttribute("aria-label", `Show ${props["data-what"] ?? "the password"}`);
  return h("span", { class: "with-button" }, input, toggle);
}

/**
 * Run a form's submit: one at a time, errors shown at the fields.
 * @param {HTMLFormElement} form
 * @param {(form: HTMLFormElement) => Promise<void>} work
 */
export function onSubmit(form, work) {
  form.noValidate = true;
  form.onsubmit = (event) => {
    event.preventDefault();
    return run(form, form.querySelector("button[type=submit]"), work);
  };
  return form;
}

/**
 * What a button of a form does: once at a time, errors shown at the fields.
 * @param {HTMLFormElement} form
 * @param {HTMLButtonElement} button
 * @param {(form: HTMLFormElement) => Promise<void>} work
 */
export async function run(form, button, work) {
  if (button.getAttribute("aria-busy")) return;
  clearErrors(form);
  button.setAttribute("aria-busy", "true");
  try {
    await work(form);
  } catch (error) {
    if (!error.code) throw error;
    showErrors(form, error);
  } finally {
    button.removeAttribute("aria-busy");
  }
}
