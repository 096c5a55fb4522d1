/** "Try it now": one check of a config that need not be saved, and what it found. */

import { call } from "../api.js";
import { h } from "../dom.js";
import { milliseconds, sentence } from "../format.js";
import { announce } from "./announce.js";
import { ERRORS, cause } from "./causes.js";
import { mark } from "./icon.js";

const PATIENCE_MS = 60_000; // the server gives a trial 30 seconds
const LONGEST_FACT = 200;

/** The phases of a check, as people call them. */
const PHASES = {
  namelookup: "Name look-up",
  connect: "Connect",
  appconnect: "TLS handshake",
  pretransfer: "Request",
  starttransfer: "First byte",
  total: "Answer",
};

/** Facts that are told already, or tell nothing here. */
const TOLD = new Set(["timing", "warning", "http_status_code", "speed_download"]);
const NAMES = {
  packet_loss: "packet_loss_percent",
  rtt_avg: "round_trip_(average)_ms",
  rtt_max: "round_trip_(longest)_ms",
  rtt_min: "round_trip_(shortest)_ms",
  size_download: "size_bytes",
};
const UNITS = { percent: "%", seconds: "s" };

/**
 * A place in a form for the outcome of a trial.
 * @returns {{node: HTMLElement, attempt: (body: Object, signal: AbortSignal) => Promise<void>, outdate: () => void,
 *   clear: () => void}} `attempt` rejects as `call` does; `outdate`: the form has changed since
 */
export function trial() {
  const node = h("div", { class: "trial", role: "group", "aria-label": "Outcome of the trial" });
  let latest = 0;
  const clear = () => {
    latest += 1;
    node.replaceChildren();
  };
  return {
    node,
    clear,
    outdate: () => node.firstChild?.classList.add("outdated"),
    async attempt(body, signal) {
      clear();
      const mine = latest;
      node.append(h("p", { class: "card waiting" }, mark("pending"), "Checking …"));
      announce("Checking …");
      try {
        const { data } = await call("POST", "services/test", body, { signal, timeoutMs: PATIENCE_MS });
        if (mine !== latest) return; // another type was chosen meanwhile
        const found = outcome(data);
        node.replaceChildren(found);
        node.scrollIntoView({ block: "nearest" });
        announce([...found.querySelectorAll("h2, .reason")].map((part) => part.textContent).join(". "));
      } catch (error) {
        if (mine !== latest || signal.aborted) return;
        clear();
        throw error;
      }
    },
  };
}

function outcome({ status, response_time, status_code, error, details }) {
  const isUp = status === "success";
  const answer = status_code ? `Answered ${status_code}` : "It answers";
  const took = response_time === null ? "" : ` in ${milliseconds(response_time)}`;
  const up = details.warning ? "degraded" : "operational";
  const state = isUp ? up : status === "failure" ? "down" : "pending";
  const reason = isUp ? cause({}, { ...details, status: state }) : sentence(error.message);
  return h(
    "section",
    { class: `card outcome ${state}` },
    h(
      "h2",
      {},
      mark(state),
      isUp ? `${answer}${took}.` : (ERRORS[error.code] ?? error.code),
    ),
    reason && h("p", { class: "reason", dir: "auto" }, reason),
    phases(details.timing),
    facts(details),
    h("p", { class: "since" }, "The form has changed since."),
  );
}

/** A bar a phase, each beginning where the one before it ended; `timing`: phase → seconds since the start. */
function phases(timing) {
  const reached = Object.entries(timing ?? {}).filter(([, at]) => typeof at === "number" && at > 0);
  const longest = Math.max(...reached.map(([, at]) => at));
  if (reached.length === 0) return null;
  let begin = 0;
  const lines = reached.map(([phase, end]) => {
    const took = Math.max(0, end - begin);
    const line = h(
      "div",
      {},
      h("dt", {}, PHASES[phase] ?? words(phase)),
      h(
        "dd",
        { css: { "--from": begin / longest, "--share": took / longest } },
        h("span", { class: "bar" }),
        h("span", { class: "took" }, milliseconds(took * 1000)),
      ),
    );
    begin = Math.max(begin, end);
    return line;
  });
  return h("dl", { class: "phases" }, lines);
}

function facts({ remote_ip, certificate, ...rest }) {
  const pairs = [
    remote_ip && ["Address", remote_ip],
    certificate && ["Certificate", `${certificate.subject}, ${validity(certificate)}`],
    ...Object.entries(rest).map(([name, value]) => !TOLD.has(name) && fact(name, value)),
  ].filter(Boolean);
  if (pairs.length === 0) return null;
  return h(
    "dl",
    { class: "facts" },
    pairs.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", { dir: "auto" }, value))),
  );
}

const validity = ({ days_left }) =>
  days_left < 0 ? "has expired" : `${days_left} ${days_left === 1 ? "day" : "days"} left`;

/** The name of a fact and its value in one line, or null for what is none: nothing, or too much. */
function fact(name, value) {
  const items = typeof value === "boolean" ? [value ? "yes" : "no"] : [value].flat();
  const isPlain = items.length > 0 && items.every((one) => typeof one === "string" || typeof one === "number");
  const text = isPlain ? items.join(", ") : "";
  if (text === "") return null;
  const [, plain, unit = null] = (NAMES[name] ?? name).match(/^(.*?)(?:_(ms|seconds|bytes|percent|days))?$/);
  const shown = text.length > LONGEST_FACT ? `${text.slice(0, LONGEST_FACT - 1)}…` : text;
  return [words(plain), unit ? `${shown} ${UNITS[unit] ?? unit}` : shown];
}

/** "http_version" → "HTTP version" */
function words(name) {
  const text = name.replaceAll("_", " ").replace(/\b(http|ip|tls|ttl|dns|id)\b/g, (word) => word.toUpperCase());
  return text[0].toUpperCase() + text.slice(1);
}
