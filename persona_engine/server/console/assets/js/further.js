/** What a further question would teach, and the page on which a person is asked. */

import { read } from "./api.js";
import { byId, el, empty, fill, percent, spaced, table } from "./dom.js";
import { show, working } from "./frame.js";
import { onboardingLink } from "./rest.js";

const QUESTIONS = 4;

/** @typedef {{id: string, prompt: string, styles: string[], gain: number}} Further */

/** @param {string} user */
export async function further(user) {
  const place = byId("next");
  working(place, "Weighing the questions");
  const found = await read(`/console/api/teaching?${new URLSearchParams({ user })}`);
  if (!found.questions.length) {
    fill(place, empty("check", "Nothing more to learn from the bank", "No answer is expected to say more about this person."));
    return;
  }
  const sure = found.confidence === null ? null : el("p", {}, "The engine expects to be right about ", el("strong", {}, percent(found.confidence)), " of the answers it could ask for.");
  const rows = found.questions.map((/** @type {Further} */ each) => [each.prompt, each.styles.map(spaced).join(", ") || "–", each.gain.toFixed(3)]);
  const said = el("div", { role: "status", "aria-live": "polite" });
  const ask = el("button", { type: "button" }, "Link to ask them");
  ask.addEventListener("click", () => link(user, said));
  const columns = [{ name: "Question" }, { name: "About" }, { name: "Teaches (nats)", number: true }];
  fill(place, sure, table("The next questions, in the order in which they would be asked", columns, rows), el("div", { class: "row" }, ask), said);
}

/** @param {string} user @param {Element} said */
async function link(user, said) {
  try {
    const made = await onboardingLink(user, QUESTIONS);
    const address = new URL(made.path, location.origin).href;
    const until = new Date(made.expires_at).toLocaleTimeString("en-GB", { timeStyle: "short" });
    fill(
      said,
      el("p", {}, el("a", { href: address, target: "_blank", rel: "noopener" }, "Open the questions"), ` (valid until ${until}, for this user only). To embed it:`),
      el("pre", { class: "snippet", tabindex: 0, "aria-label": "Markup to embed" }, `<iframe src="${address}" title="Which do you prefer?"></iframe>`),
    );
  } catch (error) {
    show(said, error);
  }
}
