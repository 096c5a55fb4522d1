/** Our own line icons on a 24 × 24 grid, and the status marks, which differ in shape as well as in colour. */

import { h, svg } from "../dom.js";
import { statusWord } from "../format.js";

const PATHS = {
  add: "M12 5v14M5 12h14",
  alert: "M12 4 2.8 20h18.4zM12 10v4.5M12 17.4v.1",
  back: "M19 12H5M11 6l-6 6 6 6",
  box: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  book: "M12 7c-2-1.8-5-2.3-8-2v13c3-.3 6 .2 8 2 2-1.8 5-2.3 8-2V5c-3-.3-6 .2-8 2zM12 7v13",
  broadcast: "M8 16a5.5 5.5 0 0 1 0-8M16 8a5.5 5.5 0 0 1 0 8M5 19a9.8 9.8 0 0 1 0-14M19 5a9.8 9.8 0 0 1 0 14M12 12v.1",
  calendar: "M4 6h16v14H4zM4 10.5h16M8.5 3.5V7M15.5 3.5V7",
  check: "M5 12.5 10 17.5 19 7",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3.5 2",
  close: "M6 6l12 12M18 6 6 18",
  code: "M8 7l-5 5 5 5M16 7l5 5-5 5M13.5 5l-3 14",
  database:
    "M12 3.5c4.2 0 7 1.3 7 3s-2.8 3-7 3-7-1.3-7-3 2.8-3 7-3zM5 6.5v11c0 1.7 2.8 3 7 3s7-1.3 7-3v-11" +
    "M5 12c0 1.7 2.8 3 7 3s7-1.3 7-3",
  dns: "M4 5h16v5H4zM4 14h16v5H4zM7.5 7.5v.1M7.5 16.5v.1",
  edit: "M4 20h4L19.5 8.5l-4-4L4 16zM13 7l4 4",
  external: "M10 5H5v14h14v-5M14 4h6v6M20 4l-9 9",
  folder: "M3 6h6l2 2.5h10V19H3z",
  globe: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c-5 5-5 13 0 18M12 3c5 5 5 13 0 18",
  heart: "M12 20.5C6 16.2 3 12.8 3 9.2A4.7 4.7 0 0 1 7.7 4.5c1.8 0 3.3.9 4.3 2.5 1-1.6 2.5-2.5 4.3-2.5A4.7 4.7 0 0 1 21 9.2c0 3.6-3 7-9 11.3z",
  key: "M8 11a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM11 12.2 20 4M16.5 7.2l3 3M14 9.4l2 2",
  layers: "M12 3.5l9 4.5-9 4.5L3 8zM3.5 12.2 12 16.5l8.5-4.3M3.5 16.2 12 20.5l8.5-4.3",
  list: "M4 6.5h1.5M4 12h1.5M4 17.5h1.5M9.5 6.5H20M9.5 12H20M9.5 17.5H20",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  mail: "M3 6h18v12.5H3zM3.5 7l8.5 6.5L20.5 7",
  offline: "M3 9.5a13 13 0 0 1 18 0M6.5 13a8 8 0 0 1 11 0M12 18v.1M4 4l16 16",
  pause: "M9 6v12M15 6v12",
  ping: "M3 12h4l3-7 4 14 3-7h4",
  plug: "M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4",
  resume: "M8 5.5v13l10.5-6.5z",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5 20 20",
  service: "M4 7h16v10H4zM8 21h8M12 17v4",
  shield: "M12 3l7.5 2.8v5.7c0 4.4-3 7.7-7.5 9.5-4.5-1.8-7.5-5.1-7.5-9.5V5.8z",
  swap: "M5 8.5h14M15.5 5 19 8.5 15.5 12M19 16H5M8.5 12.5 5 16l3.5 3.5",
  terminal: "M3 5h18v14H3zM7 9.5l3 2.5-3 2.5M12.5 15H17",
  trash: "M4 7h16M9 7V4h6v3M6.5 7l1 13h9l1-13M10 11v5.5M14 11v5.5",
  user: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4.5 20c1-4 4-5.5 7.5-5.5s6.5 1.5 7.5 5.5",
};

/** The drawing for a service type or its `icon`, where it does not bear its name; an unknown one gets a plain one. */
const TYPE_ICONS = {
  activity: "heart",
  api: "code",
  bolt: "swap",
  certificate: "lock",
  container: "box",
  cube: "box",
  docker: "box",
  domain: "calendar",
  file: "folder",
  group: "layers",
  grpc: "code",
  heartbeat: "heart",
  http: "globe",
  https: "globe",
  icmp: "ping",
  message: "broadcast",
  mqtt: "broadcast",
  network: "plug",
  ntp: "clock",
  port: "plug",
  radio: "broadcast",
  server: "dns",
  socket: "swap",
  ssh: "terminal",
  steps: "list",
  tcp: "plug",
  time: "clock",
  tls: "lock",
  udp: "plug",
  web: "globe",
  websocket: "swap",
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

/**
 * The icon of a service type.
 * @param {string} name what the type calls it
 * @param {string} [type] one that we have a drawing of its own for gets that
 */
export const typeIcon = (name, type) => icon(TYPE_ICONS[type] ?? TYPE_ICONS[name] ?? name);

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
