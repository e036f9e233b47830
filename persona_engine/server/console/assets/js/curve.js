/** Accuracy over the number of comparisons, a line for each method. */

import { el, svg } from "./dom.js";
import { mark, markClass, sign } from "./marks.js";

/** @typedef {import("./evaluation.js").Row} Row */

const SHAPE = 0.45; // height to width
const LOWEST = 220;
const HIGHEST = 380;
const LEFT = 44;
const RIGHT = 16;
const TOP = 14;
const BOTTOM = 40;

/** @typedef {{width: number, height: number}} Size */

/**
 * Return whether there is a curve to draw.
 * @param {Row[]} rows with shots and accuracy
 */
export function hasCurve(rows) {
  return new Set(rows.map((each) => each.shots)).size > 1;
}

/** @param {Row[]} rows with shots and accuracy @param {number} width in pixels @returns {Element} */
export function curve(rows, width) {
  const size = { width, height: Math.round(Math.min(HIGHEST, Math.max(LOWEST, SHAPE * width))) };
  const shots = [...new Set(rows.map((each) => Number(each.shots)))].sort((a, b) => a - b);
  const methods = [...new Set(rows.map((each) => each.method))];
  const frame = scales(rows, shots, size);
  const lines = methods.map((name, place) => line(rows.filter((each) => each.method === name), place, frame));
  const label = `Accuracy of ${methods.length} methods at ${shots[0]} to ${shots.at(-1)} comparisons; the table below has the figures.`;
  const picture = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${size.height}`, role: "img", "aria-label": label }, ...axes(shots, frame, size), ...lines);
  const legend = methods.map((name, place) => el("li", {}, sign(place), el("span", {}, name)));
  return el("div", { class: "figure" }, picture, el("ul", { class: "legend", "aria-label": "Methods" }, ...legend));
}

/**
 * @typedef {{x: (shots: number) => number, y: (accuracy: number) => number, ticks: number[]}} Frame
 * @param {Row[]} rows @param {number[]} shots @param {Size} size @returns {Frame}
 */
function scales(rows, shots, { width, height }) {
  const ends = rows.flatMap((each) => [Number(each.accuracy) - (each.accuracy_se ?? 0), Number(each.accuracy) + (each.accuracy_se ?? 0)]);
  const low = Math.floor(Math.min(...ends, 0.5) * 20) / 20;
  const high = Math.ceil(Math.max(...ends) * 20) / 20;
  const step = high - low > 0.3 ? 0.1 : 0.05;
  const ticks = [];
  for (let at = low; at <= high + 1e-9; at += step) ticks.push(Number(at.toFixed(2)));
  return {
    ticks,
    x: (value) => LEFT + ((width - LEFT - RIGHT) * shots.indexOf(value)) / (shots.length - 1),
    y: (value) => height - BOTTOM - ((height - TOP - BOTTOM) * (value - low)) / (high - low || 1),
  };
}

/** @param {number[]} shots @param {Frame} frame @param {Size} size */
function axes(shots, frame, { width, height }) {
  const across = frame.ticks.flatMap((each) => [
    svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: frame.y(each), y2: frame.y(each) }),
    svg("text", { x: LEFT - 8, y: frame.y(each) + 4, "text-anchor": "end" }, each.toFixed(2)),
  ]);
  const along = shots.map((each) => svg("text", { x: frame.x(each), y: height - BOTTOM + 18, "text-anchor": "middle" }, each));
  const name = svg("text", { x: (LEFT + width - RIGHT) / 2, y: height - 4, "text-anchor": "middle" }, "comparisons of a new person");
  return [...across, ...along, name];
}

/** @param {Row[]} rows of one method @param {number} place @param {Frame} frame */
function line(rows, place, frame) {
  const points = rows.map((each) => ({ x: frame.x(Number(each.shots)), y: frame.y(Number(each.accuracy)), each }));
  const path = points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  return svg(
    "g",
    { class: `line ${markClass(place)}` },
    svg("polyline", { points: path }),
    ...points.flatMap(({ x, y, each }) => {
      const error = each.accuracy_se ?? 0;
      const whisker = error ? svg("line", { class: "error", x1: x, x2: x, y1: frame.y(Number(each.accuracy) - error), y2: frame.y(Number(each.accuracy) + error) }) : null;
      return [whisker, mark(place, { class: "dot", transform: `translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(4.5)` })];
    }),
  );
}
