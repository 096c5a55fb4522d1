/**
 * Repeats a request while somebody looks: pauses in a hidden tab, waits longer after every error, and tells the page
 * whether the server can be reached. And a clock for words that age.
 */

const LONGEST_WAIT = 60;
const RETRYABLE = new Set(["NETWORK", "RATE_LIMITED", "SERVICE_UNAVAILABLE", "INTERNAL_ERROR"]);

/**
 * The connection as polling sees it. `lost` is null, or {since, retryAt} as milliseconds on the browser's clock.
 * Listen to "change"; `retry()` asks every poll to try at once.
 */
export const connection = Object.assign(new EventTarget(), {
  lost: null,
  retry() {
    connection.dispatchEvent(new Event("retry"));
  },
});

function report(lost) {
  if (!lost && !connection.lost) return;
  connection.lost = lost && { since: connection.lost?.since ?? Date.now(), ...lost };
  connection.dispatchEvent(new Event("change"));
}

/**
 * Call `work` now and then every `pause()` seconds until `signal` aborts.
 * @param {() => Promise<void>} work its errors of the connection are kept here; others go to `onError`
 * @param {() => number} pause seconds between the end of one call and the next
 * @param {AbortSignal} signal
 * @param {(error: Error) => void} [onError] told of what trying again does not cure, such as 404
 * @returns {() => Promise<void>} asks again at once, for after a change of one's own
 */
export function repeat(work, pause, signal, onError = (error) => console.error(error)) {
  let timer = 0;
  let failures = 0;
  let running = null;

  async function once() {
    try {
      await work();
      failures = 0;
      report(null);
    } catch (error) {
      if (signal.aborted || error.name === "AbortError") return;
      if (!RETRYABLE.has(error.code)) return onError(error);
      failures += 1;
    }
  }

  async function run() {
    clearTimeout(timer);
    if (signal.aborted) return;
    running ??= once().finally(() => (running = null));
    await running;
    clearTimeout(timer);
    if (signal.aborted || document.hidden) return;
    const wait = Math.min(pause() * 2 ** failures, LONGEST_WAIT);
    if (failures > 0) report({ retryAt: Date.now() + wait * 1000 });
    timer = setTimeout(run, wait * 1000);
  }

  const visible = () => (document.hidden ? clearTimeout(timer) : run());
  document.addEventListener("visibilitychange", visible, { signal });
  addEventListener("online", run, { signal });
  connection.addEventListener("retry", run, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  run();
  return async () => {
    // What is under way may have been answered before the change.
    await running;
    await run();
  };
}

/**
 * Call `work` every second while somebody looks, until `signal` aborts: for words such as "3 seconds ago".
 * @param {() => void} work asks nothing of the server
 * @param {AbortSignal} signal
 */
export function everySecond(work, signal) {
  const timer = setInterval(() => document.hidden || work(), 1000);
  signal.addEventListener("abort", () => clearInterval(timer));
}
