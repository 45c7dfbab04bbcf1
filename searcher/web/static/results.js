/** The results: grid, count, empty and error states, arrow keys. */

import { card } from "./card.js";
import { byId, el, fill, icon } from "./dom.js";
import { count, keyName, milliseconds, partNames, plural } from "./words.js";

const SKELETONS = 12;
const EAGER = 8;

/** Grey cards in place of an answer that is on its way, if nothing is shown yet. */
export function renderWaiting() {
  const grid = byId("grid");
  byId("problem").hidden = true;
  grid.setAttribute("aria-busy", "true");
  byId("progress").hidden = false;
  if (grid.childElementCount) return;
  byId("status").textContent = "Searching …";
  fill(grid, Array.from({ length: SKELETONS }, () =>
    el("li", { class: "card skeleton", "aria-hidden": "true" },
      el("span", { class: "tile" }), el("span", { class: "line" }), el("span", { class: "line short" }))));
}

export function doneWaiting() {
  byId("grid").removeAttribute("aria-busy");
  byId("progress").hidden = true;
}

/** Show the hits of `answer` from number `from` on; those before are left as they are. */
export function renderHits(answer, state, actions, from = 0) {
  const names = partNames(answer.parts);
  const grid = byId("grid");
  const cards = answer.hits.slice(from).map((hit, index) => card(hit, names, actions, { eager: from + index < EAGER }));
  if (from) grid.append(...cards);
  else fill(grid, cards);
  byId("problem").hidden = true;
  const shown = answer.hits.length;
  const considered = `${plural(answer.total, "product")} considered in ${milliseconds(answer.took_ms.total)}`;
  fill(byId("status"), el("strong", {}, `${count(shown)} shown`), el("span", {}, considered));
  byId("why").hidden = byId("vary").hidden = !shown;
  byId("vary").setAttribute("aria-pressed", String(state.diversity > 0));
  byId("more").hidden = !shown || answer.complete;
  const end = byId("end");
  end.hidden = !shown || !answer.complete || shown < 12;
  end.textContent = shown >= answer.total
    ? `That is all of them, ${state.diversity ? "matches unlike each other" : "best matches"} first.`
    : "Those are the best matches. More words or a filter will find the others.";
  if (!shown) renderNothing(state, actions);
  renderActive(state, actions);
}

function renderNothing(state, actions) {
  const filtered = Object.keys(state.filters).length > 0;
  panel("Nothing found",
    filtered ? "No product of the catalogue passes these filters." : "The catalogue has no product to compare with.",
    filtered ? "Take a filter away, or clear them all." : "Index a catalogue, then search again.",
    filtered ? el("button", { class: "go", type: "button", onclick: actions.clearFilters }, "Clear filters") : null);
}

/** A problem in words, with its mend and a way on. */
export function renderProblem(problem, actions, { keep = false } = {}) {
  if (!keep) {
    fill(byId("grid"));
    byId("status").textContent = "";
    byId("active").hidden = true;
    byId("why").hidden = byId("vary").hidden = true;
    byId("more").hidden = true;
    byId("end").hidden = true;
  }
  panel(problem.title, problem.detail, problem.mend,
    el("button", { class: "go", type: "button", onclick: actions.again }, "Try again"), "alert");
}

function panel(title, detail, mend, button, role = null) {
  const holder = byId("problem");
  holder.hidden = false;
  fill(holder, el("div", { class: "panel", role },
    el("h2", {}, title), el("p", {}, detail), mend ? el("p", { class: "mend" }, mend) : null, button));
}

/** Filters in use, each of which a click takes away. */
function renderActive(state, actions) {
  const list = byId("active");
  const item = (text, label, onclick) => el("li", {}, el("button", {
    class: "filter-chip", type: "button", "aria-label": `Remove filter ${label}`, onclick }, text, icon("close")));
  const items = Object.entries(state.filters).flatMap(([key, filter]) => {
    if (key !== "price") return filter.map((value) => item(value, `${keyName(key)}: ${value}`, () => actions.setFilter(key, value, false)));
    const text = filter.gte === undefined ? `up to ${filter.lte}`
      : filter.lte === undefined ? `from ${filter.gte}` : `${filter.gte} – ${filter.lte}`;
    return [item(`Price ${text}`, "price", () => actions.setPrice(undefined, undefined))];
  });
  list.hidden = !items.length;
  fill(list, items);
}

/** Arrow keys, Home and End move between the products of a grid. */
export function moveWithArrows(event) {
  const current = event.target.closest(".card");
  if (!current || event.altKey || event.ctrlKey || event.metaKey) return;
  const cards = [...current.parentElement.querySelectorAll(":scope > .card")];
  const index = cards.indexOf(current);
  const columns = cards.filter((other) => other.offsetTop === cards[0].offsetTop).length;
  const rightToLeft = getComputedStyle(current).direction === "rtl" ? -1 : 1;
  const target = {
    ArrowRight: index + rightToLeft, ArrowLeft: index - rightToLeft,
    ArrowDown: index + columns, ArrowUp: index - columns, Home: 0, End: cards.length - 1,
  }[event.key];
  if (target === undefined) return;
  event.preventDefault();
  if (target < 0 && event.key === "ArrowUp") byId("words").focus();
  cards[target]?.querySelector(".card-link").focus();
}
