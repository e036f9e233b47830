/** Requests to this server, which is the only one that a page talks to. */

/** What a request came to when it failed, in the server's words. */
export class Problem extends Error {
  /** @param {number} status @param {string} words */
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

/**
 * @typedef {{tenant: string, scopes: string[], csrf: string}} Session
 * @typedef {{what: string, done: number, total: number}} Progress
 */

/** @type {Promise<Session> | null} */
let known = null;

/** @returns {Promise<Session>} */
export function session() {
  known ??= read("/console/api/session");
  return known;
}

/**
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function read(path, signal) {
  return (await answered(path, { signal })).json();
}

/**
 * @param {"POST" | "PUT" | "PATCH" | "DELETE"} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<any>} null where the server has nothing to say
 */
export async function send(method, path, body) {
  const response = await answered(path, await written(method, body));
  return response.status === 204 ? null : response.json();
}

/**
 * Read an answer that comes line by line: progress, then the result.
 * @param {string} path
 * @param {(progress: Progress) => void} onProgress
 * @returns {Promise<any>}
 */
export async function follow(path, onProgress) {
  const response = await answered(path, {});
  let result = null;
  for await (const line of lines(response)) {
    if (line === "") continue;
    const told = JSON.parse(line);
    if (told.error) throw new Problem(told.status, told.error);
    if (told.progress) onProgress(told.progress);
    else result = told.result;
  }
  if (result === null) throw new Problem(0, "The connection broke off before the result came.");
  return result;
}

/**
 * Send a request whose answer is a stream of server-sent events, and yield their data.
 * @param {string} path
 * @param {unknown} body
 * @param {AbortSignal} signal
 */
export async function* events(path, body, signal) {
  const response = await answered(path, { ...(await written("POST", body)), signal });
  for await (const line of lines(response)) {
    if (!line.startsWith("data:")) continue;
    const data = line.slice(5).trim();
    if (data === "[DONE]") return;
    yield JSON.parse(data);
  }
}

/** @param {string} method @param {unknown} body @returns {Promise<RequestInit>} */
async function written(method, body) {
  const { csrf } = await session();
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
  return { method, headers, body: body === undefined ? undefined : JSON.stringify(body) };
}

/** @param {string} path @param {RequestInit} given */
async function answered(path, given) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...given });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem(0, "The server cannot be reached.");
  }
  if (response.status === 401) {
    location.assign(`/console/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    throw new Problem(401, "Signed out: sign in again.");
  }
  if (!response.ok) throw new Problem(response.status, await reason(response));
  return response;
}

/** @param {Response} response */
async function reason(response) {
  try {
    const told = await response.json();
    const error = told.error ?? told;
    if (typeof error.message === "string") {
      return error.remedy ? `${error.message.replace(/\.$/, "")}. To mend it: ${error.remedy}` : error.message;
    }
  } catch {
    // Not JSON: the status says what there is to say.
  }
  return `The server answered ${response.status} ${response.statusText}`.trim() + ".";
}

/** @param {Response} response */
async function* lines(response) {
  if (response.body === null) return;
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    rest += decoder.decode(value, { stream: true });
    const found = rest.split("\n");
    rest = found.pop() ?? "";
    yield* found.map((each) => each.replace(/\r$/, ""));
  }
  if (rest !== "") yield rest;
}
