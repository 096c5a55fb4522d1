/**
 * A control for a piece of JSON Schema: `{node, read()}`. `read` gives the JSON value, or undefined for "left empty".
 * Which control it is follows from the schema alone, so that a new service type needs nothing here.
 */

import { h } from "../dom.js";
import { plain } from "../schema.js";
import { showWhen } from "./conditions.js";
import { field, freshId, manyField, passwordInput } from "./field.js";
import { icon } from "./icon.js";

/** How the choices of configs are written, where it is not the plain word. */
const WORDS = {
  all: "All",
  any: "Any",
  cron: "Cron expression",
  doh: "DNS over HTTPS",
  dot: "DNS over TLS",
  gt: "More than",
  gte: "At least",
  in: "One of",
  lt: "Less than",
  lte: "At most",
  mtls: "Client certificate",
  oauth2: "OAuth 2",
  postgres: "PostgreSQL",
};
const ACRONYMS = new Set("dns ftp http https imap json ldap pop3 smtp ssh starttls tcp tls udp xml".split(" "));
const UNCHANGED = "Unchanged";

/**
 * The control for a schema.
 * @param {Object} schema as `plain` gives it
 * @param {*} value what is set now, or undefined
 * @param {{root: Object, name: string, isSet?: boolean, choices?: Array<[*, string]>}} about `isSet`: a secret that the
 *   server keeps to itself; `choices`: value and word of each item that a list can have
 */
export function control(schema, value, about) {
  const choices = choicesOf(schema);
  if (choices) return choice(schema, choices, value);
  if (schema.type === "boolean") return toggle(schema, value);
  if (schema.writeOnly) return secret(schema, about.isSet);
  if (Array.isArray(schema.type)) return loose(schema, value);
  if (schema.type === "integer" || schema.type === "number") return number(schema, value);
  if (schema.type === "array") {
    if (about.choices) return several(about, value);
    const items = plain(schema.items ?? {}, about.root);
    return items.properties ? rows(items, value, about) : list(schema, value, [items]);
  }
  const array = schema.anyOf?.map((one) => plain(one, about.root)).find((one) => one.type === "array");
  if (array)
    return list(
      schema,
      value,
      [...schema.anyOf, array.items ?? {}].flatMap((one) => one.anyOf ?? [one]),
    );
  if (schema.type === "string") return text(schema, value);
  return json(schema, value);
}

function choicesOf(schema) {
  if (schema.enum) return schema.enum.map((value) => ({ const: value }));
  if (schema.oneOf?.every((one) => "const" in one)) return schema.oneOf;
  return null;
}

function choice(schema, choices, value) {
  const isOne = choices.some((one) => one.const === value) || (schema.nullable && value === null);
  const now = isOne ? value : schema.default;
  const all =
    schema.nullable && !choices.some((one) => one.const === null)
      ? [{ const: null, title: "None" }, ...choices]
      : choices;
  const node = h(
    "select",
    {},
    all.map((one, i) =>
      h("option", { value: i, selected: one.const === (now ?? null) }, one.title ?? words(one.const)),
    ),
  );
  return { node, read: () => all[node.value]?.const ?? undefined };
}

function words(value) {
  const text = String(value);
  if (Object.hasOwn(WORDS, text)) return WORDS[text];
  if (ACRONYMS.has(text)) return text.toUpperCase();
  return /^[a-z]+(_[a-z]+)*$/.test(text) && text.length > 3
    ? (text[0].toUpperCase() + text.slice(1)).replaceAll("_", " ")
    : text;
}

function toggle(schema, value) {
  const node = h("input", { type: "checkbox", class: "switch" });
  node.checked = value ?? schema.default ?? false;
  return { node, inline: true, read: () => node.checked };
}

function number(schema, value) {
  const node = h("input", {
    type: "number",
    inputmode: "decimal",
    min: schema.minimum,
    max: schema.maximum,
    step: schema.type === "integer" ? 1 : "any",
    placeholder: schema.default ?? null,
  });
  node.value = value ?? schema.default ?? "";
  // What is no number is passed on as it is: the server says what it wants.
  return {
    node,
    short: true,
    read: () => (node.value.trim() === "" ? (node.validity.badInput ? "?" : undefined) : Number(node.value)),
  };
}

function text(schema, value) {
  const props = {
    placeholder: schema.examples?.[0] ?? schema["x-placeholder"] ?? null,
    autocomplete: "off",
    spellcheck: "false",
    dir: "auto",
  };
  const isUrl = schema.format === "uri";
  const node = schema["x-multiline"]
    ? h("textarea", { rows: 4, ...props })
    : h("input", { type: "text", inputmode: isUrl ? "url" : null, autocapitalize: isUrl ? "none" : null, ...props });
  node.value = value ?? schema.default ?? "";
  // Blanks can matter (a keyword), but not around an address, and not alone.
  return { node, read: () => (isUrl ? node.value.trim() : node.value.trim() && node.value) || undefined };
}

/** A text, number, truth value or list, whichever it looks like: 5, true, ["a", "b"], anything else. */
function loose(schema, value) {
  const now = value ?? schema.default ?? "";
  const { node } = text({ ...schema, default: "" }, typeof now === "string" ? quoted(now) : JSON.stringify(now));
  return { node, read: () => (node.value.trim() ? loosely(node.value) : undefined) };
}

function loosely(text) {
  try {
    return JSON.parse(text) ?? text;
  } catch {
    return text;
  }
}

/** A text that would be taken for a number or the like, in quotes. */
const quoted = (text) => (typeof loosely(text) === "string" ? text : JSON.stringify(text));

/** A secret is never sent to the page: empty keeps what is set, "Remove" takes it away. */
function secret(schema, isSet) {
  const placeholder = isSet ? UNCHANGED : null;
  const node = schema["x-multiline"]
    ? h(
        "span",
        { class: "secret-lines" },
        h("textarea", { rows: 4, class: "code", autocomplete: "off", spellcheck: "false", placeholder }),
      )
    : passwordInput({ autocomplete: "new-password", placeholder, "data-what": schema.title });
  const input = node.querySelector("input, textarea");
  let removed = false;
  if (isSet) {
    const button = h(
      "button",
      {
        type: "button",
        class: "quiet",
        onclick: () => {
          removed = !removed;
          input.value = "";
          input.disabled = removed;
          input.placeholder = removed ? "Will be removed when you save" : UNCHANGED;
          name();
        },
      },
    );
    const name = () => {
      button.textContent = removed ? "Keep" : "Remove";
      button.setAttribute("aria-label", `${button.textContent} ${schema.title}`);
    };
    name();
    node.append(button);
  }
  return { node, read: () => (removed ? null : input.value || undefined) };
}

/** A list of things that there are: a box to tick for each. */
function several({ name, choices }, value) {
  const now = [value ?? []].flat();
  const boxes = choices.map(([one, word]) => {
    const input = h("input", { type: "checkbox", name });
    input.checked = now.includes(one);
    return { one, input, node: h("label", {}, input, h("span", { dir: "auto" }, word)) };
  });
  const node = h(
    "div",
    { class: "boxes" },
    boxes.length ? boxes.map(({ node }) => node) : h("p", { class: "hollow" }, "There is nothing to choose from yet."),
  );
  return {
    node,
    many: true,
    read: () => boxes.filter(({ input }) => input.checked).map(({ one }) => one),
  };
}

/**
 * A list in one line ("200, 201, 2xx"), or a line each for values that may have commas in them. What looks like a number
 * is one where the schema knows numbers.
 */
function list(schema, value, kinds) {
  const numbers = kinds.some((kind) => kind.type === "integer" || kind.type === "number");
  const example = kinds.some((kind) => kind.type === "string") && numbers ? "200, 201, 2xx" : null;
  const isLines = schema["x-multiline"];
  const [between, separators] = isLines ? ["\n", /\n+/] : [", ", /[,;\n]+/];
  const props = {
    autocomplete: "off",
    spellcheck: "false",
    dir: "auto",
    placeholder: schema.examples?.flat().join(between) ?? example,
  };
  const node = isLines ? h("textarea", { rows: 3, ...props }) : h("input", { type: "text", ...props });
  node.value = [value ?? schema.default ?? []].flat().join(between);
  const single = kinds.some((kind) => kind.type === "integer") && schema.anyOf;
  return {
    node,
    read() {
      const parts = node.value
        .split(separators)
        .map((part) => part.trim())
        .filter(Boolean)
        .map((part) => (numbers && /^-?\d+$/.test(part) ? Number(part) : part));
      if (parts.length === 0) return undefined;
      return single && parts.length === 1 && typeof parts[0] === "number" ? parts[0] : parts;
    },
  };
}

/** A list of objects: one line each, with add and remove. */
function rows(items, value, { root, name }) {
  const lines = [];
  const box = h("div", { class: "table-rows" });
  const word = items.title?.toLowerCase() ?? "row";
  const addButton = h(
    "button",
    { type: "button", class: "button small", onclick: () => add().node.querySelector("input, select").focus() },
    icon("add"),
    `Add ${word}`,
  );

  function add(one = {}) {
    const cells = ordered(items, root, 0).map(([key, spec]) => {
      const made = control(spec, one[key], { root, name: key, isSet: one[`has_${key}`] });
      const about = { name: key, label: spec.title ?? key, inline: made.inline, control: made.node };
      const node = made.many ? manyField(about) : field(about);
      return { name: key, spec, control: made.node, read: made.read, inline: made.inline, node };
    });
    showWhen(cells);
    const remove = h(
      "button",
      {
        type: "button",
        class: "quiet round",
        "aria-label": `Remove this ${word}`,
        onclick: () => {
          lines.splice(lines.indexOf(line), 1);
          line.node.remove();
          number();
          addButton.focus();
        },
      },
      icon("close"),
    );
    const node = h(
      "div",
      { class: `table-row${cells.length > 3 ? " long" : ""}`, role: "group" },
      cells.map((cell) => cell.node),
      remove,
    );
    const line = { node, cells, isSet: Object.keys(one).some((key) => key.startsWith("has_")) };
    hideValue(cells, one);
    lines.push(line);
    box.append(node);
    number();
    return line;
  }

  /** Names follow the position, as the API's error details do: headers.0.name. */
  function number() {
    lines.forEach(({ node, cells }, i) => {
      node.dataset.field = `${name}.${i}`;
      node.setAttribute("aria-label", `${word} ${i + 1}`);
      cells.forEach((cell) => (cell.node.dataset.field = `${name}.${i}.${cell.name}`));
    });
  }

  for (const one of value ?? []) add(one);
  return {
    node: h("div", {}, box, addButton),
    many: true,
    read() {
      for (const line of [...lines]) {
        const blank = line.cells.every(({ inline, read }) => inline || read() === undefined);
        if (!blank || line.isSet) continue;
        lines.splice(lines.indexOf(line), 1);
        line.node.remove();
      }
      number();
      if (lines.length === 0) return undefined;
      return lines.map(({ cells }) =>
        Object.fromEntries(
          cells
            .filter(({ node }) => !node.hidden)
            .map((cell) => [cell.name, cell.read()])
            .filter(([, one]) => one !== undefined),
        ),
      );
    },
  };
}

/**
 * The fields of an object with their schemas, in the order that they ask for.
 * @param {number} usual where those stand that do not ask
 * @returns {Array<[string, Object]>}
 */
export function ordered(schema, root, usual) {
  const place = ([, spec], i) => spec["x-order"] ?? usual + i / 100;
  return Object.entries(schema.properties ?? {})
    .map(([name, raw]) => [name, plain(raw, root)])
    .map((entry, i) => [...entry, place(entry, i)])
    .sort((a, b) => a[2] - b[2]);
}

/** In a row with a "secret" switch, the value beside it is dotted out. */
function hideValue(cells, one) {
  const flag = cells.find(({ name }) => name === "secret")?.control;
  const input = cells.find(({ name }) => name === "value")?.control;
  if (!flag || !input?.matches("input")) return;
  const apply = () => (input.type = flag.checked ? "password" : "text");
  input.autocomplete = "new-password";
  if (one.has_value) input.placeholder = "Set – leave empty to keep";
  flag.onchange = apply;
  apply();
}

/** What no other control fits. */
function json(schema, value) {
  const now = value ?? schema.default;
  const node = h("textarea", { rows: 4, class: "code", spellcheck: "false", id: freshId() });
  node.value = now === undefined || now === null ? "" : JSON.stringify(now, null, 2);
  return {
    node,
    read() {
      if (!node.value.trim()) return undefined;
      try {
        return JSON.parse(node.value);
      } catch {
        return node.value;
      }
    },
  };
}
