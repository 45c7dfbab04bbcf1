/** Building elements. Text goes in as text nodes only, so nothing of a catalogue is ever parsed as HTML. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * el("a", { class: "x", href: "/", onclick }, "text", child): properties that start with `on` are
 * listeners, null, undefined and false are left out, true is an empty attribute.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An icon of the sprite in the page, hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export const byId = (id) => document.getElementById(id);

/**
 * Show `children` in `parent` instead of what it held. The keyboard stays where it was if the new
 * children hold an element with the same `data-focus`.
 */
export function fill(parent, ...children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  parent.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  if (focused) parent.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
}

/** A picture that steps aside for a quiet placeholder when there is none or it fails to load. */
export function pictureTile(source, alt, { sizes = null, large = null, eager = false } = {}) {
  const tile = el("span", { class: "tile" });
  const blank = () => fill(tile, el("span", { class: "blank", role: "img", "aria-label": "No picture" }, icon("none")));
  if (!source) {
    blank();
    return tile;
  }
  const image = el("img", {
    alt, width: 320, height: 400, decoding: "async", loading: eager ? "eager" : "lazy",
    srcset: large ? `${source} 320w, ${large} 640w` : null, sizes: large ? sizes : null,
    onload: () => image.classList.add("loaded"), onerror: blank, draggable: "false",
  });
  image.src = source;
  if (image.complete) image.classList.add("loaded");
  tile.append(image);
  return tile;
}
