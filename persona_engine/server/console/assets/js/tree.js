/** The tree of a search: each choice, what was considered there, and what went on. */

import { counted, el } from "./dom.js";
import { interval, reach } from "./rewards.js";

/** @param {import("./trace.js").Search | null} search @returns {HTMLElement} */
export function tree(search) {
  if (search === null) return el("p", { class: "hint" }, "Nothing was searched for this reply.");
  const spent = search.compute;
  const facts = [
    ["Decoder", search.decoder],
    ["Plan", search.plan],
    ["Ended early", search.ended],
    ["Cost", `${counted(spent.token_steps, "token")} in ${counted(spent.forwards, "run")} of the network, ${spent.seconds.toFixed(2)} s`],
  ].filter(([, each]) => each !== "");
  return el(
    "div",
    { class: "stack tight" },
    el("dl", { class: "facts" }, ...facts.flatMap(([name, each]) => [el("dt", {}, name), el("dd", {}, each)])),
    search.blocks.length
      ? el("ol", { class: "tree" }, ...search.blocks.map((each, place) => choice(each, place === 0)))
      : el("p", { class: "hint" }, "It made no choice on the way: whole replies were compared at the end."),
    search.left_out ? el("p", { class: "hint" }, `${counted(search.left_out, "further choice")} are not shown.`) : null,
  );
}

/** @param {import("./trace.js").Block} block @param {boolean} open */
function choice(block, open) {
  const kept = block.candidates.filter((each) => each.kept > 0).length;
  const most = reach(block.candidates);
  const head = `After ${counted(block.tokens, "token")}: ${kept} of ${block.candidates.length} kept`;
  return el(
    "li",
    {},
    el(
      "details",
      { open },
      el("summary", {}, head),
      block.note ? el("p", { class: "hint" }, block.note) : null,
      el("ul", { class: "branches" }, ...block.candidates.map((each) => branch(each, most))),
    ),
  );
}

/** @param {import("./trace.js").Considered} each @param {number} most */
function branch(each, most) {
  const fate = each.kept ? `kept${each.kept > 1 ? ` ×${each.kept}` : ""}` : "dropped";
  return el(
    "li",
    { class: each.kept ? "kept" : null },
    el("div", { class: "row apart" }, interval(each, most), el("span", { class: each.kept ? "tag good" : "tag" }, fate)),
    el("p", { class: "text small" }, el("span", { class: "hint" }, `branch ${each.branch}: `), each.text.trim() === "" ? "(white space)" : each.text),
  );
}
