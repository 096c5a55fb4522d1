/** Words for those who do not see the change: a polite live region, and short notes in the corner. */

import { h } from "../dom.js";
import { icon } from "./icon.js";

const region = h("p", { class: "unseen", role: "status", "aria-live": "polite" });
const notes = h("div", { class: "notes" });
let latest = null;

/** The nodes that the shell puts into the page once. */
export const announcer = () => [region, notes];

/** Say something to screen readers, after what they are saying now. */
export function announce(text) {
  region.replaceChildren(text);
}

/**
 * Show a short note and say it. It takes the place of the last one, which is no news any more.
 * @param {string} text one sentence
 * @param {{trouble?: boolean, sign?: Node}} [options] trouble stays until it is closed; `sign` in place of the tick
 */
export function note(text, { trouble = false, sign = icon(trouble ? "alert" : "check") } = {}) {
  const close = () => element.remove();
  const element = h(
    "div",
    { class: trouble ? "note trouble" : "note" },
    sign,
    h("span", {}, text),
    h(
      "button",
      { class: "quiet round", type: "button", "aria-label": "Close this note", onclick: close },
      icon("close"),
    ),
  );
  notes.append(element);
  announce(text);
  if (trouble) return;
  latest?.remove();
  latest = element;
  setTimeout(close, 5000);
}

/**
 * Say what has come of what a note is about: it takes the place of the note, if that is still there.
 * @param {string} text one sentence
 * @param {Node} sign
 */
export function followUp(text, sign) {
  if (latest?.isConnected) note(text, { sign });
  else announce(text);
}

/** Say what went wrong with an action, with the id to find it in the log when the fault is the server's. */
export function noteError(error, action) {
  const id = error.code === "INTERNAL_ERROR" && error.requestId ? ` Request ${error.requestId}.` : "";
  note(`${action} ${error.message}${id}`, { trouble: true });
}
