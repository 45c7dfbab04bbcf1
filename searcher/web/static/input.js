/** What a shopper does outside the results: typing, keys, drop, paste, choosing a photo, small switches. */

import { byId } from "./dom.js";
import { picturesOf } from "./photo.js";

const PRODUCT = "application/x-vitrine-product";
const WHY = "vitrine-why";

/** Listen for everything that leads to a search. */
export function watchInput(actions) {
  watchForm(actions);
  watchDrop(actions);
  watchPaste(actions);
  watchSwitches();
}

function watchForm(actions) {
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    actions.submit();
  });
  byId("photo").addEventListener("click", actions.choosePhoto);
  byId("photo-file").addEventListener("change", (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    if (files.length) actions.usePhotos(files);
  });
  document.querySelector(".mark").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    actions.home();
  });
  addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), textarea, [contenteditable]");
    if (event.key === "/" && !typing && !byId("detail").open) {
      event.preventDefault();
      byId("words").focus();
      byId("words").select();
    } else if (event.key === "ArrowDown" && event.target === byId("words")) {
      const first = document.querySelector("#found:not([hidden]) .card-link, #start:not([hidden]) .card-link");
      if (first) event.preventDefault();
      first?.focus();
    }
  });
}

function watchDrop(actions) {
  const veil = byId("drop");
  // Files are welcome anywhere; a product only at the top, or every slip of the hand would be a search.
  const wanted = ({ dataTransfer, target }) => dataTransfer.types.includes("Files")
    || (dataTransfer.types.includes(PRODUCT) && target.closest?.(".top"));
  // `dragenter` of an inner element comes before `dragleave` of the outer one, so depth is counted.
  let depth = 0;
  addEventListener("dragenter", (event) => {
    if (!wanted(event)) return;
    event.preventDefault();
    depth += 1;
    veil.hidden = !event.dataTransfer.types.includes("Files");
  });
  addEventListener("dragover", (event) => {
    if (wanted(event)) event.preventDefault();
  });
  addEventListener("dragleave", (event) => {
    if (wanted(event) && (depth -= 1) <= 0) hide();
  });
  addEventListener("dragstart", (event) => {
    document.body.classList.toggle("takes-product", event.dataTransfer.types.includes(PRODUCT));
  });
  addEventListener("dragend", hide);
  addEventListener("drop", (event) => {
    hide();
    if (!wanted(event)) return;
    event.preventDefault();
    const product = event.dataTransfer.getData(PRODUCT);
    if (product) actions.alike(product);
    else actions.usePhotos(picturesOf(event.dataTransfer));
  });
  function hide() {
    depth = 0;
    veil.hidden = true;
    document.body.classList.remove("takes-product");
  }
}

function watchPaste(actions) {
  addEventListener("paste", (event) => {
    const pictures = picturesOf(event.clipboardData);
    // Office programs put a picture of the text beside the text: then the text is meant.
    if (!pictures.length || event.clipboardData.getData("text/plain")) return;
    event.preventDefault();
    actions.usePhotos(pictures);
  });
}

function watchSwitches() {
  const why = byId("why");
  const set = (on) => {
    why.setAttribute("aria-pressed", String(on));
    document.body.classList.toggle("without-why", !on);
  };
  try {
    set(localStorage.getItem(WHY) !== "off");
  } catch {
    // Storage switched off: the reasons are shown.
  }
  why.addEventListener("click", () => {
    const on = why.getAttribute("aria-pressed") !== "true";
    set(on);
    try {
      localStorage.setItem(WHY, on ? "on" : "off");
    } catch {
      // Storage switched off: remembered until the page is left.
    }
  });
  const toggle = byId("filters-toggle");
  toggle.addEventListener("click", () => {
    const open = toggle.getAttribute("aria-expanded") !== "true";
    toggle.setAttribute("aria-expanded", String(open));
    byId("filters").classList.toggle("open", open);
  });
}
