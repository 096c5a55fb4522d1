/** Pages and places with nothing to show: why, and what to do about it; and what stands in while it loads. */

import { h } from "../dom.js";
import { icon } from "./icon.js";

/**
 * Centred words in place of content.
 * @param {Object} spec
 * @param {Node} spec.sign an icon or a mark
 * @param {string} spec.title
 * @param {number} [spec.level] of its heading
 * @param {string} spec.text
 * @param {Node} [spec.action] a link or a button
 */
export function blank({ sign, title, level = 1, text, action }) {
  const heading = h(`h${level}`, { tabindex: "-1" }, title);
  return h("section", { class: "blank", key: `blank ${title}` }, sign, heading, h("p", {}, text), action);
}

/** The way back. */
export const backLink = () => h("a", { class: "button", href: "#/" }, "Back to the overview");

/** Instead of a service that is not there. */
export const noService = () =>
  blank({
    sign: icon("search"),
    title: "This service does not exist",
    text: "It may have been deleted.",
    action: backLink(),
  });

/** A button that loads the page anew. */
export const reloadButton = () =>
  h("button", { class: "button", type: "button", onclick: () => location.reload() }, "Try again");

/** An ApiError as a sentence, with the id to find it in the log. */
export const errorText = ({ message, requestId }) => `${message}${requestId ? ` Request ${requestId}.` : ""}`;

/**
 * Grey shapes in place of what is on its way.
 * @param {...("title"|"row"|"block")} shapes
 */
export function bones(...shapes) {
  const pieces = shapes.map((shape) => h("div", { class: `bone ${shape}` }));
  return h("div", { class: "bones", key: "bones", "aria-busy": "true", "aria-label": "Loading" }, pieces);
}
