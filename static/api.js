/**
 * The only place that calls the network. It holds the access token (in memory, nowhere else), renews it once when
 * the server says it has run out, and turns every failure into an `ApiError`.
 */

import { learnClock } from "./format.js";

const BASE = new URL("api/v1/", document.baseURI);
const TIMEOUT_MS = 20_000;

let access = null;
let refreshing = null;
const cache = new Map();

/** Fires "signed-out" when the session has ended and the reader has to sign in again. */
export const events = new EventTarget();

/** What the server, or the way to it, had against a request. */
export class ApiError extends Error {
  /**
   * @param {string} code the server's, or NETWORK when there was no answer
   * @param {string} message a sentence for people
   * @param {Object<string, string[]>} [details] field name → messages
   * @param {string|null} [requestId] to find it in the server's log
   */
  constructor(code, message, details = {}, requestId = null) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.details = details;
    this.requestId = requestId;
  }
}

/** Keep (or with null forget) the access token and all that was fetched with the last one. */
export function setAccess(token) {
  access = token;
  cache.clear();
}

/**
 * GET a path under api/v1; an answer that has not changed comes from memory (ETag).
 * @param {string} path
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<{data: *, meta?: Object}>} the same object while nothing changed
 */
export async function get(path, { signal } = {}) {
  const known = cache.get(path);
  const response = await send("GET", path, { signal, etag: known?.etag });
  if (response.status === 304 && known) return known.body;
  const body = await response.json();
  const etag = response.headers.get("ETag");
  if (etag) cache.set(path, { etag, body });
  return body;
}

/** The last answer to `get(path)`, or undefined: something to show while the next one is on its way. */
export function remembered(path) {
  return cache.get(path)?.body;
}

/** Every page of a list, 100 at a time, as one. */
export async function getAll(path, options) {
  const join = path.includes("?") ? "&" : "?";
  const first = await get(`${path}${join}limit=100`, options);
  if (!(first.meta?.totalPages > 1)) return first.data;
  const rest = [];
  for (let page = 2; page <= first.meta.totalPages; page += 1) {
    rest.push(get(`${path}${join}limit=100&page=${page}`, options));
  }
  return [first, ...(await Promise.all(rest))].flatMap((body) => body.data);
}

/**
 * POST, PUT, PATCH or DELETE; resolves with the body, or null for 204.
 * @param {{signal?: AbortSignal, timeoutMs?: number}} [options] `timeoutMs`: for what may take longer than usual
 */
export async function call(method, path, body, { signal, timeoutMs } = {}) {
  const response = await send(method, path, { signal, timeoutMs, body });
  return response.status === 204 ? null : response.json();
}

async function send(method, path, options) {
  const used = access;
  const response = await request(method, path, options);
  if (response.ok || response.status === 304) return response;
  const error = await errorOf(response);
  if (response.status !== 401 || !used) throw error;
  await refresh(used);
  const again = await request(method, path, options);
  if (again.ok || again.status === 304) return again;
  throw await errorOf(again);
}

async function request(method, path, { signal, body, etag, timeoutMs = TIMEOUT_MS }) {
  const headers = { Accept: "application/json" };
  if (access) headers.Authorization = `Bearer ${access}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (etag) headers["If-None-Match"] = etag;
  const limits = [AbortSignal.timeout(timeoutMs), signal].filter(Boolean);
  try {
    const response = await fetch(new URL(path, BASE), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.any(limits),
    });
    learnClock(response.headers.get("Date"));
    return response;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError("NETWORK", "The server cannot be reached.");
  }
}

async function errorOf(response) {
  const body = await response.json().catch(() => ({}));
  const { code = "INTERNAL_ERROR", message = `The server answered ${response.status}.`, details } = body.error ?? {};
  return new ApiError(code, message, details, body.request_id ?? response.headers.get("X-Request-ID"));
}

/**
 * Trade the session cookie for a new access token. One at a time here, and (where the browser has locks) over all tabs.
 * @param {string|null} [used] the token that was refused; when another request has renewed it since, nothing is sent
 * @returns {Promise<Object>} what the server said
 */
export function refresh(used = null) {
  if (used && access && used !== access) return Promise.resolve({});
  refreshing ??= locked(renew).finally(() => (refreshing = null));
  return refreshing;
}

function locked(work) {
  // navigator.locks is missing on plain HTTP; the server then copes with two renewals at once by itself.
  return navigator.locks ? navigator.locks.request("uptimehunt-refresh", work) : work();
}

async function renew() {
  const response = await request("POST", "auth/refresh", { body: {} });
  if (response.ok) {
    const { data } = await response.json();
    access = data.access;
    return data;
  }
  const error = await errorOf(response);
  if (response.status === 401 && access) {
    setAccess(null);
    events.dispatchEvent(new Event("signed-out"));
  }
  throw error;
}
