// What is known of a user: features, and what the model sees.

import { el, fill, name, percent, share, svg } from "./dom.js";

const FEATURES = [
  ["Entropy", "nats, of the categories", (diversity) => diversity.entropy, (value) => `${value.toFixed(2)} nats`, 3],
  ["Evenness", "of the categories' shares", (diversity) => diversity.evenness],
  ["Switching", "neighbours of different categories", (diversity) => diversity.switch_rate],
  ["Long tail", "share of long-tail items", (diversity) => diversity.tail_ratio],
];

/** Makes the card of the features. */
export function features() {
  const table = el("div");
  const node = el("div", { class: "card" }, el("h3", {}, "Features"), table);
  const update = (view) => {
    const row = ([title, what, of, shown = share, most = 1]) =>
      el(
        "tr",
        {},
        el("th", { scope: "row" }, title, el("div", { class: "muted" }, what)),
        [view.window, view.lifetime].map((diversity) => measure(of(diversity), shown, most)),
      );
    const heads = ["", `Window, ${view.window.events} events`, `Lifetime, ${view.lifetime.events} events`];
    const head = heads.map((text) => (text === "" ? el("td") : el("th", { scope: "col" }, text)));
    const recent = el(
      "tr",
      {},
      el("th", { scope: "row" }, "Recent diversity", el("div", { class: "muted" }, "distinct categories among the newest")),
      measure(view.recent_diversity, share, 1),
      el("td"),
    );
    fill(table, el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, FEATURES.map(row), recent)));
  };
  return { node, update };
}

function measure(value, shown, most) {
  return el("td", { class: "measure" }, el("span", {}, shown(value)), bar(value / most));
}

function bar(part) {
  const width = Math.min(Math.max(part, 0), 1) * 100;
  const picture = svg("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none" }, svg("rect", { width, height: 8 }));
  return el("span", { class: "bar", "aria-hidden": "true" }, picture);
}

/** Makes the card of what the model sees. */
export function interests() {
  const inside = el("div");
  const node = el("div", { class: "card" }, el("h3", {}, "What the model sees"), inside);
  const update = (model, looks) => {
    if (!model) {
      fill(inside, el("p", { class: "empty" }, "No interests to show: no snapshot is in force, it is of a model without interests, or it knows none of the user's items yet."));
      return;
    }
    const score = model.diversity_score;
    const side = score < 0.35 ? "focused" : score > 0.65 ? "exploring" : "in between";
    fill(
      inside,
      el("p", { class: "score" }, share(score), el("small", {}, `DiversityScore: ${side}. 0 is focused, 1 exploring.`)),
      bar(score),
      el("ol", { class: "interests" }, model.interests.map((interest, at) => line(interest, at, looks))),
    );
  };
  return { node, update };
}

function line({ mass, categories }, at, looks) {
  let from = 0;
  const width = mass * 100;
  const parts = categories.flatMap(({ category, share: part }) => {
    const box = { x: from, y: 0, width: width * part, height: 10 };
    from += box.width;
    return looks.rectangle(category, box);
  });
  const rest = svg("rect", { class: "cn", x: from, y: 0, width: Math.max(width - from, 0), height: 10 });
  const picture = svg("svg", { class: "mass", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, parts, rest);
  const named = categories.flatMap(({ category, share: part }, index) => [
    index > 0 ? ", " : "",
    looks.swatch(category),
    name(category),
    ` (${percent(part)})`,
  ]);
  return el("li", {}, el("p", {}, el("strong", {}, `Interest ${at}`), `, ${percent(mass)} of the history`), picture, el("p", { class: "muted" }, named));
}
