/** Photos a shopper brings: read, turned upright, scaled down, kept for this tab. */

const LONGEST_SIDE = 1024;
const KEPT = 6;
const PREFIX = "vitrine-photo:";

const photos = new Map();

/** Whether a file claims to be a picture (some systems leave the type of a dropped file empty). */
export const isPicture = (file) =>
  file.type.startsWith("image/") || (!file.type && /\.(jpe?g|png|webp|gif|avif|bmp|heic)$/i.test(file.name));

/**
 * Picture file -> id of a photo kept in this tab, a JPEG data URI of at most 1024 pixels a side.
 *
 * Drawing it anew turns it upright by its EXIF orientation and leaves all EXIF data behind, so
 * that no place or camera travels with a search. Throws an Error in words if it cannot be opened.
 */
export async function takePhoto(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Error(`“${file.name || "This file"}” cannot be opened as a picture. Try a JPEG, PNG or WebP file.`);
  }
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  // JPEG has no transparency; cut-out product pictures are meant to stand on white.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return keep(canvas.toDataURL("image/jpeg", 0.88));
}

function keep(uri) {
  const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
  photos.set(id, uri);
  try {
    const stored = JSON.parse(sessionStorage.getItem(PREFIX) ?? "[]");
    while (stored.length >= KEPT) sessionStorage.removeItem(PREFIX + stored.shift());
    sessionStorage.setItem(PREFIX + id, uri);
    sessionStorage.setItem(PREFIX, JSON.stringify([...stored, id]));
  } catch {
    // Storage full or switched off: the photo then lasts until the page is reloaded.
  }
  return id;
}

/** Data URI of a kept photo, or null once it is gone. */
export function photo(id) {
  if (!photos.has(id)) {
    let uri = null;
    try {
      uri = sessionStorage.getItem(PREFIX + id);
    } catch {
      // Storage switched off.
    }
    if (uri) photos.set(id, uri);
  }
  return photos.get(id) ?? null;
}

/** Picture files of a drop or a paste. */
export const picturesOf = (transfer) => [...(transfer?.files ?? [])].filter(isPicture);
