/** Elements, figures in words, and messages; nothing here knows a page. */

const SVG = "http://www.w3.org/2000/svg";
const MINUS = "\u2212";

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, unknown>} Given
 */

/**
 * Set what is given: `on…` functions as listeners, the rest as attributes; true is an empty one.
 * @param {Element} node
 * @param {Given} given
 */
function dress(node, given) {
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), /** @type {any} */ (value));
    else node.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * Return an element; texts among the children are escaped by being text nodes.
 * @param {string} name
 * @param {Given} [given]
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function el(name, given = {}, ...children) {
  const node = document.createElement(name);
  dress(node, given);
  node.append(...children.filter(there).map(String_));
  return node;
}

/**
 * Return an SVG element.
 * @param {string} name
 * @param {Given} [given]
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function svg(name, given = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  dress(node, given);
  node.append(...children.filter(there).map(String_));
  return node;
}

const there = (/** @type {Child} */ each) => each !== null && each !== undefined && each !== false;
const String_ = (/** @type {any} */ each) => (each instanceof Node ? each : String(each));

/** @param {string} name @returns {SVGElement} */
export function icon(name) {
  const use = svg("use", { href: `/console/assets/icons.svg#${name}` });
  return svg("svg", { class: "icon", "aria-hidden": "true" }, use);
}

/**
 * Return the element of an id, which the page has.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element ${id}`);
  return found;
}

/** @param {Element} node @param {...Child} children */
export function fill(node, ...children) {
  node.replaceChildren(...children.filter(there).map(String_));
}

/**
 * Return a message as a page shows it.
 * @param {string} text
 * @param {"info" | "good" | "bad" | "care"} [kind]
 */
export function message(text, kind = "info") {
  const sign = { info: "info", good: "check", bad: "alert", care: "alert" }[kind];
  return el("p", { class: `message ${kind}` }, icon(sign), el("span", {}, text));
}

/**
 * Return what stands where nothing is.
 * @param {string} sign
 * @param {string} title
 * @param {...Child} hint
 */
export function empty(sign, title, ...hint) {
  return el("div", { class: "empty" }, icon(sign), el("strong", {}, title), el("p", {}, ...hint));
}

/**
 * Return a table in a box that scrolls by itself where it is too wide.
 * @param {string} caption
 * @param {{name: string, number?: boolean}[]} columns
 * @param {Child[][]} rows the first cell of each heads it
 * @param {boolean} [folds] whether each row becomes a block of its own on a narrow screen
 */
export function table(caption, columns, rows, folds = true) {
  const heads = columns.map((each) =>
    el("th", { scope: "col", class: each.number ? "number" : null }, each.name),
  );
  const cell = (/** @type {Child} */ child, /** @type {number} */ place) =>
    place === 0
      ? el("th", { scope: "row" }, child)
      : el(
          "td",
          { class: columns[place].number ? "number" : null, "data-label": columns[place].name },
          child,
        );
  const body = rows.map((row) => el("tr", {}, ...row.map(cell)));
  const box = folds ? {} : { tabindex: 0, role: "region", "aria-label": caption };
  return el(
    "div",
    { class: "scroll", ...box },
    el(
      "table",
      { class: folds ? "folds" : null },
      el("caption", { class: "unseen" }, caption),
      el("thead", {}, el("tr", {}, ...heads)),
      el("tbody", {}, ...body),
    ),
  );
}

/** @param {number} value @param {number} [digits] */
export function signed(value, digits = 2) {
  const size = Math.abs(value).toFixed(digits);
  return Number(size) === 0 ? size : (value < 0 ? MINUS : "+") + size;
}

/**
 * Return "+0.42 ± 0.10", or a dash where there is no figure.
 * @param {number | null | undefined} mean
 * @param {number | null | undefined} spread
 */
export function withSpread(mean, spread) {
  if (mean === null || mean === undefined) return "–";
  return spread === null || spread === undefined
    ? signed(mean)
    : `${signed(mean)} ± ${spread.toFixed(2)}`;
}

/** @param {number | null | undefined} share */
export function percent(share) {
  return share === null || share === undefined ? "–" : `${(100 * share).toFixed(0)} %`;
}

/**
 * Draw something as wide as its place, and again whenever that changes.
 * @param {Element} place
 * @param {(width: number) => Node} drawn
 */
export function fitted(place, drawn) {
  let before = 0;
  const again = () => {
    const width = Math.round(place.clientWidth);
    if (width === before || width === 0) return;
    before = width;
    fill(place, drawn(width));
  };
  new ResizeObserver(() => requestAnimationFrame(again)).observe(place);
  again();
}

/** @param {string} name such as bottom_line */
export function spaced(name) {
  return name.replaceAll("_", " ");
}

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/**
 * Have the browser save a value as a JSON file.
 * @param {string} name @param {unknown} value
 */
export function save(name, value) {
  const address = URL.createObjectURL(new Blob([JSON.stringify(value, null, 1)], { type: "application/json" }));
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** @param {string | null | undefined} iso */
export function when(iso) {
  if (!iso) return el("span", {}, "–");
  const words = new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
  return el("time", { datetime: iso }, words);
}
