/** The detail view: a dialog with all fields of one product and why it was found. */

import { picture, product } from "./api.js";
import { reasons } from "./card.js";
import { byId, el, fill, icon, pictureTile } from "./dom.js";
import { keyName, partNames, priceOf, rounded, titleOf, webAddress } from "./words.js";

let shownId = null;

/** Show the details of product `id`; `hits` and `parts` are those of the answer behind it. */
export async function openDetail(id, hits, parts, actions) {
  const dialog = byId("detail");
  shownId = id;
  const index = hits.findIndex((hit) => hit.product.id === id);
  let content;
  try {
    const found = index >= 0 ? hits[index] : await product(id);
    content = details(found, index >= 0 ? partNames(parts) : null, actions);
  } catch (problem) {
    content = [el("div", { class: "panel", role: "alert" }, el("h2", { id: "detail-title" }, problem.title),
      el("p", {}, problem.detail), problem.mend ? el("p", { class: "mend" }, problem.mend) : null)];
  }
  if (shownId !== id) return;
  fill(dialog, controls(hits, index, actions), content);
  dialog.scrollTop = 0;
  if (!dialog.open) dialog.showModal();
}

export function closeDetail() {
  shownId = null;
  if (byId("detail").open) byId("detail").close();
}

/** Esc, the close button and a click beside the dialog all end in `actions.close`. */
export function watchDetail(actions) {
  const dialog = byId("detail");
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    actions.close();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) actions.close();
  });
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: "previous", ArrowRight: "next" }[event.key];
    if (step) dialog.querySelector(`[data-focus=${step}]:not([disabled])`)?.click();
  });
}

function controls(hits, index, actions) {
  const step = (to, name, label, glyph) => el("button", {
    class: "round", type: "button", "aria-label": label, "data-focus": name, disabled: !hits[to],
    onclick: () => actions.turn(hits[to].product.id),
  }, icon(glyph));
  return el("div", { class: "detail-controls" },
    index >= 0 ? [step(index - 1, "previous", "Previous product", "back"), step(index + 1, "next", "Next product", "next")] : null,
    el("button", { class: "round", type: "button", "aria-label": "Close", "data-focus": "close", onclick: actions.close }, icon("close")));
}

function details(found, names, actions) {
  const { product: record } = found;
  const title = titleOf(record);
  const price = priceOf(record);
  const address = record.url ? webAddress(record.url) : null;
  const button = (label, act, style = "quiet") => el("button", { class: style, type: "button", onclick: () => act(record.id) }, label);
  return el("div", { class: "detail-body" },
    pictureTile(picture(found.image_url, 640), `Picture of ${title}`, { eager: true }),
    el("div", { class: "detail-text" },
      el("h2", { id: "detail-title", dir: "auto" }, title),
      price ? el("p", { class: "price" }, price) : null,
      record.description ? el("p", { class: "description", dir: "auto" }, record.description) : null,
      el("div", { class: "detail-actions" },
        address ? el("a", { class: "go", href: address, target: "_blank", rel: "noopener noreferrer" }, "View in shop") : null,
        button("More like this", actions.alike, address ? "quiet" : "go"), button("Only this", actions.alone),
        names ? button("Less like this", actions.unlike) : null),
      fieldList(record, actions),
      names ? [el("h3", {}, "Why it was found"), reasons(found.weights, names, { all: true }),
        el("p", { class: "fine" }, `Score ${rounded(found.score)}. The shares say which comparison counted for how much.`)] : null));
}

/** Every field; a text the catalogue can be filtered by is a button that does so. */
function fieldList(record, actions) {
  const filter = (key, value) => el("button", {
    class: "text-button", type: "button", dir: "auto", "aria-label": `Only ${keyName(key)} ${value}`,
    onclick: () => actions.narrow(key, value),
  }, value);
  const attributes = Object.entries(record.attributes ?? {}).map(([name, value]) => {
    if (typeof value === "boolean") return [keyName(name), value ? "Yes" : "No"];
    return [keyName(name), typeof value === "string" ? filter(`attributes.${name}`, value) : String(value)];
  });
  const rows = [
    ["Category", record.category && filter("category", record.category)],
    ["Brand", record.brand && filter("brand", record.brand)],
    ["Tags", record.tags?.length && record.tags.map((tag) => filter("tags", tag))],
    ...attributes, ["Article", record.id],
  ].filter(([, value]) => value);
  return el("dl", { class: "fields" }, rows.map(([name, value]) => el("div", {},
    el("dt", { dir: "auto" }, name), el("dd", { dir: "auto" }, value))));
}
