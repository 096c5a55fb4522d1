/** Our own line icons on a 24 × 24 grid, and the status marks, which differ in shape as well as in colour. */

import { h, svg } from "../dom.js";
import { statusWord } from "../format.js";

const PATHS = {
  add: "M12 5v14M5 12h14",
  alert: "M12 4 2.8 20h18.4zM12 10v4.5M12 17.4v.1",
  back: "M19 12H5M11 6l-6 6 6 6",
  book: "M12 7c-2-1.8-5-2.3-8-2v13c3-.3 6 .2 8 2 2-1.8 5-2.3 8-2V5c-3-.3-6 .2-8 2zM12 7v13",
  check: "M5 12.5 10 17.5 19 7",
  close: "M6 6l12 12M18 6 6 18",
  dns: "M4 5h16v5H4zM4 14h16v5H4zM7.5 7.5v.1M7.5 16.5v.1",
  edit: "M4 20h4L19.5 8.5l-4-4L4 16zM13 7l4 4",
  external: "M10 5H5v14h14v-5M14 4h6v6M20 4l-9 9",
  folder: "M3 6h6l2 2.5h10V19H3z",
  globe: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c-5 5-5 13 0 18M12 3c5 5 5 13 0 18",
  key: "M8 11a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM11 12.2 20 4M16.5 7.2l3 3M14 9.4l2 2",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  offline: "M3 9.5a13 13 0 0 1 18 0M6.5 13a8 8 0 0 1 11 0M12 18v.1M4 4l16 16",
  pause: "M9 6v12M15 6v12",
  ping: "M3 12h4l3-7 4 14 3-7h4",
  plug: "M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4",
  resume: "M8 5.5v13l10.5-6.5z",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5 20 20",
  service: "M4 7h16v10H4zM8 21h8M12 17v4",
  trash: "M4 7h16M9 7V4h6v3M6.5 7l1 13h9l1-13M10 11v5.5M14 11v5.5",
  user: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4.5 20c1-4 4-5.5 7.5-5.5s6.5 1.5 7.5 5.5",
};

/** The drawing of a service type's `icon` name (or category); an unknown one gets a plain one. */
const TYPE_ICONS = {
  http: "globe",
  https: "globe",
  web: "globe",
  globe: "globe",
  ping: "ping",
  icmp: "ping",
  activity: "ping",
  tcp: "plug",
  udp: "plug",
  plug: "plug",
  network: "plug",
  port: "plug",
  dns: "dns",
  server: "dns",
  database: "dns",
  tls: "lock",
  lock: "lock",
  certificate: "lock",
  shield: "lock",
};

/**
 * A line icon, hidden from screen readers: the control beside it has the words.
 * @param {string} name a key of PATHS
 */
export function icon(name) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" },
    svg("path", { d: PATHS[name] ?? PATHS.service }),
  );
}

/** The icon of a service type. */
export const typeIcon = (name) => icon(TYPE_ICONS[name] ?? "service");

const DISC = "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1z";
const MARKS = {
  operational: [DISC, "M4.8 8.3 7.1 10.5 11.3 5.8"],
  degraded: ["M8 1.3 15.3 14.5H.7z", "M8 6v3.6M8 12v.1"],
  down: ["M4.8 1h6.4L15 4.8v6.4L11.2 15H4.8L1 11.2V4.8z", "M5.5 5.5l5 5M10.5 5.5l-5 5"],
  paused: [DISC, "M6.3 5.3v5.4M9.7 5.3v5.4"],
  maintenance: ["M8 .8 15.2 8 8 15.2.8 8z", "M8 5v3.6M8 10.9v.1"],
  pending: ["M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2z", "M8 5v3l2 1.5"],
};

/** The mark of a status without its word. */
export function mark(status) {
  const [shape, sign] = MARKS[status] ?? MARKS.pending;
  return svg(
    "svg",
    { class: `mark ${status}`, viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("path", { class: "shape", d: shape }),
    svg("path", { class: "sign", d: sign }),
  );
}

/** Mark and word together: a status is never told by colour alone. */
export function statusBadge(status) {
  return h("span", { class: `status ${status}` }, mark(status), h("span", { class: "word" }, statusWord(status)));
}

/** The sign of the product: rings closing in on a pulse. */
export function logo() {
  return svg(
    "svg",
    { class: "logo", viewBox: "0 0 32 32", "aria-hidden": "true" },
    svg("path", { class: "ring", d: "M27.5 11A12.5 12.5 0 1 1 21 4.5" }),
    svg("path", { class: "pulse", d: "M7 17h4.5l3-7 4 12 2.5-5h4" }),
    svg("circle", { class: "spot", cx: "25.5", cy: "6.5", r: "2.5" }),
  );
}
