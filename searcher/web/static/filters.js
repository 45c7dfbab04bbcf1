/** Filters by category, brand, tags, price and whatever else the catalogue has, with counts. */

import { facets } from "./api.js";
import { byId, el, fill } from "./dom.js";
import { count, keyName } from "./words.js";

const KEYS = ["category", "brand", "tags"];
const FOLDED = 8;

const cache = new Map();
const expanded = new Set();
let current = null;

/**
 * Show the filters for `state`. Each field is counted under the other filters, so that a second
 * value can be added to it. `priced` says whether the hits have prices. Fields without values stay hidden.
 */
export async function renderFilters(state, priced, actions) {
  const mine = (current = {});
  const groups = await Promise.all(KEYS.map(async (key) => ({ key, values: await counted(key, state.filters) })));
  if (mine === current) draw(groups, state, priced || state.filters.price !== undefined, actions);
}

async function counted(key, filters) {
  const { [key]: own = [], ...others } = filters;
  const id = JSON.stringify([key, others]);
  if (!cache.has(id)) {
    cache.set(id, facets(key, { filters: others }).catch(() => {
      cache.delete(id);
      return [];
    }));
  }
  const values = (await cache.get(id)).map(({ value, count: n }) => ({ value: String(value), n }));
  const missing = own.filter((value) => !values.some((other) => other.value === value));
  return [...missing.map((value) => ({ value, n: 0 })), ...values];
}

function draw(groups, state, priced, actions) {
  const fields = groups
    .filter(({ key, values }) => values.length > 1 || state.filters[key])
    .map(({ key, values }) => group(key, values, groups, state, priced, actions));
  const used = Object.values(state.filters).flat().length;
  fill(byId("filters"), ...fields, priced ? price(state, actions) : null);
  byId("filters-count").textContent = used ? `Filters (${used})` : "Filters";
  const none = !fields.length && !priced;
  byId("filters").hidden = none;
  byId("filters-toggle").hidden = none;
}

function group(key, values, groups, state, priced, actions) {
  const chosen = new Set(state.filters[key] ?? []);
  const all = expanded.has(key);
  const shown = all ? values : values.filter(({ value }, index) => index < FOLDED || chosen.has(value));
  const rest = values.length - shown.length;
  return el("fieldset", { class: "facet", "data-key": key },
    el("legend", {}, keyName(key)),
    shown.map(({ value, n }) => el("label", { class: "choice" },
      el("input", {
        type: "checkbox", checked: chosen.has(value), "data-focus": `${key}=${value}`,
        onchange: (event) => actions.setFilter(key, value, event.target.checked),
      }),
      el("span", { class: "choice-name", dir: "auto" }, value),
      el("span", { class: "choice-count" }, count(n), el("span", { class: "unseen" }, " products")))),
    rest > 0 || all && values.length > FOLDED ? el("button", {
      class: "text-button", type: "button", "data-focus": `all-${key}`, "aria-expanded": String(all),
      onclick: () => {
        if (all) expanded.delete(key);
        else expanded.add(key);
        draw(groups, state, priced, actions);
      },
    }, all ? "Show fewer" : `Show ${rest} more`) : null);
}

function price(state, actions) {
  const { gte, lte } = state.filters.price ?? {};
  const bound = (label, value, name) => el("label", { class: "bound" }, el("span", {}, label), el("input", {
    type: "number", min: "0", step: "any", inputmode: "decimal", name, value: value ?? "", "data-focus": name,
    onchange: (event) => {
      const holder = event.target.closest("fieldset");
      const [from, to] = ["price_min", "price_max"].map((input) => {
        const number = holder.querySelector(`[name=${input}]`).valueAsNumber;
        return Number.isNaN(number) ? undefined : Math.max(0, number);
      });
      if (from !== undefined && to !== undefined && from > to) actions.setPrice(to, from);
      else actions.setPrice(from, to);
    },
  }));
  return el("fieldset", { class: "facet" }, el("legend", {}, "Price"),
    el("div", { class: "bounds" }, bound("From", gte, "price_min"), bound("To", lte, "price_max")));
}
