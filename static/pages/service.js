/** One service: how it is and since when, its figures, the chart, recent errors, the certificate. Live. */

import { call, get, remembered } from "../api.js";
import { h, render, slot } from "../dom.js";
import { milliseconds, percent, secondsSince, statusRest, statusWord, utc } from "../format.js";
import { everySecond, repeat } from "../poll.js";
import { go, setTitle, setTrouble } from "../router.js";
import { followUp, note, noteError } from "../components/announce.js";
import { backLink, blank, bones, errorText, noService } from "../components/blank.js";
import { cause } from "../components/causes.js";
import { responseChart } from "../components/chart.js";
import { spanQuery } from "../components/chart_span.js";
import { openDialog } from "../components/dialog.js";
import { heartbeatAddress, heartbeatTable } from "../components/heartbeat.js";
import { icon, mark, statusBadge } from "../components/icon.js";
import { pauseButton } from "../components/service_row.js";
import { certificate, errorTable, facts, FEW_ERRORS, time, timeDue } from "../components/service_parts.js";

const PERIODS = { "24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days" };

/** The page. */
export function page({ params, signal }) {
  const path = `services/${params.id}`;
  const chart = responseChart();
  const state = {
    service: remembered(path)?.data ?? null,
    status: remembered(`${path}/status`)?.data ?? null,
    uptime: {},
    errors: null,
    beats: null,
    errorCount: FEW_ERRORS,
    period: "24h",
    problem: null,
  };
  const root = h("article", { class: "service" });
  let figuresOf = null;
  let figuresAt = 0;

  const draw = () => render(root, content(state, chart, actions));

  async function loadFigures() {
    const isPassive = state.service.heartbeat_key != null;
    const [times, errors, beats, ...uptimes] = await Promise.all([
      get(`${path}/metrics/response-times?${spanQuery(state.period, state.service.created_at)}`, { signal }),
      get(`${path}/errors?limit=${state.errorCount}`, { signal }),
      isPassive ? get(`${path}/heartbeats?limit=${FEW_ERRORS}`, { signal }) : null,
      ...Object.keys(PERIODS).map((period) => get(`${path}/metrics/uptime?period=${period}`, { signal })),
    ]);
    state.errors = errors;
    state.beats = beats?.data ?? null;
    Object.keys(PERIODS).forEach((period, i) => (state.uptime[period] = uptimes[i].data));
    chart.update(times, state.service);
  }

  async function load() {
    const [service, status, down] = await Promise.all([
      get(path, { signal }),
      get(`${path}/status`, { signal }),
      get("services?status=down&limit=1", { signal }),
    ]);
    tell(state.status, status.data, service.data);
    Object.assign(state, { service: service.data, status: status.data, problem: null });
    setTitle(state.service.name);
    setTrouble(down.meta.total, down.meta.total > 0 ? "down" : status.data.status);
    draw();
    // The figures change only with a new check, and nobody reads them faster than this.
    const wanted = `${status.data.status} ${state.period} ${state.errorCount}`;
    const version = `${status.data.last_check_at} ${wanted}`;
    if (version === figuresOf || (figuresOf?.endsWith(wanted) && Date.now() - figuresAt < 10_000)) return;
    await loadFigures();
    [figuresOf, figuresAt] = [version, Date.now()];
    draw();
  }

  // Who has just added a service waits for its first check.
  const pause = () => (state.status?.status === "pending" ? 1.5 : 5);
  const refresh = repeat(load, pause, signal, (error) => {
    state.problem = error;
    draw();
  });
  everySecond(draw, signal);
  const actions = {
    refresh,
    showErrors: (count) => {
      state.errorCount = count;
      refresh();
    },
    remove: () => remove(state.service),
    choosePeriod: (period) => {
      state.period = period;
      draw();
      refresh();
    },
  };
  draw();
  return root;
}

function content(state, chart, actions) {
  const { service, status, problem } = state;
  if (problem) return trouble(problem);
  if (!service || !status) return loading();
  return [
    crumbs(service),
    header(service, status, actions),
    h("section", { class: `now ${status.status}`, key: "now", "aria-label": "Status" }, now(service, status)),
    h("dl", { class: "figures", key: "figures" }, figures(state)),
    service.heartbeat_key && heartbeatAddress(service),
    h(
      "section",
      { class: "card", key: "chart", "aria-labelledby": "chart-title" },
      h(
        "header",
        { class: "card-head" },
        h("h2", { id: "chart-title" }, "Response time"),
        periods(state.period, actions),
      ),
      slot(chart.element),
    ),
    h(
      "div",
      { class: "columns-two", key: "more" },
      h(
        "section",
        { class: "card", "aria-labelledby": "errors-title" },
        h("h2", { id: "errors-title" }, "Recent errors"),
        errorTable(state.errors, actions.showErrors),
      ),
      h(
        "div",
        { class: "side" },
        state.beats &&
          h(
            "section",
            { class: "card", "aria-labelledby": "beats-title" },
            h("h2", { id: "beats-title" }, "Last heartbeats"),
            heartbeatTable(state.beats),
          ),
        status.certificate && certificate(status.certificate),
        h(
          "section",
          { class: "card", "aria-labelledby": "facts-title" },
          h("h2", { id: "facts-title" }, "Details"),
          facts(service, status),
        ),
      ),
    ),
  ];
}

function crumbs({ project }) {
  return h(
    "nav",
    { class: "crumbs", key: "crumbs", "aria-label": "Where you are" },
    h("a", { href: "#/" }, icon("back"), "Overview"),
    project && h("span", { dir: "auto" }, project.name),
  );
}

function header(service, status, actions) {
  return h(
    "header",
    { class: "service-head", key: "head" },
    h(
      "div",
      {},
      h("h1", { tabindex: "-1", dir: "auto" }, service.name),
      h("p", { class: "target", dir: "auto" }, service.target ?? service.type),
      service.description && h("p", { class: "description", dir: "auto" }, service.description),
      service.tags?.length > 0 &&
        h(
          "ul",
          { class: "tags", "aria-label": "Tags" },
          service.tags.map((tag) => h("li", { dir: "auto" }, tag)),
        ),
    ),
    h(
      "div",
      { class: "buttons" },
      pauseButton(service, actions.refresh),
      h("a", { class: "button", href: `#/services/${service.id}/edit` }, icon("edit"), "Edit"),
      h("button", { class: "button danger-text", type: "button", onclick: actions.remove }, icon("trash"), "Delete"),
    ),
  );
}

/** Say a new status; of a service that was just added, also the first one: somebody waits for it. */
function tell(before, after, service) {
  const isNew = before ? before.status !== after.status : secondsSince(service.created_at) < 10;
  if (isNew && after.status !== "pending")
    followUp(`${after.name} is ${statusWord(after.status).toLowerCase()}.`, mark(after.status));
}

function now(service, status) {
  const since = status.status_changed_at;
  const why = cause(service, status);
  const isWatched = !["pending", "paused"].includes(status.status);
  return [
    statusBadge(status.status),
    " ",
    h(
      "p",
      {},
      h("span", { title: since && `Since ${utc(since)}` }, statusRest(status.status, since)),
      why && [" ", h("span", { dir: "auto" }, why)],
    ),
    h(
      "p",
      { class: "meta" },
      status.last_check_at && h("span", {}, "Last check ", time(status.last_check_at), ". "),
      // Of a pending service one is under way, and the next comes after it.
      isWatched && status.next_check_at && h("span", {}, "Next ", timeDue(status.next_check_at), "."),
    ),
  ];
}

function figures({ service, status, uptime }) {
  const cell = (label, value, ...under) =>
    h("div", {}, h("dt", {}, label), h("dd", {}, value, under.map((line) => line && h("small", {}, line))));
  const failed = (period) => {
    const one = uptime[period];
    return one?.total_checks
      ? `${one.failed_checks.toLocaleString("en-GB")} of ${one.total_checks.toLocaleString("en-GB")} failed`
      : one && "no checks yet";
  };
  // Nothing is known of the rest: it is neither up nor down. Of a new service that is a second or two.
  const seen = (period) => {
    const share = Math.round(uptime[period]?.coverage_percentage ?? 100);
    return uptime[period]?.total_checks > 0 && share < 100 && `seen ${share}% of the time`;
  };
  return [
    cell("Response time", milliseconds(status.response_time), "last check"),
    ...Object.entries(PERIODS).map(([period, words]) =>
      cell(
        `Uptime, ${words}`,
        percent(
          period === "24h"
            ? (uptime[period]?.uptime_percentage ?? status.uptime_24h)
            : uptime[period]?.uptime_percentage,
        ),
        failed(period),
        seen(period),
      ),
    ),
  ];
}

function periods(chosen, { choosePeriod }) {
  return h(
    "div",
    { class: "segments", role: "group", "aria-label": "Period" },
    Object.entries(PERIODS).map(([period, words]) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(period === chosen),
          "aria-label": words,
          onclick: () => choosePeriod(period),
        },
        period,
      ),
    ),
  );
}

function loading() {
  return [h("h1", { class: "unseen", tabindex: "-1", key: "h1" }, "Service"), bones("title", "row", "block")];
}

function trouble(error) {
  return error.code === "NOT_FOUND"
    ? noService()
    : blank({ sign: icon("alert"), title: "The service cannot be shown", text: errorText(error), action: backLink() });
}

async function remove(service) {
  const done = await openDialog({
    title: "Delete this service?",
    body: [
      h(
        "p",
        {},
        h("strong", { dir: "auto" }, service.name),
        " and all its history go away for good. To stop checking for a while, pause it instead.",
      ),
    ],
    confirm: "Delete service",
    danger: true,
    work: () =>
      call("DELETE", `services/${service.id}`).catch((error) => {
        noteError(error, "The service was not deleted.");
        throw error;
      }),
  });
  if (!done) return;
  note(`${service.name} is deleted.`);
  go("/", { replace: true });
}
