// The learning curve: measures over time, with the snapshots as marks on it.

import { byId, clock, el, fill, say, share, svg } from "./dom.js";

const HEIGHT = 250;
const LEFT = 44;
const RIGHT = 10;
const BOTTOM = 44;
const TOP = 12;
/** Marks closer than this are drawn as one. */
const APART = 12;
const ROWS = 60;
/** The axis of a share reaches at least this far. */
const LEAST = 0.02;

const MEASURES = [
  {
    key: "hr10",
    title: "HR@10",
    help: "Share of examples whose item was among the first ten, each ranked before the model learnt from it.",
    lines: [["hr10", "model"], ["hr10_popularity", "popularity"]],
  },
  {
    key: "ndcg10",
    title: "NDCG@10",
    help: "How far up among the first ten the item was, each example ranked before the model learnt from it.",
    lines: [["ndcg10", "model"], ["ndcg10_popularity", "popularity"]],
  },
  {
    key: "loss",
    title: "Loss",
    help: "Mean cross-entropy of a batch before learning from it, nats: the lower, the better.",
    lines: [["loss", "model"]],
  },
];

/** Draws the curve; the function returned brings it up to date. */
export function curve() {
  let measure = MEASURES[0];
  let history = null;
  // The time that is read; null: the newest.
  let at = null;

  const choices = MEASURES.map((choice, index) =>
    el(
      "label",
      {},
      el("input", {
        type: "radio",
        name: "measure",
        checked: index === 0,
        on: { change: () => { measure = choice; draw(); } },
      }),
      choice.title,
    ),
  );
  byId("measures").append(...choices);

  const place = byId("curve");
  const slider = el("div", {
    role: "slider",
    tabindex: "0",
    "aria-label": "A moment on the curve; arrow keys move it",
    "aria-orientation": "horizontal",
    on: {
      keydown: (event) => move(event),
      pointermove: (event) => point(event),
      pointerdown: (event) => point(event),
      pointerleave: () => { at = null; draw(); },
      blur: () => { at = null; draw(); },
    },
  });
  const empty = el("p", { class: "empty" }, "Nothing has come from the server yet.");
  fill(place, empty, slider);
  new ResizeObserver(() => draw()).observe(place);

  function series() {
    if (history.has("steps")) return measure.lines.map(([key, label]) => ({ label, points: history.points(key) }));
    // Without a trainer here, what its snapshots say of themselves.
    const of = (key) => history.snapshots.filter((s) => typeof s[key] === "number").map((s) => [s.in_force_ms, s[key]]);
    return measure.lines.map(([key, label]) => ({ label, points: of(key) }));
  }

  function moments() {
    return series()[0].points.map(([time]) => time);
  }

  function move(event) {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -20, PageUp: 20 };
    const times = moments();
    if (times.length === 0) return;
    let index = at === null ? times.length - 1 : nearest(times, at);
    if (event.key === "Home") index = 0;
    else if (event.key === "End") index = times.length - 1;
    else if (event.key in steps) index = Math.min(Math.max(index + steps[event.key], 0), times.length - 1);
    else return;
    event.preventDefault();
    at = times[index];
    draw();
  }

  function point(event) {
    const times = moments();
    const box = slider.getBoundingClientRect();
    if (times.length < 2 || box.width <= LEFT) return;
    const shareOf = Math.min(Math.max((event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT), 0), 1);
    const [from, to] = domain();
    at = times[nearest(times, from + shareOf * (to - from))];
    draw();
  }

  function domain() {
    const times = history.times;
    const points = moments();
    const from = Math.min(times[0] ?? Infinity, points[0] ?? Infinity);
    const ends = [times.at(-1), points.at(-1), history.snapshots.at(-1)?.in_force_ms];
    const to = Math.max(...ends.filter((end) => end !== undefined));
    return [from, Math.max(to, from + 1000)];
  }

  function draw() {
    if (history === null) return;
    const from = history.has("steps") ? "" : " The trainer is another process: points are what its snapshots say.";
    say(byId("measure-help"), `${measure.help}${from} Ticks and rings: snapshots put in force.`);
    const lines = series();
    const known = lines[0].points.length > 0;
    slider.hidden = !known;
    empty.hidden = known;
    if (!known) {
      const nothing = history.has("steps")
        ? "Nothing has been learnt yet. The curve begins with the first batch of examples."
        : "No snapshot has told of its measures yet.";
      say(empty, nothing);
      say(byId("reading"), "");
      fill(byId("curve-table"));
      return;
    }
    const width = Math.max(place.clientWidth, 200);
    fill(slider, picture(lines, width));
    read(lines);
    if (byId("curve-table").parentElement.open) table(lines);
  }

  function picture(lines, width) {
    const [from, to] = domain();
    const values = lines.flatMap((line) => line.points.map(([, value]) => value));
    const [low, high, step] = measure.key === "loss" ? scale(Math.min(...values), Math.max(...values)) : scale(0, Math.max(LEAST, ...values));
    const x = (time) => LEFT + ((time - from) / (to - from)) * (width - LEFT - RIGHT);
    const y = (value) => TOP + (1 - (value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
    const base = HEIGHT - BOTTOM;
    const parts = [];
    for (let value = low; value <= high + step / 1e3; value += step) {
      const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
      parts.push(svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }));
      parts.push(svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(digits)));
    }
    const ticks = Math.max(1, Math.min(6, Math.floor((width - LEFT) / 110)));
    for (let tick = 0; tick <= ticks; tick += 1) {
      const time = from + ((to - from) * tick) / ticks;
      const anchor = tick === 0 ? "start" : tick === ticks ? "end" : "middle";
      parts.push(svg("text", { x: x(time), y: HEIGHT - 4, "text-anchor": anchor }, clock(time, to - from < 600_000)));
    }
    for (const [index, { label, points }] of [...lines.entries()].reverse()) {
      const path = points.map(([time, value]) => `${x(time).toFixed(1)} ${y(value).toFixed(1)}`).join("L");
      parts.push(svg("path", { class: `line ${label}`, d: `M${path}` }));
      const last = points.at(-1);
      if (last && lines.length > 1) parts.push(nameOf(lines, index, x, y, width));
    }
    parts.push(...marks(lines[0].points, x, y, base, width));
    if (at !== null) parts.push(svg("line", { class: "at", x1: x(at), x2: x(at), y1: TOP, y2: base }));
    const box = { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, "aria-hidden": "true" };
    return svg("svg", box, parts);
  }

  /** A line's name, near its end, above it where there is room and the other is not. */
  function nameOf(lines, index, x, y, width) {
    const [time, value] = lines[index].points.at(-1);
    const other = lines[1 - index].points.at(-1)?.[1] ?? -Infinity;
    const above = value > other || (value === other && index === 0);
    // Below the axis stand the snapshots.
    const low = y(value) + 18 > HEIGHT - BOTTOM - 4;
    const place = { x: Math.min(x(time), width - RIGHT), y: y(value) + (above || low ? -9 : 18), "text-anchor": "end" };
    return svg("text", { class: lines[index].label, ...place }, lines[index].label);
  }

  /** Snapshots: a tick below the axis each, a point on the model's curve, the newest named. */
  function marks(points, x, y, base, width) {
    const parts = [];
    let last = Infinity;
    const times = points.map(([time]) => time);
    for (const snapshot of history.snapshots.toReversed()) {
      const place = x(snapshot.in_force_ms);
      if (last - place < APART || place < LEFT) continue;
      const newest = last === Infinity;
      last = place;
      parts.push(svg("line", { class: "swap", x1: place, x2: place, y1: base + 8, y2: base + 20 }));
      const on = points[nearest(times, snapshot.in_force_ms)];
      const near = Math.abs(on[0] - snapshot.in_force_ms) < 30_000;
      if (near) parts.push(svg("circle", { class: "mark", cx: place, cy: y(on[1]), r: newest ? 4.5 : 3 }));
      if (newest && place > LEFT + 60) {
        parts.push(svg("text", { x: Math.min(place - 6, width - 8), y: base + 18, "text-anchor": "end" }, `v${snapshot.version}`));
        last = place - 34;
      }
    }
    return parts;
  }

  /** What the curve says at the moment that is read, in words. */
  function read(lines) {
    const times = lines[0].points.map(([time]) => time);
    const index = at === null ? times.length - 1 : nearest(times, at);
    const values = lines.map(({ label, points }) => {
      const close = points[nearest(points.map(([time]) => time), times[index])];
      return close ? `${label} ${share(close[1])}` : `${label} –`;
    });
    const served = history.snapshots.findLast((snapshot) => snapshot.in_force_ms <= times[index]);
    const text = `${clock(times[index])}: ${values.join(", ")}; ${served ? `v${served.version} in force` : "no snapshot in force"}`;
    say(byId("reading"), text);
    // Who is on it and reads the newest is not told of every new point.
    if (at === null && document.activeElement === slider) return;
    slider.setAttribute("aria-valuemin", "1");
    slider.setAttribute("aria-valuemax", String(times.length));
    slider.setAttribute("aria-valuenow", String(index + 1));
    slider.setAttribute("aria-valuetext", `${measure.title}, ${text}`);
  }

  function table(lines) {
    const [main, ...others] = lines;
    const every = Math.ceil(main.points.length / ROWS);
    const rows = main.points.filter((_, index) => (main.points.length - 1 - index) % every === 0).reverse();
    const cell = (value) => el("td", { class: "number" }, value === undefined ? "–" : share(value));
    const row = ([time, value]) => {
      const rest = others.map(({ points }) => cell(points.find(([other]) => other === time)?.[1]));
      return el("tr", {}, el("th", { scope: "row" }, clock(time)), cell(value), rest);
    };
    const heads = ["Time", ...lines.map(({ label }) => `${measure.title} of ${label}`)];
    const head = heads.map((text, index) => el("th", { scope: "col", class: index > 0 ? "number" : null }, text));
    fill(byId("curve-table"), el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows.map(row))));
  }

  byId("curve-table").parentElement.addEventListener("toggle", () => draw());
  return (next) => {
    history = next;
    draw();
  };
}

function nearest(times, time) {
  let [low, high] = [0, times.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < time) low = middle + 1;
    else high = middle;
  }
  return low > 0 && time - times[low - 1] < times[low] - time ? low - 1 : low;
}

/** Round ends and a round step for an axis from `low` to `high`. */
function scale(low, high) {
  const span = Math.max(high - low, 1e-3);
  const power = 10 ** Math.floor(Math.log10(span / 4));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => span / step <= 5);
  return [Math.floor(low / step) * step, Math.max(Math.ceil(high / step), Math.floor(low / step) + 1) * step, step];
}
