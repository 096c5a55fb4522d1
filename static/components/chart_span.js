/** Which span of time the chart of a service asks for. No DOM in here. */

import { secondsSince } from "../format.js";

const DAY = 86_400;
const SECONDS = { "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY };

/** The shortest span, in seconds: a service that was added just now has only a moment to show. */
const SHORTEST = 60;

/** Parts shorter than the server would choose by itself, in seconds, and how many of them there may be. */
const FINE = [1, 2, 5, 10, 15, 30];
const MOST_PARTS = 240;

/**
 * The query for metrics/response-times: the period, or all of the service's life when that is shorter.
 * @param {string} period one of 24h, 7d, 30d, 90d
 * @param {string} createdAt ISO instant
 * @returns {string}
 */
export function spanQuery(period, createdAt) {
  const age = secondsSince(createdAt);
  if (age >= SECONDS[period]) return `period=${period}`;
  const length = Math.max(age, SHORTEST);
  const part = FINE.find((seconds) => length / seconds <= MOST_PARTS);
  return new URLSearchParams({
    from: createdAt,
    ...(age < SHORTEST && { to: new Date(Date.parse(createdAt) + SHORTEST * 1000).toISOString() }),
    ...(part && { interval_seconds: part }),
  }).toString();
}
