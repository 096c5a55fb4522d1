/**
 * The last 24 hours as a row of strokes: colour and shape say the status, height the response time. One path a status
 * instead of one node a stroke keeps a page of 100 services light.
 */

import { svg } from "../dom.js";
import { clock, milliseconds, now, statusWord } from "../format.js";
import { hideTip, showTip } from "./tooltip.js";

const STEP = 6;
const WIDTH = 4;
const HEIGHT = 28;
const FULL = new Set(["down", "degraded", "maintenance"]);

/**
 * Draw it.
 * @param {{values: Array<number|null>, statuses: Array<string|null>}} line oldest first
 * @returns {SVGElement}
 */
export function dayBar(line) {
  const { values, statuses } = line;
  const slowest = Math.max(1, ...values.filter((value) => value !== null));
  const paths = {};
  statuses.forEach((status, i) => {
    const value = values[i];
    const kind = status ?? "none";
    const share = value === null ? 0 : value / slowest;
    const height = kind === "none" ? WIDTH : FULL.has(kind) ? HEIGHT : Math.round(10 + 12 * share);
    paths[kind] = `${paths[kind] ?? ""}M${i * STEP + 2} ${HEIGHT - 2}V${HEIGHT - height + 2}`;
  });
  return svg(
    "svg",
    {
      class: "day",
      viewBox: `0 0 ${statuses.length * STEP - 2} ${HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": summary(statuses),
      onpointermove: (event) => readOut(event, line),
      onpointerleave: hideTip,
    },
    Object.entries(paths).map(([kind, d]) => svg("path", { class: kind, d, key: kind })),
  );
}

function summary(statuses) {
  const known = statuses.filter((status) => status !== null);
  if (known.length === 0) return "Last 24 hours: no checks yet";
  const count = (status) => known.filter((one) => one === status).length;
  const parts = ["down", "degraded", "maintenance"]
    .filter(count)
    .map((status) => `${statusWord(status).toLowerCase()} in ${count(status)}`);
  return parts.length ? `Last 24 hours: ${parts.join(", ")} of ${known.length} parts` : "Last 24 hours: no trouble";
}

function readOut(event, { values, statuses, from, interval_seconds }) {
  const box = event.currentTarget.getBoundingClientRect();
  const index = Math.min(
    statuses.length - 1,
    Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * statuses.length)),
  );
  const length = (interval_seconds ?? 86400 / statuses.length) * 1000;
  const start = (from ? Date.parse(from) : now() - length * statuses.length) + index * length;
  const status = statuses[index];
  const lines = [`${clock(start)} – ${clock(start + length)}`, status === null ? "No checks" : statusWord(status)];
  if (values[index] !== null) lines.push(`${milliseconds(values[index])} on average`);
  showTip(box.left + ((index + 0.5) / statuses.length) * box.width, box.top, lines);
}
