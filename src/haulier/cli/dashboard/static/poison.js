// The poison of a run, in groups of what the items died of, as `haulier poison list` has them.

import { api, Feed } from "./api.js";
import { openDecision } from "./decide.js";
import { link, make, prose, setProse, setText } from "./dom.js";
import { makeItems } from "./items.js";
import { countOf, OPEN_STATES, setState, setTime } from "./words.js";

const LEAST_LOOK_SECONDS = 5;
/** States in which poison can still be redriven or discarded. */
export const DECIDED_STATES = ["open", "closing", "partial"];

export function showPoison(main, page, runId) {
  page.setTitle(`Poison of ${runId}`);
  const chip = make("span", { class: "state" });
  const summary = make("p", { class: "quiet" }, "Reading …");
  const all = make("p", { class: "buttons" });
  const list = make("div");
  main.append(
    make("div", { class: "heading" }, make("h1", { tabindex: "-1" }, "Poison"), chip),
    summary,
    all,
    list,
  );
  const ends = new AbortController();
  let status = null;
  let shape = "";
  let groups = [];
  let askedAt = -Infinity;
  let seen = "";
  let timer = null;
  let turn = 0;

  const decide = (what, selection, words) => openDecision({ page, runId, what, selection, words, onDone: look });

  async function look() {
    clearTimeout(timer);
    askedAt = performance.now() / 1000;
    const mine = ++turn; // An answer that comes behind that to a later question is not shown.
    try {
      const found = await api.poison(runId, { limit: 1 }, ends.signal);
      if (!ends.signal.aborted && mine === turn) show(found);
    } catch (error) {
      if (ends.signal.aborted || mine !== turn) return;
      page.problem(error);
      if (error.status === 404) setProse(summary, error.message);
    }
  }

  function show(found) {
    const canDecide = DECIDED_STATES.includes(found.state);
    setState(chip, found.state);
    setProse(summary, summaryWords(found, status));
    // Nothing is on the queue of a partial run: whoever redrove these was cut off before they were sent.
    const left = found.state === "partial" ? found.redriven : 0;
    const now = JSON.stringify([canDecide, left, ...found.groups.map(nameOf)]);
    if (now !== shape) {
      shape = now;
      const context = { page, runId, canDecide, decide, signal: ends.signal };
      groups = found.groups.map((group) => makeGroup(group, context));
      list.replaceChildren(...groups.map((group) => group.node));
      const isSeveral = canDecide && groups.length > 1;
      all.replaceChildren(
        ...(left ? [finishButton(decide, { redriven: true }, `what was redriven of ${runId}`)] : []),
        ...(isSeveral ? buttons(decide, { all: true }, `all poison of ${runId}`, "all items") : []),
      );
    }
    found.groups.forEach((group, place) => groups[place].set(group));
    if (found.unread) timer = setTimeout(look, 1000 * LEAST_LOOK_SECONDS);
  }

  const feed = new Feed(runId, {
    onDocument(document) {
      if (status && status.state !== document.state) page.say(`The run is ${document.state} now.`);
      status = document;
      setState(chip, status.state);
      const mark = [
        status.state,
        status.poisoned,
        status.discarded,
        status.missing > 0,
        status.workers.length,
      ].join(" ");
      if (mark === seen) return;
      seen = mark;
      clearTimeout(timer);
      timer = setTimeout(look, 1000 * Math.max(0, askedAt + LEAST_LOOK_SECONDS - performance.now() / 1000));
    },
    onProblem: (text) => page.stale(text),
    onConnection: (connection, problem) => page.setConnection(connection, problem),
  });
  look();
  return () => {
    feed.close();
    clearTimeout(timer);
    ends.abort();
  };
}

function summaryWords(found, status) {
  const count = found.poisoned;
  const poisoned = count ? `${countOf(count, "item is", "items are")} poisoned.` : "Nothing is poisoned.";
  const unread = found.unread ? ` ${countOf(found.unread, "record was", "records were")} not read yet.` : "";
  const redriven = found.redriven
    ? ` ${countOf(found.redriven, "item that was redriven has", "items that were redriven have")} not ended since.`
    : "";
  const living =
    status?.workers.filter((worker) => !worker.is_silent && worker.whereabouts !== "gone").length ?? null;
  const isAlone = found.redriven && living === 0 && OPEN_STATES.includes(found.state);
  const isCut = found.redriven && found.state === "partial";
  const next = isAlone ? " No worker is alive: `haulier work SOURCE` takes them." : isCut ? CUT_WORDS : "";
  return poisoned + unread + redriven + next;
}

const CUT_WORDS = " That redrive was cut off before they were on the queue: finish it.";

/** For what is neither poisoned nor on the queue. */
export function finishButton(decide, selection, words) {
  const click = () => decide("redrive", selection, words);
  return make("button", { type: "button", class: "main", on: { click } }, "Finish the redrive");
}

/** Buttons for a group, for one item, or for all. */
export function buttons(decide, selection, words, short) {
  const verbs = [
    ["redrive", "Redrive", "main"],
    ["discard", "Discard", "danger"],
  ];
  return verbs.map(([what, verb, look]) => {
    const label = `${verb} ${short}`;
    const click = () => decide(what, selection, words);
    return make(
      "button",
      { type: "button", class: look, "aria-label": `${label}: ${words}`, on: { click } },
      label,
    );
  });
}

function makeGroup(group, { page, runId, canDecide, decide, signal }) {
  const count = make("strong");
  const newest = make("time");
  const error = make("code", { class: "said" });
  const { reason, status, error_class } = group;
  const name = nameOf(group);
  const items = makeItems(runId, { reason, status, error_class }, page, signal);
  const example = make("span");
  const facts = make("p", {}, count, "; the newest ", newest, "; for example ", example);
  const choice = make("p", { class: "buttons" });
  const node = make(
    "section",
    { class: "group" },
    make("h2", {}, name),
    facts,
    remedyLine(page, reason),
    make("p", {}, error),
    choice,
    items.node,
  );
  if (canDecide) {
    const selection = { group: { reason, status, error_class } };
    choice.append(...buttons(decide, selection, `all of ${name}`, "this group"));
  }
  return {
    node,
    set(now) {
      setText(count, countOf(now.items, "item"));
      setTime(newest, now.newest_at);
      if (example.textContent !== now.key)
        example.replaceChildren(link(["run", runId, "poison", now.key], now.key));
      setText(error, now.error);
      items.set(now.items);
    },
  };
}

/** As `haulier poison list` calls it. */
function nameOf({ reason, status, error_class: error }) {
  return [reason, status, error].filter((part) => part !== null && part !== "").join(" ");
}

/** What a person does about poison of that reason. It comes in a moment, or never. */
export function remedyLine(page, reason, key = "KEY") {
  const node = make("p");
  page.remedyOf(reason).then((text) => {
    if (text) node.append(make("strong", {}, "What to do: "), ...prose(text.replace(/\bKEY\b/g, key)));
  });
  return node;
}
