/**
 * The state of the page and its address: pure functions, no DOM.
 *
 * State: { parts, filters, item, fusion, diversity, lost }
 *   parts    [{ kind: "text" | "photo" | "product", value, weight }]; a negative weight means "not like this";
 *            a photo may have a box, [left, top, right, bottom] in shares of its sides, that alone counts
 *   filters  { category: [..], brand: [..], ..., price: { gte, lte } }
 *   item     id of the product whose details are open, or null
 *   diversity  how unlike each other the results shall be, 0 (not asked for) to 1
 *   lost     how many photos the address speaks of that this page does not have
 *
 * In the address, a weight other than 1 follows its value as `^1.5`.
 */

/** Weights the plus and minus buttons step through. */
export const STEPS = [0.25, 0.5, 0.75, 1, 1.5, 2, 3];

const NAMES = { q: ["text", 1], not: ["text", -1], like: ["product", 1], unlike: ["product", -1] };
const PRICE = { price_min: "gte", price_max: "lte" };
const OTHER = new Set(["item", "fusion", "diversity", "photos"]);

/** The diversity that the switch on the page asks for. */
export const VARIETY = 0.6;

export const EMPTY = Object.freeze({ parts: [], filters: {}, item: null, fusion: null, diversity: 0, lost: 0 });

function weighted(value, weight) {
  const size = Math.abs(weight);
  return size === 1 && !/\^[\d.]+$/.test(value) ? value : `${value}^${size}`;
}

function unweighted(text) {
  const match = /^([\s\S]*)\^(\d+(?:\.\d+)?)$/.exec(text);
  const size = match ? Number(match[2]) : 1;
  return match && size > 0 ? [match[1], size] : [text, 1];
}

/**
 * Address -> state. `photos` is what the history entry kept of the photos: [{ at, id, weight, box }].
 */
export function parseAddress(search, photos = []) {
  const state = { parts: [], filters: {}, item: null, fusion: null, diversity: 0, lost: 0 };
  const query = new URLSearchParams(search);
  for (const [name, raw] of query) {
    if (!raw.trim()) continue;
    if (Object.hasOwn(NAMES, name)) {
      const [kind, sign] = NAMES[name];
      const [value, size] = unweighted(raw);
      if (value.trim()) state.parts.push({ kind, value, weight: sign * size });
    } else if (Object.hasOwn(PRICE, name)) {
      const bound = Number(raw);
      if (Number.isFinite(bound)) state.filters.price = { ...state.filters.price, [PRICE[name]]: bound };
    } else if (name === "item") {
      state.item = raw;
    } else if (name === "fusion") {
      state.fusion = raw;
    } else if (name === "diversity") {
      const asked = Number(raw);
      if (asked >= 0 && asked <= 1) state.diversity = asked;
    } else if (isFilter(name)) {
      state.filters[name] = [...(state.filters[name] ?? []), raw];
    }
  }
  for (const { at, id, weight, box } of photos) {
    state.parts.splice(at, 0, { kind: "photo", value: id, weight, ...(box && { box }) });
  }
  state.lost = Math.max(0, (Number(query.get("photos")) || 0) - photos.length);
  return state;
}

/** Whether an address parameter is a filter on the catalogue's fields. */
function isFilter(name) {
  return !OTHER.has(name) && (["category", "brand", "tags"].includes(name) || name.startsWith("attributes."));
}

/** State -> address, such as `?q=red+dress&category=dress`; "" for the start page. */
export function formatAddress(state) {
  const query = new URLSearchParams();
  for (const { kind, value, weight } of state.parts) {
    const entry = Object.entries(NAMES).find(([, [k, sign]]) => k === kind && sign === Math.sign(weight));
    if (entry) query.append(entry[0], weighted(value, weight));
  }
  for (const [name, filter] of Object.entries(state.filters)) {
    if (name === "price") {
      for (const [parameter, bound] of Object.entries(PRICE)) {
        if (filter[bound] !== undefined) query.append(parameter, String(filter[bound]));
      }
    } else {
      for (const value of filter) query.append(name, value);
    }
  }
  const photos = state.parts.filter((part) => part.kind === "photo").length + state.lost;
  if (photos) query.set("photos", String(photos));
  if (state.fusion) query.set("fusion", state.fusion);
  if (state.diversity) query.set("diversity", String(state.diversity));
  if (state.item) query.set("item", state.item);
  const text = query.toString();
  return text ? `?${text}` : "";
}

/** What a history entry keeps of the photos, which the address cannot carry. */
export function photosOf(state) {
  return state.parts.flatMap((part, at) =>
    part.kind === "photo" ? [{ at, id: part.value, weight: part.weight, ...(part.box && { box: part.box }) }] : []);
}

/** Equal for two states that ask the service the same question. */
export function questionOf(state) {
  return JSON.stringify([state.parts, state.filters, state.fusion, state.diversity]);
}

export const isPositive = (part) => part.weight > 0;

/** The words the search box shows: the first text part that is looked for. */
export function mainWords(state) {
  return state.parts.find((part) => part.kind === "text" && isPositive(part));
}

/** "red dress -leather -\"long sleeves\"" -> { words: "red dress", without: ["leather", "long sleeves"] } */
export function readWords(text) {
  const without = [];
  const words = text.replace(/(^|\s)-(?:"([^"]+)"|([^\s"-][^\s]*))/g, (_, before, phrase, word) => {
    without.push((phrase ?? word).trim());
    return before;
  });
  return { words: words.replace(/\s+/g, " ").trim(), without: without.filter(Boolean) };
}

/** The state with what the search box holds: replaces the main words, adds what is left out. */
export function withBox(state, text) {
  const { words, without } = readWords(text);
  const main = mainWords(state);
  let parts = state.parts;
  if (main) parts = parts.flatMap((part) => (part !== main ? [part] : words ? [{ ...part, value: words }] : []));
  else if (words) parts = [{ kind: "text", value: words, weight: 1 }, ...parts];
  for (const value of without) parts = added(parts, { kind: "text", value, weight: -1 });
  return { ...state, parts };
}

function added(parts, part) {
  const rest = parts.filter((other) => other.kind !== part.kind || other.value !== part.value);
  return [...rest, part];
}

/** The state with one more part; a part of the same kind and value is replaced. */
export const withPart = (state, part) => ({ ...state, parts: added(state.parts, part) });

/** The state without its part number `index`; without any part, the filters go too. */
export function withoutPart(state, index) {
  const parts = state.parts.filter((_, at) => at !== index);
  return { ...state, parts, filters: parts.length ? state.filters : {} };
}

/** The state with another weight for part number `index`. */
export const withWeight = (state, index, weight) => ({
  ...state,
  parts: state.parts.map((part, at) => (at === index ? { ...part, weight } : part)),
});

/** The state with the region of photo number `index` that counts, null for the whole photo. */
export const withRegion = (state, index, box) => ({
  ...state,
  parts: state.parts.map((part, at) => (at === index ? { ...part, box: box ?? undefined } : part)),
});

/** The weight one step up (+1) or down (-1), sign kept; the same where there is no further step. */
export function stepped(weight, direction) {
  const size = Math.abs(weight);
  const larger = STEPS.find((step) => step > size);
  const smaller = STEPS.findLast((step) => step < size);
  return Math.sign(weight) * ((direction > 0 ? larger : smaller) ?? size);
}

/** The state with `value` of filter `key` switched on or off. */
export function withFilter(state, key, value, on) {
  const values = (state.filters[key] ?? []).filter((other) => other !== value);
  if (on) values.push(value);
  const filters = { ...state.filters, [key]: values };
  if (!values.length) delete filters[key];
  return { ...state, filters };
}

/** The state with price bounds; undefined means unbounded. */
export function withPrice(state, gte, lte) {
  const filters = { ...state.filters, price: {} };
  if (gte !== undefined) filters.price.gte = gte;
  if (lte !== undefined) filters.price.lte = lte;
  if (!Object.keys(filters.price).length) delete filters.price;
  return { ...state, filters };
}
