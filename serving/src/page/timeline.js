// The user's kept visits: a lane a category, in the order in which they came, with a text of the same.

import { counts } from "./categories.js";
import { clock, el, fill, name, svg } from "./dom.js";

const LANES = 9;
const LANE = 26;
const HEIGHT = 16;

/** Makes the timeline's card; `update` draws a user's visits in it. */
export function timeline() {
  const lanes = el("div", { class: "lanes" });
  const text = el("p", { class: "muted" });
  const rows = el("div", { class: "scroll", role: "region", "aria-label": "The visits as a table", tabindex: "0" });
  const details = el("details", { on: { toggle: () => draw() } }, el("summary", {}, "The visits as a table"), rows);
  const node = el("div", { class: "card wide" }, el("h3", {}, "Window"), text, lanes, details);
  let shown = null;
  new ResizeObserver(() => draw()).observe(lanes);

  function draw() {
    if (shown === null) return;
    const { visits, looks } = shown;
    fill(lanes, picture(visits, looks, Math.max(lanes.clientWidth, 240)));
    if (details.open) fill(rows, table(visits, looks));
  }

  const update = (visits, looks) => {
    shown = { visits, looks };
    fill(text, summary(visits));
    draw();
  };
  return { node, update };
}

/** The categories that get a lane, most frequent first; the others share the last one. */
function lanesOf(visits) {
  const found = [...counts(visits.map((visit) => visit.category))].sort((a, b) => b[1] - a[1]);
  return found.length > LANES ? found.slice(0, LANES - 1) : found;
}

function picture(visits, looks, width) {
  const lanes = lanesOf(visits);
  const own = new Map(lanes.map(([category], at) => [category, at]));
  const rest = visits.filter((visit) => !own.has(String(visit.category))).length;
  const rows = lanes.length + (rest > 0 ? 1 : 0);
  const left = Math.min(130, width * 0.3);
  const step = (width - left - 4) / Math.max(visits.length, 1);
  const mark = Math.max(2, Math.min(18, step - 1.5));
  const y = (lane) => lane * LANE + LANE / 2;
  const laneOf = (visit) => own.get(String(visit.category)) ?? lanes.length;
  const x = (at) => left + step * (at + 0.5);
  // Marks that are hardly wider than their edge have none.
  const kind = (tail) => `visit${tail ? " tail" : ""}${mark < 5 ? " thin" : ""}`;
  const parts = [];
  const label = (lane, text, number) => {
    const room = Math.max(3, Math.floor((left - 44) / 7.5));
    const cut = text.length > room ? `${[...text].slice(0, room - 1).join("")}…` : text;
    parts.push(svg("line", { class: "lane", x1: left, x2: width, y1: y(lane), y2: y(lane) }));
    parts.push(svg("text", { x: 20, y: y(lane) + 4.5 }, cut, svg("title", {}, text)));
    parts.push(svg("text", { x: left - 8, y: y(lane) + 4.5, "text-anchor": "end" }, String(number)));
  };
  lanes.forEach(([category, number], lane) => {
    label(lane, category, number);
    parts.push(...looks.rectangle(category, { x: 1, y: y(lane) - 7, width: 14, height: 14, rx: 3 }, { class: "visit" }));
  });
  if (rest > 0) label(lanes.length, "others", rest);
  const way = visits.map((visit, at) => `${x(at).toFixed(1)} ${y(laneOf(visit))}`).join("L");
  if (visits.length > 1) parts.push(svg("path", { class: "way", d: `M${way}` }));
  visits.forEach((visit, at) => {
    const box = { x: x(at) - mark / 2, y: y(laneOf(visit)) - HEIGHT / 2, width: mark, height: HEIGHT, rx: Math.min(3, mark / 3) };
    const told = `${visit.category}, item ${visit.item_id}${visit.tail ? ", long tail" : ""}`;
    parts.push(...looks.rectangle(visit.category, box, { class: kind(visit.tail) }, svg("title", {}, told)));
  });
  const height = rows * LANE;
  const spoken = lanes.map(([category, number]) => `${category}: ${number}`).join(", ");
  const words = `Visits by category, oldest on the left. ${spoken}${rest > 0 ? `, others: ${rest}` : ""}.`;
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": words }, parts);
}

function summary(visits) {
  if (visits.length === 0) return ["No visits are kept."];
  const newest = visits.at(-1);
  const before = visits.slice(-6, -1).reverse();
  const listed = before.flatMap((visit, at) => [at > 0 ? ", " : "", name(visit.category)]);
  const tail = visits.filter((visit) => visit.tail).length;
  return [
    `${visits.length} visits, oldest on the left, a lane a category. Last: `,
    name(newest.category),
    ...(listed.length > 0 ? [", before it ", ...listed] : []),
    tail > 0 ? `. Outlined: ${tail} of a long-tail item.` : ". None of a long-tail item.",
  ];
}

function table(visits, looks) {
  const row = (visit) =>
    el(
      "tr",
      {},
      el("td", {}, `${new Date(visit.ts).toLocaleDateString("en-CA")} ${clock(visit.ts)}`),
      el("td", {}, looks.swatch(visit.category), name(visit.category)),
      el("td", {}, name(visit.item_id)),
      el("td", {}, visit.tail ? "long tail" : ""),
    );
  const head = ["Time", "Category", "Item", "Popularity"].map((text) => el("th", { scope: "col" }, text));
  return el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, visits.toReversed().map(row)));
}
