/** Numbers for charts: readable ticks and straight lines. No DOM in here. */

import { clock, dayOf } from "../format.js";

/**
 * Ticks from 0 to at least `most`, at steps of 1, 2, 2.5 or 5 × 10ⁿ.
 * @param {number} most
 * @param {number} count about how many
 * @returns {number[]} the last one is the top of the axis
 */
export function valueTicks(most, count = 4) {
  const rough = Math.max(most, 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const ticks = [0];
  while (ticks.at(-1) < most) ticks.push(ticks.at(-1) + step);
  return ticks.length > 1 ? ticks : [0, step];
}

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720]
  .map((n) => n * MINUTE)
  .concat([1, 2, 5, 7, 14, 30].map((n) => n * DAY));

/**
 * Round instants of the reader's own time zone between two instants.
 * @param {number} from milliseconds
 * @param {number} to milliseconds
 * @param {number} count at most how many
 * @returns {{ticks: number[], step: number}}
 */
export function timeTicks(from, to, count) {
  const step = STEPS.find((size) => (to - from) / size <= count) ?? STEPS.at(-1);
  const midnight = new Date(from).setHours(0, 0, 0, 0);
  const ticks = [];
  // By calendar days where the step is one, so that a clock change does not shift the ticks.
  for (let i = 0, at = midnight; at <= to; i += 1) {
    at = step < DAY ? midnight + i * step : new Date(midnight).setDate(new Date(midnight).getDate() + (i * step) / DAY);
    if (at >= from && at <= to) ticks.push(at);
  }
  return { ticks, step };
}

/** Words for a tick: a clock time, or a day when the step is a day or the tick is a midnight. */
export function tickLabel(at, step) {
  const date = new Date(at);
  const midnight = date.getHours() === 0 && date.getMinutes() === 0;
  return step >= DAY || midnight ? dayOf(at) : clock(at);
}

/**
 * Neighbouring points without a gap, for lines that must not cross missing data.
 * @param {Array<*>} points
 * @param {(point: *) => boolean} has
 * @returns {Array<Array<number>>} runs of indexes
 */
export function runs(points, has) {
  const found = [];
  points.forEach((point, i) => {
    if (!has(point)) return;
    if (i > 0 && has(points[i - 1])) found.at(-1).push(i);
    else found.push([i]);
  });
  return found;
}
