/** One product in a grid, and the bars that say why it was found. */

import { picture } from "./api.js";
import { el, icon, pictureTile } from "./dom.js";
import { whyToggle } from "./why.js";
import { fieldName, hue, percent, priceOf, rounded, titleOf } from "./words.js";

const SIZES = "(min-width: 60rem) 14rem, (min-width: 40rem) 30vw, 46vw";
const SHOWN = 4;
const LEAST = 0.03;

/**
 * Card of a hit. `names` are the names of the query's parts (none on the start page); `actions`
 * has `open(id)`, `alike(id)`, `unlike(id)` and `addressOf(id)`.
 */
export function card(hit, names, actions, { eager = false } = {}) {
  const { product } = hit;
  const title = titleOf(product);
  const link = el("a", {
    class: "card-link", href: actions.addressOf(product.id), dir: "auto", "data-product": product.id,
    onclick: (event) => {
      // A new tab or window stays the browser's business.
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      actions.open(product.id);
    },
    ondragstart: (event) => event.dataTransfer.setData("application/x-vitrine-product", product.id),
  }, title);
  const facts = [product.brand, product.category].filter(Boolean);
  const price = priceOf(product);
  const tile = pictureTile(picture(hit.image_url, 320), `Picture of ${title}`, {
    sizes: SIZES, large: picture(hit.image_url, 640), eager });
  const why = names && hit.image_url ? whyToggle(hit, title, names, tile, actions) : null;
  return el("li", { class: "card" },
    tile,
    names ? edge(hit.weights) : null,
    el("div", { class: "card-text" },
      el("h3", { class: "card-title" }, link),
      el("p", { class: "facts" },
        price ? el("strong", { class: "price" }, price) : null,
        facts.length ? el("span", { class: "kind", dir: "auto" }, facts.join(" · ")) : null)),
    names ? reasons(hit.weights, names) : null,
    why?.choices,
    el("div", { class: "card-foot" },
      el("button", {
        class: "alike", type: "button", "aria-label": `More like this: ${title}`, onclick: () => actions.alike(product.id),
      }, icon("alike"), "More like this"),
      names ? el("button", {
        class: "alike less", type: "button", "aria-label": `Less like this: ${title}`, title: "Less like this",
        onclick: () => actions.unlike(product.id),
      }, icon("minus")) : null,
      why?.button,
      names ? el("span", { class: "score", title: "Score of the match" }, el("span", { class: "unseen" }, "Score "),
        rounded(hit.score)) : null));
}

/** The weights as one line of coloured glass under the picture. */
function edge(weights) {
  const line = el("span", { class: "edge", "aria-hidden": "true" });
  for (const { part, field, weight } of weights) {
    if (weight <= 0) continue;
    const piece = el("i", { class: `${hue(part, weight)} field-${field}` });
    piece.style.flexGrow = String(weight);
    line.append(piece);
  }
  return line;
}

/** The weights in words with a small bar each, heaviest first; all of them if `all`. */
export function reasons(weights, names, { all = false } = {}) {
  const sorted = [...weights].sort((a, b) => Math.sign(b.weight) - Math.sign(a.weight)
    || Math.abs(b.weight) - Math.abs(a.weight));
  const chosen = all ? sorted : sorted.filter(({ weight }) => Math.abs(weight) >= LEAST).slice(0, SHOWN);
  return el("ul", { class: "why", "aria-label": "Why it was found" },
    chosen.map(({ part, field, weight, similarity }) => {
      const bar = el("span", { class: "why-bar", "aria-hidden": "true" }, el("i"));
      bar.firstChild.style.width = `${Math.min(100, Math.abs(weight) * 100)}%`;
      return el("li", { class: hue(part, weight), title: `Similarity ${rounded(similarity)}` },
        el("span", { class: "why-name", dir: "auto" }, `${names[part] ?? "your query"} → ${fieldName(field)}`),
        all ? el("span", { class: "why-similarity" }, `similarity ${rounded(similarity)}`) : null,
        el("span", { class: "why-share" }, percent(weight)),
        bar);
    }));
}
