/** Numbers for charts: readable ticks and lines without false joints. No DOM in here. */

import { clock, dayOf, exactClock } from "../format.js";

/**
 * Ticks from 0 to a little more than `most`: whole milliseconds at steps of 1, 2 or 5 × 10ⁿ (25, 250 … too), so that a
 * label says exactly where its line is.
 * @param {number} most milliseconds
 * @param {number} count about how many steps
 * @returns {number[]} the last one is the top of the axis
 */
export function valueTicks(most, count = 4) {
  const top = most * 1.05;
  const rough = Math.max(top / count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= rough && Number.isInteger(n));
  const ticks = [0, step];
  while (ticks.at(-1) < top) ticks.push(ticks.at(-1) + step);
  return ticks;
}

/** Words for a tick of `valueTicks`, in the unit of the whole axis: "250 ms", or "0.25 s" below a top of "1.25 s". */
export const valueLabel = (value, top) => (top < 1000 ? `${value} ms` : `${value / 1000} s`);

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 1440 * MINUTE;
const STEPS = [
  ...[5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720].map((n) => n * MINUTE),
  ...[1, 2, 5, 7, 14, 30].map((n) => n * DAY),
];

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
  // By calendar days where the step is one, so that a clock change does not shift the ticks.
  const instant = (i) =>
    step < DAY ? midnight + i * step : new Date(midnight).setDate(new Date(midnight).getDate() + (i * step) / DAY);
  const ticks = [];
  for (let i = Math.floor((from - midnight) / step); instant(i) <= to; i += 1) {
    if (instant(i) >= from) ticks.push(instant(i));
  }
  return { ticks, step };
}

/** Words for a tick: a clock time, or a day when the step is a day or the tick is a midnight. */
export function tickLabel(at, step) {
  const date = new Date(at);
  const midnight = date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;
  if (step >= DAY || midnight) return dayOf(at);
  return step < MINUTE ? exactClock(at) : clock(at);
}

/**
 * Which points a line may join: it crosses neither a point without a value nor a longer time than `reach`.
 * @param {Array<{value: number|null, at: number}>} points oldest first, `at` in milliseconds
 * @param {number} reach milliseconds
 * @returns {Array<Array<number>>} runs of indexes
 */
export function runs(points, reach) {
  const found = [];
  points.forEach(({ value, at }, i) => {
    const before = points[i - 1];
    if (value === null) return;
    if (before && before.value !== null && at - before.at <= reach) found.at(-1).push(i);
    else found.push([i]);
  });
  return found;
}
