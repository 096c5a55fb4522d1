/** Parts of a service's page: instants, recent errors, certificate, details. */

import { h } from "../dom.js";
import { ago, due, every, milliseconds, plural, secondsSince, utc, webLink } from "../format.js";
import { bones } from "./blank.js";
import { kindWord } from "./causes.js";
import { icon, mark } from "./icon.js";

const instant = (iso, words) => h("time", { datetime: iso, title: utc(iso) }, words);

/** How long ago, with the exact instant in its title. */
export const time = (iso) => instant(iso, ago(iso));

/** In how long, likewise. */
export const timeDue = (iso) => instant(iso, due(iso));

/** How many errors are shown, and how many more at a press. The server gives a hundred at a time. */
export const FEW_ERRORS = 5;
const MORE_ERRORS = 20;
const MOST_ERRORS = 100;

/**
 * The newest errors, a few at first.
 * @param {{data: Object[], meta: {total: number}}|null} errors null while they load
 * @param {(count: number) => void} show called with how many are wanted
 */
export function errorTable(errors, show) {
  if (errors === null) return bones("row", "row");
  const { data, meta } = errors;
  if (data.length === 0) return h("p", { class: "hollow calm" }, mark("operational"), "No check has failed yet.");
  return [
    h(
      "table",
      { class: "errors" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["When", "What", "Response"].map((text) => h("th", { scope: "col" }, text)),
        ),
      ),
      h("tbody", {}, data.map(errorRow)),
    ),
    meta.total > FEW_ERRORS && errorsFoot(data.length, meta.total, show),
  ];
}

function errorRow({ id, timestamp, code, message, response_time }) {
  return h(
    "tr",
    { key: id },
    h("td", {}, time(timestamp)),
    h("td", { dir: "auto" }, h("strong", {}, kindWord(code)), h("span", { class: "message" }, message)),
    h("td", {}, milliseconds(response_time)),
  );
}

/** How many there are, and the button for more: the same one takes them away again, so that it keeps the focus. */
function errorsFoot(shown, total, show) {
  const next = Math.min(shown + MORE_ERRORS, MOST_ERRORS);
  const more = Math.min(next, total) - shown;
  return h(
    "p",
    { class: "errors-foot" },
    h("span", {}, shown < total ? `The newest ${shown} of ${total.toLocaleString("en-GB")}.` : `All ${total} are shown.`),
    h(
      "button",
      { class: "button small", type: "button", onclick: () => show(more > 0 ? next : FEW_ERRORS) },
      more > 0 ? `Show ${more} more` : "Show fewer",
    ),
  );
}

function list(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs.filter(Boolean).map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", { dir: "auto" }, value))),
  );
}

/** What the certificate says, as far as the last check saw it. */
export function certificate({ subject, issuer, not_after, days_left, fingerprint_sha256 }) {
  const left = days_left ?? -secondsSince(not_after) / 86400;
  const words = left < 0 ? "has expired" : `valid for ${plural(Math.floor(left), "day")}`;
  return h(
    "section",
    { class: "card", "aria-labelledby": "certificate-title" },
    h("h2", { id: "certificate-title" }, icon("lock"), "Certificate"),
    list([
      not_after && [
        "Expires",
        h(
          "span",
          { class: left < 14 ? "warn" : null, title: utc(not_after) },
          `${utc(not_after).split(",")[0]}, ${words}`,
        ),
      ],
      subject && ["For", String(subject)],
      issuer && ["Issued by", String(issuer)],
      fingerprint_sha256 && ["SHA-256", h("code", {}, fingerprint_sha256)],
    ]),
  );
}

/** How it is watched. */
export function facts(service, status) {
  const link = webLink(service.target ?? service.config?.url ?? "");
  const probes = status.probes ?? [];
  return list([
    // A heartbeat service is not checked: it calls.
    !service.heartbeat_key && ["Checked", every(service.interval_seconds ?? service.interval * 60)],
    ["Type", service.type.toUpperCase()],
    link && [
      "Address",
      h("a", { href: link, rel: "noreferrer noopener", target: "_blank" }, service.target, icon("external")),
    ],
    service.retries !== undefined && [
      "Down after",
      service.retries === 0 ? "the first failed check" : `${plural(service.retries + 1, "failed check")} in a row`,
    ],
    service.degraded_after_ms && ["Degraded when slower than", milliseconds(service.degraded_after_ms)],
    status.incident && ["Outage began", time(status.incident.started_at)],
    probes.length > 1 && ["Probes", probes.map(({ name, status: state }) => `${name}: ${state}`).join(", ")],
    [
      "Watched since",
      h(
        "time",
        { datetime: service.created_at, title: utc(service.created_at) },
        utc(service.created_at).split(",")[0],
      ),
    ],
  ]);
}
