// What the server has told of its past: samples by column, and snapshots.

/** Above this many samples all are asked for again, as the server has thinned them by then. */
const MOST = 1500;

export class History {
  constructor() {
    this.forget();
  }

  forget() {
    this.started = null;
    this.skew = 0;
    this.times = [];
    this.columns = new Map();
    this.snapshots = [];
  }

  /** What to ask for: everything later than what is here. */
  get query() {
    const newest = this.times.at(-1);
    return newest === undefined || this.times.length > MOST ? "" : `?since=${newest}`;
  }

  /** Takes an answer to a question of this `query`. */
  add(answer, query) {
    if (query === "" || answer.started_ms !== this.started) this.forget();
    this.started = answer.started_ms;
    // By whose clock ages are told: the server's.
    this.skew = answer.now_ms - Date.now();
    const { at_ms: times, ...columns } = answer.samples;
    const before = this.times.length;
    this.times.push(...times);
    for (const [name, values] of Object.entries(columns)) {
      if (!this.columns.has(name)) this.columns.set(name, Array(before).fill(null));
      this.columns.get(name).push(...values);
    }
    for (const column of this.columns.values()) {
      while (column.length < this.times.length) column.push(null);
    }
    const known = new Set(this.snapshots.map((snapshot) => snapshot.in_force_ms));
    this.snapshots.push(...answer.snapshots.filter((snapshot) => !known.has(snapshot.in_force_ms)));
  }

  now() {
    return Date.now() + this.skew;
  }

  has(name) {
    return this.columns.has(name);
  }

  /** The newest value of a series; null where there is none. */
  last(name) {
    return this.columns.get(name)?.at(-1) ?? null;
  }

  /** A counter's speed a second over the newest ten seconds; null where it is not known yet. */
  pace(name, over = 10_000) {
    const column = this.columns.get(name);
    const last = this.times.length - 1;
    if (!column || last < 1) return null;
    let first = last - 1;
    while (first > 0 && this.times[last] - this.times[first] < over) first -= 1;
    if (column[last] === null || column[first] === null) return null;
    const seconds = (this.times[last] - this.times[first]) / 1000;
    return seconds > 0 ? Math.max(0, column[last] - column[first]) / seconds : null;
  }

  /** Points `[time, value]` of a series, those without a value left out. */
  points(name) {
    const column = this.columns.get(name) ?? [];
    return column.map((value, at) => [this.times[at], value]).filter(([, value]) => value !== null);
  }

  /** Points of a counter's speed since `from`, over stretches of about `span` milliseconds. */
  paces(name, from, span) {
    const points = this.points(name).filter(([time]) => time >= from);
    const paces = [];
    let first = 0;
    for (let at = 1; at < points.length; at += 1) {
      while (first < at - 1 && points[at][0] - points[first][0] > span) first += 1;
      const [[before, low], [time, high]] = [points[first], points[at]];
      if (time > before) paces.push([time, Math.max(0, high - low) / ((time - before) / 1000)]);
    }
    return paces;
  }
}
