/** "Why?" of a hit: where in its picture the words, or what a photo shows, are seen. */

import { el, fill } from "./dom.js";
import { photo } from "./photo.js";
import { hue } from "./words.js";

/** How thick the fog lies on places of no affinity: mid-grey, to be seen on dark products and on pale ones. */
const FOG = [122, 132, 129];
const THICK = 0.86;
const LONGEST_SIDE = 192;

/**
 * A button that opens and closes the overlay on `tile`, and the place below for what can be shown.
 * `actions.explain(id)` gives the hit's maps; `actions.photoOf(part)` the id of a part's photo.
 */
export function whyToggle(hit, title, names, tile, actions) {
  const choices = el("div", { class: "seen", hidden: true });
  const button = el("button", { class: "why-toggle", type: "button", "aria-expanded": "false", "aria-label": `Why? ${title}` }, "Why?");
  let maps = null;
  button.addEventListener("click", async () => {
    const opens = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(opens));
    choices.hidden = !opens;
    if (!opens) {
      clear(tile);
      return;
    }
    if (!maps) {
      fill(choices, el("p", {}, "Looking …"));
      try {
        maps = await actions.explain(hit.product.id);
      } catch (problem) {
        fill(choices, el("p", { role: "alert" }, problem.message));
        return;
      }
    }
    if (button.getAttribute("aria-expanded") === "true") offer(maps, names, tile, choices, actions);
  });
  return { button, choices };
}

function offer(maps, names, tile, choices, actions) {
  const own = maps.filter(({ of }) => of === "product");
  if (!own.length) {
    fill(choices, el("p", {}, "Its picture cannot be looked into."));
    return;
  }
  const photos = el("div", { class: "seen-photos" });
  const buttons = own.map((map) => el("button", {
    class: `seen-word ${hue(map.part, 1)}`, type: "button", dir: "auto", onclick: () => show(map),
  }, map.words || names[map.part] || "your photo"));
  const show = (map) => {
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(own[at] === map)));
    draw(tile, map);
    const id = actions.photoOf(map.part);
    const back = maps.find(({ of, part }) => of === "query" && part === map.part);
    fill(photos, back && id ? photoWith(photo(id), back) : null);
  };
  fill(choices, el("p", {}, "Clear is where it sees"), el("div", { class: "seen-words" }, buttons), photos);
  show(own[0]);
}

function photoWith(source, map) {
  const holder = el("span", { class: "seen-photo" }, el("img", { src: source, alt: "Your photo, clear where this product is seen", onload: () => draw(holder, map) }));
  return holder;
}

function clear(holder) {
  holder.querySelector("canvas")?.remove();
}

/** Lay fog on what is of little affinity. The canvas has the picture's own shape, so that both are cut alike. */
function draw(holder, map) {
  clear(holder);
  const image = holder.querySelector("img");
  if (!image) return;
  const shape = [image.naturalWidth || 1, image.naturalHeight || 1];
  const scale = LONGEST_SIDE / Math.max(...shape);
  const canvas = el("canvas", { class: "heat", "aria-hidden": "true" });
  [canvas.width, canvas.height] = shape.map((side) => Math.max(1, Math.round(side * scale)));
  const small = new OffscreenCanvas(map.columns, map.rows);
  const pixels = new ImageData(map.columns, map.rows);
  map.values.flat().forEach((value, at) => {
    pixels.data.set([...FOG, Math.round(255 * THICK * (1 - value))], 4 * at);
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  holder.append(canvas);
}
