/** What every page of the console shares: whose users these are, signing out, failures. */

import { Problem, send, session } from "./api.js";
import { byId, el, fill, message } from "./dom.js";

/**
 * Start a page: the frame, then its own work, whose failure is shown in place.
 * @param {() => Promise<void>} work
 * @param {string} [place] id of the element that says what is happening
 */
export async function start(work, place = "status") {
  byId("sign-out").addEventListener("click", leave);
  try {
    const { tenant, csrf } = await session();
    byId("sign-out").hidden = csrf === ""; // a server that needs no key has no sessions
    fill(byId("tenant"), el("span", { class: "unseen" }, "Tenant: "), tenant);
    await work();
  } catch (error) {
    show(byId(place), error);
  }
}

/** @param {Element} place @param {unknown} error */
export function show(place, error) {
  fill(place, message(words(error), "bad"));
}

/** @param {unknown} error */
export function words(error) {
  if (error instanceof Problem) return error.message;
  console.error(error);
  return "This page could not be shown. Reload it; if that does not help, the server's log says why.";
}

/**
 * Say in a live region how far long work is.
 * @param {Element} place
 * @param {string} what
 * @param {number} [done]
 * @param {number} [total] 0 where nobody knows
 */
export function working(place, what, done = 0, total = 0) {
  const known = total > 0;
  const text = known ? `${what}: ${done.toLocaleString("en")} of ${total.toLocaleString("en")}` : `${what} …`;
  let bar = place.querySelector("progress");
  if (bar === null) {
    bar = /** @type {HTMLProgressElement} */ (el("progress", { "aria-label": what }));
    fill(place, el("div", { class: "working" }, el("span", {}, text), bar));
  } else {
    bar.setAttribute("aria-label", what);
    fill(/** @type {Element} */ (place.querySelector("span")), text);
  }
  if (known) {
    bar.max = total;
    bar.value = done;
  } else {
    bar.removeAttribute("value");
  }
}

async function leave() {
  await send("POST", "/console/logout").catch(() => null);
  location.assign("/console/login");
}
