// What the page asks of the server that it came from.

import { span } from "./words.js";

const TOKEN_HEADER = "X-Haulier-Token";
const SILENT_SECONDS = 25;
const FIRST_RETRY_SECONDS = 1;
const MAX_RETRY_SECONDS = 15;

/** An answer that is no success, in the server's own words. Status 0: the server did not answer. */
export class ApiProblem extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

function pathOf(...parts) {
  return `api/${parts.map(encodeURIComponent).join("/")}`;
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiProblem(0, "The dashboard's server does not answer. Is `haulier dashboard` still running?");
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

async function problemOf(answer) {
  let said = null;
  try {
    const { state, error } = await answer.json();
    if (state === "refused" || state === "unavailable") said = error;
  } catch {
    // Not JSON, or none of that: from something between the page and its server.
  }
  if (said) return new ApiProblem(answer.status, said);
  const text = `Something before the dashboard's server answered with status ${answer.status}.`;
  // What is before a server that starts anew says 404 for all that is behind it: that is as good as no answer.
  return new ApiProblem(answer.status === 404 ? 0 : answer.status, text);
}

async function getJson(path, query = {}, signal = undefined) {
  const told = Object.entries(query).filter(([, value]) => value !== null);
  const words = new URLSearchParams(told).toString();
  return (await ask(words ? `${path}?${words}` : path, { signal })).json();
}

export const api = {
  source: (signal) => getJson(pathOf("source"), {}, signal),
  runs: (query, signal) => getJson(pathOf("runs"), query, signal),
  status: (run, signal) => getJson(pathOf("runs", run), {}, signal),
  timeline: (run, signal) => getJson(pathOf("runs", run, "timeline"), {}, signal),
  poison: (run, query, signal) => getJson(pathOf("runs", run, "poison"), query, signal),
  story: (run, key, signal) => getJson(pathOf("runs", run, "poison", key), {}, signal),
  /** ``what`` is redrive or discard. */
  decide: async (run, what, body) => {
    const token = document.querySelector('meta[name="haulier-token"]')?.content ?? "";
    const headers = { "Content-Type": "application/json", [TOKEN_HEADER]: token };
    return (await ask(pathOf("runs", run, what), { method: "POST", headers, body: JSON.stringify(body) })).json();
  },
};

/**
 * Follows a run. The server sends a document when something changed, and signs of life between. A connection that broke,
 * or fell silent, is made again; a tab that nobody sees has none, since a browser has but six to one server. An
 * EventSource would tell no status, and give up at one.
 */
export class Feed {
  constructor(run, { onDocument, onProblem, onConnection }) {
    this.path = `${pathOf("runs", run)}/events`;
    this.onDocument = onDocument;
    this.onProblem = onProblem;
    this.onConnection = onConnection;
    this.retrySeconds = FIRST_RETRY_SECONDS;
    this.isClosed = false;
    this.timer = null;
    this.reader = null;
    this.isTold = false;
    this.isBehind = false;
    this.onVisibility = () => (document.hidden ? this.rest() : this.open());
    document.addEventListener("visibilitychange", this.onVisibility);
    if (!document.hidden) this.open();
  }

  close() {
    this.isClosed = true;
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.stop();
  }

  rest() {
    this.stop();
    this.onConnection("resting");
  }

  stop() {
    clearTimeout(this.timer);
    this.reader?.abort();
    this.reader = null;
  }

  open() {
    if (this.isClosed || this.reader) return;
    clearTimeout(this.timer);
    const reader = new AbortController();
    this.reader = reader;
    this.read(reader).catch((error) => {
      if (this.reader !== reader) return; // It was stopped, or has fallen silent.
      this.again(error instanceof ApiProblem ? error : new ApiProblem(0, ""));
    });
  }

  again(problem) {
    this.reader?.abort();
    this.reader = null;
    clearTimeout(this.timer);
    if (problem.status === 404) {
      this.close(); // There is no such run: it does not come by asking.
      return this.onConnection("absent", problem);
    }
    const isRefused = problem.status >= 400 && problem.status < 500;
    if (isRefused) this.retrySeconds = MAX_RETRY_SECONDS;
    // With 503 the server is there, and cannot look at the run.
    this.onConnection(isRefused ? "refused" : problem.status === 503 ? "behind" : "lost", problem);
    this.timer = setTimeout(() => this.open(), 1000 * this.retrySeconds);
    this.retrySeconds = Math.min(MAX_RETRY_SECONDS, 2 * this.retrySeconds);
  }

  async read(reader) {
    this.watch(reader);
    const answer = await ask(this.path, { headers: { Accept: "text/event-stream" }, signal: reader.signal });
    const chunks = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let kept = "";
    for (;;) {
      const { value, done } = await chunks.read();
      if (done) throw new ApiProblem(0, "");
      this.watch(reader);
      const blocks = (kept + value).split(/\r?\n\r?\n/);
      kept = blocks.pop();
      if (this.reader === reader) blocks.forEach((block) => this.take(block));
    }
  }

  /** Begin to wait for the next sign of life. */
  watch(reader) {
    if (this.reader !== reader) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.again(new ApiProblem(0, "")), 1000 * SILENT_SECONDS);
  }

  take(block) {
    let event = "message";
    const data = [];
    for (const line of block.split(/\r?\n/)) {
      if (line.startsWith("event:")) event = line.slice(6).trim();
      else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
    }
    this.retrySeconds = FIRST_RETRY_SECONDS;
    if (event === "status" && data.length) {
      const document = JSON.parse(data.join("\n"));
      this.isTold = true;
      this.isBehind = false;
      this.onDocument(document);
      this.onConnection("live");
    } else if (event === "problem" && data.length) {
      this.isBehind = true;
      this.onProblem(JSON.parse(data.join("\n")).error ?? "");
    } else if (event === "heartbeat" && data.length) {
      const { age_seconds: ageSeconds, is_late: isLate } = JSON.parse(data.join("\n"));
      if (this.isBehind || !this.isTold) return;
      const message = isLate ? `The server's last look at the run was ${span(ageSeconds)} ago.` : "";
      this.onConnection(isLate ? "late" : "live", { message, ageSeconds });
    }
  }
}
