/** One tooltip for the whole page, for read-outs that are also there as text or as a table. */

import { h } from "../dom.js";

const tip = h("div", { class: "tip", "aria-hidden": "true", hidden: true });

/**
 * Show lines above a point of the window.
 * @param {number} x
 * @param {number} y
 * @param {Array<Node|string>} lines the first one is the heading
 */
export function showTip(x, y, lines) {
  if (!tip.isConnected) document.body.append(tip);
  tip.replaceChildren(...lines.map((line, i) => (line instanceof Node ? line : h(i ? "span" : "strong", {}, line))));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, x - box.width / 2), document.documentElement.clientWidth - box.width - 8);
  const top = y - box.height - 10 < 8 ? y + 22 : y - box.height - 10;
  tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}

/** Hide it. */
export function hideTip() {
  tip.hidden = true;
}

addEventListener("scroll", hideTip, { passive: true, capture: true });
addEventListener("hashchange", hideTip);
addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
