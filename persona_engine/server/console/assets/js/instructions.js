/** A person's standing instructions: those in force, suggested ones, and the history with undo. */

import { byId, counted, el, empty, fill, icon, message, when } from "./dom.js";
import { show } from "./frame.js";
import { change, instruct, profile, revise } from "./rest.js";

/**
 * @typedef {{id: string, text: string, status: string, strength: string, scope: string,
 *   source: string, created_at: string, superseded_by: string | null}} Instruction
 */

const KINDS = { active: "good", suggested: "accent", superseded: "", retracted: "", expired: "" };

/** @param {string} user @param {Instruction[]} given */
export function instructions(user, given) {
  paint(user, given);
  byId("add").addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    const field = byId("words");
    const text = field.value.trim();
    if (text === "") return;
    if (await act(user, () => instruct(user, text, byId("strength").value), `Kept: “${text}”`)) field.value = "";
    field.focus();
  });
}

/** @param {string} user @param {Instruction[]} all */
function paint(user, all) {
  const active = all.filter((each) => each.status === "active");
  const suggested = all.filter((each) => each.status === "suggested");
  const list = el("ul", { class: "wishes" }, ...[...suggested, ...active].map((each) => wish(user, each)));
  const nothing = empty("info", "No standing instructions", "What the person wants from now on is kept here, in their words.");
  fill(byId("instructions"), el("div", { id: "done", role: "status", "aria-live": "polite" }), list.children.length ? list : nothing);
  const past = [...all].reverse();
  fill(
    byId("history"),
    past.length
      ? el("ol", { class: "wishes past" }, ...past.map((each) => event(user, each)))
      : el("p", { class: "hint" }, "Nothing was said yet."),
  );
  byId("history-box").querySelector("summary").textContent = `History (${counted(all.length, "entry", "entries")})`;
}

/** @param {string} user @param {Instruction} each */
function wish(user, each) {
  const waits = each.status === "suggested";
  return el(
    "li",
    { "data-id": each.id },
    el("p", { class: "wish" }, each.text),
    el("div", { class: "row" }, ...signs(each)),
    el(
      "div",
      { class: "row acts" },
      waits && button(`Accept: ${each.text}`, "Accept", () => act(user, () => change(user, each.id, "accept"), "Accepted.")),
      !waits && button(`Reword: ${each.text}`, "Reword", (node) => edit(user, each, node)),
      button(`Retract: ${each.text}`, waits ? "Dismiss" : "Retract", () => act(user, () => change(user, each.id, "retract"), "Taken back: it stays in the history, where it can be undone.")),
    ),
  );
}

/** @param {Instruction} each */
function signs(each) {
  return [
    each.status === "suggested" && el("span", { class: "tag accent" }, "suggested"),
    each.strength === "must" && el("span", { class: "tag care" }, "must hold"),
    each.source !== "user" && el("span", { class: "tag" }, each.source),
    each.scope && el("span", { class: "tag" }, each.scope),
  ];
}

/** @param {string} user @param {Instruction} each */
function event(user, each) {
  const kind = KINDS[/** @type {keyof typeof KINDS} */ (each.status)] ?? "";
  const may = each.status === "active" || each.status === "retracted";
  return el(
    "li",
    {},
    el("p", { class: "wish" }, each.text),
    el("div", { class: "row small soft" }, el("span", { class: `tag ${kind}` }, each.status), when(each.created_at)),
    may &&
      el(
        "div",
        { class: "row acts" },
        button(`Undo: ${each.text}`, el("span", { class: "row tight" }, icon("undo"), "Undo"), () => act(user, () => change(user, each.id, "undo"), "Undone.")),
      ),
  );
}

/** @param {string} user @param {Instruction} each @param {Element} node */
function edit(user, each, node) {
  const item = /** @type {Element} */ (node.closest("li"));
  const field = /** @type {HTMLTextAreaElement} */ (el("textarea", { rows: 2, "aria-label": "New words", maxlength: 2000 }));
  field.value = each.text;
  const form = el(
    "form",
    { class: "field" },
    field,
    el("div", { class: "row" }, el("button", { class: "first" }, "Save"), button("Cancel rewording", "Cancel", () => item.replaceWith(wish(user, each)))),
  );
  form.addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    const text = field.value.trim();
    if (text !== "") act(user, () => revise(user, each.id, text), "Reworded: the old words stay in the history.");
  });
  fill(item, form);
  field.focus();
}

/**
 * Do something, then show everything as it is now, and say what happened.
 * @param {string} user @param {() => Promise<unknown>} work @param {string} done
 */
async function act(user, work, done) {
  try {
    await work();
    paint(user, (await profile(user)).instructions);
    fill(byId("done"), message(done, "good"));
    return true;
  } catch (error) {
    show(byId("done"), error);
    return false;
  }
}

/**
 * @param {string} label @param {string | Node} text @param {(node: Element) => unknown} work
 */
function button(label, text, work) {
  const node = el("button", { type: "button", class: "plain", "aria-label": label }, text);
  node.addEventListener("click", () => work(node));
  return node;
}
