// One user: chosen from those on offer, typed, or named in the address.

import { Looks, counts } from "./categories.js";
import { Refused, get, userPath } from "./client.js";
import { byId, el, fill, name, say } from "./dom.js";
import { features, interests } from "./profile.js";
import { recommendations } from "./recommendations.js";
import { timeline } from "./timeline.js";

/** The chosen user is asked for again after this many answers of the server. */
const EVERY = 3;
const OFFERED = 10;
/** Errors of a look-up without which recommendations are made all the same. */
const DEGRADED = ["lookup_unavailable", "not_owned", "overloaded", "timeout"];
/** Other users are offered after so many answers, so that what a hand reaches for stays where it is. */
const OFFERED_FOR = 15;

/** Starts the explorer. */
export function explorer() {
  const [window_, table, model, list] = [timeline(), features(), interests(), recommendations()];
  fill(byId("user"), window_.node, table.node, model.node);
  let chosen = null;
  let looks = null;
  // Of somebody whose own categories are not known.
  let strangersLooks = null;
  let shown = null;
  let answers = 0;
  let offeredAt = 0;
  let asking = new AbortController();

  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    choose(byId("user-field").value.trim());
  });
  addEventListener("hashchange", () => choose(fromAddress()));

  function choose(id) {
    if (id === null || id === "") return;
    if (id !== chosen) {
      chosen = id;
      looks = null;
      strangersLooks = null;
      shown = null;
      byId("user").hidden = true;
      list.clear();
    }
    byId("user-field").value = id;
    const address = `#user=${encodeURIComponent(id)}`;
    if (location.hash !== address) history.replaceState(null, "", address);
    mark();
    load();
  }

  async function load() {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const path = userPath(chosen);
    if (path === null) {
      say(byId("user-state"), `No address can name the user “${chosen}”.`);
      return;
    }
    try {
      const view = await get(path, signal);
      if (!signal.aborted) show(view);
    } catch (error) {
      if (!signal.aborted) failed(error);
    }
  }

  function show(view) {
    say(byId("user-state"), "");
    const state = `${view.partition}/${view.newest_ts}/${view.lifetime.events}/${view.model?.version}`;
    if (state === shown) return;
    shown = state;
    const often = [...counts(view.visits.map((visit) => visit.category))].sort((a, b) => b[1] - a[1]);
    looks ??= new Looks(often.map(([category]) => category));
    byId("user").hidden = false;
    table.update(view);
    model.update(view.model, looks);
    window_.update(view.visits, looks);
    list.show(chosen, looks);
  }

  function failed(error) {
    const unknown = error instanceof Refused && error.kind === "unknown_user";
    const text = unknown ? `No state is kept of user “${chosen}”: no event has come, or it has expired. What anybody new gets:` : error.message;
    say(byId("user-state"), text);
    byId("user").hidden = true;
    shown = null;
    if (unknown || (error instanceof Refused && DEGRADED.includes(error.kind))) {
      list.show(chosen, looks ?? (strangersLooks ??= new Looks()));
    } else {
      list.clear();
    }
  }

  function mark() {
    for (const button of byId("offers").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.user === chosen));
    }
  }

  function offer({ looked_up: lookedUp, active }) {
    const users = [...new Set([...lookedUp, ...active].map(String))].slice(0, OFFERED);
    const place = byId("offers");
    const before = [...place.querySelectorAll("button")].map((button) => button.dataset.user);
    const busy = place.contains(document.activeElement) || place.matches(":hover");
    if (before.length > 0 && (busy || answers - offeredAt < OFFERED_FOR)) return;
    if (users.length === 0) {
      fill(place, el("p", { class: "muted" }, "No users to offer yet: look-ups and events will name some."));
      return;
    }
    // The same users in another order are no news.
    offeredAt = answers;
    if (before.length === users.length && users.every((user) => before.includes(user))) return;
    const button = (user) => el("button", { type: "button", class: "plain", "data-user": user, on: { click: () => choose(user) } }, name(user));
    fill(place, el("span", { class: "muted" }, "Recently seen:"), users.map(button));
    mark();
  }

  choose(fromAddress());
  return (answer) => {
    answers += 1;
    offer(answer.users);
    if (chosen !== null && answers % EVERY === 0) load();
  };
}

function fromAddress() {
  try {
    return new URLSearchParams(location.hash.slice(1)).get("user");
  } catch {
    return null;
  }
}
