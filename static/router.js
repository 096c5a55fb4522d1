/**
 * From the part of the address after # to a page. A page module exports `page({params, query, signal})`, which returns
 * the element to show at once; it loads what it needs by itself and stops when `signal` aborts.
 */

import { backLink, blank, reloadButton } from "./components/blank.js";
import { icon } from "./components/icon.js";

/** THE table: pattern, page module, title, who may see it. */
const ROUTES = [
  { path: "/", load: () => import("./pages/overview.js"), title: "Overview" },
  { path: "/login", load: () => import("./pages/login.js"), title: "Sign in", open: true },
  { path: "/welcome", load: () => import("./pages/register.js"), title: "Welcome", open: true },
  { path: "/account", load: () => import("./pages/account.js"), title: "Account" },
  { path: "/services/new", load: () => import("./pages/service_edit.js"), title: "Add a service" },
  { path: "/services/:id", load: () => import("./pages/service.js"), title: "Service" },
  { path: "/services/:id/edit", load: () => import("./pages/service_edit.js"), title: "Edit service" },
];

const scrolls = new Map();
let entry = 0;
let leave = null;
let outlet = null;
let mayOpen = () => true;

/** The path and query that the address asks for now, such as "/services/12". */
export function current() {
  const [path, query = ""] = location.hash.slice(1).split("?");
  return { path: path.startsWith("/") ? path : "/", query: new URLSearchParams(query) };
}

/** Go to a path; `replace` leaves no trace in the history. */
export function go(path, { replace = false } = {}) {
  if (location.hash === `#${path}`) show();
  else if (replace) location.replace(`#${path}`);
  else location.hash = path;
}

function match(path) {
  for (const route of ROUTES) {
    const names = [];
    const pattern = route.path.replace(/:(\w+)/g, (_, name) => names.push(name) && "([^/]+)");
    const found = new RegExp(`^${pattern}/?$`).exec(path);
    if (found) return { route, params: Object.fromEntries(names.map((name, i) => [name, found[i + 1]])) };
  }
  return { route: { load: async () => ({ page: notFound }), title: "Not found", open: true }, params: {} };
}

function notFound() {
  return blank({
    sign: icon("search"),
    title: "This page does not exist",
    text: "The address may be mistyped, or the page has moved.",
    action: backLink(),
  });
}

/**
 * Start routing.
 * @param {HTMLElement} element where pages go
 * @param {(route: Object) => boolean} allowed false when the reader was sent elsewhere
 */
export function start(element, allowed) {
  outlet = element;
  mayOpen = allowed;
  history.scrollRestoration = "manual";
  addEventListener("hashchange", show);
  show();
}

/** Draw the page of the address. */
export async function show() {
  const { path, query } = current();
  const { route, params } = match(path);
  if (!mayOpen(route)) return;
  const first = leave === null;
  leave?.abort();
  const controller = (leave = new AbortController());
  scrolls.set(entry, scrollY);
  const known = history.state?.entry;
  entry = known ?? Math.max(0, ...scrolls.keys()) + 1;
  let module;
  try {
    module = await route.load();
  } catch (error) {
    return failed(error);
  }
  if (controller.signal.aborted) return;
  history.replaceState({ entry }, "");
  setTitle(route.title);
  outlet.replaceChildren(module.page({ params, query, signal: controller.signal }));
  scrollTo(0, known === undefined ? 0 : (scrolls.get(known) ?? 0));
  // A screen reader is told where it is; on the first page it reads from the top anyway.
  if (!first && !outlet.contains(document.activeElement))
    (outlet.querySelector("h1") ?? outlet).focus({ preventScroll: true });
}

/** A module that cannot be loaded belongs to a version that is gone (an upgrade): load the new one, once. */
function failed(error) {
  if (!history.state?.reloaded) {
    history.replaceState({ ...history.state, reloaded: true }, "");
    location.reload();
    return;
  }
  console.error(error);
  outlet.replaceChildren(
    blank({
      sign: icon("offline"),
      title: "This page could not be loaded",
      text: "The server cannot be reached, or it is being upgraded.",
      action: reloadButton(),
    }),
  );
}

let pageTitle = "";
let trouble = 0;

/** Set the page's part of the window title. */
export function setTitle(title) {
  pageTitle = title;
  writeTitle();
}

/**
 * Show trouble in the window title and the favicon.
 * @param {number} down how many services are down
 * @param {string} worst status of all
 */
export function setTrouble(down, worst) {
  trouble = down;
  writeTitle();
  const name = { down: "favicon-down", degraded: "favicon-degraded" }[worst] ?? "favicon";
  const href = new URL(`./icons/${name}.svg`, import.meta.url).href;
  const link = document.getElementById("favicon");
  if (link.href !== href) link.href = href;
}

function writeTitle() {
  const title = `${trouble ? `(${trouble} down) ` : ""}${pageTitle === "Overview" ? "" : `${pageTitle} · `}UptimeHunt`;
  if (document.title !== title) document.title = title;
}
