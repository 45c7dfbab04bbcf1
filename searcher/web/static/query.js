/** The search box and, below it, what is asked as chips: words, photos, products, each with its weight. */

import { knownProduct, picture, product } from "./api.js";
import { byId, el, fill, icon } from "./dom.js";
import { photo } from "./photo.js";
import { isPositive, mainWords, stepped, STEPS } from "./state.js";
import { hue, times, titleOf } from "./words.js";

/** Which of the two small inputs ("also", "without") is open, if any. */
let adding = null;
let wordsShown = "";

/** Show `state` in the box and the chips; `actions` are called with what the shopper does. */
export function renderQuery(state, actions) {
  const box = byId("words");
  const words = mainWords(state)?.value ?? "";
  // Only when the words changed: what a shopper is typing while an answer comes in stays.
  if (words !== wordsShown) box.value = wordsShown = words;
  const holder = byId("parts");
  holder.hidden = state.parts.length === 0;
  if (holder.hidden) adding = null;
  fill(holder,
    el("ul", { class: "chips", role: "list", "aria-label": "What is searched for" },
      state.parts.map((part, index) => chip(part, index, state, actions))),
    extras(state, actions));
  renderNote(state, actions);
}

function chip(part, index, state, actions) {
  const several = state.parts.length > 1;
  const photos = state.parts.filter(({ kind }) => kind === "photo");
  const number = photos.length > 1 ? photos.indexOf(part) + 1 : 0;
  const { name, content } = face(part, number, actions, () => renderQuery(state, actions));
  const positives = state.parts.filter(isPositive).length;
  const mayFlip = several && !(isPositive(part) && positives === 1);
  return el("li", { class: `chip ${hue(index, part.weight)}`, "data-kind": part.kind },
    part.weight < 0 && !mayFlip ? el("span", { class: "sign" }, "not") : null,
    mayFlip ? signButton(part, index, name, actions) : null,
    content,
    several ? weights(part, index, name, actions) : null,
    el("button", {
      class: "chip-button remove", type: "button", "aria-label": `Remove ${name}`, "data-focus": `remove-${index}`,
      onclick: () => actions.removePart(index),
    }, icon("close")));
}

function signButton(part, index, name, actions) {
  const not = part.weight < 0;
  return el("button", {
    class: "sign", type: "button", "aria-pressed": String(not), "data-focus": `sign-${index}`,
    "aria-label": `Not like ${name}`, title: not ? "Look for it again" : "Turn into: not like this",
    onclick: () => actions.setWeight(index, -part.weight),
  }, not ? "not" : "like");
}

function weights(part, index, name, actions) {
  const size = Math.abs(part.weight);
  const step = (direction, label, glyph, stop) => el("button", {
    class: "chip-button", type: "button", "aria-label": `${label}: ${name}`, "data-focus": `${glyph}-${index}`,
    "aria-disabled": stop ? "true" : null,
    onclick: () => stop || actions.setWeight(index, stepped(part.weight, direction)),
  }, icon(glyph));
  return el("span", { class: "weights", role: "group", "aria-label": `Weight of ${name}` },
    step(-1, "Counts less", "minus", size <= STEPS[0]),
    el("output", { class: "weight" }, times(part.weight)),
    step(1, "Counts more", "plus", size >= STEPS.at(-1)));
}

/**
 * What a chip shows, and its name for screen readers; a product not known yet is asked for. Photos have a
 * `number` if there are several.
 */
function face(part, number, actions, again) {
  if (part.kind === "text") {
    return { name: `“${part.value}”`, content: el("span", { class: "chip-text", dir: "auto" }, part.value) };
  }
  if (part.kind === "photo") {
    return { name: number ? `photo ${number}` : "your photo", content: [
      el("img", { class: "thumb", src: photo(part.value), alt: "Your photo" }),
      el("button", {
        class: "frame-button", type: "button", "data-focus": `frame-${part.value}`,
        "aria-label": number ? `Choose what counts in photo ${number}` : "Choose what counts in your photo",
        onclick: () => actions.openRegions(part.value),
      }, `${part.box ? "Part of photo" : "Photo"}${number ? ` ${number}` : ""}`)] };
  }
  const known = knownProduct(part.value);
  if (!known) product(part.value).then(again, () => {});
  const title = known ? titleOf(known.product) : part.value;
  const source = picture(known?.image_url, 320);
  return { name: `“${title}”`, content: [
    source ? el("img", { class: "thumb", src: source, alt: "", onerror: (event) => event.target.remove() }) : null,
    el("span", { class: "chip-text", dir: "auto" }, title)] };
}

function extras(state, actions) {
  if (adding) {
    const not = adding === "without";
    const done = (value) => {
      adding = null;
      if (value) actions.addPart({ kind: "text", value, weight: not ? -1 : 1 });
      else renderQuery(state, actions);
      byId("parts").querySelector(`[data-focus="${not ? "without" : "also"}"]`)?.focus();
    };
    const input = el("input", {
      class: "extra-input", type: "text", maxlength: "1000", "data-focus": "extra", enterkeyhint: "search",
      "aria-label": not ? "Leave out" : "Also look for", placeholder: not ? "leather" : "with pockets",
      onkeydown: (event) => {
        if (event.key === "Enter") done(input.value.trim());
        else if (event.key === "Escape") done("");
        else return;
        event.preventDefault();
      },
    });
    return el("span", { class: "extra" },
      el("span", { "aria-hidden": "true" }, not ? "without" : "also"), input,
      el("button", { class: "text-button", type: "button", onclick: () => done(input.value.trim()) }, "Add"));
  }
  const opener = (name, label) => el("button", {
    class: "text-button", type: "button", "data-focus": name,
    onclick: () => {
      adding = name;
      renderQuery(state, actions);
      byId("parts").querySelector(".extra-input")?.focus();
    },
  }, label);
  return el("span", { class: "extras" }, opener("also", "Also …"), opener("without", "Without …"));
}

function renderNote(state, actions) {
  const note = byId("note");
  const photos = state.parts.filter((part) => part.kind === "photo").length;
  note.hidden = !photos && !state.lost;
  note.classList.toggle("asks", state.lost > 0);
  if (state.lost) {
    fill(note, "This search was made with a photo. Links cannot carry photos, so it is not here. ",
      el("button", { class: "text-button", type: "button", onclick: actions.choosePhoto }, "Add the photo"),
      el("button", { class: "text-button", type: "button", onclick: actions.forgetPhotos }, "Go on without"));
  } else if (photos) {
    fill(note, `A link to this search carries everything but the ${photos === 1 ? "photo" : "photos"}.`);
  }
}
