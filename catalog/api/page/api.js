// The API, asked patiently.

const LONGEST_WAIT = 30; // seconds between two attempts, whatever Retry-After says

// What the user is told: the API's own words, or that there is no API.
export class Failure extends Error {}

// What is at an address, and the address of the page after it. While the database is away it is
// asked for again, as often as Retry-After says, and `waking` is told why.
export async function get(url, signal, waking) {
  for (;;) {
    const response = await answer(url, signal);
    if (response.ok) return { data: await response.json(), next: following(response) };
    const problem = await response.json().catch(() => ({}));
    if (response.status !== 503) throw new Failure(problem.detail ?? "Something went wrong.");
    waking(problem.detail ?? "");
    const seconds = Number(response.headers.get("Retry-After")) || 1;
    await pause(Math.min(seconds, LONGEST_WAIT) * 1000, signal);
    await seen(signal);
  }
}

async function answer(url, signal) {
  try {
    return await fetch(url, { signal, headers: { Accept: "application/json" } });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Failure("The service cannot be reached.");
  }
}

function following(response) {
  const link = /<([^>]*)>;\s*rel="next"/.exec(response.headers.get("Link") ?? "");
  return link && new URL(link[1], response.url).href;
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

// Until somebody looks at the page: a tab in the background is not to keep a database awake.
function seen(signal) {
  return new Promise((resolve, reject) => {
    const look = () => document.hidden || resolve();
    document.addEventListener("visibilitychange", look, { signal });
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    look();
  });
}
