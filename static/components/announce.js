/** Words for those who do not see the change: a polite live region, and short notes in the corner. */

import { h } from "../dom.js";
import { icon } from "./icon.js";

const region = h("p", { class: "unseen", role: "status", "aria-live": "polite" });
const notes = h("div", { class: "notes" });

/** The nodes that the shell puts into the page once. */
export const announcer = () => [region, notes];

/** Say something to screen readers, after what they are saying now. */
export function announce(text) {
  region.replaceChildren(text);
}

/**
 * Show a short note and say it.
 * @param {string} text one sentence
 * @param {{trouble?: boolean}} [options] trouble stays until it is closed
 */
export function note(text, { trouble = false } = {}) {
  const close = () => element.remove();
  const element = h(
    "div",
    { class: trouble ? "note trouble" : "note" },
    icon(trouble ? "alert" : "check"),
    h("span", {}, text),
    h(
      "button",
      { class: "quiet round", type: "button", "aria-label": "Close this note", onclick: close },
      icon("close"),
    ),
  );
  notes.append(element);
  announce(text);
  if (!trouble) setTimeout(close, 5000);
}

/** Say what went wrong with an action, with the id to find it in the log when the fault is the server's. */
export function noteError(error, action) {
  const id = error.code === "INTERNAL_ERROR" && error.requestId ? ` Request ${error.requestId}.` : "";
  note(`${action} ${error.message}${id}`, { trouble: true });
}
