/** Parts of a service's page: instants, recent errors, certificate, details. */

import { h } from "../dom.js";
import { ago, every, milliseconds, plural, secondsSince, utc, webLink } from "../format.js";
import { bones } from "./blank.js";
import { icon, mark } from "./icon.js";

/** How long ago, with the exact instant in its title. */
export function time(iso) {
  return h("time", { datetime: iso, title: utc(iso) }, ago(iso));
}

const KINDS = {
  dns_error: "Name not found",
  connection_refused: "Connection refused",
  connection_reset: "Connection reset",
  network_unreachable: "Network unreachable",
  connect_timeout: "No connection in time",
  timeout: "No answer in time",
  tls_error: "TLS error",
  certificate_expired: "Certificate expired",
  certificate_expiring: "Certificate about to expire",
  certificate_invalid: "Certificate not valid",
  too_many_redirects: "Too many redirects",
  status_mismatch: "Unexpected status code",
  assertion_failed: "Assertion failed",
  body_too_large: "Answer too large",
  protocol_error: "Protocol error",
  packet_loss: "Packet loss",
  authentication_failed: "Authentication failed",
  no_heartbeat: "No heartbeat",
  probe_offline: "Probe offline",
  internal_error: "Internal error",
};

/** Recent errors; null while they load. */
export function errorTable(errors) {
  if (errors === null) return bones("row", "row");
  if (errors.length === 0) return h("p", { class: "hollow calm" }, mark("operational"), "No check has failed yet.");
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "errors-title" },
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
      h(
        "tbody",
        {},
        errors.map((error) =>
          h(
            "tr",
            { key: error.id },
            h("td", {}, time(error.timestamp)),
            h(
              "td",
              { dir: "auto" },
              h("strong", {}, KINDS[error.code] ?? error.code),
              h("span", { class: "message" }, error.message),
            ),
            h("td", {}, milliseconds(error.response_time)),
          ),
        ),
      ),
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
    ["Checked", every(service.interval_seconds ?? service.interval * 60)],
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
