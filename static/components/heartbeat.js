/** A heartbeat service: the address that its job calls, and what it called last. */

import { h } from "../dom.js";
import { milliseconds } from "../format.js";
import { copyBox } from "./copy_box.js";
import { time } from "./service_parts.js";

const WORDS = { start: "Started", success: "Success", fail: "Failure" };

/** The address to call, wherever the dashboard was opened. */
const addressOf = (key) => new URL(`heartbeat/${key}`, location.href.split("#")[0]).href;

/**
 * The box with the address.
 * @param {Object} service with its `heartbeat_key`
 */
export function heartbeatAddress({ heartbeat_key: key }) {
  return h(
    "section",
    { class: "card", key: "heartbeat", "aria-labelledby": "heartbeat-title" },
    h("h2", { id: "heartbeat-title" }, "Address to call"),
    h(
      "p",
      {},
      "The job calls it when it is done. With ",
      h("code", {}, "/start"),
      " or ",
      h("code", {}, "/fail"),
      " behind it, or the job's exit code, it says more.",
    ),
    copyBox(`curl -fsS -m 10 ${addressOf(key)}`, "the command that calls it"),
  );
}

/**
 * The last heartbeats.
 * @param {Object[]} beats as the API lists them, newest first
 */
export function heartbeatTable(beats) {
  if (beats.length === 0) return h("p", { class: "hollow" }, "Nothing has called yet.");
  return h(
    "table",
    { class: "errors" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["When", "What", "Took"].map((text) => h("th", { scope: "col" }, text)),
      ),
    ),
    h(
      "tbody",
      {},
      beats.map((beat) =>
        h(
          "tr",
          { key: beat.id },
          h("td", {}, time(beat.timestamp)),
          h("td", { dir: "auto" }, h("strong", {}, whatOf(beat)), beat.body && h("span", { class: "message" }, excerpt(beat.body))),
          h("td", {}, milliseconds(beat.duration_ms)),
        ),
      ),
    ),
  );
}

const whatOf = ({ kind, exit_code: code }) => (code === null ? WORDS[kind] : `${WORDS[kind]}, exit code ${code}`);

const excerpt = (text) => (text.length > 200 ? `${text.slice(0, 200)}…` : text);
