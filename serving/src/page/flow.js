// The flow: what each part does now, and over the last ten minutes.

import { byId, count, duration, el, fill, pace, say, svg } from "./dom.js";

const SPAN_MS = 600_000;

/** Each part: its series, the great number, and facts beside it. */
const PARTS = [
  {
    title: "Events in",
    needs: "fed",
    paced: "fed",
    elsewhere: "Events come from elsewhere: their producers write to the topic.",
    hero: (history) => [pace(history.pace("fed")), "/s"],
    facts: (history) => [["written", count(history.last("fed"))]],
  },
  {
    title: "Features",
    needs: "events",
    paced: "events",
    elsewhere: "The job runs in another process.",
    hero: (history) => [pace(history.pace("events")), "/s"],
    facts: (history) => [
      ["lag", `${count(history.last("lag") ?? 0)} records`],
      ["dead letters", `${pace(history.pace("dead_letters"))}/s`, history.pace("dead_letters") > 0],
      ["examples", `${pace(history.pace("examples"))}/s`],
    ],
  },
  {
    title: "Trainer",
    needs: "steps",
    paced: "learnt",
    elsewhere: "The trainer runs in another process.",
    hero: (history) => [pace(history.pace("learnt")), "examples/s"],
    facts: (history) => [
      ...lesson(history),
      ["steps", `${pace(history.pace("steps"))}/s`],
      ["lag", history.last("training_lag") === null ? "–" : `${count(history.last("training_lag"))} records`],
      ["loss", history.last("loss")?.toFixed(3) ?? "–"],
    ],
  },
  {
    title: "Snapshots",
    needs: "swaps",
    hero: (history) => {
      const newest = history.snapshots.at(-1);
      return newest ? [`v${newest.version}`, "in force"] : ["none", "yet"];
    },
    facts: (history) => {
      const newest = history.snapshots.at(-1);
      const items = newest ? [["items", count(newest.items)], ["step", count(newest.step)]] : [];
      const age = newest ? duration((history.now() - Math.min(newest.created_ms, newest.in_force_ms)) / 1000) : "–";
      return [["age", age], ...items];
    },
  },
  {
    title: "Recommendations",
    needs: "requests",
    paced: "requests",
    hero: (history) => [pace(history.pace("requests")), "requests/s"],
    facts: (history) => [
      ["lists", `${pace(history.pace("recommendations"))}/s`],
      ["look-ups", `${pace(history.pace("lookups"))}/s`],
      ["failed", `${pace(history.pace("failed_requests"))}/s`, history.pace("failed_requests") > 0],
    ],
  },
];

/** Where a first lesson is; nothing where none is under way. */
function lesson(history) {
  const pass = history.last("lesson_pass");
  if (!pass) return [];
  const share = Math.round(history.last("lesson_share") * 100);
  return [["first lesson", `pass ${pass} of ${history.last("lesson_passes")}, ${share} %`]];
}

/** Draws the flow; the function returned brings it up to date. */
export function flow() {
  const shown = PARTS.map((part, at) => card(part, at));
  fill(byId("flow"), shown.map((card) => card.node));
  return (history) => shown.forEach((card) => card.update(history));
}

function card(part, at) {
  const value = el("span");
  const unit = el("small");
  const facts = el("dl", { class: "facts" });
  const picture = svg("svg", { class: "spark", viewBox: "0 0 100 32", preserveAspectRatio: "none", "aria-hidden": "true" });
  const note = el("p", { class: "muted", hidden: true }, part.elsewhere ?? "");
  const pipe = at === 0 ? null : arrow();
  const hero = el("p", { class: "hero" }, value, unit);
  const node = el("li", { class: "card part" }, pipe, el("h3", {}, part.title), hero, picture, facts, note);
  const update = (history) => {
    const here = history.has(part.needs);
    const known = history.times.length > 0;
    node.classList.toggle("elsewhere", known && !here);
    for (const inside of [hero, picture, facts]) inside.toggleAttribute("hidden", known && !here);
    note.hidden = !known || here;
    if (!here) {
      say(value, "–");
      pipe?.classList.remove("flows");
      return;
    }
    const [number, of] = part.hero(history);
    say(value, number);
    say(unit, of);
    const lines = part.facts(history);
    fill(facts, lines.map(([what, text, alarms]) => [el("dt", {}, what), el("dd", { class: alarms ? "alarm" : null }, text)]));
    pipe?.classList.toggle("flows", part.paced ? history.pace(part.paced) > 0 : history.snapshots.length > 0);
    fill(picture, part.paced ? spark(history, part.paced) : swaps(history));
  };
  return { node, update };
}

function arrow() {
  return svg(
    "svg",
    { class: "pipe", viewBox: "0 0 32 24", "aria-hidden": "true" },
    svg("path", { d: "M3 12H27M21 6L28 12L21 18" }),
    svg("path", { class: "stream", d: "M3 12H27" }),
  );
}

/** A counter's speed over the last ten minutes, from 0 to its greatest. */
function spark(history, name) {
  const to = history.times.at(-1) ?? 0;
  const from = Math.max(to - SPAN_MS, history.times[0] ?? 0);
  const points = history.paces(name, from, 10_000);
  if (points.length < 2) return [];
  const most = Math.max(...points.map(([, value]) => value), 1e-9);
  const place = ([time, value]) =>
    `${(((time - from) / Math.max(to - from, 1)) * 100).toFixed(2)} ${(30 - (value / most) * 28).toFixed(2)}`;
  const line = `M${points.map(place).join("L")}`;
  const x = (point) => place(point).split(" ")[0];
  return [
    svg("path", { class: "under", d: `${line}L${x(points.at(-1))} 31L${x(points[0])} 31Z` }),
    svg("path", { d: line }),
  ];
}

/** When snapshots came into force. */
function swaps(history) {
  const to = history.times.at(-1) ?? 0;
  const from = Math.max(to - SPAN_MS, history.times[0] ?? 0);
  const recent = history.snapshots.filter(({ in_force_ms: time }) => time >= from);
  const x = (time) => (Math.min((time - from) / Math.max(to - from, 1), 1) * 100).toFixed(2);
  const ticks = recent.map(({ in_force_ms: time }) => `M${x(time)} 10V31`);
  return ticks.length > 0 ? [svg("path", { d: ticks.join("") })] : [];
}
