/** Why a reply is what it is: instructions, candidates, the search, time; and choosing another. */

import { byId, counted, el, empty, fill, message, percent, table } from "./dom.js";
import { show, working } from "./frame.js";
import { explained, prefer } from "./rest.js";
import { interval, reach } from "./rewards.js";
import { tree } from "./tree.js";

/**
 * @typedef {{text: string, reward: number | null, spread: number | null, tokens: number,
 *   checks: {text: string, probability: number}[]}} Candidate
 * @typedef {{branch: number, text: string, reward: number | null, spread: number | null,
 *   kept: number}} Considered
 * @typedef {{tokens: number, candidates: Considered[], note: string}} Block
 * @typedef {{decoder: string, blocks: Block[], plan: string, ended: string, left_out: number,
 *   compute: {prompts: number, forwards: number, token_steps: number, seconds: number}}} Search
 * @typedef {{personalized: boolean, reason: string, confidence: number | null, tastes: string,
 *   adapter: string | null, population: string | null, reward_model: string | null,
 *   instructions: {instruction: {text: string}, probability: number, used: boolean,
 *     reason: string}[],
 *   candidates: Candidate[], steps: {name: string, milliseconds: number}[], skipped: string[],
 *   search: Search | null}} Trace
 */

/**
 * Show the trace of a reply.
 * @param {string} user @param {string} id @param {(better: string) => void} chosen
 */
export async function trace(user, id, chosen) {
  const place = byId("trace");
  working(place, "Reading the trace");
  try {
    /** @type {Trace} */
    const found = (await explained(user, id)).trace;
    fill(
      place,
      summary(found),
      part("Candidates", candidates(user, id, found, chosen), true),
      part("Instructions", instructions(found), true),
      part("Search", tree(found.search), false),
      part("Time by step", times(found), false),
    );
  } catch (error) {
    show(place, error);
  }
}

/** @param {string} title @param {Node} content @param {boolean} open */
function part(title, content, open) {
  return el("details", { class: "part", open }, el("summary", {}, el("h3", {}, title)), content);
}

/** @param {Trace} found */
function summary(found) {
  const kind = found.personalized ? el("span", { class: "tag good" }, "personalised") : el("span", { class: "tag" }, "base reply");
  const facts = [
    ["Sure of the choice", found.confidence === null ? null : percent(found.confidence)],
    ["Tastes", found.tastes || null],
    ["Adapter", found.adapter],
    ["Learned by", found.reward_model],
    ["Left out", found.skipped.join("; ") || null],
  ].filter(([, each]) => each !== null);
  const pairs = facts.flatMap(([name, each]) => [el("dt", {}, name), el("dd", {}, each)]);
  return el("div", { class: "stack tight" }, el("div", { class: "row" }, kind), el("p", {}, capital(found.reason) || "Nothing personal is known", "."), el("dl", { class: "facts" }, ...pairs));
}

/**
 * @param {string} user @param {string} id @param {Trace} found @param {(better: string) => void} chosen
 */
function candidates(user, id, found, chosen) {
  if (found.candidates.length < 2) {
    return el("p", { class: "hint" }, "One reply was drawn, so there is nothing to choose between. Once the person’s taste or a checkable instruction is known, several are.");
  }
  const most = reach(found.candidates);
  const said = el("div", { role: "status", "aria-live": "polite" });
  const list = el("ol", { class: "candidates" }, ...found.candidates.map((each, place) => candidate(each, place)));
  list.addEventListener("click", async (event) => {
    const node = event.target instanceof Element ? event.target.closest("button[data-place]") : null;
    if (node === null || list.getAttribute("aria-busy") === "true") return;
    const place = Number(node.getAttribute("data-place"));
    list.setAttribute("aria-busy", "true");
    try {
      const learned = await prefer(user, id, place);
      for (const item of list.children) item.classList.toggle("chosen", item === node.closest("li"));
      fill(said, message(`Noted: ${counted(learned, "comparison")} learned from.`, "good"));
      chosen(found.candidates[place].text);
    } catch (error) {
      show(said, error);
    } finally {
      list.removeAttribute("aria-busy");
    }
  });
  return el("div", { class: "stack tight" }, el("p", { class: "hint" }, "Best first, by the expected reward ± its spread. Choose the one the person would rather have had."), said, list);

  /** @param {Candidate} each @param {number} place */
  function candidate(each, place) {
    const checks = each.checks.map((check) => el("span", { class: `tag ${check.probability >= 0.5 ? "good" : "bad"}` }, `${check.probability >= 0.5 ? "keeps" : "breaks"}: ${check.text}`));
    return el(
      "li",
      {},
      el("div", { class: "row apart" }, interval(each, most), el("span", { class: "hint" }, counted(each.tokens, "token"))),
      el("p", { class: "text" }, each.text),
      checks.length ? el("div", { class: "row" }, ...checks) : null,
      el("button", { type: "button", class: "choose", "data-place": place, "aria-label": `Prefer candidate ${place + 1}` }, place ? "Rather this one" : "This one is right"),
    );
  }
}

/** @param {Trace} found */
function instructions(found) {
  if (!found.instructions.length) return el("p", { class: "hint" }, "The person has no standing instructions.");
  const columns = [{ name: "Instruction" }, { name: "Placed" }, { name: "Applies", number: true }, { name: "Why" }];
  const rows = found.instructions.map((each) => [
    each.instruction.text,
    each.used ? el("span", { class: "tag good" }, "used") : el("span", { class: "tag" }, "left out"),
    percent(each.probability),
    each.reason,
  ]);
  return table("Instructions considered", columns, rows);
}

/** @param {Trace} found */
function times(found) {
  if (!found.steps.length) return empty("info", "No times were kept", "");
  const whole = found.steps.reduce((sum, each) => sum + each.milliseconds, 0);
  const rows = found.steps.map((each) => [
    each.name,
    el("meter", { min: 0, max: whole || 1, value: each.milliseconds, "aria-label": `Share of ${each.name}` }),
    `${each.milliseconds.toFixed(each.milliseconds < 10 ? 1 : 0)} ms`,
  ]);
  const columns = [{ name: "Step" }, { name: "Share" }, { name: "Time", number: true }];
  return table("Milliseconds by step", columns, [...rows, ["all", "", `${whole.toFixed(0)} ms`]]);
}

/** @param {string} text */
function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
