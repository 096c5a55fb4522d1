/**
 * A control for a piece of JSON Schema: `{node, read()}`. `read` gives the JSON value, or undefined for "left empty".
 * Which control it is follows from the schema alone, so that a new service type needs nothing here.
 */

import { h } from "../dom.js";
import { plain } from "../schema.js";
import { field, freshId, passwordInput } from "./field.js";
import { icon } from "./icon.js";

/**
 * The control for a schema.
 * @param {Object} schema as `plain` gives it
 * @param {*} value what is set now, or undefined
 * @param {{root: Object, name: string, isSet?: boolean}} about `isSet`: a secret that the server keeps to itself
 */
export function control(schema, value, about) {
  const choices = choicesOf(schema);
  if (choices) return choice(schema, choices, value);
  if (schema.type === "boolean") return toggle(schema, value);
  if (schema.writeOnly) return secret(schema, about.isSet);
  if (schema.type === "integer" || schema.type === "number") return number(schema, value);
  if (schema.type === "array") {
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
  const now = value ?? schema.default;
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

/** A secret is never sent to the page: empty keeps what is set, "Remove" takes it away. */
function secret(schema, isSet) {
  const node = passwordInput({
    autocomplete: "new-password",
    placeholder: isSet ? "Set – leave empty to keep" : null,
    "data-what": schema.title,
  });
  const input = node.querySelector("input");
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
          input.placeholder = removed ? "Will be removed when you save" : "Set – leave empty to keep";
          button.textContent = removed ? "Keep" : "Remove";
        },
      },
      "Remove",
    );
    node.append(button);
  }
  return { node, read: () => (removed ? null : input.value || undefined) };
}

/** A list in one line: "200, 201, 2xx". What looks like a number is one where the schema knows numbers. */
function list(schema, value, kinds) {
  const numbers = kinds.some((kind) => kind.type === "integer" || kind.type === "number");
  const example = kinds.some((kind) => kind.type === "string") && numbers ? "200, 201, 2xx" : null;
  const node = h("input", {
    type: "text",
    autocomplete: "off",
    spellcheck: "false",
    dir: "auto",
    placeholder: schema.examples?.flat().join(", ") ?? example,
  });
  node.value = [value ?? schema.default ?? []].flat().join(", ");
  const single = kinds.some((kind) => kind.type === "integer") && schema.anyOf;
  return {
    node,
    read() {
      const parts = node.value
        .split(/[,;\n]+/)
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
    const cells = Object.entries(items.properties).map(([key, raw]) => {
      const schema = plain(raw, root);
      return { key, schema, ...control(schema, one[key], { root, name: key, isSet: one[`has_${key}`] }) };
    });
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
      { class: "table-row", role: "group" },
      cells.map(({ node: cell, key, schema, inline }) =>
        field({ name: key, label: schema.title ?? key, control: cell, inline }),
      ),
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
      cells.forEach(({ key, node: cell }) => (cell.closest(".field").dataset.field = `${name}.${i}.${key}`));
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
        Object.fromEntries(cells.map(({ key, read }) => [key, read()]).filter(([, one]) => one !== undefined)),
      );
    },
  };
}

/** In a row with a "secret" switch, the value beside it is dotted out. */
function hideValue(cells, one) {
  const flag = cells.find(({ key }) => key === "secret")?.node;
  const input = cells.find(({ key }) => key === "value")?.node;
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
