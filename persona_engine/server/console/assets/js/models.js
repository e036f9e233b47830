/** Populations, clusters and adapters, version by version: figures, publishing, rolling back. */

import { byId, counted, el, empty, fill, message, percent, table, when, withSpread } from "./dom.js";
import { show, start, working } from "./frame.js";
import * as rest from "./rest.js";

start(async () => {
  working(byId("status"), "Reading the versions");
  await paint();
  fill(byId("status"));
});

async function paint() {
  const [learned, groups, weights] = await Promise.all([rest.populations(), rest.clusters(), rest.adapters()]);
  populations(learned.reverse());
  clusters(groups);
  adapters(weights.reverse());
}

/** @param {any[]} all */
function populations(all) {
  if (!all.length) {
    fill(byId("populations"), empty("layers", "No population yet", "Learn one from your users’ comparisons: ", el("code", {}, "persona fit")));
    return;
  }
  const columns = [{ name: "Version" }, { name: "Status" }, { name: "Held-out accuracy", number: true }, { name: "One for all", number: true }, { name: "Users", number: true }, { name: "Made" }, { name: "Actions" }];
  const rows = all.map((each, place) => [
    named(each.version, each.reward_model),
    status(each),
    percent(each.meta.held_out?.accuracy),
    percent(each.meta.held_out?.pooled),
    each.trained_users.toLocaleString("en"),
    when(each.created_at),
    acts([
      each.published
        ? place < all.length - 1 && act("Roll back", `the population ${each.version}`, "The version before it is in use again; everybody’s tastes are read in its space.", rest.rollBackPopulation)
        : !each.stale && act("Publish", `the population ${each.version}`, "Everybody’s tastes are read in its space from now on.", () => rest.publishPopulation(each.version)),
    ]),
  ]);
  fill(byId("populations"), table("Populations, newest first", columns, rows));
}

/** @param {any} report */
function clusters(report) {
  if (report === null) {
    fill(byId("clusters"), empty("users", "No clusters in use", el("code", {}, "persona cluster"), " finds groups of users with shared taste."));
    return;
  }
  fill(byId("clusters-about"), `${report.clusterer}, ${counted(report.users, "user")}, version ${report.version}`);
  const columns = [{ name: "Cluster" }, { name: "Users", number: true }, { name: "Share", number: true }, { name: "Comparisons", number: true }, { name: "Sureness", number: true }, { name: "Likes" }];
  const rows = report.clusters.map((/** @type {any} */ each) => [
    each.name,
    each.size.toLocaleString("en"),
    percent(each.share),
    each.comparisons.toLocaleString("en"),
    percent(each.sureness),
    likes(each.tastes),
  ]);
  fill(byId("clusters"), report.stale ? message("Somebody whom it learned from was forgotten: find clusters anew.", "care") : null, table("Clusters in use", columns, rows));
}

/** @param {any[]} tastes strongest first */
function likes(tastes) {
  const strong = tastes.slice(0, 3).map((each) => `${each.mean < 0 ? each.low : each.high} (${withSpread(each.mean, each.std)})`);
  return strong.join(", ") || "–";
}

/** @param {any[]} all */
function adapters(all) {
  if (!all.length) {
    fill(byId("adapters"), empty("layers", "No adapters yet", el("code", {}, "persona adapters train"), " trains one for each cluster, and judges it."));
    return;
  }
  const columns = [{ name: "Version" }, { name: "Cluster" }, { name: "Status" }, { name: "Accuracy gain", number: true }, { name: "Wins", number: true }, { name: "Drift (KL)", number: true }, { name: "Made" }, { name: "Actions" }];
  const rows = all.map((each) => [
    named(each.version, each.meta.trainer ?? ""),
    each.cluster,
    status(each),
    measured(each.meta.metrics?.gain, withSpread),
    measured(each.meta.metrics?.wins, (value, error) => `${percent(value)} ± ${(100 * (error ?? 0)).toFixed(0)}`),
    each.meta.metrics?.kl === undefined ? "–" : each.meta.metrics.kl.toFixed(3),
    when(each.created_at),
    acts([
      each.published && act("Roll back", `the adapter ${each.version}`, `What served “${each.cluster}” before it serves again.`, () => rest.rollBackAdapter(each.cluster, each.base)),
      each.published
        ? act("Unpublish", `the adapter ${each.version}`, `The base model serves “${each.cluster}” from now on.`, () => rest.changeAdapter(each.version, "unpublish"))
        : act("Publish", `the adapter ${each.version}`, `It serves “${each.cluster}” from now on.`, () => rest.changeAdapter(each.version, "publish")),
    ]),
  ]);
  fill(byId("adapters"), table("Adapters, newest first", columns, rows));
}

/**
 * @param {{value: number, error: number | null} | undefined} figure
 * @param {(value: number, error: number | null) => string} words
 */
function measured(figure, words) {
  return figure ? words(figure.value, figure.error) : "–";
}

/** @param {string} version @param {string} by */
function named(version, by) {
  return el("span", { class: "version" }, el("code", {}, version), el("span", { class: "hint" }, by));
}

/** @param {{published: boolean, stale: boolean}} each */
function status(each) {
  const use = each.published ? el("span", { class: "tag good" }, "in use") : el("span", { class: "tag" }, "kept");
  return el("span", { class: "row" }, use, each.stale && el("span", { class: "tag care" }, "wants a refit"));
}

/** @param {(Node | false)[]} given */
function acts(given) {
  return el("span", { class: "row acts" }, ...given);
}

/**
 * Return a button that asks before it acts, and says what came of it.
 * @param {string} verb @param {string} what @param {string} effect @param {() => Promise<unknown>} work
 */
function act(verb, what, effect, work) {
  const node = el("button", { type: "button", class: "plain", "aria-label": `${verb} ${what}` }, verb);
  node.addEventListener("click", async () => {
    if (!(await sure(verb, what, effect))) return;
    working(byId("status"), `${verb} …`);
    try {
      await work();
      await paint();
      fill(byId("status"), message(effect, "good"));
    } catch (error) {
      show(byId("status"), error);
    }
    byId("status").scrollIntoView({ block: "nearest" });
  });
  return node;
}

/** @param {string} verb @param {string} what @param {string} effect @returns {Promise<boolean>} */
function sure(verb, what, effect) {
  const dialog = byId("ask");
  fill(byId("ask-title"), `${verb} ${what}?`);
  fill(byId("ask-text"), effect);
  fill(byId("ask-yes"), verb);
  dialog.returnValue = "";
  byId("ask-yes").value = "yes";
  byId("ask-no").onclick = () => dialog.close("no");
  dialog.showModal();
  return new Promise((settle) => {
    dialog.addEventListener("close", () => settle(dialog.returnValue === "yes"), { once: true });
  });
}
