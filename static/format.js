/** Words for values: dates, durations, milliseconds, percentages, statuses. No DOM in here. */

/** Service statuses, worst first: the word people read, and how it starts a sentence ("Down for 4 minutes"). */
export const STATUSES = {
  down: "Down",
  degraded: "Degraded",
  maintenance: "Maintenance",
  pending: "Pending",
  operational: "Operational",
  paused: "Paused",
};

const ORDER = Object.keys(STATUSES);
const NONE = "–";
let skew = 0;

// Made once: making one takes longer than drawing a row.
const UTC_DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const EXACT = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const COLLATOR = new Intl.Collator(undefined, { numeric: true });

/** For sorting by name, "web 2" before "web 10". */
export const byName = (a, b) => COLLATOR.compare(a.name, b.name);

/** The word for a status; an unknown one is shown as it came. */
export const statusWord = (status) => STATUSES[status] ?? String(status ?? "Unknown");

/** Sorting key: the worse, the smaller. */
export const severity = (status) => (ORDER.includes(status) ? ORDER.indexOf(status) : ORDER.length);

/** Learn the difference between the server's clock and ours from a Date header, so that "ago" is right. */
export function learnClock(header) {
  const difference = Date.parse(header) - Date.now();
  if (Number.isFinite(difference)) skew = Math.abs(difference) > 2000 ? difference : 0;
}

/** Milliseconds since the epoch on the server's clock. */
export const now = () => Date.now() + skew;

/** "1 service", "2 services" */
export const plural = (count, unit) => `${count} ${unit}${count === 1 ? "" : "s"}`;

/**
 * A length of time in the two units that matter: "45 seconds", "1 hour 12 minutes", "3 days".
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return plural(whole, "second");
  if (whole < 3600) return plural(Math.floor(whole / 60), "minute");
  const [big, small, unit, part] = whole < 86400 ? [3600, 60, "hour", "minute"] : [86400, 3600, "day", "hour"];
  const count = Math.floor(whole / big);
  const rest = Math.floor((whole % big) / small);
  return rest > 0 && count < 10 ? `${plural(count, unit)} ${plural(rest, part)}` : plural(count, unit);
}

/** A length of time in one short unit, 1 s at least: "45 s", "12 min", "3 h", "5 d". */
export function brief(length) {
  const seconds = Math.max(1, length);
  const [unit, size] = [
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ].find(([, one]) => seconds >= one);
  return `${Math.floor(seconds / size)} ${unit}`;
}

/** How long ago an ISO instant was, in seconds; null when there is none. */
export const secondsSince = (iso) => (iso ? Math.max(0, (now() - Date.parse(iso)) / 1000) : null);

/** "just now", "4 minutes ago", "in 20 seconds". */
export function ago(iso) {
  if (!iso) return "never";
  const seconds = (now() - Date.parse(iso)) / 1000;
  if (seconds < -1) return `in ${duration(-seconds)}`;
  return seconds < 3 ? "just now" : `${duration(seconds)} ago`;
}

/** When something is due: "in 20 seconds", or "any moment" when it is now. */
export function due(iso) {
  const seconds = (Date.parse(iso) - now()) / 1000;
  return seconds < 1 ? "any moment" : `in ${duration(seconds)}`;
}

/** "23 Nov 2026, 18:26:05 UTC" */
export function utc(iso) {
  const date = new Date(iso);
  return `${UTC_DAY.format(date)}, ${date.toISOString().slice(11, 19)} UTC`;
}

/** "23 Nov", in the reader's own zone. */
export const dayOf = (iso) => DAY.format(new Date(iso));

/** A clock time of the reader's own zone, "18:26", with the day when the span is longer than one. */
export function clock(iso, withDay = false) {
  const date = new Date(iso);
  return withDay ? `${DAY.format(date)}, ${TIME.format(date)}` : TIME.format(date);
}

/** A clock time to the second, "18:26:05". */
export const exactClock = (iso) => EXACT.format(new Date(iso));

/** "84 ms", "1.24 s", or a dash for none. */
export function milliseconds(value) {
  if (value === null || value === undefined) return NONE;
  if (value >= 1000) return `${(value / 1000).toFixed(value < 10_000 ? 2 : 1)} s`;
  return `${value < 10 && !Number.isInteger(value) ? value.toFixed(1) : Math.round(value)} ms`;
}

/** "99.95%", "100%", or a dash for none. */
export function percent(value) {
  if (value === null || value === undefined) return NONE;
  return `${value === 100 || value === 0 ? value : value.toFixed(2)}%`;
}

/** "every 3 minutes", "every 5 seconds" */
export function every(seconds) {
  const [unit, size] = [
    ["day", 86400],
    ["hour", 3600],
    ["minute", 60],
    ["second", 1],
  ].find(([, s]) => seconds % s === 0);
  const count = seconds / size;
  return count === 1 ? `every ${unit}` : `every ${plural(count, unit)}`;
}

/** A message as a sentence of its own. */
export const sentence = (text) => (/[.!?…]$/.test(text) ? text : `${text}.`);

/**
 * What follows the word of a status to make a sentence of it: "for 4 minutes.", after "Down".
 * @param {string} status
 * @param {string|null} since ISO instant of the last change
 */
export function statusRest(status, since) {
  if (status === "pending") return "until the first check.";
  if (!since) return "";
  const seconds = secondsSince(since);
  // A person has paused it: that is something done. All else is a state, which lasts.
  return status === "paused" && seconds < 3 ? "just now." : `for ${duration(Math.max(1, seconds))}.`;
}

/** "Firefox on Linux", from a User-Agent header; what is not known is shown as it came. */
export function deviceName(agent) {
  const first = (table) => table.find(([, sign]) => agent.includes(sign))?.[0];
  // Each of the former also names the latter.
  const browser = first([
    ["Edge", "Edg/"],
    ["Opera", "OPR/"],
    ["Firefox", "Firefox/"],
    ["Chrome", "Chrome/"],
    ["Safari", "Safari/"],
  ]);
  const system = first([
    ["Android", "Android"],
    ["iPhone", "iPhone"],
    ["iPad", "iPad"],
    ["Windows", "Windows"],
    ["macOS", "Mac OS X"],
    ["ChromeOS", "CrOS"],
    ["Linux", "Linux"],
  ]);
  if (browser) return system ? `${browser} on ${system}` : browser;
  return agent.slice(0, 60) || "Unknown device";
}

/** A link target only when it is plain web: anything else (javascript:, data:) is no link. */
export function webLink(text) {
  try {
    const url = new URL(text);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}
