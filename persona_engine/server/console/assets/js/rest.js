/** The REST routes that pages call, and the chat, each in one place. */

import { events, Problem, read, send } from "./api.js";

const ROOT = "/api/v1";

/** @param {string} user @param {...string} rest */
function of(user, ...rest) {
  return [ROOT, "users", user, ...rest].map((each, place) => (place ? encodeURIComponent(each) : each)).join("/");
}

/** @param {Record<string, string | number>} fields */
function query(fields) {
  return new URLSearchParams(Object.entries(fields).map(([name, each]) => [name, String(each)]));
}

/** @param {string} containing @param {string} after @param {number} count */
export function users(containing, after, count) {
  return read(`${ROOT}/users?${query({ containing, after, count })}`);
}

/** @param {string} user */
export function profile(user) {
  return read(of(user));
}

/** @param {string} user @param {number} skip @param {number} count */
export function comparisons(user, skip, count) {
  return read(`${of(user, "comparisons")}?${query({ skip, count })}`);
}

/** @param {string} user */
export function exported(user) {
  return read(of(user, "export"));
}

/** @param {string} user */
export function forget(user) {
  return send("DELETE", of(user));
}

/** @param {string} user @param {string} text @param {string} strength */
export function instruct(user, text, strength) {
  return send("POST", of(user, "instructions"), { text, strength });
}

/** @param {string} user @param {string} id @param {string} text */
export function revise(user, id, text) {
  return send("POST", of(user, "instructions", id, "revise"), { text });
}

/** @param {string} user @param {string} id @param {"retract" | "undo" | "accept"} verb */
export function change(user, id, verb) {
  return send("POST", of(user, "instructions", id, verb));
}

/** @param {string} user @param {number} questions */
export function onboardingLink(user, questions) {
  return send("POST", of(user, "onboarding-link"), { questions });
}

/** @param {string} user @param {string} reply */
export function explained(user, reply) {
  return read(of(user, "replies", reply));
}

/**
 * Tell which candidate the person would rather have had, and return how much was learned from.
 * @param {string} user @param {string} reply @param {number} chosen
 * @returns {Promise<number>}
 */
export async function prefer(user, reply, chosen) {
  return (await send("POST", of(user, "replies", reply, "feedback"), { chosen })).length;
}

/**
 * Yield the pieces of a reply, and its id where there is one.
 * @param {{model: string, user: string, messages: unknown[], persona: unknown}} asked
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<{text: string, id: string | null}>}
 */
export async function* reply(asked, signal) {
  for await (const chunk of events("/v1/chat/completions", { ...asked, stream: true }, signal)) {
    if (chunk.error) throw new Problem(0, chunk.error.message);
    const choice = chunk.choices[0];
    if (choice) yield { text: choice.delta.content ?? "", id: choice.persona?.reply_id ?? null };
  }
}

export function populations() {
  return read(`${ROOT}/populations`);
}

/** @param {string} version */
export function publishPopulation(version) {
  return send("POST", `${ROOT}/populations/${encodeURIComponent(version)}/publish`);
}

export function rollBackPopulation() {
  return send("POST", `${ROOT}/populations/rollback`);
}

export function clusters() {
  return read(`${ROOT}/clusters`);
}

export function adapters() {
  return read(`${ROOT}/adapters`);
}

/** @param {string} version @param {"publish" | "unpublish"} verb */
export function changeAdapter(version, verb) {
  return send("POST", `${ROOT}/adapters/${encodeURIComponent(version)}/${verb}`);
}

/** @param {string} cluster @param {string} base */
export function rollBackAdapter(cluster, base) {
  return send("POST", `${ROOT}/adapters/rollback`, { cluster, base });
}

/** @returns {Promise<any>} null where there is no report */
export async function evaluation() {
  try {
    return await read(`${ROOT}/evaluation`);
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}
