/** One operation of an OpenAPI document: a line that opens; what is in it is drawn when it is opened first. */

import { h } from "../dom.js";
import { example, fieldsOf, limits, plain, typeName, values } from "../schema.js";
import { copyBox } from "./copy_box.js";

const DEEPEST = 8;
const ACCESS = { bearer: "Needs a Bearer token.", prober: "Needs the token of a probe in X-Auth." };
const HEADERS = { bearer: "Authorization: Bearer $UH_TOKEN", prober: "X-Auth: $UPTIMEHUNT_PROBE_TOKEN" };

/** Text with `code` in it. */
export function prose(text) {
  return text.split("`").map((part, i) => (i % 2 ? h("code", {}, part) : part));
}

/**
 * Draw it.
 * @param {{method: string, path: string, about: Object}} operation `about` as the document has it
 * @param {Object} root the document
 * @param {string} base the address that paths are below
 * @returns {{node: HTMLDetailsElement, words: string, open: () => void}} `words`: what a filter looks in
 */
export function apiOperation({ method, path, about }, root, base) {
  const id = about.operationId;
  const body = h("div", { class: "inside-operation" });
  const fill = () => body.firstChild || body.append(...details({ method, path, about }, root, base).filter(Boolean));
  const node = h(
    "details",
    { id, class: "operation", ontoggle: () => node.open && fill() },
    h(
      "summary",
      // The address leads back to what is being read; the history is not filled with it.
      { onclick: () => node.open || history.replaceState(null, "", `#${id}`) },
      h(
        "h3",
        {},
        h("span", { class: `method ${method}` }, method.toUpperCase()),
        " ",
        h("code", { class: "path" }, softly(path)),
        " ",
        h("span", { class: "about" }, about.summary, about.deprecated && h("em", {}, " (deprecated)")),
      ),
    ),
    body,
  );
  const parameters = (about.parameters ?? []).map(({ name }) => name);
  return {
    node,
    words: [method, path, id, about.summary, about.description, ...parameters].join(" ").toLowerCase(),
    open() {
      fill();
      node.open = true;
    },
  };
}

/** A path that may break after each slash. */
const softly = (path) => path.split(/(?<=\/)/).flatMap((part) => [part, h("wbr", {})]);

function details({ method, path, about }, root, base) {
  const request = about.requestBody?.content["application/json"];
  const answers = Object.entries(about.responses);
  const isError = ([status]) => Number(status) >= 400;
  return [
    about.description !== about.summary && h("p", {}, prose(about.description)),
    h(
      "p",
      { class: "hint" },
      accessWords(about),
      " ",
      h("a", { href: `#${about.operationId}`, "aria-label": `Link to ${about.operationId}` }, about.operationId),
    ),
    copyBox(curl({ method, path, about, request }, root, base), "the curl command"),
    about.parameters?.length > 0 && [h("h4", {}, "Parameters"), parameterTable(about.parameters, root)],
    request && [
      h("h4", {}, "Request body", !about.requestBody.required && h("span", { class: "optional" }, " (optional)")),
      shape(request.schema, root, (required) => required && mustBe()),
    ],
    answers.filter((one) => !isError(one)).map(([status, answer]) => success(status, answer, about, root)),
    h("h4", {}, "Errors"),
    h(
      "ul",
      { class: "statuses" },
      answers.filter(isError).map(([status, { description }]) => h("li", {}, h("b", {}, status), ` ${description}`)),
    ),
  ].flat(2);
}

/** Who may call: in the server's words where the document has them, else by what has to be sent. */
function accessWords(about) {
  const schemes = (about.security ?? []).flatMap((one) => Object.keys(one));
  const needed = schemes.length
    ? schemes.map((name) => ACCESS[name] ?? `Needs ${name}.`).join(" ")
    : "No token needed.";
  return about["x-access"] ? `${needed} For ${about["x-access"]}.` : needed;
}

function success(status, { description, content }, about, root) {
  const schema = content?.["application/json"]?.schema;
  return [
    h("h4", {}, `Response ${status}`),
    schema
      ? shape(schema, root, (required) => !required && mayLack())
      : h("p", {}, description === about.summary ? "Without a body." : prose(description)),
    content?.["text/csv"] && h("p", {}, "As CSV with ", h("code", {}, "Accept: text/csv"), "."),
  ];
}

function parameterTable(parameters, root) {
  return h(
    "table",
    { class: "parameters" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["Name", "In", "Type", "Meaning"].map((title) => h("th", { scope: "col" }, title)),
      ),
    ),
    h(
      "tbody",
      {},
      parameters.map(({ name, in: place, required, description, schema }) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, h("code", {}, name)),
          h("td", { class: "type" }, place),
          h("td", {}, typeOf(schema, root), required && [" ", mustBe()]),
          h("td", {}, description && h("p", {}, prose(description)), facts(schema, root)),
        ),
      ),
    ),
  );
}

const mustBe = () => h("span", { class: "must" }, "required");
const mayLack = () => h("span", { class: "type" }, "– may be missing");

/** The type; that a parameter which may be left out may also be null is no news. */
function typeOf(schema, root) {
  return h("span", { class: "type" }, typeName(schema, root).replace(/ or null$/, ""));
}

/** Values, limits, default. */
function facts(raw, root) {
  const allowed = values(raw, root);
  const known = limits(raw, root).join(", ");
  const preset = plain(raw, root).default ?? "";
  const words = [
    allowed?.map((one) => [h("code", {}, written(one)), " "]),
    known && `${known[0].toUpperCase()}${known.slice(1)}. `,
    preset !== "" && ["Default ", h("code", {}, written(preset))],
  ].filter(Boolean);
  return words.length > 0 && h("p", { class: "hint" }, words);
}

const written = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/**
 * A body: what it is, then its fields and what is inside them.
 * @param {Object} schema
 * @param {Object} root the document
 * @param {(required: boolean) => Node|false} presence a mark for fields that must be sent, or that may be missing
 */
function shape(schema, root, presence) {
  const { description } = plain(schema, root);
  const fields = fieldsOf(schema, root);
  return h(
    "div",
    { class: "shape" },
    description && h("p", {}, prose(description)),
    fields.length ? fieldList(fields, root, presence) : h("p", { class: "hint" }, typeName(schema, root)),
  );
}

function fieldList(fields, root, presence, depth = 0) {
  return h(
    "ul",
    {},
    fields.map(({ name, schema, required }) => {
      const { description } = plain(schema, root);
      const inside = depth < DEEPEST ? fieldsOf(schema, root) : [];
      return h(
        "li",
        {},
        h(
          "p",
          {},
          h("code", { class: "field-name" }, name),
          " ",
          h("span", { class: "type" }, typeName(schema, root)),
          " ",
          presence(required),
        ),
        description && h("p", {}, prose(description)),
        facts(schema, root),
        inside.length > 0 && fieldList(inside, root, presence, depth + 1),
      );
    }),
  );
}

/** A command that can be pasted: the token comes from the environment. */
function curl({ method, path, about, request }, root, base) {
  const parameters = about.parameters ?? [];
  const sample = ({ name, schema }) => {
    const value = example(schema, root);
    return value === "…" ? name.toUpperCase() : String(value);
  };
  const url = path.replace(/\{(\w+)\}/g, (_, name) => sample(parameters.find((one) => one.name === name)));
  const query = parameters.filter((one) => one.in === "query" && one.required);
  const search = new URLSearchParams(query.map((one) => [one.name, sample(one)])).toString();
  const scheme = (about.security ?? []).flatMap((one) => Object.keys(one)).find((name) => HEADERS[name]);
  return [
    `curl ${method === "get" ? "" : `-X ${method.toUpperCase()} `}${quoted(base + url + (search && `?${search}`))}`,
    scheme && `-H "${HEADERS[scheme]}"`,
    request && `-H 'Content-Type: application/json'`,
    request && `-d ${quoted(JSON.stringify(request.example ?? example(request.schema, root)))}`,
  ]
    .filter(Boolean)
    .join(" \\\n  ");
}

/** For a shell. */
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
