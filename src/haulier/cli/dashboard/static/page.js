// The frame of the page: which view is shown, by the fragment of the address; the connection; what is said aloud.

import { api, ApiProblem } from "./api.js";
import { showItem } from "./item.js";
import { showPoison } from "./poison.js";
import { showRun } from "./run.js";
import { showRuns } from "./runs.js";
import { link, make, nameSource, setProse, setShown, setText } from "./dom.js";
import { hasUtcZone, isUtc, setUtc, timeText, zoneName } from "./words.js";

const LOOK_SECONDS = 4;
/** Of the time, at most, that looks take. */
const BUSY_PART = 0.1;
/** An answer that takes longer is said to. */
const LATE_SECONDS = 10;
const CONNECTION_WORDS = {
  live: "live",
  looked: "up to date",
  resting: "paused while this tab is hidden",
  behind: "the last look failed",
  late: "the next look takes long",
  lost: "connection lost",
  refused: "refused",
  absent: "there is nothing to follow",
  loading: "loading",
};

class Page {
  constructor() {
    this.main = document.getElementById("main");
    this.trail = document.getElementById("trail");
    this.connection = document.getElementById("connection");
    this.notice = document.getElementById("notice");
    this.aloud = document.getElementById("aloud");
    this.zone = document.getElementById("zone");
    this.sourceName = "";
    this.reasons = new Promise((resolve) => {
      this.tellReasons = resolve;
    });
    this.leave = () => {};
    this.seenAt = null;
    this.state = "";
    window.addEventListener("hashchange", () => this.show(true));
    this.zone.addEventListener("click", () => {
      setUtc(!isUtc());
      this.showZone();
    });
    this.showZone();
    document.getElementById("skip").addEventListener("click", (event) => {
      event.preventDefault(); // The fragment names the view.
      this.main.focus();
    });
  }

  showZone() {
    setShown(this.zone, isUtc() || !hasUtcZone());
    this.zone.setAttribute("aria-pressed", isUtc() ? "true" : "false");
    setText(document.getElementById("zone-name"), `Times are in ${zoneName()}.`);
  }

  async start() {
    this.show(false);
    for (;;) {
      try {
        const { source, typed, reasons } = await api.source();
        this.sourceName = source;
        nameSource(typed);
        this.tellReasons(reasons ?? {});
        setText(document.getElementById("source"), source);
        this.setTitle(this.title ?? "Runs");
        return;
      } catch (error) {
        this.problem(error);
        await new Promise((resolve) => setTimeout(resolve, 5000));
      }
    }
  }

  show(isFollowed) {
    this.leave();
    document.querySelector("dialog")?.close();
    this.main.replaceChildren();
    setShown(this.notice, false);
    this.seenAt = null;
    this.setConnection("loading");
    const path = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decoded);
    const view = viewOf(path);
    this.showTrail(path);
    this.leave = view(this.main, this) ?? (() => {});
    window.scrollTo(0, 0);
    if (isFollowed) this.main.querySelector("h1")?.focus();
  }

  showTrail([, run, poison, key]) {
    const steps = [link([], "Runs")];
    if (run) steps.push(link(["run", run], run));
    if (poison) steps.push(link(["run", run, "poison"], "Poison"));
    if (key) steps.push(link(["run", run, "poison", key], key));
    steps.at(-1).setAttribute("aria-current", "page");
    this.trail.replaceChildren(...steps.map((step) => make("li", {}, step)));
  }

  /** What a person does about poison of a reason; empty where nobody knows. */
  async remedyOf(reason) {
    const text = (await this.reasons)[reason]?.remedy ?? "";
    return text && `${text[0].toUpperCase()}${text.slice(1)}.`;
  }

  setTitle(title) {
    this.title = title;
    document.title = [title, this.sourceName, "haulier"].filter(Boolean).join(" · ");
  }

  /** Say something to those who do not see the page. */
  say(text) {
    setText(this.aloud, text);
  }

  /**
   * ``live`` and ``looked`` are good; else what is shown is older than it should be, and marked so. ``told`` has a
   * ``message``, such as of a problem, or how old a good look is.
   */
  setConnection(state, told = null) {
    const isGood = state === "live" || state === "looked";
    const isStale = !isGood && state !== "loading";
    if (isGood) this.seenAt = new Date(Date.now() - 1000 * (told?.ageSeconds ?? 0)).toISOString();
    const at = this.seenAt ? timeText(this.seenAt) : "";
    const day = "2026-01-02 ".length;
    const since = !at || state === "loading" ? "" : isStale ? `; what is shown is as of ${at}` : `, looked at ${at.slice(day)}`;
    const again = state === "lost" || state === "refused" ? ", trying again" : "";
    setText(this.connection, `${CONNECTION_WORDS[state]}${again}${since}`);
    this.connection.className = `connection is-${state}`;
    document.body.classList.toggle("is-stale", isStale);
    if (state === "lost" && this.state !== "lost") this.say("The connection is lost.");
    if (isGood && this.state === "lost") this.say("The connection is back.");
    this.state = state;
    if (told?.message) this.tell(told.message);
    else if (isGood) setShown(this.notice, false);
  }

  /** The server is there, but cannot look at the run. */
  stale(text) {
    this.setConnection("behind", new Error(text));
  }

  problem(error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof ApiProblem)) throw error; // A mistake of this page: the console has it.
    if (error.status === 503) this.setConnection("behind", error);
    else if (error.status === 0 || error.status >= 500) this.setConnection("lost", error);
    else this.tell(error.message);
  }

  tell(text) {
    setProse(this.notice, text);
    setShown(this.notice, true);
  }

  /** Look again and again while the view is shown and the tab is seen. ``stop`` ends it, ``now`` looks at once. */
  repeat(look) {
    let ends = new AbortController();
    let timer = null;
    const turn = async () => {
      clearTimeout(timer);
      const mine = ends;
      const began = performance.now();
      const late = setTimeout(() => {
        if (!mine.signal.aborted) this.setConnection("late", { message: `No answer for ${LATE_SECONDS} s yet.` });
      }, 1000 * LATE_SECONDS);
      try {
        await look(mine.signal);
        if (!mine.signal.aborted) this.setConnection("looked");
      } catch (error) {
        if (!mine.signal.aborted) this.problem(error);
      } finally {
        clearTimeout(late);
      }
      const pause = Math.max(1000 * LOOK_SECONDS, (performance.now() - began) / BUSY_PART);
      if (!mine.signal.aborted) timer = setTimeout(turn, pause);
    };
    const onVisibility = () => {
      clearTimeout(timer);
      ends.abort();
      ends = new AbortController();
      if (!document.hidden) turn();
    };
    document.addEventListener("visibilitychange", onVisibility);
    turn();
    const stop = () => {
      document.removeEventListener("visibilitychange", onVisibility);
      clearTimeout(timer);
      ends.abort();
    };
    return { stop, now: onVisibility };
  }
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function viewOf([what, run, poison, key]) {
  if (what === undefined) return showRuns;
  if (what !== "run" || !run || (poison && poison !== "poison")) return showNothing;
  if (key) return (main, page) => showItem(main, page, run, key);
  return poison ? (main, page) => showPoison(main, page, run) : (main, page) => showRun(main, page, run);
}

function showNothing(main, page) {
  page.setTitle("Not found");
  page.setConnection("looked");
  main.append(make("h1", { tabindex: "-1" }, "There is no such view"), make("p", {}, link([], "All runs")));
}

new Page().start();
