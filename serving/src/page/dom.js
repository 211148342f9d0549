// Elements made from data. Text stays text: nothing here, or elsewhere on the page, makes markup of it.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element with attributes and children; null children are left out, other values are text. */
export function el(name, attributes = {}, ...children) {
  return put(document.createElement(name), attributes, children);
}

/** An SVG element. */
export function svg(name, attributes = {}, ...children) {
  return put(document.createElementNS(SVG, name), attributes, children);
}

function put(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

/** Puts children in the place of an element's present ones. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
}

/** Sets a text where it changed, so that screen readers are not told of what did not. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** An id or a category's name, which may be of any script and direction. */
export const name = (value) => el("bdi", {}, String(value));

export const byId = (id) => document.getElementById(id);

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const brief = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** A count, in few characters. */
export const count = (value) => (value >= 100_000 ? brief.format(value) : whole.format(value));

/** A number per second. */
export function pace(value) {
  if (value === null) return "–";
  if (value > 0 && value < 0.1) return value.toFixed(2);
  return value < 10 ? value.toFixed(1) : count(value);
}

/** A share or a measure: three digits after the point, none before where it is 0. */
export const share = (value) => value.toFixed(3);

export const percent = (value) => `${Math.round(value * 100)} %`;

/** A length of time. */
export function duration(seconds) {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  return seconds < 48 * 3600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

/** A time of the day, here. */
export const clock = (ms, seconds = true) =>
  new Date(ms).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined });
