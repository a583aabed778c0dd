// The poison of a run: by reason, then by what the items died of; and the items, a page at a time.

import { api, Feed } from "./api.js";
import { openDecision } from "./decide.js";
import { link, make, makeTable, prose, setProse, setRows, setText } from "./dom.js";
import { makeItems } from "./items.js";
import { countOf, number, OPEN_STATES, setState, time } from "./words.js";

const LEAST_LOOK_SECONDS = 5;
const HEADINGS = ["Failure", "#Items", "Newest", "Error", "Example"];
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
  let reasons = [];
  let askedAt = -Infinity;
  let seen = "";
  let timer = null;

  const decide = (what, selection, words) => openDecision({ page, runId, what, selection, words, onDone: look });

  async function look() {
    clearTimeout(timer);
    askedAt = performance.now() / 1000;
    try {
      const found = await api.poison(runId, { limit: 0 }, ends.signal);
      if (!ends.signal.aborted) show(found);
    } catch (error) {
      if (!ends.signal.aborted) page.problem(error);
    }
  }

  function show(found) {
    const canDecide = DECIDED_STATES.includes(found.state);
    const byReason = Map.groupBy ? Map.groupBy(found.groups, (group) => group.reason) : groupBy(found.groups);
    setState(chip, found.state);
    setProse(summary, summaryWords(found, status));
    const now = `${canDecide} ${[...byReason.keys()].join(" ")}`;
    if (now !== shape) {
      shape = now;
      reasons = [...byReason.keys()].map((reason) =>
        makeReason(reason, { page, runId, canDecide, decide, signal: ends.signal }),
      );
      list.replaceChildren(...reasons.map((one) => one.node));
      all.replaceChildren(
        ...(canDecide && reasons.length > 1 ? buttons(decide, { all: true }, `all poison of ${runId}`, "all") : []),
      );
    }
    reasons.forEach((one) => one.set(byReason.get(one.reason)));
  }

  const feed = new Feed(runId, {
    onDocument(document) {
      if (status && status.state !== document.state) page.say(`The run is ${document.state} now.`);
      status = document;
      setState(chip, status.state);
      const mark = `${status.state} ${status.poisoned} ${status.discarded} ${status.missing > 0} ${status.workers.length}`;
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
  const redriven = found.redriven
    ? ` ${countOf(found.redriven, "item that was redriven has", "items that were redriven have")} not ended since.`
    : "";
  const living =
    status?.workers.filter((worker) => !worker.is_silent && worker.whereabouts !== "gone").length ?? null;
  const isAlone = found.redriven && living === 0 && OPEN_STATES.includes(found.state);
  return poisoned + redriven + (isAlone ? " No worker is alive: `haulier work SOURCE` takes them." : "");
}

function groupBy(groups) {
  const found = new Map();
  for (const group of groups) found.set(group.reason, [...(found.get(group.reason) ?? []), group]);
  return found;
}

/** Buttons for items of a reason, for one item, or for all. */
export function buttons(decide, selection, words, short) {
  const verbs = [
    ["redrive", "Redrive", "main"],
    ["discard", "Discard", "danger"],
  ];
  return verbs.map(([what, verb, look]) =>
    make(
      "button",
      {
        type: "button",
        class: look,
        "aria-label": `${verb} ${words}`,
        on: { click: () => decide(what, selection, words) },
      },
      `${verb} ${short} …`,
    ),
  );
}

function makeReason(reason, { page, runId, canDecide, decide, signal }) {
  const count = make("strong");
  const remedy = make("p");
  const table = makeTable(`What items of the reason ${reason} died of, the most first`, HEADINGS);
  table.node.classList.add("cards");
  const items = makeItems(runId, { reason }, page, signal);
  const head = make("div", { class: "heading" }, make("h2", {}, reason), count);
  const node = make("section", { class: "reason" }, head, remedy, table.node, items.node);
  if (canDecide)
    node.append(
      make("p", { class: "buttons" }, buttons(decide, { reason }, `all of the reason ${reason}`, "these")),
    );
  return {
    node,
    reason,
    set(groups) {
      const total = groups.reduce((sum, group) => sum + group.items, 0);
      setText(count, countOf(total, "item"));
      const said = groups.find((group) => group.remedy)?.remedy ?? "";
      if (said && !remedy.firstChild) remedy.append(make("strong", {}, "What to do: "), ...prose(said));
      setRows(
        table,
        groups.map((group) => groupRow(runId, group)),
      );
      items.set(total);
    },
  };
}

function groupRow(runId, group) {
  return [
    group.status === null ? group.error_class : `${group.status} ${group.error_class}`,
    number(group.items),
    time(group.newest_at),
    make("span", { class: "said" }, group.error),
    link(["run", runId, "poison", group.key], group.key),
  ];
}
