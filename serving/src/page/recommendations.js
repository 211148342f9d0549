// What the user is recommended, beside what relevance alone would recommend.

import { counts, entropy, intraListDiversity } from "./categories.js";
import { Refused, get } from "./client.js";
import { byId, el, fill, name, say, share, svg } from "./dom.js";

const PAUSE_MS = 150;
const FIRST_K = 10;
const MOST_K = 50;
/** What is said instead of an error, by its kind. */
const WHY_NONE = {
  no_model: "No snapshot is in force yet: recommendations come with the first one.",
  unknown_path: "This process has no model: hmisr serve recommends.",
};

/** Why a user could not be looked up, by the reason that an answer gives. */
const WHY_DEGRADED = {
  lookup_unavailable: "the jobs that keep users cannot be reached, or are not ready",
  not_owned: "no job has the user's partition now",
  overloaded: "too many look-ups wait",
  timeout: "the look-up took too long",
};

/** Makes the card; `show` asks for a user's list, `clear` takes it away. */
export function recommendations() {
  let user = null;
  let looks = null;
  // None: as much diversity as the user is expected to want.
  let lambda = null;
  let k = FIRST_K;
  let timer;
  let asking = new AbortController();

  const lambdaShown = el("output", { for: "lambda" });
  const kShown = el("output", { for: "k" }, String(k));
  const slider = el("input", {
    id: "lambda", type: "range", min: 0, max: 1, step: 0.05, value: 0, "aria-describedby": "lambda-help",
    on: { input: () => { lambda = Number(slider.value); soon(); } },
  });
  const personal = el("button", { type: "button", class: "plain", "aria-pressed": "true", on: { click: () => { lambda = null; soon(0); } } }, "As the user wants");
  const many = el("input", {
    id: "k", type: "range", min: 1, max: MOST_K, step: 1, value: k,
    on: { input: () => { k = Number(many.value); say(kShown, String(k)); soon(); } },
  });
  const controls = el(
    "div",
    { class: "sliders" },
    el("div", {}, el("div", { class: "row" }, el("label", { for: "lambda" }, "Diversity, λ"), lambdaShown, personal), slider,
      el("p", { id: "lambda-help", class: "muted" }, "0: relevance alone. 1: only how unlike the list above it an item is.")),
    el("div", {}, el("div", { class: "row" }, el("label", { for: "k" }, "Items, k"), kShown), many),
  );
  const state = el("p", { class: "muted" });
  const failed = el("p", { class: "muted", role: "status" });
  const degraded = el("p", { class: "notice", role: "status" });
  const lists = el("div", { class: "lists" });
  const table = el("div");
  fill(byId("recommended"), el("h3", {}, "Recommendations"), controls, failed, degraded, state, lists, table);

  function soon(pause = PAUSE_MS) {
    if (lambda !== null) say(lambdaShown, lambda.toFixed(2));
    personal.setAttribute("aria-pressed", String(lambda === null));
    clearTimeout(timer);
    timer = setTimeout(() => ask(), pause);
  }

  async function ask() {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const path = (weight) => {
      const query = new URLSearchParams({ user_id: user, k });
      if (weight !== null) query.set("lambda", weight);
      return `v1/recommend?${query}`;
    };
    try {
      const [answer, plain] = await Promise.all([get(path(lambda), signal), get(path(0), signal)]);
      if (!signal.aborted) draw(answer, plain);
    } catch (error) {
      if (signal.aborted) return;
      say(failed, (error instanceof Refused && WHY_NONE[error.kind]) || error.message);
      say(degraded, "");
      say(state, "");
      fill(lists);
      fill(table);
    }
  }

  function draw(answer, plain) {
    if (lambda === null) {
      slider.value = answer.lambda;
      say(lambdaShown, answer.lambda.toFixed(2));
    }
    say(failed, "");
    const popular = answer.source === "popularity";
    const without = [answer, plain].find((one) => one.degraded);
    say(degraded, without ? lacking(without) : "");
    const nothing = without ? "nothing is known of this user without a look-up." : "the model knows nothing of this user's history.";
    say(state, popular ? `Ranked by popularity: ${nothing}` : `By snapshot v${answer.model_version}.`);
    const one = list("By relevance alone, λ = 0", plain.items, looks, "plain");
    const other = list(`Re-ranked, λ = ${answer.lambda.toFixed(2)}`, answer.items, looks, "ranked");
    fill(lists, popular ? [other] : [one, other]);
    fill(table, items(answer, plain, looks));
  }

  return {
    show(id, usersLooks) {
      if (id !== user) lambda = null;
      [user, looks] = [id, usersLooks];
      byId("recommended").hidden = false;
      soon(0);
    },
    clear() {
      clearTimeout(timer);
      asking.abort();
      user = null;
      byId("recommended").hidden = true;
      fill(lists);
      fill(table);
      say(degraded, "");
      say(state, "");
      say(failed, "");
    },
  };
}

/** What a list lacks that was made without looking the user up. */
function lacking({ degraded_reason: reason, source }) {
  const why = WHY_DEGRADED[reason] ?? reason ?? "no reason was given";
  const made = source === "popularity" ? "" : " The list is made from what the last look-up found.";
  return `Degraded: the user could not be looked up (${why}).${made}`;
}

/** A list as cells in its categories' looks, with its measures. */
function list(title, items, looks, which) {
  const categories = items.map((item) => item.category);
  const step = 100 / Math.max(items.length, 1);
  const cells = items.flatMap((item, at) =>
    looks.rectangle(item.category, { x: at * step, y: 0, width: step, height: 10 }, { "vector-effect": "non-scaling-stroke" }),
  );
  const [ild, nats, kinds] = [intraListDiversity(categories), entropy(categories), counts(categories)];
  const spoken = [...kinds].map(([category, number]) => `${category}: ${number}`).join(", ");
  const picture = { class: "cells", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": `Categories of the list. ${spoken}` };
  return el(
    "div",
    { "data-list": which, "data-ild": ild.toFixed(6) },
    el("h4", {}, title),
    svg("svg", picture, cells),
    el("p", { class: "number" }, el("strong", {}, `ILD ${share(ild)}`), `, entropy ${nats.toFixed(2)} nats, ${kinds.size} ${kinds.size === 1 ? "category" : "categories"}`),
  );
}

function items(answer, plain, looks) {
  if (answer.items.length === 0) return el("p", { class: "empty" }, "The model knows no item to recommend.");
  const ranked = answer.source !== "popularity";
  const row = (item, at) =>
    el(
      "tr",
      {},
      el("td", { class: "number" }, String(at + 1)),
      el("th", { scope: "row" }, name(item.item_id)),
      el("td", {}, looks.swatch(item.category), name(item.category)),
      ranked ? el("td", {}, item.interest === undefined ? "–" : String(item.interest)) : null,
      ranked ? el("td", { class: "moved" }, moved(item.relevance_rank, at + 1)) : null,
      el("td", { class: "number extra" }, item.score.toFixed(2)),
    );
  const heads = [["#", "number"], ["Item"], ["Category"], ranked && ["Interest"], ranked && ["By relevance"], [ranked ? "Score" : "Count", "number extra"]];
  const head = heads.filter(Boolean).map(([text, kind]) => el("th", { scope: "col", class: kind ?? null }, text));
  return [
    el("table", {}, el("caption", {}, "The list, with the interest that brought each item and its place by relevance alone"), el("thead", {}, el("tr", {}, head)), el("tbody", {}, answer.items.map(row))),
    ranked ? dropped(answer.items, plain.items) : null,
  ];
}

/** What the re-ranking did to an item. */
function moved(before, now) {
  if (before === now) return el("span", { class: "muted" }, "same place");
  const by = Math.abs(before - now);
  const [kind, sign, word] = before > now ? ["up", "▲", "up"] : ["down", "▼", "down"];
  return [
    el("span", { class: kind, "aria-hidden": "true" }, `${sign} ${by}`),
    el("span", { class: "hidden" }, `${word} ${by}`),
    `, was ${before}`,
  ];
}

/** The items that relevance alone would have and the list has not. */
function dropped(items, plain) {
  const kept = new Set(items.map((item) => String(item.item_id)));
  const gone = plain.filter((item) => !kept.has(String(item.item_id)));
  if (gone.length === 0) return el("p", { class: "muted" }, "Every item of the list by relevance alone is here too.");
  const listed = gone.flatMap((item, at) => [at > 0 ? ", " : "", name(item.item_id), " (", name(item.category), ")"]);
  return el("p", { class: "muted" }, "Made room: ", listed, ".");
}
