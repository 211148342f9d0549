// The newest snapshots that this server put in force.

import { byId, clock, count, duration, el, fill, share } from "./dom.js";

const SHOWN = 8;

export function snapshots(history) {
  const newest = history.snapshots.slice(-SHOWN).reverse();
  if (newest.length === 0) {
    const text = "No snapshot is in force yet. The first comes as soon as the trainer has published one.";
    fill(byId("snapshots"), el("p", { class: "empty" }, text));
    return;
  }
  const row = ({ version, in_force_ms, created_ms, hr10, items }, at) =>
    el(
      "tr",
      {},
      el("th", { scope: "row", class: "number" }, `v${version}`),
      el("td", { class: "number" }, clock(in_force_ms)),
      el("td", { class: "number" }, duration(Math.max(0, in_force_ms - created_ms) / 1000)),
      el("td", { class: "number" }, typeof hr10 === "number" ? share(hr10) : "–"),
      el("td", { class: "number extra" }, count(items)),
    );
  const heads = [["Version"], ["In force at"], ["After"], ["HR@10"], ["Items", "extra"]];
  const head = heads.map(([text, hides]) => el("th", { scope: "col", class: `number ${hides ?? ""}` }, text));
  const caption = "Each is swapped in between two requests. After: how long it took from being published.";
  const table = el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, head)), el("tbody", {}, newest.map(row)));
  fill(byId("snapshots"), table);
}
