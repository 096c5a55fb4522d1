/**
 * Who is signed in. The session itself is an HttpOnly cookie that no script sees; other tabs are told of a sign-out.
 */

import { call, events, get, refresh, setAccess } from "./api.js";

const tabs = new BroadcastChannel("uptimehunt");

/**
 * The signed-in user as the API gives it, or null. `changes` fires "change" when somebody else is signed in or nobody
 * is, and "update" when the same user has another name.
 */
export let user = null;
export const changes = new EventTarget();

function become(next) {
  user = next;
  changes.dispatchEvent(new Event("change"));
}

/** Take over what the user has changed about themselves. */
export function update(fields) {
  user = { ...user, ...fields };
  changes.dispatchEvent(new Event("update"));
}

function forget() {
  setAccess(null);
  if (user) become(null);
}

events.addEventListener("signed-out", forget);
tabs.onmessage = forget;

/**
 * Find the session this browser still has.
 * @returns {Promise<"user"|"login"|"setup">} what the reader can do now
 */
export async function restore() {
  try {
    const data = await refresh();
    become(data.user ?? (await get("auth/me")).data);
    return "user";
  } catch (error) {
    // Anything else than "no" is no answer to the question.
    if (error.code !== "UNAUTHORIZED" && error.code !== "FORBIDDEN") throw error;
  }
  const health = await get("health").catch(() => null);
  return health?.data.setup_required ? "setup" : "login";
}

async function enter(path, body) {
  const { data } = await call("POST", path, { ...body, session: "cookie" });
  setAccess(data.access);
  become(data.user);
}

/** Sign in with {email, password}; an ApiError says why not. */
export const signIn = (credentials) => enter("auth/login", credentials);

/** Create an account and sign in with it; `body` as the API's register call takes it. */
export const register = (body) => enter("auth/register", body);

/** End the session here, in the other tabs and on the server. */
export async function signOut() {
  try {
    await call("POST", "auth/logout", {});
  } finally {
    tabs.postMessage("signed-out");
    forget();
  }
}
