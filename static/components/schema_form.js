/** The fields of a JSON Schema: in the order and the groups that its hints ask for. */

import { h } from "../dom.js";
import { plain } from "../schema.js";
import { control } from "./controls.js";
import { field } from "./field.js";

const GROUP_TITLES = {
  request: "Request",
  auth: "Authentication",
  expect: "What to expect",
  tls: "TLS",
  advanced: "Advanced",
};

/**
 * Draw fields.
 * @param {Object} schema a JSON Schema (2020-12) of an object; `x-order`, `x-group`, `x-multiline` and `x-when`
 *   ({field: value or values}: shown only then) are ours
 * @param {Object} [values] what is set now; `has_<key>: true` says that a secret is
 * @returns {{main: Node[], groups: Object<string, Node[]>, read: () => Object}} fields without a group and all that are
 *   required, the rest by group
 */
export function schemaFields(schema, values = {}) {
  const required = new Set(schema.required ?? []);
  const entries = Object.entries(schema.properties ?? {})
    .map(([name, raw], i) => ({ name, spec: plain(raw, schema), place: raw["x-order"] ?? 50 + i / 100 }))
    .filter(({ spec }) => !("const" in spec) && !spec.readOnly)
    .sort((a, b) => a.place - b.place)
    .map(({ name, spec }) => draw(name, spec, required.has(name)));

  function draw(name, spec, isRequired) {
    const made = control(spec, values[name], { root: schema, name, isSet: values[`has_${name}`] });
    const about = {
      name,
      label: spec.title ?? name,
      hint: spec.description,
      required: isRequired || !isBlank(spec.default),
    };
    const node = made.many
      ? manyField(about, made)
      : field({ ...about, control: made.node, inline: made.inline, short: made.short });
    return { name, spec, node, read: made.read };
  }

  const conditions = entries.filter(({ spec }) => spec["x-when"]);
  function applyConditions() {
    for (const { node, spec } of conditions) {
      node.hidden = !Object.entries(spec["x-when"]).every(([name, wanted]) =>
        [wanted].flat().includes(entries.find((entry) => entry.name === name)?.read()),
      );
    }
  }
  for (const name of new Set(conditions.flatMap(({ spec }) => Object.keys(spec["x-when"])))) {
    entries.find((entry) => entry.name === name)?.node.addEventListener("change", applyConditions);
  }
  applyConditions();

  const main = [];
  const groups = {};
  for (const { name, node, spec } of entries) {
    const group = spec["x-group"];
    // What must be filled in comes first, wherever it belongs.
    if (!group || required.has(name)) main.push(node);
    else (groups[group] ??= []).push(node);
  }
  return {
    main,
    groups,
    read: () =>
      Object.fromEntries(
        entries
          .filter(({ node }) => !node.hidden)
          .map(({ name, read }) => [name, read()])
          .filter(([, value]) => value !== undefined),
      ),
  };
}

/** Nothing, as a default: the field may stay empty. */
const isBlank = (value) => value === undefined || value === null || value.length === 0;

function manyField({ name, label, hint }, { node }) {
  return h(
    "fieldset",
    { class: "many", "data-field": name },
    h("legend", {}, label),
    hint && h("p", { class: "hint" }, hint),
    node,
  );
}

/**
 * A titled group; "advanced" is closed until it is asked for.
 * @param {string} name of the group
 * @param {Node[]} fields
 */
export function fieldGroup(name, fields) {
  const title = GROUP_TITLES[name] ?? name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");
  if (name === "advanced")
    return h("details", { class: "card group-box" }, h("summary", {}, title), h("div", { class: "fields" }, fields));
  return h("fieldset", { class: "card group-box" }, h("legend", {}, title), h("div", { class: "fields" }, fields));
}
