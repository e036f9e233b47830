/** Forgetting a person: asked twice, and answered with the receipt. */

import { byId, counted, el, fill, icon, save, table, when } from "./dom.js";
import { working, words } from "./frame.js";
import { forget } from "./rest.js";

/** @param {string} user */
export function forgetting(user) {
  const dialog = byId("forget-dialog");
  const word = byId("forget-word");
  const now = byId("forget-now");
  fill(byId("forget-name"), user);
  byId("forget").addEventListener("click", () => {
    word.value = "";
    fill(byId("forget-hint"));
    dialog.showModal();
    word.focus();
  });
  byId("forget-cancel").addEventListener("click", () => dialog.close());
  byId("forget-form").addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (word.value !== user) {
      fill(byId("forget-hint"), `That is not the name: type “${user}” exactly.`);
      word.focus();
      return;
    }
    now.disabled = true;
    working(byId("forget-hint"), "Forgetting");
    try {
      const receipt = await forget(user);
      dialog.close();
      gone(user, receipt);
    } catch (error) {
      fill(byId("forget-hint"), words(error));
    } finally {
      now.disabled = false;
    }
  });
}

/** @param {string} user @param {any} receipt */
function gone(user, receipt) {
  const main = byId("main");
  const counts = [
    ...Object.entries(receipt.rows),
    ...Object.entries(receipt.index_vectors).map(([name, count]) => [`vectors of ${name}`, count]),
    ["cached texts", receipt.cached_embeddings],
    ...Object.entries(receipt.files).map(([name, count]) => [`files of ${name}`, count]),
  ].filter(([, count]) => count);
  const rows = counts.map(([name, count]) => [String(name), Number(count).toLocaleString("en")]);
  const title = el("h1", { tabindex: -1 }, `${user} is forgotten`);
  const keep = el("button", { type: "button", onclick: () => save(`receipt-${receipt.sha256.slice(0, 12)}.json`, receipt) }, icon("download"), "Save the receipt");
  fill(
    main,
    el("div", { class: "page-head" }, el("div", { class: "titles" }, el("p", { class: "small" }, el("a", { href: "/console/users" }, "Users")), title, el("p", { class: "soft" }, "Erased ", when(receipt.erased_at))), el("div", { class: "row" }, keep)),
    el(
      "section",
      { class: "card", "aria-labelledby": "receipt" },
      el("h2", { id: "receipt" }, "Receipt"),
      table("What was erased", [{ name: "What" }, { name: "Erased", number: true }], rows.length ? rows : [["Nothing was kept", "0"]]),
      receipt.refit.length ? el("p", {}, `${counted(receipt.refit.length, "model")} learned from this person and will be fitted again: `, el("code", {}, receipt.refit.join(", "))) : null,
      receipt.remains.length ? el("div", {}, el("h3", {}, "What remains, and until when"), el("ul", {}, ...receipt.remains.map((/** @type {string} */ each) => el("li", {}, each)))) : null,
      el("p", { class: "hint" }, "sha256 ", el("code", {}, receipt.sha256)),
    ),
  );
  title.focus();
}
