/** "Which do you prefer?": a page that a product embeds, for one user, by a short-lived token. */

import { byId, el, empty, fill, message } from "./dom.js";

/**
 * @typedef {{id: string, prompt: string, a: string, b: string}} Question
 * @typedef {{question: Question | null, answered: number, of: number}} Sitting
 */

const PATH = "/embed/api/onboarding";
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";

/** @type {Question | null} */
let now = null;
/** @type {string[]} */
const skipped = [];
let busy = false;

byId("question").addEventListener("click", (/** @type {Event} */ event) => {
  const node = event.target instanceof Element ? event.target.closest("button[data-choice]") : null;
  const choice = node?.getAttribute("data-choice");
  if (choice) answer(choice);
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || now === null) return;
  const choice = { a: "a", b: "b", "1": "a", "2": "b" }[event.key.toLowerCase()];
  if (choice) answer(choice);
});
next();

async function next() {
  await step("Choosing the question that teaches most …", { skipped });
}

/** @param {string} choice */
async function answer(choice) {
  if (busy || now === null) return;
  if (choice === "skip") skipped.push(now.id);
  await step("Noting that …", { question: now.id, choice, skipped });
}

/** @param {string} what @param {unknown} body */
async function step(what, body) {
  busy = true;
  byId("question").setAttribute("aria-busy", "true");
  if (now === null) fill(byId("status"), el("p", { class: "hint" }, what));
  try {
    paint(await ask(body));
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  } finally {
    busy = false;
    byId("question").removeAttribute("aria-busy");
  }
}

/** @param {unknown} body @returns {Promise<Sitting>} */
async function ask(body) {
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
  let response;
  try {
    response = await fetch(PATH, { method: "POST", headers, credentials: "omit", body: JSON.stringify(body) });
  } catch {
    throw new Error("The server cannot be reached. Your answers so far are kept.");
  }
  if (response.ok) return response.json();
  if (response.status === 401) throw new Error("This link has expired. Ask for a new one where you found it.");
  throw new Error("That did not work. Try again in a moment; your answers so far are kept.");
}

/** @param {Sitting} sitting */
function paint({ question, answered, of }) {
  now = question;
  fill(byId("status"));
  byId("done").hidden = question === null;
  byId("done").max = of;
  byId("done").value = answered;
  byId("question").hidden = question === null;
  if (question === null) {
    fill(byId("title"), "Thank you");
    fill(byId("step"), "");
    fill(byId("status"), empty("check", "That was all", "Replies will fit you better from now on."));
    byId("title").focus();
    parent.postMessage({ type: "persona-onboarding", done: true, answered }, "*");
    return;
  }
  fill(byId("step"), `Question ${answered + 1} of at most ${of}`);
  fill(byId("prompt"), question.prompt);
  fill(byId("text-a"), question.a);
  fill(byId("text-b"), question.b);
  byId("question").scrollIntoView({ block: "nearest" });
}

/** @param {string} words */
function fail(words) {
  const retry = el("button", { type: "button" }, "Try again");
  retry.addEventListener("click", next);
  fill(byId("status"), message(words, "bad"), el("div", { class: "row" }, retry));
  byId("question").hidden = true;
  now = null;
}
