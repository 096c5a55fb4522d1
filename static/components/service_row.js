/** A service as a row of the overview. The whole row leads to its page; pausing is one press. */

import { call } from "../api.js";
import { h } from "../dom.js";
import { milliseconds, percent, brief, secondsSince, statusRest, statusWord, utc } from "../format.js";
import { note, noteError } from "./announce.js";
import { dayBar } from "./day_bar.js";
import { icon, statusBadge } from "./icon.js";

const TROUBLE = new Set(["down", "degraded", "maintenance"]);

/**
 * Draw it.
 * @param {Object} service as `GET services?include=uptime,sparkline` gives it
 * @param {{refresh: () => Promise<void>}} actions
 * @returns {HTMLElement}
 */
export function serviceRow(service, { refresh }) {
  const { id, name, status, target, uptime, sparkline } = service;
  const since = status === "pending" ? null : service.status_changed_at;
  const href = `#/services/${id}`;
  return h(
    "li",
    {
      key: id,
      class: `row ${status}`,
      onclick: (event) => event.target.closest("a, button") || (location.hash = href),
    },
    h(
      "span",
      { class: "state", title: since && `${statusWord(status)} ${statusRest(status, since)} Since ${utc(since)}` },
      statusBadge(status),
      since && TROUBLE.has(status) && h("small", {}, `for ${brief(secondsSince(since))}`),
    ),
    h(
      "span",
      { class: "what" },
      h("a", { href, class: "name", dir: "auto" }, name),
      h("span", { class: "target", dir: "auto" }, target ?? service.type),
    ),
    sparkline ? dayBar(sparkline) : h("span", {}),
    h(
      "span",
      { class: "measures" },
      figure("Response", milliseconds(service.response_time)),
      figure("24 h", percent(uptime?.["24h"])),
      figure("30 d", percent(uptime?.["30d"])),
    ),
    pauseButton(service, refresh, true),
  );
}

function figure(label, value) {
  return h("span", { class: "figure" }, h("span", { class: "label" }, label), " ", value);
}

/**
 * Pause or resume.
 * @param {Object} service
 * @param {() => Promise<void>} refresh
 * @param {boolean} small an icon only, named for screen readers
 */
export function pauseButton(service, refresh, small = false) {
  const { enabled, name, id } = service;
  const word = enabled ? "Pause" : "Resume";
  const press = async (event) => {
    const button = event.currentTarget;
    button.setAttribute("aria-busy", "true");
    try {
      await call("PATCH", `services/${id}`, { enabled: !enabled });
      await refresh();
      note(enabled ? `${name} is paused until you resume it.` : `${name} is being checked again.`);
    } catch (error) {
      noteError(error, `${name} was not ${enabled ? "paused" : "resumed"}.`);
    }
    button.removeAttribute("aria-busy");
  };
  return h(
    "button",
    {
      type: "button",
      class: small ? "quiet round" : "button",
      "aria-label": small ? `${word} ${name}` : null,
      title: small ? word : null,
      onclick: press,
    },
    icon(enabled ? "pause" : "resume"),
    !small && word,
  );
}
