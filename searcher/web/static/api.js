/** Talking to the service: requests, answers, problems in words. */

const BASE = new URL("./", document.baseURI);

/** What went wrong, in words: `title`, `detail` (a sentence) and `mend` (what to do). */
export class Problem extends Error {
  constructor({ title, detail, mend, status, field }) {
    super(detail);
    this.title = title;
    this.detail = detail;
    this.mend = mend;
    this.status = status;
    this.field = field;
  }
}

function problemOf(response, body) {
  const mend = body?.mend ?? "";
  let detail = body?.detail ?? `The service answered with status ${response.status}.`;
  // `detail` may end with the mend, which the page shows on a line of its own.
  if (mend && detail.endsWith(mend)) detail = detail.slice(0, -mend.length).trim();
  return new Problem({
    title: body?.title ?? "The search did not work",
    detail,
    mend: mend || (response.status >= 500 ? "Try again in a moment." : ""),
    status: response.status,
    field: body?.field,
  });
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(new URL(path, BASE), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({
      title: "No answer",
      detail: "The search service cannot be reached.",
      mend: "Check the connection, then try again.",
      status: 0,
    });
  }
  const body = await response.json().catch((error) => {
    if (error.name === "AbortError") throw error;
    return null;
  });
  if (!response.ok || body === null) throw problemOf(response, body);
  return body;
}

const encoded = (id) => id.split("/").map(encodeURIComponent).join("/");

/**
/**
 * Ask a query: `parts` as the service takes them, `filters`, `limit`, `offset`, `fusion`, `diversity`, `explain`.
 * Aborting `signal` rejects with an AbortError.
 */
export function search(
  { parts, filters = {}, limit = 24, offset = 0, fusion = null, diversity = 0, explain = false }, signal,
) {
  const body = { parts, filters, limit, offset };
  if (explain) body.explain = true;
  if (fusion) body.fusion = fusion;
  if (diversity) body.diversity = diversity;
  return ask("search", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
}

/** Likely products in a photo (a data URI), the likeliest first and the whole photo last: [{ box, score }]. */
export async function regions(image) {
  const answer = await ask("regions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ image }),
  });
  return answer.regions;
}

/** Most frequent values of a catalogue field: [{ value, count }]; `filters` narrows what is counted. */
export async function facets(key, { limit = 30, filters = {}, signal } = {}) {
  const query = new URLSearchParams({ key, limit: String(limit) });
  for (const [name, filter] of Object.entries(filters)) {
    if (name === "price") {
      if (filter.gte !== undefined) query.append("price_min", filter.gte);
      if (filter.lte !== undefined) query.append("price_max", filter.lte);
    } else {
      for (const value of filter) query.append(name, value);
    }
  }
  return (await ask(`facets?${query}`, { signal })).values;
}

const known = new Map();

/** Keep the product of a hit, so that chips and the dialog need not ask again. */
export function remember(hit) {
  known.set(hit.product.id, { product: hit.product, image_url: hit.image_url });
}

/** A product by id: { product, image_url }. */
export async function product(id) {
  if (!known.has(id)) {
    const { image_url, ...record } = await ask(`products/${encoded(id)}`);
    remember({ product: record, image_url });
  }
  return known.get(id);
}

/** What is already known of a product, without asking. */
export const knownProduct = (id) => known.get(id);

/** Address of a hit's picture, as a thumbnail whose longer side is about `size` pixels. */
export function picture(imageUrl, size) {
  if (!imageUrl) return null;
  const address = new URL(imageUrl, BASE);
  if (size && address.origin === BASE.origin) address.searchParams.set("size", String(size));
  return address.href;
}
