// Categories as colours: eight, then the same eight striped, then grey. A name stands beside each.

import { svg } from "./dom.js";

const COLOURS = 8;

/** Gives categories their looks in the order in which they come; whoever has one keeps it. */
export class Looks {
  constructor(categories = []) {
    this.places = new Map();
    for (const category of categories) this.place(category);
  }

  place(category) {
    const key = String(category);
    if (!this.places.has(key)) this.places.set(key, this.places.size);
    return this.places.get(key);
  }

  /** A rectangle in a category's look, with further attributes and children. */
  rectangle(category, box, further = {}, ...children) {
    const place = this.place(category);
    const colour = place < 2 * COLOURS ? `c${place % COLOURS}` : "cn";
    const rectangle = svg("rect", { ...box, ...further, class: `${colour} ${further.class ?? ""}`.trim() }, children);
    if (place < COLOURS || place >= 2 * COLOURS) return [rectangle];
    return [rectangle, stripes(box)];
  }

  /** A small square to stand before a category's name. */
  swatch(category) {
    const box = { x: 1, y: 1, width: 14, height: 14, rx: 3 };
    return svg("svg", { class: "swatch", viewBox: "0 0 16 16", "aria-hidden": "true" }, this.rectangle(category, box));
  }
}

/** Two slanted lines within a box. */
function stripes({ x, y, width, height }) {
  const lean = Math.min(width, height) / 3;
  const line = (part) => `M${x + width * part - lean / 2} ${y + height}L${x + width * part + lean / 2} ${y}`;
  return svg("path", { class: "stripe", d: [0.33, 0.67].map(line).join(""), "pointer-events": "none" });
}

/** The share of pairs of different categories: intra-list diversity by category, 0 to 1. */
export function intraListDiversity(categories) {
  const pairs = (categories.length * (categories.length - 1)) / 2;
  if (pairs === 0) return 0;
  const alike = [...counts(categories).values()].reduce((sum, n) => sum + (n * (n - 1)) / 2, 0);
  return 1 - alike / pairs;
}

/** Entropy of the categories' shares, nats. */
export function entropy(categories) {
  const shares = [...counts(categories).values()].map((n) => n / categories.length);
  return Math.max(0, -shares.reduce((sum, p) => sum + p * Math.log(p), 0));
}

/** How often each category comes, in the order of their first coming. */
export function counts(categories) {
  const found = new Map();
  for (const category of categories) {
    const key = String(category);
    found.set(key, (found.get(key) ?? 0) + 1);
  }
  return found;
}
