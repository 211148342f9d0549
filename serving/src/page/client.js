// Asking the server. The token is kept for this tab alone, and sent to this server alone.

const KEPT_AS = "hmisr-token";
const PATIENCE_MS = 10_000;

/** The server did not answer. */
export class Unreachable extends Error {}

/** The server answered with an error of its own. */
export class Refused extends Error {
  constructor(status, kind, message) {
    super(message);
    this.status = status;
    this.kind = kind;
  }
}

export const token = {
  get: () => sessionStorage.getItem(KEPT_AS),
  set: (value) => sessionStorage.setItem(KEPT_AS, value),
  drop: () => sessionStorage.removeItem(KEPT_AS),
};

/** The answer to GET `path`, as JSON. */
export async function get(path, signal) {
  const headers = { accept: "application/json" };
  const known = token.get();
  if (known !== null) headers.authorization = `Bearer ${known}`;
  const signals = [AbortSignal.timeout(PATIENCE_MS), ...(signal ? [signal] : [])];
  let response, text;
  try {
    response = await fetch(path, { headers, signal: AbortSignal.any(signals), cache: "no-store", credentials: "omit", redirect: "error" });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unreachable("The server does not answer.");
  }
  let answer;
  try {
    answer = JSON.parse(text, exact);
  } catch {
    throw new Refused(response.status, "unreadable", `What came (${response.status}) is not this server's answer.`);
  }
  if (!response.ok) {
    const { kind = "unknown", message = `The answer is ${response.status}.` } = answer.error ?? {};
    throw new Refused(response.status, kind, message);
  }
  return answer;
}

// Ids go up to 2^63 - 1, more than a number holds here: those beyond stay the digits that came.
function exact(_, value, context) {
  const lost = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
  return lost && context?.source !== undefined ? context.source : value;
}

/** The path of a user's view; none where no address can name the user. */
export function userPath(id) {
  // An address with such a segment means another place, however it is written.
  return id === "." || id === ".." ? null : `v1/users/${encodeURIComponent(id)}`;
}
