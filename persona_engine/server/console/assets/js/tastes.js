/** Tastes in the attributes' names, each with the spread of the belief. */

import { byId, el, empty, fill, signed, spaced, svg, withSpread } from "./dom.js";

/** @typedef {{style: string, low: string, high: string, mean: number, std: number}} Taste */

const WIDTH = 240;
const HEIGHT = 22;

/** @param {{tastes: Taste[], steering: Record<string, number>, comparisons: number}} known */
export function tastes(known) {
  const { tastes: found, steering } = known;
  const hand = Object.entries(steering).map(([name, each]) => el("span", { class: "tag accent" }, `${spaced(name)} ${signed(each, 1)} by hand`));
  if (!found.length) {
    const why = known.comparisons ? "No population is in use that could tell them." : "They show after the first comparison.";
    fill(byId("tastes"), empty("ask", "No tastes known yet", why), ...hand);
    return;
  }
  fill(byId("tastes"), hand.length ? el("div", { class: "row" }, ...hand) : null, spreads(found));
}

/** @param {Taste[]} found */
function spreads(found) {
  const most = Math.max(...found.map((each) => Math.abs(each.mean) + each.std), 0.5);
  const rows = found.map((each) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, spaced(each.style)),
      el("td", {}, el("div", { class: "poles" }, el("span", {}, each.low), drawn(each, most), el("span", {}, each.high))),
      el("td", { class: "number" }, withSpread(each.mean, each.std)),
    ),
  );
  const heads = ["Attribute", "Between", "Taste"].map((name) => el("th", { scope: "col" }, name));
  return el(
    "table",
    { class: "spreads" },
    el("caption", { class: "unseen" }, "Tastes, strongest first"),
    el("thead", {}, el("tr", {}, ...heads)),
    el("tbody", {}, ...rows),
  );
}

/** @param {Taste} each @param {number} most */
function drawn(each, most) {
  const at = (/** @type {number} */ value) => (WIDTH / 2) * (1 + (0.95 * value) / most);
  const y = HEIGHT / 2;
  const sure = Math.abs(each.mean) > each.std;
  return svg(
    "svg",
    { class: "spread", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", preserveAspectRatio: "none" },
    svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y }),
    svg("line", { class: "axis", x1: WIDTH / 2, x2: WIDTH / 2, y1: 3, y2: HEIGHT - 3 }),
    svg("rect", { class: `belief${sure ? " sure" : ""}`, x: at(each.mean - each.std), width: at(each.std) - at(-each.std), y: y - 5, height: 10, rx: 5 }),
    svg("rect", { class: "mean", x: at(each.mean) - 2, width: 4, y: y - 8, height: 16, rx: 2 }),
  );
}
