/** What a person preferred to what, newest first, a page at a time. */

import { byId, el, empty, fill, when } from "./dom.js";
import { show } from "./frame.js";
import { comparisons as read } from "./rest.js";

/**
 * @typedef {{id: string, prompt: string, chosen: string, rejected: string, weight: number,
 *   source: string, created_at: string, tie: boolean}} Comparison
 */

const PAGE = 5;

/** @param {string} user */
export async function comparisons(user) {
  const list = el("ol", { class: "duels" });
  const more = el("button", { type: "button" }, "Show more");
  const said = el("p", { role: "status", "aria-live": "polite", class: "hint" });
  const next = async () => {
    const found = await read(user, list.children.length, PAGE + 1);
    list.append(...found.slice(0, PAGE).map(duel));
    more.hidden = found.length <= PAGE;
    return list.children.length;
  };
  more.addEventListener("click", () => next().then((count) => fill(said, `${count} shown`), (error) => show(said, error)));
  const count = await next();
  const nothing = empty("info", "No comparisons yet", "Answers, ratings and edits become comparisons.");
  fill(byId("comparisons"), ...(count ? [list, said, more] : [nothing]));
}

/** @param {Comparison} each */
function duel(each) {
  const [first, second] = each.tie ? ["as good", "as good"] : ["preferred", "over"];
  return el(
    "li",
    {},
    el("p", { class: "prompt" }, each.prompt),
    el("dl", { class: "duel" }, el("dt", {}, first), el("dd", {}, each.chosen), el("dt", {}, second), el("dd", { class: "soft" }, each.rejected)),
    el("p", { class: "small soft" }, el("span", { class: "tag" }, each.source), " ", when(each.created_at), each.weight === 1 ? null : ` · weight ${each.weight.toFixed(2)}`),
  );
}
