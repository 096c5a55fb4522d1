/** A piece of text to be taken elsewhere: a command, a token. */

import { h } from "../dom.js";
import { announce } from "./announce.js";

/**
 * The text with a button that copies it.
 * @param {string} text
 * @param {string} what it is, for the button's name: "the token"
 */
export function copyBox(text, what) {
  const code = h("code", {}, text);
  const word = h("span", {}, "Copy");
  const press = async () => {
    const done = await copy(text, code);
    word.textContent = done ? "Copied" : "Press Ctrl + C";
    announce(done ? "Copied." : "It is selected. Press Ctrl and C to copy it.");
    setTimeout(() => (word.textContent = "Copy"), 3000);
  };
  return h(
    "div",
    { class: "copy" },
    h("pre", {}, code),
    h("button", { type: "button", class: "button small", onclick: press }, word, h("span", { class: "unseen" }, what)),
  );
}

async function copy(text, node) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // On plain HTTP there is no clipboard object: select it and copy the old way.
    getSelection().selectAllChildren(node);
    return document.execCommand("copy");
  }
}
