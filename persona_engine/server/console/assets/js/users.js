/** The tenant's users: on a map of their preference embeddings, and in a list beside it. */

import { follow } from "./api.js";
import { byId, counted, el, empty, fill, fitted, percent } from "./dom.js";
import { show, start, working } from "./frame.js";
import { draw } from "./map.js";
import { markClass, sign } from "./marks.js";
import { users } from "./rest.js";

const PAGE = 50;
const PAUSE = 200;

/** @type {Map<string, import("./map.js").Placed>} */
const placed = new Map();
/** @type {string[]} */
let clusters = [];
/** @type {ReturnType<typeof draw> | null} */
let picture = null;
let last = "";

start(async () => {
  watch();
  await Promise.all([list(true), map()]);
}, "map-status");

async function map() {
  const status = byId("map-status");
  working(status, "Reading what is believed of users");
  try {
    const found = await follow("/console/api/map", ({ what, done, total }) =>
      working(status, capital(what), done, total),
    );
    fill(status);
    clusters = found.areas.map((/** @type {{name: string}} */ each) => each.name);
    for (const each of found.placed) placed.set(each.user, each);
    paint(found);
  } catch (error) {
    show(status, error);
  }
}

/** @param {import("./map.js").UserMap} found */
function paint(found) {
  if (!found.placed.length) {
    fill(byId("map"), empty("users", "Nobody stands here yet", "Who compares two replies gets a place on the map."));
    return;
  }
  fill(
    byId("map-about"),
    `${found.placed.length.toLocaleString("en")} of ${counted(found.users, "user")}; the plane shows ${percent(found.shown)} of their differences`,
  );
  fitted(byId("map"), (width) => {
    picture = draw(found, clusters, { over: light, open }, width);
    return picture.node;
  });
  fill(byId("areas"), legend(found));
  for (const item of byId("people").children) colour(item);
}

/** @param {import("./map.js").UserMap} found */
function legend(found) {
  if (!found.areas.length) {
    return el("p", { class: "hint" }, "No clusters are in use: ", el("code", {}, "persona cluster"), " finds them.");
  }
  const items = clusters.map((name, place) => {
    const size = found.placed.filter((each) => each.cluster === name).length;
    return el("li", {}, sign(place), el("span", {}, name), el("span", { class: "soft" }, counted(size, "user")));
  });
  return el("ul", { class: "legend", "aria-label": "Clusters" }, ...items);
}

/** @param {boolean} anew */
async function list(anew) {
  const containing = byId("query").value.trim();
  const after = anew ? "" : last;
  const found = await users(containing, after, PAGE);
  if (byId("query").value.trim() !== containing) return; // a later search is under way
  const people = byId("people");
  if (anew) fill(people);
  people.append(...found.users.map(person));
  last = found.users.at(-1) ?? last;
  byId("more").hidden = found.next === null;
  const count = people.children.length;
  const about = found.next ? `The first ${counted(count, "user")}` : counted(count, "user");
  fill(byId("list-about"), count ? about : containing ? `Nobody’s name contains “${containing}”.` : "No users yet.");
}

/** @param {string} user */
function person(user) {
  const link = el("a", { href: address(user) }, el("span", { class: "place" }), el("span", { class: "name" }, user));
  const item = el("li", { "data-user": user }, link);
  const on = () => picture?.light(user);
  const off = () => picture?.light(null);
  for (const [name, act] of /** @type {const} */ ([["mouseenter", on], ["focusin", on], ["mouseleave", off], ["focusout", off]])) {
    item.addEventListener(name, act);
  }
  colour(item);
  return item;
}

/** @param {Element} item */
function colour(item) {
  const found = placed.get(item.getAttribute("data-user") ?? "");
  const place = found?.cluster ? clusters.indexOf(found.cluster) : -1;
  const spot = /** @type {Element} */ (item.querySelector(".place"));
  spot.className = `place ${markClass(place)}`;
  const about = found ? (found.cluster ?? "on the map") : "not on the map";
  if (picture !== null) fill(spot, found ? sign(place) : null, el("span", { class: "unseen" }, `${about}: `));
}

/** @param {string | null} user */
function light(user) {
  for (const item of byId("people").children) {
    item.classList.toggle("lit", user !== null && item.getAttribute("data-user") === user);
  }
}

function watch() {
  let timer = 0;
  byId("query").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(again, PAUSE, true);
  });
  byId("search").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    clearTimeout(timer);
    again(true);
  });
  byId("more").addEventListener("click", () => again(false));
}

/** @param {boolean} anew */
async function again(anew) {
  try {
    await list(anew);
  } catch (error) {
    show(byId("list-about"), error);
  }
}

/** @param {string} user */
function open(user) {
  location.assign(address(user));
}

/** @param {string} user */
function address(user) {
  return `/console/user?${new URLSearchParams({ id: user })}`;
}

/** @param {string} text */
function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
