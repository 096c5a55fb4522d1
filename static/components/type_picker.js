/** What to watch: a radio button for each service type, by category, with a filter when there are many. */

import { h } from "../dom.js";
import { plural } from "../format.js";
import { freshId } from "./field.js";
import { icon, typeIcon } from "./icon.js";

const FEW = 8;
const USUAL = "http";
const CATEGORIES = {
  web: "Web",
  network: "Network",
  security: "Certificates",
  mail: "Mail",
  database: "Databases",
  messaging: "Messaging",
  files: "Files",
  container: "Containers",
  passive: "Passive",
};
const ORDER = Object.keys(CATEGORIES);

const titleOf = (category) => CATEGORIES[category] ?? category[0].toUpperCase() + category.slice(1);

/**
 * Draw it.
 * @param {Array<{type: string, name: string, description: string, category: string, icon: string}>} types
 * @param {string} chosen
 * @param {(type: string) => void} changed called with each choice, also on the way there with the arrow keys
 * @returns {HTMLFieldSetElement}
 */
export function typePicker(types, chosen, changed) {
  const usualFirst = types.toSorted((a, b) => (b.type === USUAL) - (a.type === USUAL));
  const options = usualFirst.map((one) => option(one, one.type === chosen, () => choose(one)));
  const sections = [...Map.groupBy(options, ({ kind }) => kind.category)]
    .sort(([a], [b]) => rank(a) - rank(b))
    .map(([category, members]) => section(titleOf(category), members));
  const about = h("p", { class: "hint about", id: freshId() });
  const none = h("p", { class: "hollow", hidden: true });
  const found = h("p", { class: "unseen", role: "status" });

  function choose(kind) {
    about.replaceChildren(h("b", {}, kind.name), " ", kind.description);
    changed(kind.type);
  }

  function filter(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    for (const one of options) one.node.hidden = !words.every((word) => one.text.includes(word));
    for (const { node, members } of sections) node.hidden = members.every((one) => one.node.hidden);
    const count = options.filter((one) => !one.node.hidden).length;
    none.hidden = count > 0;
    none.textContent = `Nothing matches “${text}”.`;
    found.textContent = words.length ? plural(count, "type") : "";
  }

  /** From the filter into the list: Enter takes the first that is left, the arrow goes to it. */
  function onkeydown(event) {
    const first = options.find((one) => !one.node.hidden)?.input;
    if (event.key === "Enter") event.preventDefault();
    if ((event.key !== "Enter" && event.key !== "ArrowDown") || !first) return;
    event.preventDefault();
    const isOnFirst = first.checked;
    first.focus();
    if (!isOnFirst) first.click();
  }

  const first = types.find((one) => one.type === chosen);
  about.append(h("b", {}, first.name), " ", first.description);
  for (const { input } of options) input.setAttribute("aria-describedby", about.id);
  return h(
    "fieldset",
    { class: "types card group-box", "data-field": "type" },
    h("legend", {}, "What to watch"),
    types.length > FEW &&
      h(
        "div",
        { class: "search" },
        icon("search"),
        h("input", {
          type: "search",
          "aria-label": "Filter types",
          placeholder: "Filter",
          autocomplete: "off",
          spellcheck: "false",
          oninput: (event) => filter(event.target.value.trim()),
          onkeydown,
        }),
        found,
      ),
    h(
      "div",
      { class: "kinds" },
      h(
        "div",
        { class: "kind-columns" },
        sections.map(({ node }) => node),
      ),
      none,
    ),
    about,
  );
}

/** Where a category stands; one that nobody has named here comes before the last. */
const rank = (category) => (ORDER.includes(category) ? ORDER.indexOf(category) : ORDER.length - 1.5);

function option(kind, isChosen, chosen) {
  const input = h("input", { type: "radio", name: "type", value: kind.type, onchange: chosen });
  input.checked = isChosen;
  const node = h("label", {}, input, h("span", {}, typeIcon(kind.icon, kind.type), kind.name));
  const text = [kind.type, kind.name, kind.description, titleOf(kind.category)].join(" ").toLowerCase();
  return { kind, input, node, text };
}

function section(title, members) {
  const id = freshId();
  const node = h(
    "div",
    { class: "kind-group", role: "group", "aria-labelledby": id },
    h("p", { id }, title),
    members.map((one) => one.node),
  );
  return { node, members };
}
