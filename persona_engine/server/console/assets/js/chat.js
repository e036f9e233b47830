/** A conversation as one of the users; each reply leads to its trace. */

import { Problem, read } from "./api.js";
import { byId, el, empty, fill, icon } from "./dom.js";
import { start, words } from "./frame.js";
import { reply as asked, users } from "./rest.js";
import { trace } from "./trace.js";

/** @typedef {{role: "user" | "assistant", content: string}} Message */

const TICK = 1000;
const KNOWN = 200;

/** @type {{model: string | null, decoders: string[], decoder: string}} */
let talk = { model: null, decoders: [], decoder: "" };

/** @type {Message[]} */
const messages = [];
let user = "";
/** @type {AbortController | null} */
let running = null;

start(async () => {
  byId("as").addEventListener("submit", change);
  byId("say").addEventListener("submit", say);
  byId("stop").addEventListener("click", () => running?.abort());
  byId("words").addEventListener("keydown", enter);
  become(new URLSearchParams(location.search).get("user") ?? "");
  talk = await read("/console/api/talk");
  if (talk.model === null) throw new Problem(0, "The engine was set up without a language model, so it cannot reply.");
  fill(byId("decoder"), ...talk.decoders.map((name) => el("option", { value: name, selected: name === talk.decoder }, name)));
  const found = await users("", "", KNOWN);
  fill(byId("known"), ...found.users.map((/** @type {string} */ value) => el("option", { value })));
});

/** @param {string} name */
function become(name) {
  user = name;
  messages.length = 0;
  byId("user").value = name;
  byId("profile").href = name ? `/console/user?${new URLSearchParams({ id: name })}` : "/console/users";
  fill(byId("turns"));
  fill(byId("trace"), empty("ask", "No reply chosen", "Every reply tells here why it is what it is."));
  const hint = name ? `What you write is answered as for ${name}, and what you choose teaches.` : "Say first as whom you talk: a name that you know, or a new one.";
  fill(byId("talk-empty"), icon("chat"), el("strong", {}, "No messages yet"), el("p", {}, hint));
  byId("talk-empty").hidden = false;
  byId("send").disabled = !name;
}

/** @param {Event} event */
function change(event) {
  event.preventDefault();
  const name = byId("user").value.trim();
  if (name === "" || running) return;
  history.replaceState(null, "", `/console/chat?${new URLSearchParams({ user: name })}`);
  become(name);
  byId("words").focus();
}

/** @param {KeyboardEvent} event */
function enter(event) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId("say").requestSubmit();
}

/** @param {Event} event */
async function say(event) {
  event.preventDefault();
  const field = byId("words");
  const content = field.value.trim();
  if (content === "" || running || !user) return;
  field.value = "";
  byId("talk-empty").hidden = true;
  messages.push({ role: "user", content });
  byId("turns").append(turn("user", content));
  const answer = turn("assistant", "");
  byId("turns").append(answer);
  await listen(answer, content);
}

/** @param {HTMLElement} answer @param {string} content */
async function listen(answer, content) {
  running = new AbortController();
  const clock = busy(true);
  const text = /** @type {Element} */ (answer.querySelector(".text"));
  let whole = "";
  let failed = "";
  /** @type {string | null} */
  let id = null;
  try {
    const persona = { personal: byId("personal").checked, decoder: byId("decoder").value };
    for await (const piece of asked({ model: talk.model ?? "", user, messages, persona }, running.signal)) {
      id = piece.id ?? id;
      whole += piece.text;
      text.textContent = whole;
    }
  } catch (error) {
    failed = error instanceof DOMException && error.name === "AbortError" ? "Stopped." : words(error);
  } finally {
    clock();
    running = null;
    busy(false);
  }
  fill(byId("status"), failed);
  if (failed !== "" || id === null) {
    messages.pop();
    answer.remove();
    byId("turns").lastElementChild?.remove();
    if (byId("words").value === "") byId("words").value = content;
    byId("words").focus();
    return;
  }
  messages.push({ role: "assistant", content: whole });
  answer.append(why(id, answer));
  fill(byId("status"), el("span", { class: "unseen" }, `Reply: ${whole}`));
  await explain(id, answer);
}

/** @param {string} id @param {Element} answer */
async function explain(id, answer) {
  for (const each of document.querySelectorAll(".turn.shown")) each.classList.remove("shown");
  answer.classList.add("shown");
  await trace(user, id, (better) => {
    fill(/** @type {Element} */ (answer.querySelector(".text")), better);
  });
}

/** @param {string} id @param {HTMLElement} answer */
function why(id, answer) {
  const node = el("button", { type: "button", class: "plain" }, "Why this reply");
  node.addEventListener("click", async () => {
    await explain(id, answer);
    byId("trace-title").focus();
    byId("trace-title").scrollIntoView({ block: "nearest" });
  });
  return node;
}

/** @param {"user" | "assistant"} role @param {string} content */
function turn(role, content) {
  const name = role === "user" ? user : "Reply";
  return el("li", { class: `turn ${role}` }, el("p", { class: "speaker" }, name), el("p", { class: "text" }, content));
}

/**
 * Show whether a reply is under way; returns what ends the clock.
 * @param {boolean} now
 */
function busy(now) {
  byId("send").hidden = now;
  byId("stop").hidden = !now;
  if (!now) return () => undefined;
  const began = Date.now();
  const seconds = el("span", { "aria-hidden": "true" });
  fill(byId("status"), el("progress", { "aria-label": "Replying" }), el("span", {}, "Searching for the reply that fits … ", seconds));
  const timer = setInterval(() => fill(seconds, `${Math.round((Date.now() - began) / 1000)} s`), TICK);
  return () => clearInterval(timer);
}
