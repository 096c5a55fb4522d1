/** The fields of a JSON Schema: in the order and the groups that its hints ask for. */

import { h } from "../dom.js";
import { showWhen } from "./conditions.js";
import { control, ordered } from "./controls.js";
import { field, manyField } from "./field.js";

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
 * @param {Object<string, Array<[*, string]>>} [choices] for a list by its name: value and word of each item there is
 * @returns {{main: Node[], groups: Object<string, Node[]>, read: () => Object, changed: () => Object}} `main`: fields
 *   without a group, all that are required, and what a request always has; `groups`: the rest; `changed`: what is read
 *   without the values that nobody chose
 */
export function schemaFields(schema, values = {}, choices = {}) {
  const required = new Set(schema.required ?? []);
  const entries = ordered(schema, schema, 50)
    .filter(([, spec]) => !("const" in spec) && !spec.readOnly)
    .map(([name, spec]) => draw(name, spec, required.has(name)));

  function draw(name, spec, isRequired) {
    const more = { root: schema, name, isSet: values[`has_${name}`], choices: choices[name] };
    const made = control(spec, values[name], more);
    const about = {
      name,
      label: spec.title ?? name,
      hint: spec.description,
      required: isRequired || !isBlank(spec.default),
    };
    const node = made.many
      ? manyField({ ...about, control: made.node })
      : field({ ...about, control: made.node, inline: made.inline, short: made.short });
    return { name, spec, node, read: made.read };
  }

  showWhen(entries);

  const main = new Map();
  const groups = Object.fromEntries(Object.keys(GROUP_TITLES).map((group) => [group, []]));
  // What must be filled in comes first, wherever it belongs, and with it what every request has.
  const isMain = ({ name, spec }) => {
    const group = spec["x-group"];
    if (!group || required.has(name)) return true;
    const bound = Object.keys(spec["x-when"] ?? {});
    const isUsual = !isBlank(spec.default) && spec.default !== "none";
    return group === "request" && (isUsual || (bound.length > 0 && bound.every((one) => main.has(one))));
  };
  for (const entry of entries) {
    if (isMain(entry)) main.set(entry.name, entry.node);
    else (groups[entry.spec["x-group"]] ??= []).push(entry.node);
  }
  const read = () =>
    entries
      .filter(({ node }) => !node.hidden)
      .map(({ name, spec, read }) => [name, read(), spec.default])
      .filter(([, value]) => value !== undefined);
  return {
    main: [...main.values()],
    groups: Object.fromEntries(Object.entries(groups).filter(([, nodes]) => nodes.length)),
    read: () => Object.fromEntries(read()),
    changed: () => Object.fromEntries(read().filter(([, value, usual]) => !isSame(value, usual))),
  };
}

const isSame = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** Nothing, as a default: the field may stay empty. */
const isBlank = (value) => value === undefined || value === null || value.length === 0;

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
