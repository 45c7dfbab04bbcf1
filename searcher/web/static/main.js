/**
 * The page as a whole: the address is the state, every action makes a new state, every state is
 * shown anew. Data flows one way: action -> go() -> show() -> views.
 */

import { Problem, remember, search } from "./api.js";
import { closeDetail, openDetail, watchDetail } from "./detail.js";
import { byId } from "./dom.js";
import { watchInput } from "./input.js";
import { renderFilters } from "./filters.js";
import { photo, takePhoto } from "./photo.js";
import { renderQuery } from "./query.js";
import { openRegions, regionsOpen, renderRegions } from "./regions.js";
import { doneWaiting, moveWithArrows, renderHits, renderProblem, renderWaiting } from "./results.js";
import { renderStart } from "./start.js";
import {
  EMPTY, formatAddress, isPositive, mainWords, parseAddress, photosOf, questionOf, VARIETY, withBox, withFilter,
  withoutPart, withPart, withPrice, withRegion, withWeight,
} from "./state.js";

const PAGE = 24;
const MOST_AT_ONCE = 200;
const ANSWERS_KEPT = 12;

let state = EMPTY;
/** The question whose answer (or problem) is on the page, and that answer. */
let shown = { question: null, answer: null };
/** Aborts the request in flight; an answer counts only while its controller is still this one. */
let flight = null;
const answers = new Map();

/** Take over a state: into the address, then onto the page. */
function go(next, { replace = false, opened = false } = {}) {
  const entry = { photos: photosOf(next), opened, depth: 0 };
  const address = formatAddress(next) || location.pathname;
  if (replace) history.replaceState(entry, "", address);
  else history.pushState(entry, "", address);
  show(next);
}

/** The state the address and the history entry speak of; photos this tab no longer has are lost. */
function stateOfAddress() {
  return parseAddress(location.search, (history.state?.photos ?? []).filter(({ id }) => photo(id)));
}

function show(next) {
  state = next;
  renderQuery(state, actions);
  renderRegions(state, actions);
  document.title = titleOfPage();
  const asks = state.parts.length > 0;
  document.body.dataset.screen = asks ? "results" : "start";
  byId("start").hidden = asks;
  byId("found").hidden = !asks;
  if (!asks) {
    stop();
    shown = { question: null, answer: null };
    renderStart(actions, (problem) => onStartProblem(problem));
  } else if (questionOf(state) !== shown.question) {
    find();
  }
  if (state.item) openDetail(state.item, shown.answer?.hits ?? [], shown.answer?.parts ?? [], dialog);
  else closeDetail();
}

function titleOfPage() {
  const words = state.parts.filter((part) => part.kind === "text" && isPositive(part)).map((part) => part.value);
  return words.length ? `${words.join(", ")} – Vitrine` : "Vitrine";
}

function onStartProblem(problem) {
  if (state.parts.length) return;
  byId("found").hidden = false;
  byId("filters").hidden = true;
  renderProblem(problem, actions);
}

function stop() {
  flight?.abort();
  flight = null;
  doneWaiting();
}

/** What the service is asked for the state's parts, in the same order. */
function partsToAsk() {
  return state.parts.map(({ kind, value, weight, box }) => {
    if (kind === "text") return { text: value, weight };
    return kind === "photo" ? { image: photo(value), weight, ...(box && { box }) } : { product: value, weight };
  });
}

function ask(limit, offset, signal, explain = false) {
  const { filters, fusion, diversity } = state;
  return search({ parts: partsToAsk(), filters, fusion, diversity, limit, offset, explain }, signal);
}

/** Ask the state's question and show the answer, unless another question comes first. */
async function find() {
  stop();
  const question = questionOf(state);
  shown = { question, answer: null };
  if (!state.parts.some(isPositive)) {
    renderProblem(new Problem({
      title: "What shall it be like?",
      detail: "So far the search only says what to leave out.",
      mend: "Add words, a photo or a product that says what you are after.",
    }), actions);
    return;
  }
  if (answers.has(question)) {
    present(answers.get(question));
    return;
  }
  const mine = (flight = new AbortController());
  renderWaiting();
  try {
    const limit = Math.min(Math.max(PAGE, history.state?.depth ?? 0), MOST_AT_ONCE);
    const answer = await ask(limit, 0, mine.signal);
    if (flight !== mine) return;
    stop();
    answer.complete = answer.hits.length < limit || answer.hits.length >= answer.total;
    keep(question, answer);
    present(answer);
  } catch (problem) {
    onProblem(problem, mine);
  }
}

function onProblem(problem, mine, keepGrid = false) {
  if (flight !== mine || problem.name === "AbortError") return;
  stop();
  if (!keepGrid) shown = { question: null, answer: null };
  renderProblem(problem instanceof Problem ? problem : new Problem({
    title: "Something went wrong on this page", detail: String(problem.message), mend: "Reload the page, then try again.",
  }), actions, { keep: keepGrid });
  if (!(problem instanceof Problem)) throw problem;
}

function keep(question, answer) {
  answers.delete(question);
  answers.set(question, answer);
  if (answers.size > ANSWERS_KEPT) answers.delete(answers.keys().next().value);
}

function present(answer, from = 0) {
  shown.answer = answer;
  answer.hits.forEach(remember);
  renderHits(answer, state, actions, from);
  renderQuery(state, actions);
  renderFilters(state, answer.hits.some(({ product }) => typeof product.price === "number"), actions);
  if (state.item) openDetail(state.item, answer.hits, answer.parts, dialog);
}

/** The next page of the answer, below what is shown; the keyboard goes to its first product. */
async function more() {
  const { answer } = shown;
  if (!answer || flight) return;
  const mine = (flight = new AbortController());
  byId("more").disabled = true;
  renderWaiting();
  try {
    const from = answer.hits.length;
    // Never beyond the total, which is also as far as the service can be paged.
    const wanted = Math.min(PAGE, answer.total - from);
    const next = await ask(wanted, from, mine.signal);
    if (flight !== mine) return;
    stop();
    const have = new Set(answer.hits.map(({ id }) => id));
    answer.hits.push(...next.hits.filter(({ id }) => !have.has(id)));
    answer.complete = next.hits.length < wanted || from + next.hits.length >= answer.total;
    history.replaceState({ ...history.state, depth: answer.hits.length }, "");
    present(answer, from);
    byId("grid").children[from]?.querySelector(".card-link").focus({ preventScroll: true });
  } catch (problem) {
    onProblem(problem, mine, true);
  } finally {
    byId("more").disabled = false;
  }
}

/** A search by something else than before: back to the top. */
function searchFor(next) {
  go({ ...next, item: null });
  scrollTo({ top: 0, behavior: "instant" });
}

/** The same from a product or an idea, which goes away with the old results: the keyboard goes to the count. */
function searchFrom(next) {
  searchFor(next);
  byId("status").focus({ preventScroll: true });
}

/** The state with the words of the box; what the box says to leave out moves from there to the chips. */
function withBoxTaken(before) {
  const next = withBox(before, byId("words").value);
  byId("words").value = mainWords(next)?.value ?? "";
  return next;
}

/** Pictures dropped, pasted or chosen become parts, together with the words in the box. */
async function usePhotos(files) {
  if (!files.length) {
    tell("That is not a picture. Drop or paste a JPEG, PNG or WebP file.");
    return;
  }
  const ids = [];
  try {
    for (const file of files) ids.push(await takePhoto(file));
  } catch (error) {
    tell(error.message);
    return;
  }
  // Only now, as the shopper may have gone on while the pictures were read.
  const start = withBoxTaken({ ...state, lost: 0 });
  openRegions(ids.length === 1 ? ids[0] : null);
  searchFor(ids.reduce((next, value) => withPart(next, { kind: "photo", value, weight: 1 }), start));
}

function tell(text) {
  const note = byId("note");
  note.hidden = false;
  note.classList.add("asks");
  note.textContent = text;
}

const actions = {
  submit: () => {
    const next = withBoxTaken({ ...state, item: null });
    if (!next.parts.length) {
      byId("words").focus();
      if (state.parts.length) searchFor(EMPTY);
      return;
    }
    answers.delete(questionOf(next));
    if (questionOf(next) === questionOf(state)) actions.again();
    else searchFor(next);
  },
  again: () => {
    shown.question = null;
    show(state);
  },
  home: () => searchFor(EMPTY),
  tryWords: (words) => searchFrom(withBox(EMPTY, words)),
  openCategory: (value) => searchFrom(inCategory(value)),
  addressOfCategory: (value) => formatAddress(inCategory(value)),
  addPart: (part) => searchFor(withPart(state, part)),
  removePart: (index) => {
    searchFor(withoutPart(state, index));
    if (document.activeElement === document.body) byId("words").focus();
  },
  setWeight: (index, weight) => go(withWeight(state, index, weight)),
  setRegion: (index, box) => go(withRegion(state, index, box)),
  openRegions: (id) => {
    openRegions(regionsOpen(id) ? null : id);
    renderRegions(state, actions);
  },
  closeRegions: () => {
    openRegions(null);
    renderRegions(state, actions);
    byId("parts").querySelector(".frame-button")?.focus();
  },
  /** The maps of a hit of the answer on the page: the same question once more, for its place alone. */
  explain: async (id) => {
    const at = shown.answer.hits.findIndex(({ product }) => product.id === id);
    const { hits } = await ask(1, at, null, true);
    return hits.find(({ product }) => product.id === id)?.maps ?? [];
  },
  photoOf: (index) => (state.parts[index]?.kind === "photo" ? state.parts[index].value : null),
  setFilter: (key, value, on) => go(withFilter(state, key, value, on)),
  setPrice: (gte, lte) => go(withPrice(state, gte, lte)),
  clearFilters: () => go({ ...state, filters: {} }),
  choosePhoto: () => byId("photo-file").click(),
  forgetPhotos: () => go({ ...state, lost: 0 }, { replace: true }),
  usePhotos,
  alike: (id) => searchFrom(withPart(state, { kind: "product", value: id, weight: 1 })),
  unlike: (id) => searchFrom(withPart(state, { kind: "product", value: id, weight: -1 })),
  open: (id) => go({ ...state, item: id }, { opened: true }),
  addressOf: (id) => formatAddress({ ...state, item: id }),
};

const dialog = {
  ...actions,
  alone: (id) => searchFrom({ ...EMPTY, parts: [{ kind: "product", value: id, weight: 1 }] }),
  narrow: (key, value) => searchFrom({
    ...state,
    parts: state.parts.length ? state.parts : [{ kind: "text", value, weight: 1 }],
    filters: { ...state.filters, [key]: [value] },
  }),
  turn: (id) => go({ ...state, item: id }, { replace: true, opened: history.state?.opened }),
  // Opened from this page: back undoes it. Opened by a link: there may be nothing to go back to.
  close: () => (history.state?.opened ? history.back() : go({ ...state, item: null }, { replace: true })),
};

const inCategory = (value) =>
  ({ ...EMPTY, parts: [{ kind: "text", value, weight: 1 }], filters: { category: [value] } });

// The top grows with its chips; what sticks below it, or is scrolled to, must not lie under it.
new ResizeObserver(([{ target }]) => {
  document.documentElement.style.setProperty("--top", `${target.offsetHeight}px`);
}).observe(document.querySelector(".top"));

watchInput(actions);
watchDetail(dialog);
byId("more").addEventListener("click", more);
byId("vary").addEventListener("click", () => go({ ...state, diversity: state.diversity ? 0 : VARIETY }));
byId("results").addEventListener("keydown", (event) => moveWithArrows(event));
addEventListener("popstate", () => show(stateOfAddress()));
show(stateOfAddress());
