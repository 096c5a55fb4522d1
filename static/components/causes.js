/** Words for why a check failed, and for why a service that answers is degraded. No DOM in here. */

import { milliseconds, plural, sentence } from "../format.js";

/** The API's error codes in words; a test holds them to the server's own list. */
export const ERRORS = {
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

/** An error's or a warning's code in words: "Connection refused". */
export const kindWord = (code) => ERRORS[code] ?? code.charAt(0).toUpperCase() + code.slice(1).replaceAll("_", " ");

const WARNINGS = {
  certificate_expiring: ({ certificate }) =>
    Number.isFinite(certificate?.days_left)
      ? `The certificate expires ${daysAhead(certificate.days_left)}.`
      : "The certificate expires soon.",
  domain_expiring: () => "The registration of the domain name ends soon.",
  assertion_failed: () => "The answer is not as expected.",
};

function daysAhead(days) {
  return days < 1 ? "within a day" : `in ${plural(Math.floor(days), "day")}`;
}

/**
 * Why a service is as it is, as a sentence: the server's own message, else what its figures say.
 * @param {Object} service
 * @param {Object} status as `GET services/{id}/status` gives it
 * @returns {string} empty when there is nothing to explain
 */
export function cause({ degraded_after_ms: limit }, status) {
  if (status.status === "paused") return "";
  // Of an operational one it says why the latest try found out nothing.
  if (status.message && !status.flapping_since) return sentence(status.message);
  if (status.status !== "degraded") return "";
  if (status.flapping_since) return "It keeps going down and up again; an outage is told once it lasts.";
  if (status.warning) return WARNINGS[status.warning]?.(status) ?? sentence(kindWord(status.warning));
  const down = (status.probes ?? []).filter((probe) => probe.status === "down").map(({ name }) => name);
  if (down.length) return `Down as seen from ${down.join(", ")}.`;
  return limit && status.response_time > limit ? `Slower than ${milliseconds(limit)}.` : "";
}
