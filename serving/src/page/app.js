// The page: asks for the process's activity again and again, and hands it to the parts.

import { Refused, get, token } from "./client.js";
import { curve } from "./curve.js";
import { byId, say } from "./dom.js";
import { explorer } from "./explorer.js";
import { flow } from "./flow.js";
import { History } from "./history.js";
import { snapshots } from "./snapshots.js";

const EVERY_MS = 2000;
const LONGEST_MS = 30_000;

const known = new History();
const [drawFlow, drawCurve] = [flow(), curve()];
let explore = null;
let timer;
let wait = EVERY_MS;
let again = 0;
let asking = new AbortController();

async function ask() {
  clearTimeout(timer);
  // Nobody looks: the answer when somebody does again begins where this ended.
  if (document.hidden) return;
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const { query } = known;
  let answer = null;
  try {
    answer = await get(`v1/activity${query}`, signal);
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof Refused && error.status === 401) {
      askForToken();
      return;
    }
    wait = Math.min(wait * 2, LONGEST_MS);
    again = Date.now() + wait;
    state("gone", error instanceof Refused ? error.message : "The server does not answer");
  }
  if (signal.aborted) return;
  timer = setTimeout(ask, answer === null ? wait : EVERY_MS);
  if (answer !== null) show(answer, query);
}

function show(answer, query) {
  known.add(answer, query);
  wait = EVERY_MS;
  state("live", "Live");
  byId("token").hidden = true;
  drawFlow(known);
  drawCurve(known);
  snapshots(known);
  explore ??= explorer();
  explore(answer);
}

function state(kind, text) {
  document.querySelector(".state").dataset.state = kind;
  // What is shown is old where nothing answers.
  byId("main").classList.toggle("old", kind === "gone");
  say(byId("state"), text);
  countDown();
}

/** How long until the next try, where the last one failed; not read out. */
function countDown() {
  const gone = document.querySelector(".state").dataset.state === "gone";
  const left = Math.max(0, Math.ceil((again - Date.now()) / 1000));
  say(byId("again"), gone ? `Trying again in ${left} s` : "");
}

function askForToken() {
  const wrong = token.get() !== null;
  token.drop();
  state("waiting", "Waiting for a token");
  byId("token").hidden = false;
  byId("token-wrong").hidden = !wrong;
  say(byId("token-wrong"), wrong ? "That is not this server's token." : "");
  byId("token-field").focus();
}

byId("token").addEventListener("submit", (event) => {
  event.preventDefault();
  token.set(byId("token-field").value.trim());
  byId("token-field").value = "";
  ask();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(timer);
    asking.abort();
  } else {
    wait = EVERY_MS;
    ask();
  }
});

setInterval(countDown, 1000);
ask();
