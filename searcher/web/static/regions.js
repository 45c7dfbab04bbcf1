/** The region of a photo that counts: proposed boxes to tap, or one drawn, moved and resized by pointer or keys. */

import { regions } from "./api.js";
import { byId, el, fill } from "./dom.js";
import { photo } from "./photo.js";

/** Smaller boxes, as shares of a side, are slips of the hand; the service refuses those below 0.02. */
const LEAST = 0.04;
const STEP = 0.02;
/** Pixels from which on a press is a drag. */
const SLIP = 5;
/** Milliseconds after the last key until the search follows. */
const PAUSE = 500;
const CORNERS = [["left", "top"], ["right", "top"], ["left", "bottom"], ["right", "bottom"]];

/** Id of the photo whose panel is open, and proposals by photo id. */
let open = null;
const proposals = new Map();
let waiting = null;

/** Open the panel of a photo with the next rendering, or close it (null). */
export function openRegions(id) {
  open = id;
}

export const regionsOpen = (id) => open === id;

/** Show the panel of the open photo; `actions.setRegion(index, box or null)` is called with what is chosen. */
export function renderRegions(state, actions) {
  const holder = byId("regions");
  const index = state.parts.findIndex((part) => part.kind === "photo" && part.value === open);
  holder.hidden = index < 0;
  if (holder.hidden) {
    open = null;
    holder.replaceChildren();
    return;
  }
  const { value, box = null } = state.parts[index];
  const found = proposals.get(value);
  if (!found) propose(value, () => renderRegions(state, actions));
  const choose = (next) => actions.setRegion(index, next);
  fill(holder,
    stage(value, box, found ?? [], choose),
    el("div", { class: "regions-text" },
      el("h2", {}, "What counts in your photo?"),
      el("p", {}, found?.length ? "Tap a frame, or draw your own around what you are after."
        : found ? "Draw a frame around what you are after." : "Looking for products in it …"),
      el("div", { class: "regions-actions" },
        el("button", {
          class: "quiet", type: "button", "aria-pressed": String(!box), "data-focus": "region-whole", onclick: () => choose(null),
        }, "Whole photo"),
        el("button", {
          class: "quiet", type: "button", "data-focus": "region-draw",
          onclick: () => {
            if (!box) choose([0.25, 0.25, 0.75, 0.75]);
            holder.querySelector(".region-chosen")?.focus();
          },
        }, box ? "Adjust by keys" : "Frame by keys"),
        el("button", { class: "text-button", type: "button", onclick: () => actions.closeRegions() }, "Done"))));
}

/** Proposals of a photo but the whole picture; none where the service has none to give. */
async function propose(id, then) {
  if (waiting === id) return;
  waiting = id;
  let boxes = [];
  try {
    boxes = (await regions(photo(id))).map(({ box }) => [box.left, box.top, box.right, box.bottom]);
  } catch {
    // Frames can be drawn without proposals, and the search itself says what is wrong.
  }
  waiting = null;
  proposals.set(id, boxes.filter(([left, top, right, bottom]) => right - left < 1 || bottom - top < 1));
  if (open === id) then();
}

function stage(id, box, found, choose) {
  const same = (other) => box && other.every((side, at) => Math.abs(side - box[at]) < 0.005);
  const chosen = el("button", {
    class: "region-chosen", type: "button", "data-focus": "region-chosen", hidden: !box,
    "aria-label": "Chosen frame. Arrow keys move it, with Shift they resize it, Delete takes it away.",
  }, CORNERS.map(([x, y]) => el("i", { class: `corner ${x} ${y}`, "data-x": x, "data-y": y })));
  if (box) place(chosen, box);
  const frames = found.filter((other) => !same(other)).map((other, at) => {
    const frame = el("button", {
      class: "region", type: "button", "aria-label": `Proposed frame ${at + 1}`, "data-focus": `region-${other}`,
      onclick: () => choose(other),
    });
    place(frame, other);
    return frame;
  });
  // Large ones below, so that small ones can be tapped.
  frames.sort((a, b) => parseFloat(b.style.width) * parseFloat(b.style.height) - parseFloat(a.style.width) * parseFloat(a.style.height));
  const element = el("div", { class: "stage" },
    el("img", { src: photo(id), alt: "Your photo", draggable: "false" }), frames, chosen);
  watchPointer(element, chosen, box, choose);
  watchKeys(chosen, box, choose);
  return element;
}

function place(element, [left, top, right, bottom]) {
  for (const [name, share] of Object.entries({ left, top, width: right - left, height: bottom - top })) {
    element.style[name] = `${share * 100}%`;
  }
}

const within = (value, low = 0, high = 1) => Math.min(Math.max(value, low), high);
const rounded = (box) => box.map((side) => Math.round(side * 1000) / 1000);

/** The box moved, kept at its size and within the picture. */
function moved([left, top, right, bottom], across, down) {
  const x = within(across, -left, 1 - right);
  const y = within(down, -top, 1 - bottom);
  return [left + x, top + y, right + x, bottom + y];
}

/** The box between two opposite corners. */
const between = (a, b) => [Math.min(a.x, b.x), Math.min(a.y, b.y), Math.max(a.x, b.x), Math.max(a.y, b.y)];

function watchPointer(element, chosen, box, choose) {
  let drag = null;
  const at = (event) => {
    const { left, top, width, height } = element.getBoundingClientRect();
    return { x: within((event.clientX - left) / width), y: within((event.clientY - top) / height) };
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const start = at(event);
    const { x, y } = event.target.dataset;
    let follow = (now) => between(start, now);
    if (x) {
      const fixed = { x: x === "left" ? box[2] : box[0], y: y === "top" ? box[3] : box[1] };
      follow = (now) => between(fixed, now);
    } else if (event.target === chosen) {
      follow = (now) => moved(box, now.x - start.x, now.y - start.y);
    }
    drag = { id: event.pointerId, left: event.clientX, top: event.clientY, follow, next: null };
  });
  element.addEventListener("pointermove", (event) => {
    if (drag?.id !== event.pointerId) return;
    if (!drag.next) {
      if (Math.hypot(event.clientX - drag.left, event.clientY - drag.top) < SLIP) return;
      // Only now, so that a plain press stays a click on the frame below it.
      element.setPointerCapture(event.pointerId);
      element.classList.add("drawing");
    }
    drag.next = drag.follow(at(event));
    chosen.hidden = false;
    place(chosen, drag.next);
  });
  const end = (event) => {
    if (drag?.id !== event.pointerId) return;
    const { next } = drag;
    drag = null;
    element.classList.remove("drawing");
    const wide = next && next[2] - next[0] >= LEAST && next[3] - next[1] >= LEAST;
    if (wide && event.type === "pointerup") choose(rounded(next));
    else if (next) {
      chosen.hidden = !box;
      if (box) place(chosen, box);
    }
  };
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", end);
}

function watchKeys(chosen, box, choose) {
  let now = box;
  let timer = null;
  chosen.addEventListener("keydown", (event) => {
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Delete" || event.key === "Backspace") choose(null);
    if (!direction || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const [across, down] = direction.map((sign) => sign * STEP);
    now = event.shiftKey
      ? [now[0], now[1], within(now[2] + across, now[0] + LEAST), within(now[3] + down, now[1] + LEAST)]
      : moved(now, across, down);
    place(chosen, now);
    clearTimeout(timer);
    timer = setTimeout(() => chosen.isConnected && choose(rounded(now)), PAUSE);
  });
}
