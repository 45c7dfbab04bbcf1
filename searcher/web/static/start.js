/** The first screen: ideas to search for and shelves to look at, all taken from the catalogue. */

import { facets, remember, search } from "./api.js";
import { card } from "./card.js";
import { byId, el, fill } from "./dom.js";
import { capital, count } from "./words.js";

const SHELVES = 4;
const ON_SHELF = 8;
const IDEAS = 5;

let loaded = false;

/** Fill the first screen, once. A catalogue without categories gets one mixed shelf. */
export async function renderStart(actions, onProblem) {
  if (loaded) return;
  loaded = true;
  waiting();
  try {
    const [categories, brands] = await Promise.all([facets("category", { limit: 12 }), facets("brand", { limit: 4 })]);
    const named = categories.slice(0, SHELVES).map(({ value, count: n }) => ({ value: String(value), n }));
    const shelves = await Promise.all(named.length
      ? named.map(({ value }) => shelf(value, { category: [value] }))
      : [shelf(brands[0] ? String(brands[0].value) : "new", {})]);
    if (!named.length) named.push({ value: "", n: 0 });
    byId("start").removeAttribute("aria-busy");
    const filled = named.map((name, index) => ({ ...name, hits: shelves[index] })).filter(({ hits }) => hits.length);
    fill(byId("start"),
      ideas(filled, categories.map(({ value }) => String(value)), brands.map(({ value }) => String(value)), actions),
      filled.map((entry, index) => drawShelf(entry, actions, index === 0)));
    if (!filled.length) {
      onProblem({ title: "Nothing here yet", detail: "The catalogue is empty.", mend: "Index a catalogue first: vitrine index CATALOGUE" });
    }
  } catch (problem) {
    loaded = isAboutWords(problem);
    // The shelves are asked for by words, which the encoder of this catalogue may not see.
    byId("start").removeAttribute("aria-busy");
    fill(byId("start"), loaded ? picturesOnly(actions) : null);
    if (!loaded) onProblem(problem);
  }
}

const isAboutWords = ({ status, field }) => status === 422 && /\.text$/.test(field ?? "");

function picturesOnly(actions) {
  return el("div", { class: "panel" },
    el("h2", {}, "Show what you are after"),
    el("p", {}, "This catalogue is searched by pictures only: drop or paste a photo anywhere on the page."),
    el("button", { class: "go", type: "button", onclick: actions.choosePhoto }, "Choose a photo"));
}

function waiting() {
  byId("start").setAttribute("aria-busy", "true");
  fill(byId("start"), el("div", { class: "shelf", "aria-hidden": "true" }, el("div", { class: "strip" },
    Array.from({ length: ON_SHELF }, () => el("div", { class: "card skeleton" },
      el("span", { class: "tile" }), el("span", { class: "line" }), el("span", { class: "line short" }))))));
}

async function shelf(words, filters) {
  const answer = await search({ parts: [{ text: words }], filters, limit: ON_SHELF });
  answer.hits.forEach(remember);
  return answer.hits;
}

/** Example searches: titles of real products, a category of a brand, a category without a brand. */
function ideas(shelves, categories, brands, actions) {
  const titles = shelves
    .map(({ hits }) => hits.map(({ product }) => product.title).find((title) => title && title.length <= 36))
    .filter(Boolean);
  const examples = [
    titles[0],
    categories[0] && brands[0] && `${brands[0]} ${categories[0]}`,
    titles[1],
    categories[1] && brands[1] && `${categories[1]} -${brands[1].includes(" ") ? `"${brands[1]}"` : brands[1]}`,
    titles[2], categories[2], categories[3], titles[3], ...categories.slice(4),
  ];
  const unique = [...new Set(examples.filter(Boolean))].slice(0, IDEAS);
  if (!unique.length) return null;
  return el("div", { class: "ideas" }, el("h2", { class: "ideas-title" }, "Try"),
    el("ul", {}, unique.map((example) => el("li", {},
      el("button", { class: "idea", type: "button", dir: "auto", onclick: () => actions.tryWords(example) },
        example.replace(/ -(?:"([^"]+)"|(\S+))/, (_, phrase, word) => `, not ${phrase ?? word}`))))));
}

function drawShelf({ value, n, hits }, actions, eager) {
  const name = value ? capital(value) : "A look around";
  return el("section", { class: "shelf", "aria-label": name },
    el("header", {}, el("h2", { dir: "auto" }, name),
      value ? el("a", {
        class: "text-button", href: actions.addressOfCategory(value),
        onclick: (event) => {
          event.preventDefault();
          actions.openCategory(value);
        },
      }, `See all ${count(n)}`, el("span", { class: "unseen" }, ` in ${name}`)) : null),
    el("ul", { class: "strip" }, hits.map((hit) => card(hit, null, actions, { eager }))));
}
