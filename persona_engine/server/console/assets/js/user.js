/** One user's page: what is known of a person, to see, correct, take along and erase. */

import { comparisons } from "./comparisons.js";
import { byId, counted, el, fill, message, save } from "./dom.js";
import { forgetting } from "./forget.js";
import { show, start, working } from "./frame.js";
import { instructions } from "./instructions.js";
import { further } from "./further.js";
import { exported, profile } from "./rest.js";
import { tastes } from "./tastes.js";

/** @typedef {import("./instructions.js").Instruction} Instruction */

start(async () => {
  const user = new URLSearchParams(location.search).get("id") ?? "";
  fill(byId("name"), user);
  document.title = `${user} · Persona console`;
  working(byId("status"), "Reading what is known");
  const known = await profile(user);
  fill(byId("status"));
  paint(user, known);
  byId("page").hidden = false;
  await Promise.all([
    part("comparisons", () => comparisons(user)),
    part("next", () => further(user)),
  ]);
});

/** @param {string} user @param {any} known */
function paint(user, known) {
  fill(byId("about"), ...about(known));
  byId("talk").href = `/console/chat?${new URLSearchParams({ user })}`;
  byId("export").addEventListener("click", () => part("status", () => take(user)));
  fill(byId("comparisons-about"), counted(known.comparisons, "comparison"));
  instructions(user, known.instructions);
  tastes(known);
  forgetting(user);
}

/** @param {any} known */
function about(known) {
  const seen = known.created_at ? `since ${new Date(known.created_at).toLocaleDateString("en-GB", { dateStyle: "medium" })}` : "";
  const groups = Object.entries(known.clusters).map(([name, share]) => `${name} ${(100 * Number(share)).toFixed(0)} %`);
  const traits = Object.values(known.traits).join(", ");
  const parts = [seen, groups.length ? `clusters: ${groups.slice(0, 3).join(", ")}` : "", traits].filter(Boolean);
  return parts.map((each, place) => el("span", {}, place ? ` · ${each}` : each));
}

/** @param {string} user */
async function take(user) {
  working(byId("status"), "Collecting everything that is kept");
  save(`${user}.json`, await exported(user));
  fill(byId("status"), message(`Everything that is kept of ${user} is saved as ${user}.json.`, "good"));
}

/** @param {string} id @param {() => Promise<void>} work */
async function part(id, work) {
  try {
    await work();
  } catch (error) {
    show(byId(id), error);
  }
}
