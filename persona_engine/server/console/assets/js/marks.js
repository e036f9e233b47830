/** Signs of clusters: a colour and a shape each, so that neither is needed alone. */

import { svg } from "./dom.js";

const COLOURS = 8;
const SHAPES = {
  circle: "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0z",
  square: "M-.88-.88h1.76v1.76h-1.76z",
  diamond: "M0-1.200L1.200 0 0 1.200-1.200 0z",
  triangle: "M0-1.200L1.150.85H-1.150z",
  cross: "M-.4-1.100h.8v.7h.7v.8h-.7v.7h-.8v-.7h-.7v-.8h.7z",
};
const PATHS = Object.values(SHAPES);

/** @param {number} place of the cluster; below 0 for none */
export function markClass(place) {
  return place < 0 ? "mark-8" : `mark-${(place % (COLOURS - 1)) + 1}`;
}

/**
 * Return a mark around the origin, one unit in radius.
 * @param {number} place
 * @param {Record<string, unknown>} given
 */
export function mark(place, given = {}) {
  const path = PATHS[place < 0 ? 0 : place % PATHS.length];
  return svg("path", { d: path, ...given });
}

/** @param {number} place */
export function sign(place) {
  const shape = mark(place, { class: "dot", transform: "translate(8 8) scale(5.5)" });
  return svg("svg", { class: `sign ${markClass(place)}`, viewBox: "0 0 16 16", "aria-hidden": "true" }, shape);
}
