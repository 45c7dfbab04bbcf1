/** How the page puts things: titles, prices, numbers, and why a product was found. */

const numbers = new Intl.NumberFormat("en");

export const count = (n) => numbers.format(n);

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** A title to show, even for a product that has none. */
export function titleOf(product) {
  if (product.title) return product.title;
  return product.category ? capital(product.category) : `Product ${product.id}`;
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** "€12.50", or null without a price; an unknown currency is written after the number. */
export function priceOf({ price, currency }) {
  if (price === null || price === undefined) return null;
  if (currency) {
    try {
      return new Intl.NumberFormat("en", { style: "currency", currency, currencyDisplay: "narrowSymbol" }).format(price);
    } catch {
      // Not an ISO 4217 code.
    }
  }
  const plain = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(price);
  return currency ? `${plain} ${currency}` : plain;
}

export function percent(weight) {
  return `${weight < 0 ? "−" : ""}${Math.round(Math.abs(weight) * 100)}\u202f%`;
}

/** A score or similarity; the service may leave one out. */
export const rounded = (value) => (typeof value === "number" ? value.toFixed(2) : "–");

export const times = (weight) => `×${Math.abs(weight)}`;

export function milliseconds(ms) {
  return ms < 1 ? "under 1 ms" : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

const FIELDS = { image: "its picture", title: "its title", keywords: "its keywords" };

export const fieldName = (field) => FIELDS[field] ?? `its ${field}`;

const shortened = (text) => (text.length > 24 ? `${text.slice(0, 23).trimEnd()}…` : text);

/**
 * Names of the parts of an answer, by index: "your words", "your photo", “red dress” where there
 * are several of a kind, "not “leather”" for what is left out.
 */
export function partNames(parts) {
  const alone = (kind) => parts.filter((part) => part.kind === kind && part.weight > 0).length === 1;
  let photos = 0;
  return parts.map(({ kind, label, weight }) => {
    if (kind === "image") photos += 1;
    if (weight < 0) return kind === "image" ? "not your photo" : `not “${shortened(label)}”`;
    if (kind === "text") return alone("text") ? "your words" : `“${shortened(label)}”`;
    if (kind === "image") return alone("image") ? "your photo" : `photo ${photos}`;
    return alone("product") ? "your example" : `“${shortened(label || "example")}”`;
  });
}

/** Hue of a part, the same in its chip and in the bars: a class name. */
export const hue = (index, weight) => (weight < 0 ? "hue-not" : `hue-${index % 6}`);

/** Name of a catalogue field for people: "attributes.heel_height" -> "Heel height". */
export const keyName = (key) => capital(key.replace(/^attributes\./, "").replaceAll(/[_-]+/g, " "));

/** A web address a link may point to, or null: catalogues may hold anything. */
export function webAddress(text) {
  try {
    const address = new URL(text, document.baseURI);
    return ["http:", "https:"].includes(address.protocol) ? address.href : null;
  } catch {
    return null;
  }
}
