// One poisoned item: what failed, what was asked and answered, what happened before, and what to do.

import { api, Feed } from "./api.js";
import { openDecision } from "./decide.js";
import { make, makeTable, setRows } from "./dom.js";
import { buttons, DECIDED_STATES, finishButton, remedyLine } from "./poison.js";
import { number, OPEN_STATES, setState, time } from "./words.js";

export function showItem(main, page, runId, key) {
  page.setTitle(`${key} of ${runId}`);
  const chip = make("span", { class: "state" });
  const body = make("div", {}, make("p", { class: "quiet" }, "Reading …"));
  main.append(make("div", { class: "heading" }, make("h1", { tabindex: "-1" }, key), chip), body);
  const ends = new AbortController();
  let state = "";
  let turn = 0;
  let isShown = false;

  const decide = (what, selection, words) => openDecision({ page, runId, what, selection, words, onDone: look });
  async function look() {
    const mine = ++turn;
    try {
      const record = await api.story(runId, key, ends.signal);
      if (ends.signal.aborted || mine !== turn) return;
      isShown = true;
      setState(chip, record.state);
      body.replaceChildren(...partsOf(record, page, decide));
    } catch (error) {
      if (ends.signal.aborted || mine !== turn) return;
      page.problem(error);
      if (error.status === 404) body.replaceChildren(make("p", { class: "empty" }, error.message));
    }
  }
  const feed = new Feed(runId, {
    onDocument(status) {
      const now = `${status.state} ${status.poisoned} ${status.discarded} ${status.missing > 0}`;
      if (state && state.split(" ")[0] !== status.state) page.say(`The run is ${status.state} now.`);
      if (state !== now) look();
      state = now;
    },
    onProblem(text) {
      page.stale(text);
      if (!isShown) look(); // What happened to the item may be told all the same.
    },
    onConnection(connection, told) {
      page.setConnection(connection, told);
      if (connection === "absent") body.replaceChildren(make("p", { class: "empty" }, told.message));
    },
  });
  return () => {
    feed.close();
    ends.abort();
  };
}

function partsOf(record, page, decide) {
  // Numbers tell it, since clocks of machines differ.
  const since = record.story.filter(({ number: which }) => which >= record.number).map(({ event }) => event);
  const isDiscarded = since.includes("discard");
  const isPoisoned = !isDiscarded && !since.includes("redrive");
  const parts = [
    make("p", { class: "lead" }, make("code", { class: "said" }, `${record.error_class}: ${record.error}`)),
  ];
  if (!isPoisoned) parts.push(make("p", {}, make("strong", {}, fateWords(record, isDiscarded))));
  else parts.push(remedyLine(page, record.reason, record.key));
  if (isPoisoned && DECIDED_STATES.includes(record.state)) {
    parts.push(make("p", { class: "buttons" }, buttons(decide, { keys: [record.key] }, record.key, "this item")));
  }
  if (isCutOff(record)) {
    parts.push(make("p", { class: "buttons" }, finishButton(decide, { keys: [record.key] }, record.key)));
  }
  parts.push(factList(record), make("h2", {}, "What happened"), storyTable(record.story));
  if (record.request) parts.push(make("h2", {}, "The last request"), make("pre", {}, requestText(record.request)));
  if (record.excerpt) parts.push(make("h2", {}, "What the API answered"), make("pre", {}, record.excerpt));
  if (record.traceback)
    parts.push(make("details", {}, make("summary", {}, "Traceback"), make("pre", {}, record.traceback)));
  return parts;
}

/** What became of an item after its newest poison. */
function fateWords(record, isDiscarded) {
  if (isDiscarded) return "It was discarded since.";
  switch (record.item_state) {
    case "done":
      return "It was redriven since, and its records are in the lake.";
    case "empty":
      return "It was redriven since, and has no records.";
    case "split":
      return "It was redriven since, and was divided: its parts are items of their own.";
    default:
      if (isCutOff(record)) return "It was redriven, but that was cut off before it was on the queue: finish it.";
      return OPEN_STATES.includes(record.state)
        ? "It was redriven since, and has not ended yet."
        : `It was redriven since, and had not ended when the run was ${record.state}.`;
  }
}

/** Nothing is on the queue of a partial run. */
function isCutOff(record) {
  return record.state === "partial" && record.item_state === "missing";
}

function factList(record) {
  const facts = [
    ["Reason", record.reason],
    ["Status", record.status === null || record.status === undefined ? "–" : String(record.status)],
    ["Kind", record.kind],
    ["Parameters", make("code", {}, record.parameters)],
    ["Failures", number(record.failures ?? 0)],
    ["Deliveries", number(record.deliveries ?? 0)],
    ["Worker", record.worker || "–"],
    ["Poisoned at", time(record.poisoned_at)],
  ];
  if (record.body) facts.push(["Whole answer", make("code", {}, record.body)]);
  return make(
    "dl",
    { class: "facts" },
    facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))),
  );
}

function storyTable(story) {
  const table = makeTable("What happened to the item, oldest first", ["At", "What", "By"]);
  table.node.classList.add("cards");
  setRows(
    table,
    story.map((event) => [time(event.at), eventWords(event), event.by || "–"]),
  );
  return table.node;
}

function eventWords(event) {
  const failure =
    event.status === null || event.status === undefined
      ? event.error_class
      : `${event.error_class} ${event.status}`;
  const why = event.reason ? `: ${event.reason}` : "";
  switch (event.event) {
    case "attempt":
      return `attempt ${event.number} failed (${failure}) and was ${event.settled}`;
    case "crash": {
      const code = event.exit_code ?? 0;
      return `crash ${event.number}: the process that ran it alone died (${code < 0 ? `signal ${-code}` : `exit code ${code}`})`;
    }
    case "poison":
      return `poison ${event.number}: ${event.reason} (${failure})`;
    case "redrive":
      return `redriven${why}`;
    default:
      return `discarded${why}`;
  }
}

function requestText(request) {
  const headers = Object.entries(request.headers ?? {}).map(([name, value]) => `${name}: ${value}`);
  const body = request.body ? ["", request.body] : [];
  return [`${request.method} ${request.url}`, ...headers, ...body].join("\n");
}
