/** Rewards with their spread, in figures and as an interval on one scale. */

import { el, svg, withSpread } from "./dom.js";

/** @typedef {{reward: number | null, spread: number | null}} Judged */

const WIDTH = 120;
const HEIGHT = 16;

/**
 * Return the largest distance from zero that an interval of these reaches.
 * @param {Judged[]} all
 */
export function reach(all) {
  return Math.max(0.1, ...all.map((each) => Math.abs(each.reward ?? 0) + (each.spread ?? 0)));
}

/**
 * Return the reward's figure, and its interval where it was scored.
 * @param {Judged} each @param {number} most
 */
export function interval(each, most) {
  const words = el("span", { class: "reward" }, each.reward === null ? "not scored" : withSpread(each.reward, each.spread));
  if (each.reward === null) return words;
  const at = (/** @type {number} */ value) => ((WIDTH / 2) * (1 + (0.95 * value) / most)).toFixed(1);
  const [low, high] = [each.reward - (each.spread ?? 0), each.reward + (each.spread ?? 0)];
  const y = HEIGHT / 2;
  const picture = svg(
    "svg",
    { class: "interval", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" },
    svg("line", { class: "axis", x1: WIDTH / 2, x2: WIDTH / 2, y1: 2, y2: HEIGHT - 2 }),
    svg("line", { class: "reaches", x1: at(low), x2: at(high), y1: y, y2: y }),
    svg("circle", { class: each.reward < 0 ? "point less" : "point", cx: at(each.reward), cy: y, r: 4 }),
  );
  return el("span", { class: "row judged" }, picture, words);
}
