/** The evaluation report: what `persona evaluate` found about each method. */

import { byId, el, empty, fill, fitted, table } from "./dom.js";
import { start, working } from "./frame.js";
import { curve, hasCurve } from "./curve.js";
import { evaluation } from "./rest.js";

/**
 * @typedef {{dataset: string, method: string, shots: number | null, subset?: string, status: string,
 *   error: string | null, accuracy: number | null, accuracy_se: number | null, nll: number | null,
 *   ece: number | null, worst_decile: number | null, worst_group: number | null,
 *   adapt_ms: number | null, users: number | null}} Row
 */

start(async () => {
  working(byId("status"), "Reading the report");
  const report = await evaluation();
  if (report === null) {
    const hint = ["Run ", el("code", {}, "persona evaluate --out FOLDER"), ", and name its results.json in the server’s setting ", el("code", {}, "evaluation"), "."];
    fill(byId("status"), el("section", { class: "card" }, empty("chart", "No evaluation report", ...hint)));
    return;
  }
  fill(byId("status"));
  paint(report.results);
});

/** @param {Row[]} rows */
function paint(rows) {
  const data = [...new Set(rows.map((each) => each.dataset))].join(", ");
  fill(byId("about"), `How well each method knows people from a few of their answers, on ${data}.`);
  const drawn = rows.filter((each) => each.shots !== null && each.accuracy !== null);
  byId("curve-card").hidden = !hasCurve(drawn);
  if (hasCurve(drawn)) fitted(byId("curve"), (width) => curve(drawn, width));
  fill(byId("rows"), figures(rows));
  byId("rows-card").hidden = false;
}

/** @param {Row[]} rows */
function figures(rows) {
  const columns = [
    { name: "Method" },
    { name: "Comparisons", number: true },
    { name: "Accuracy", number: true },
    { name: "Neg. log-likelihood", number: true },
    { name: "Calibration error", number: true },
    { name: "Worst tenth", number: true },
    { name: "Adapting", number: true },
    { name: "People", number: true },
  ];
  const cells = rows.map((each) => [
    each.method,
    each.shots === null ? (each.subset ?? "all") : String(each.shots),
    each.status === "ok" ? accuracy(each) : failed(each),
    fixed(each.nll),
    fixed(each.ece),
    fixed(each.worst_decile ?? each.worst_group),
    each.adapt_ms === null ? "–" : `${each.adapt_ms.toPrecision(2)} ms`,
    each.users === null ? "–" : each.users.toFixed(0),
  ]);
  return table("Figures of each method", columns, cells, false);
}

/** @param {Row} each */
function failed(each) {
  return el("span", { class: "failed" }, el("span", { class: "tag bad" }, each.status), el("span", { class: "hint" }, each.error));
}

/** @param {Row} each */
function accuracy(each) {
  const error = each.accuracy_se === null ? "" : ` ± ${each.accuracy_se.toFixed(3)}`;
  return fixed(each.accuracy) + error;
}

/** @param {number | null} value */
function fixed(value) {
  return value === null ? "–" : value.toFixed(3);
}
