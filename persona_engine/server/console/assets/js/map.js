/** A scatter of users with the areas of their clusters, as one SVG. */

import { el, svg } from "./dom.js";
import { mark, markClass } from "./marks.js";

/**
 * @typedef {{user: string, x: number, y: number, comparisons: number, cluster: string | null,
 *   membership: number | null}} Placed
 * @typedef {{name: string, x: number, y: number, width: number, height: number, angle: number}} Area
 * @typedef {{users: number, placed: Placed[], areas: Area[], shown: number}} UserMap
 * @typedef {{over: (user: string | null) => void, open: (user: string) => void}} Acts
 */

const SHAPE = 0.68; // height to width
const MARGIN = 22;
const FAINTEST = 0.35;
const RADIUS = 5;
const BOLD = 9;

/**
 * Draw the map.
 * @param {UserMap} found
 * @param {string[]} clusters
 * @param {Acts} acts
 * @param {number} width in pixels
 * @returns {{node: Element, light: (user: string | null) => void}}
 */
export function draw(found, clusters, acts, width) {
  const height = Math.round(SHAPE * width);
  const frame = fit(found, width, height);
  /** @type {Map<string, {place: number, at: {x: number, y: number}}>} */
  const spots = new Map();
  const areas = found.areas.map((each, place) => area(each, place, frame));
  const points = found.placed.map((each) => {
    const place = each.cluster === null ? -1 : clusters.indexOf(each.cluster);
    const at = frame.at(each.x, each.y);
    const sure = Math.max(FAINTEST, each.membership ?? 1);
    spots.set(each.user, { place, at });
    return mark(place, {
      class: `dot ${markClass(place)}`,
      "fill-opacity": sure.toFixed(2),
      transform: moved(at, RADIUS),
      onclick: () => acts.open(each.user),
      onmouseenter: () => light(each.user),
      onmouseleave: () => light(null),
    });
  });
  const above = svg("g", { class: "above" });
  const label = svg("text", { class: "map-name", "text-anchor": "middle" });
  const title = `Map of ${found.placed.length} users in ${clusters.length || "no"} clusters; the list of users beside it leads to each of them.`;
  const node = svg(
    "svg",
    { class: "chart map", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title },
    ...areas,
    svg("g", {}, ...points),
    above,
    label,
  );

  /** @param {string | null} user */
  function light(user) {
    above.replaceChildren();
    label.textContent = "";
    const now = user === null ? undefined : spots.get(user);
    acts.over(user);
    if (!now || user === null) return;
    // A copy: the dot itself must stay where the pointer is, or it would get no click.
    above.append(mark(now.place, { class: `lit ${markClass(now.place)}`, transform: moved(now.at, BOLD) }));
    label.textContent = user.length > 32 ? `${user.slice(0, 31)}…` : user;
    const half = 4 * Math.min(user.length, 32);
    label.setAttribute("x", String(Math.min(width - half, Math.max(half, now.at.x))));
    label.setAttribute("y", String(now.at.y < 34 ? now.at.y + 28 : now.at.y - 16));
  }

  return { node: el("div", { class: "map-box" }, node), light };
}

/**
 * @typedef {{at: (x: number, y: number) => {x: number, y: number}, scale: number}} Frame
 * @param {UserMap} found
 * @param {number} width
 * @param {number} height
 * @returns {Frame}
 */
function fit(found, width, height) {
  const reach = found.areas.map(reached);
  const xs = [...found.placed.map((each) => each.x), ...reach.flatMap((each) => each.xs)];
  const ys = [...found.placed.map((each) => each.y), ...reach.flatMap((each) => each.ys)];
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const wide = (width - 2 * MARGIN) / Math.max(right - left, 1e-9);
  const tall = (height - 2 * MARGIN) / Math.max(high - low, 1e-9);
  const scale = Math.min(wide, tall, 1e9);
  const middle = { x: (left + right) / 2, y: (low + high) / 2 };
  return {
    scale,
    at: (x, y) => ({
      x: width / 2 + scale * (x - middle.x),
      y: height / 2 - scale * (y - middle.y),
    }),
  };
}

/**
 * Return how far an ellipse reaches along either axis.
 * @param {Area} each
 */
function reached(each) {
  const angle = (each.angle * Math.PI) / 180;
  const [long, wide] = [each.width / 2, each.height / 2];
  const x = Math.hypot(long * Math.cos(angle), wide * Math.sin(angle));
  const y = Math.hypot(long * Math.sin(angle), wide * Math.cos(angle));
  return { xs: [each.x - x, each.x + x], ys: [each.y - y, each.y + y] };
}

/** @param {Area} each @param {number} place @param {Frame} frame */
function area(each, place, frame) {
  const at = frame.at(each.x, each.y);
  return svg("ellipse", {
    class: `area ${markClass(place)}`,
    rx: ((each.width / 2) * frame.scale).toFixed(1),
    ry: ((each.height / 2) * frame.scale).toFixed(1),
    transform: `translate(${at.x.toFixed(1)} ${at.y.toFixed(1)}) rotate(${(-each.angle).toFixed(1)})`,
  });
}

/** @param {{x: number, y: number}} at @param {number} radius */
function moved(at, radius) {
  return `translate(${at.x.toFixed(1)} ${at.y.toFixed(1)}) scale(${radius})`;
}
