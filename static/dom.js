/**
 * Makes nodes and updates them in place. Only text nodes ever carry data: nothing here, or in any
 * other file, parses HTML. Pages draw the whole tree they want with `h` and `morph` changes only what differs, so a
 * refresh keeps focus, selection, scroll position and open <details>.
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an HTML element.
 * @param {string} tag
 * @param {Object<string, *>} [props] attributes; `on…` functions are handlers, `key` names it among its siblings for
 *   `morph`, `css` sets custom properties. null and false leave out.
 * @param {...(Node|string|number|Array|null|false)} children
 * @returns {HTMLElement}
 */
export function h(tag, props, ...children) {
  return build(document.createElement(tag), props, children);
}

/** Make an SVG element; arguments as for `h`. */
export function svg(tag, props, ...children) {
  return build(document.createElementNS(SVG, tag), props, children);
}

function build(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) {
      node[name] = value;
      (node.handlers ??= {})[name] = value;
    } else if (name === "key") {
      node.key = value;
    } else if (name === "css") {
      node.styled = true;
      for (const [property, text] of Object.entries(value)) node.style.setProperty(property, text);
    } else {
      node.setAttribute(name, value === true ? "" : value);
    }
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/**
 * A place in a rendered tree for a node with a life of its own (a chart, an input), which refreshes leave alone.
 * @param {Node} node always the same one
 */
export function slot(node) {
  const place = h("div", { class: "slot" });
  place.holds = node;
  return place;
}

/**
 * Make `content` the content of `root`, changing only what differs.
 * @param {HTMLElement} root
 * @param {...(Node|string|Array|null|false)} content a fresh tree, used up
 */
export function render(root, ...content) {
  keepFocus(root, () => {
    morphChildren(root, h("div", {}, content));
    for (const place of root.querySelectorAll(".slot")) {
      if (place.firstChild !== place.holds) place.replaceChildren(place.holds);
    }
  });
}

/** Put other content into `root` as it is, such as a form that was being loaded. */
export function swap(root, ...content) {
  keepFocus(root, () => root.replaceChildren(...content));
}

/** When what had the focus is gone, a heading takes it: it must not fall back to the top of the page. */
function keepFocus(root, change) {
  const focused = root.contains(document.activeElement);
  change();
  if (focused && !root.contains(document.activeElement))
    root.querySelector("h1, h2[tabindex]")?.focus({ preventScroll: true });
}

/**
 * Change `from` until it equals `to`; `to` is used up.
 * @param {Node} from a node in the page
 * @param {Node} to a fresh tree
 * @returns {Node} the node that is now in the page
 */
export function morph(from, to) {
  if (!alike(from, to)) {
    from.replaceWith(to);
    return to;
  }
  if (from.nodeType === Node.TEXT_NODE) {
    if (from.data !== to.data) from.data = to.data;
  } else if (!to.holds) {
    morphAttributes(from, to);
    morphChildren(from, to);
  }
  return from;
}

function alike(a, b) {
  return a.nodeName === b.nodeName && a.key === b.key;
}

function morphAttributes(from, to) {
  for (const name of from.getAttributeNames()) {
    // The reader opens a <details>, not the refresh.
    if (name !== "open" && name !== "style" && !to.hasAttribute(name)) from.removeAttribute(name);
  }
  for (const name of to.getAttributeNames()) {
    const value = to.getAttribute(name);
    if (name !== "style" && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  // Through the CSSOM: the content security policy refuses style attributes.
  if (to.styled && from.style.cssText !== to.style.cssText) from.style.cssText = to.style.cssText;
  for (const name in from.handlers) from[name] = null;
  for (const name in to.handlers) from[name] = to.handlers[name];
  from.handlers = to.handlers;
}

function morphChildren(from, to) {
  const wanted = new Set(Array.from(to.childNodes, (child) => child.key));
  const keyed = new Map();
  for (const child of [...from.childNodes]) {
    if (child.key === undefined) continue;
    if (wanted.has(child.key)) keyed.set(child.key, child);
    else child.remove();
  }
  let here = from.firstChild;
  for (const want of [...to.childNodes]) {
    const have = want.key === undefined ? here : keyed.get(want.key);
    if (!have || !alike(have, want)) {
      from.insertBefore(want, here);
      continue;
    }
    if (have === here) here = here.nextSibling;
    else move(from, have, here);
    morph(have, want);
  }
  while (here) {
    const next = here.nextSibling;
    here.remove();
    here = next;
  }
}

/** Move a child; the focus stays in it (`moveBefore` where the browser has it keeps it by itself). */
function move(parent, child, before) {
  if (parent.moveBefore) {
    parent.moveBefore(child, before);
    return;
  }
  const focused = child.contains(document.activeElement) ? document.activeElement : null;
  parent.insertBefore(child, before);
  focused?.focus({ preventScroll: true });
}
