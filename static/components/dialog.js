/** Modal questions, on the browser's own <dialog>: it keeps the focus inside and gives it back. */

import { h } from "../dom.js";
import { onSubmit } from "./field.js";

/**
 * Open a dialog with a form.
 * @param {Object} spec
 * @param {string} spec.title
 * @param {Array<Node|string|null>} spec.body
 * @param {string} spec.confirm the button that does it
 * @param {boolean} [spec.danger]
 * @param {Node} [spec.more] a further button at the left
 * @param {string|null} [spec.cancel] null: what it shows is not seen again, so only `confirm` and Escape close it
 * @param {(form: HTMLFormElement) => Promise<*>} [spec.work] runs on confirm; an ApiError keeps the dialog open
 * @returns {Promise<*>} what `work` gave, or null when it was cancelled
 */
export function openDialog({ title, body, confirm, danger = false, more = null, cancel = "Cancel", work }) {
  return new Promise((resolve) => {
    let answer = null;
    const form = h(
      "form",
      {},
      h("h2", { id: "dialog-title" }, title),
      body,
      h(
        "div",
        { class: "actions" },
        more,
        cancel && h("button", { type: "button", class: "button", onclick: () => dialog.close() }, cancel),
        h("button", { type: "submit", class: `button ${danger ? "danger" : "primary"}` }, confirm),
      ),
    );
    const dialog = h(
      "dialog",
      {
        "aria-labelledby": "dialog-title",
        onclose: () => {
          dialog.remove();
          resolve(answer);
        },
      },
      form,
    );
    onSubmit(form, async () => {
      answer = (await work?.(form)) ?? true;
      dialog.close();
    });
    // A press outside closes it, as people expect; one that began inside does not.
    dialog.onpointerdown = (event) => cancel && event.target === dialog && dialog.close();
    addEventListener("hashchange", () => dialog.close(), { once: true });
    document.body.append(dialog);
    dialog.showModal();
    if (danger) form.querySelector(".actions button").focus();
  });
}
