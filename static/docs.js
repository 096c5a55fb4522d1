/** The page at /docs: the OpenAPI document of this server, to be read and searched. */

import { get } from "./api.js";
import { h } from "./dom.js";
import { plural } from "./format.js";
import { announce, announcer } from "./components/announce.js";
import { apiOperation, prose } from "./components/api_operation.js";
import { blank, bones, errorText, reloadButton } from "./components/blank.js";
import { copyBox } from "./components/copy_box.js";
import { icon, logo } from "./components/icon.js";

const METHODS = new Set(["get", "post", "put", "patch", "delete"]);
const DOCUMENT = "openapi.json";

const app = document.getElementById("app");

async function boot() {
  document.getElementById("top").append(frame());
  document.body.append(...announcer());
  app.append(h("h1", { tabindex: "-1" }, "API"), bones("row", "block"));
  try {
    show(await get(DOCUMENT));
  } catch (error) {
    if (!error.code) throw error;
    const sign = icon("alert");
    app.replaceChildren(
      blank({ sign, title: "The document cannot be shown", text: errorText(error), action: reloadButton() }),
    );
  }
}

function frame() {
  return h(
    "div",
    { class: "inside" },
    h("a", { class: "brand", href: "./", "aria-label": "UptimeHunt, overview" }, logo(), h("span", {}, "UptimeHunt")),
    h("a", { class: "button small", href: `api/v1/${DOCUMENT}` }, "OpenAPI document"),
  );
}

function show(root) {
  const base = new URL(root.servers?.[0]?.url.replace(/^\//, "") ?? "", document.baseURI).href;
  const operations = Object.entries(root.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([method]) => METHODS.has(method))
      .map(([method, about]) => ({
        tag: about.tags?.[0] ?? "other",
        ...apiOperation({ method, path, about }, root, base),
      })),
  );
  const groups = [...Map.groupBy(operations, ({ tag }) => tag)].map(([tag, members]) => group(tag, members));
  const filter = filterBox(operations, groups);
  app.replaceChildren(
    h(
      "div",
      { class: "docs" },
      h(
        "nav",
        { "aria-label": "Groups of operations" },
        h(
          "ul",
          {},
          groups.map(({ link }) => link),
        ),
      ),
      h(
        "div",
        { class: "document" },
        introduction(root, base),
        filter.node,
        groups.map(({ node }) => node),
      ),
    ),
  );

  const follow = () => goTo(operations, filter);
  addEventListener("hashchange", follow);
  follow();
  printable(operations);
}

function group(tag, members) {
  const id = `tag-${tag}`;
  const count = h("span", { class: "count" });
  return {
    members,
    count,
    node: h(
      "section",
      { "aria-labelledby": id },
      h("h2", { id, tabindex: "-1" }, tag),
      members.map(({ node }) => node),
    ),
    link: h("li", {}, h("a", { href: `#${id}` }, tag), count),
  };
}

function introduction({ info, components }, base) {
  const prober = components?.securitySchemes?.prober?.name ?? "X-Auth";
  return [
    h("h1", { tabindex: "-1" }, info.title, " ", h("small", {}, info.version)),
    h("p", { class: "lead" }, info.description),
    h(
      "section",
      { class: "card", "aria-labelledby": "authentication" },
      h("h2", { id: "authentication" }, "Authentication"),
      h(
        "ul",
        { class: "ways" },
        h(
          "li",
          {},
          h("b", {}, "Scripts "),
          ...prose("send a personal API token in `Authorization: Bearer uh_…`. Make one on "),
          h("a", { href: "./#/account" }, "your account page"),
          "; it can be for reading only.",
        ),
        h(
          "li",
          {},
          h("b", {}, "Apps "),
          ...prose(
            "sign in with `POST /auth/login` and send the access token the same way. " +
              "It lasts 15 minutes; `POST /auth/refresh` gives the next one.",
          ),
        ),
        h(
          "li",
          {},
          h("b", {}, "Probers "),
          ...prose(`send the token of their probe in \`${prober}\`, never together with the other.`),
        ),
      ),
      copyBox(
        `export UH_TOKEN=uh_…\ncurl '${base}/services' -H "Authorization: Bearer $UH_TOKEN"`,
        "the example",
      ),
      h(
        "p",
        { class: "hint" },
        ...prose(
          "Answers are JSON: `data`, with `meta` where there are pages; an error has `error.code`, `error.message` and, " +
            "by field, `error.details`.",
        ),
      ),
    ),
  ];
}

/** Hides what has not all the words in it. */
function filterBox(operations, groups) {
  const input = h("input", {
    type: "search",
    id: "filter",
    placeholder: "Filter",
    autocomplete: "off",
    oninput: apply,
  });
  const found = h("p", { class: "count" });
  function apply() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const operation of operations) operation.node.hidden = !words.every((word) => operation.words.includes(word));
    for (const { members, node, link, count } of groups) {
      const shown = members.filter((one) => !one.node.hidden).length;
      node.hidden = link.hidden = shown === 0;
      count.textContent = shown;
    }
    const shown = operations.filter(({ node }) => !node.hidden).length;
    const all = plural(operations.length, "operation");
    found.textContent = words.length ? `${shown} of ${all}` : all;
    if (words.length) announce(found.textContent);
  }
  apply();
  return {
    node: h(
      "div",
      { class: "filter" },
      h(
        "div",
        { class: "search" },
        h("label", { for: "filter", class: "unseen" }, "Filter operations by path, name or description"),
        icon("search"),
        input,
      ),
      found,
    ),
    clear() {
      input.value = "";
      apply();
    },
  };
}

/** Open and show what the address names. */
function goTo(operations, filter) {
  const id = location.hash.slice(1);
  const operation = operations.find(({ node }) => node.id === id);
  const place = operation ? operation.node : id && document.getElementById(id);
  if (!place || place === app) return;
  if (!place.checkVisibility()) filter.clear();
  operation?.open();
  place.scrollIntoView();
  (operation ? place.querySelector("summary") : place).focus({ preventScroll: true });
}

/** On paper, everything that the filter shows is open. */
function printable(operations) {
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = operations.filter(({ node }) => !node.hidden && !node.open);
    for (const operation of opened) operation.open();
  });
  addEventListener("afterprint", () => {
    for (const { node } of opened) node.open = false;
  });
}

document.querySelector(".skip").onclick = (event) => {
  event.preventDefault();
  app.focus();
};
boot();
