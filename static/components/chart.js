/**
 * Response times over a period: the average as a line, up to the 95th percentile as a band, parts with failures shaded.
 * A read-out follows the pointer or the arrow keys; the same figures stand in a table below.
 */

import { h, svg } from "../dom.js";
import { ago, clock, exactClock, milliseconds, plural } from "../format.js";
import { runs, tickLabel, timeTicks, valueLabel, valueTicks } from "./scale.js";
import { hideTip, showTip } from "./tooltip.js";

const HEIGHT = 260;
const EDGE = { top: 14, right: 12, bottom: 30, left: 58 };

/**
 * Make an empty chart.
 * @returns {{element: HTMLElement, update: (answer: {data: Object[], meta: Object}, service: Object) => void}} `update`
 *   takes an answer of metrics/response-times, and whose it is
 */
export function responseChart() {
  const drawing = svg("svg", { class: "chart", "aria-hidden": "true", height: HEIGHT });
  const plot = h(
    "div",
    {
      class: "plot",
      role: "slider",
      tabindex: "0",
      "aria-label": "Response time read-out",
      "aria-orientation": "horizontal",
    },
    drawing,
  );
  const summary = h("p", { class: "summary" });
  const table = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Response times as a table" });
  const details = h("details", { class: "numbers" }, h("summary", {}, "Show as a table"), table);
  const element = h("div", { class: "response" }, plot, summary, details);
  let body = null;
  let space = null;
  let at = null;

  function draw() {
    const width = Math.round(plot.clientWidth);
    if (!body || width === 0) return;
    space = layout(body, width);
    drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    drawing.setAttribute("width", width);
    drawing.replaceChildren(...axes(space), ...failures(space), ...lines(space), empty(space));
    if (details.open) table.replaceChildren(numbers(body));
    point(at, false);
  }

  /** Show the read-out of one part; null hides it. */
  function point(index, shown = true) {
    drawing.querySelector(".cursor")?.remove();
    at = index;
    plot.setAttribute("aria-valuemin", "0");
    plot.setAttribute("aria-valuemax", String(Math.max(0, body.data.length - 1)));
    plot.setAttribute("aria-valuenow", String(Math.max(0, index ?? body.data.length - 1)));
    plot.setAttribute("aria-valuetext", readOut(body, index ?? body.data.length - 1).join(", "));
    if (index === null || !body.data[index]) return;
    const x = space.x(index);
    const bucket = body.data[index];
    drawing.append(
      svg(
        "g",
        { class: "cursor" },
        svg("path", { d: `M${x} ${EDGE.top}V${HEIGHT - EDGE.bottom}` }),
        bucket.avg !== null && svg("circle", { cx: x, cy: space.y(bucket.avg), r: 4 }),
      ),
    );
    if (!shown) return;
    const box = plot.getBoundingClientRect();
    showTip(box.left + x, box.top + EDGE.top, readOut(body, index));
  }

  plot.onpointermove = (event) => {
    if (space && body.data.length) point(space.nearest(event.clientX - plot.getBoundingClientRect().left));
  };
  plot.onpointerleave = plot.onblur = () => {
    hideTip();
    if (space) point(null);
  };
  plot.onkeydown = (event) => {
    const last = body ? body.data.length - 1 : -1;
    const step = {
      ArrowLeft: -1,
      ArrowDown: -1,
      ArrowRight: 1,
      ArrowUp: 1,
      PageUp: 10,
      PageDown: -10,
      Home: -Infinity,
      End: Infinity,
    }[event.key];
    if (step === undefined || last < 0) return;
    event.preventDefault();
    point(Math.min(last, Math.max(0, (at ?? last) + step)));
  };
  details.ontoggle = draw;
  new ResizeObserver(draw).observe(plot);

  return {
    element,
    update({ data, meta }, service) {
      const read = body?.data[at]?.timestamp;
      // Parts without checks are no points: between two checks of a slow rhythm there are many.
      const next = { data: data.filter(({ checks }) => checks > 0), meta, every: service.interval_seconds };
      const found = next.data.findIndex(({ timestamp }) => timestamp === read);
      at = found < 0 ? null : found;
      body = next;
      summary.textContent = summarise(next, service);
      draw();
    },
  };
}

function layout({ data, meta, every }, width) {
  const from = Date.parse(meta.from ?? data[0]?.timestamp);
  const to = Date.parse(meta.to ?? data.at(-1)?.timestamp);
  const half = ((meta.interval_seconds ?? 0) * 1000) / 2;
  const known = data.flatMap(({ avg, p95 }) => [avg, p95]).filter((value) => value !== null && value !== undefined);
  const values = known.length ? valueTicks(Math.max(...known)) : [0, 1];
  const reach = Math.max(half * 2, every * 1500);
  const inner = width - EDGE.left - EDGE.right;
  const place = (time) => EDGE.left + Math.min(1, Math.max(0, (time - from) / Math.max(1, to - from))) * inner;
  const times = data.map(({ timestamp }) => Date.parse(timestamp) + half);
  return {
    data,
    width,
    from,
    to,
    values,
    place,
    known: known.length > 0,
    runs: runs(
      data.map(({ avg }, i) => ({ value: avg, at: times[i] })),
      reach,
    ),
    // What was found holds until the next check.
    until: (i) => place(times[i + 1] - times[i] <= reach ? times[i + 1] - half : times[i] + half),
    since: (i) => place(times[i] - half),
    x: (i) => Math.round(place(times[i]) * 10) / 10,
    y: (value) =>
      Math.round((HEIGHT - EDGE.bottom - (value / values.at(-1)) * (HEIGHT - EDGE.top - EDGE.bottom)) * 10) / 10,
    nearest: (x) =>
      times.reduce((best, time, i) => (Math.abs(place(time) - x) < Math.abs(place(times[best]) - x) ? i : best), 0),
  };
}

function axes({ values, known, width, from, to, y, place }) {
  const { ticks, step } = timeTicks(from, to, Math.max(2, Math.floor(width / 110)));
  return [
    ...(known ? values : [0]).map((value) =>
      svg(
        "g",
        { class: value === 0 ? "axis base" : "axis" },
        svg("path", { d: `M${EDGE.left} ${y(value)}H${width - EDGE.right}` }),
        known &&
          svg("text", { x: EDGE.left - 10, y: y(value) + 4, "text-anchor": "end" }, valueLabel(value, values.at(-1))),
      ),
    ),
    ...ticks.map((at) =>
      svg(
        "text",
        {
          class: "tick",
          x: Math.min(Math.max(place(at), EDGE.left + 14), width - 24),
          y: HEIGHT - 8,
          "text-anchor": "middle",
        },
        tickLabel(at, step),
      ),
    ),
  ];
}

function failures({ data, since, until }) {
  return data.flatMap(({ checks, failures: failed }, i) => {
    if (failed === 0) return [];
    const x = Math.round(since(i));
    const at = { x, width: Math.max(3, Math.round(until(i)) - x) };
    return [
      svg("rect", {
        ...at,
        class: "failed",
        y: EDGE.top,
        height: HEIGHT - EDGE.top - EDGE.bottom,
        "fill-opacity": (0.08 + 0.16 * (failed / checks)).toFixed(2),
      }),
      svg("rect", { ...at, class: "foot", y: HEIGHT - EDGE.bottom, height: 4 }),
    ];
  });
}

function lines({ data, runs, x, y }) {
  return runs.flatMap((run) => {
    const path = (key, indexes) => indexes.map((i) => `${x(i)} ${y(data[i][key] ?? data[i].avg)}`).join("L");
    if (run.length === 1) return [svg("circle", { class: "lone", cx: x(run[0]), cy: y(data[run[0]].avg), r: 3 })];
    return [
      svg("path", { class: "band", d: `M${path("p95", run)}L${path("avg", [...run].reverse())}Z` }),
      svg("path", { class: "line", d: `M${path("avg", run)}` }),
    ];
  });
}

function empty({ known, data, width }) {
  return known
    ? ""
    : svg(
        "text",
        { class: "none", x: (width + EDGE.left) / 2, y: HEIGHT / 2, "text-anchor": "middle" },
        data.length ? "No check has succeeded in this period" : "No checks in this period yet",
      );
}

function readOut({ data, meta }, index) {
  const bucket = data[index];
  if (!bucket) return ["No data"];
  const start = Date.parse(bucket.timestamp);
  const span = (meta.interval_seconds ?? 0) * 1000;
  const lines = [span < 60_000 ? exactClock(start) : `${startOf(bucket, meta)} – ${clock(start + span)}`];
  if (bucket.avg !== null)
    lines.push(`${milliseconds(bucket.avg)} on average`, `${milliseconds(bucket.p95)} 95th percentile`);
  lines.push(
    bucket.failures ? `${bucket.failures} of ${plural(bucket.checks, "check")} failed` : plural(bucket.checks, "check"),
  );
  return lines;
}

/** When a part begins, as exactly as parts differ. */
function startOf({ timestamp }, { from, to, interval_seconds: length }) {
  const isLong = Date.parse(to) - Date.parse(from) > 86_400_000 * 1.5;
  return length < 60 ? exactClock(timestamp) : clock(timestamp, isLong);
}

function summarise({ data, meta }, { created_at }) {
  const checks = data.reduce((sum, bucket) => sum + (bucket.checks ?? 0), 0);
  const failed = data.reduce((sum, bucket) => sum + (bucket.failures ?? 0), 0);
  if (!checks) return "";
  const times =
    meta.avg === null || meta.avg === undefined
      ? ""
      : `Average ${milliseconds(meta.avg)}, half within ${milliseconds(meta.p50)}, 95% within ${milliseconds(meta.p95)}, 99% within ${milliseconds(meta.p99)}. `;
  const isYoung = Date.parse(meta.from) <= Date.parse(created_at);
  const watched = isYoung ? ` since it was added ${ago(created_at)}` : "";
  return `${times}${plural(checks, "check")}${watched}, ${failed === 0 ? "none failed" : `${failed} failed`}.`;
}

function numbers({ data, meta }) {
  const head = ["From", "Checks", "Failed", "Average", "Median", "95%", "99%", "Slowest"];
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        head.map((text) => h("th", { scope: "col" }, text)),
      ),
    ),
    h(
      "tbody",
      {},
      data
        .toReversed()
        .map((one) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, startOf(one, meta)),
            [one.checks, one.failures, ...[one.avg, one.p50, one.p95, one.p99, one.max].map(milliseconds)].map((text) =>
              h("td", {}, text),
            ),
          ),
        ),
    ),
  );
}
