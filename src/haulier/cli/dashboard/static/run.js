// One run, live: how far it is, how fast, what holds it back, who works it; and its plot, also after it ended.

import { Feed } from "./api.js";
import { makeBar } from "./bar.js";
import { link, make, makeTable, setProse, setRows, setShown, setText } from "./dom.js";
import { notesOf, warningsOf } from "./notes.js";
import { makePlot } from "./plot.js";
import { countOf, number, OPEN_STATES, rate, setState, setTime, size, span, stateChip } from "./words.js";

const WHEREABOUTS = { here: "alive", gone: "has ended", unknown: "cannot be seen from here" };

export function showRun(main, page, runId) {
  page.setTitle(runId);
  const view = makeView(runId);
  main.append(...view.nodes);
  const plot = makePlot(runId, page);
  view.plot.append(plot.node);

  let state = "";
  const feed = new Feed(runId, {
    onDocument(status) {
      view.set(status);
      plot.note(status);
      if (state && state !== status.state) page.say(`The run is ${status.state} now.`);
      state = status.state;
    },
    onProblem: (text) => page.stale(text),
    onConnection: (connection, problem) => {
      page.setConnection(connection, problem);
      if (connection === "absent") view.end(problem.message);
    },
  });
  return () => {
    feed.close();
    plot.close();
  };
}

function makeView(runId) {
  const chip = make("span", { class: "state" });
  const line = make("span");
  const started = make("time");
  const closed = make("time");
  const when = make("p", { class: "quiet" }, line, " Started ", started);
  const closedPart = make("span", {}, ", closed ", closed);
  when.append(closedPart, ".");
  const left = make("p", { class: "left" });
  const warnings = make("ul", { class: "warnings" });
  const bar = makeBar();
  const tiles = makeTiles(["records", "items", "inFlight", "answers", "requests", "queue", "retries", "poison"]);
  const poison = link(["run", runId, "poison"], "", { class: "button" });
  const plot = section("Over time");
  const retries = section(
    "Tried again",
    makeTable("Requests and items that were tried again, by cause", ["Cause", "#Times"]),
  );
  const newest = make("p", { class: "quiet" });
  retries.table.node.classList.add("narrow");
  retries.node.append(newest);
  const workers = section(
    "Workers",
    makeTable("Workers of the source", ["Worker", "Is", "#Items", "#In flight", "#Share", "#Seen"]),
  );
  workers.table.node.classList.add("cards");
  const others = section(
    "Other open runs",
    makeTable("Other open runs of this source", ["Run", "State", "#Ended", "#Items", "#Records"]),
  );
  const notes = make("ul", { class: "notes" });
  const noted = section("Notes");
  noted.node.append(notes);

  const waiting = make("p", { class: "quiet" }, "Looking …");
  const lookedAt = [when, warnings, bar.node, left, make("p", {}, poison), tiles.node];
  const sections = [plot, retries, workers, others, noted].map((one) => one.node);
  const rest = make("div", {}, lookedAt, sections);
  setShown(rest, false); // Until the first look.

  return {
    plot: plot.node,
    nodes: [make("div", { class: "heading" }, make("h1", { tabindex: "-1" }, runId), chip), waiting, rest],
    end: (text) => setText(waiting, text),
    set(status) {
      const isOpen = OPEN_STATES.includes(status.state);
      setShown(waiting, false);
      setShown(rest, true);
      setState(chip, status.state);
      setText(line, headline(status, isOpen));
      setTime(started, status.created_at);
      setShown(closedPart, !isOpen && Boolean(status.closed_at));
      if (status.closed_at) setTime(closed, status.closed_at);
      setLines(warnings, warningsOf(status));
      bar.set(status);
      setText(left, isOpen ? leftWords(status) : "");
      setShown(left, isOpen && status.missing > 0 && (status.eta !== null || goesOn(status)));
      setShown(poison.parentElement, status.poisoned > 0);
      setText(poison, `Look at ${countOf(status.poisoned, "poisoned item")}`);
      tiles.set(tileFacts(status, isOpen));
      setRows(
        retries.table,
        Object.entries(status.retries_by_cause).map(([cause, times]) => [cause, number(times)]),
      );
      setShown(retries.node, status.retries > 0);
      setShown(newest, status.newest_failure !== null);
      if (status.newest_failure) setNewest(newest, status.newest_failure);
      setRows(workers.table, isOpen ? status.workers.map((worker) => workerRow(worker, status)) : []);
      setShown(workers.node, isOpen && status.workers.length > 0);
      setRows(others.table, status.others.map(otherRow));
      setShown(others.node, status.others.length > 0);
      const told = notesOf(status);
      setLines(notes, told);
      setShown(noted.node, told.length > 0);
    },
  };
}

function section(title, table = null) {
  const node = make("section", {}, make("h2", {}, title), table?.node);
  return { node, table };
}

function makeTiles(names) {
  const cells = names.map((name) => ({
    name,
    label: make("dt"),
    value: make("dd"),
    more: make("dd", { class: "quiet" }),
  }));
  const node = make(
    "dl",
    { class: "tiles" },
    cells.map(({ label, value, more }) => make("div", {}, label, value, more)),
  );
  return {
    node,
    set(facts) {
      for (const { name, label, value, more } of cells) {
        const fact = facts[name];
        setShown(label.parentElement, Boolean(fact));
        if (!fact) continue;
        setText(label, fact[0]);
        setText(value, fact[1]);
        setText(more, fact[2] ?? "");
        setShown(more, Boolean(fact[2]));
      }
    },
  };
}

function setLines(list, lines) {
  while (list.children.length > lines.length) list.lastElementChild.remove();
  lines.forEach((text, place) => setProse(list.children[place] ?? list.appendChild(make("li")), text));
  setShown(list, lines.length > 0);
}

function headline(status, isOpen) {
  const mode = status.mode === "trial" ? "A trial, which is no snapshot" : `A ${status.mode} run`;
  const streams = `${status.streams.length === 1 ? "stream" : "streams"} ${status.streams.join(", ")}`;
  return `${mode} of the ${streams}; ${isOpen ? "open for" : "it took"} ${span(status.seconds)}.`;
}

/** Else the warnings say why nothing moves. */
function goesOn({ api }) {
  return api !== null && api.state === "well" && api.workers > 0;
}

function leftWords(status) {
  if (!status.eta) return "How long the rest takes is not known yet.";
  const { seconds, low_seconds: low, high_seconds: high } = status.eta;
  if (seconds < 10) return "Some seconds left.";
  return `About ${span(Math.round(seconds))} left (nine times of ten ${span(Math.round(low))} to ${span(Math.round(high))}).`;
}

function tileFacts(status, isOpen) {
  const { api, latency, queue, rate: pace } = status;
  const limit = api?.limit ? `; ${api.limit.by} set ${number(api.limit.in_flight)}` : "";
  const bears = api?.found_in_flight ? `; the API bears ${number(api.found_in_flight)} so far` : "";
  return {
    records: [
      "Records",
      number(status.records),
      isOpen && pace ? `${rate(pace.records_per_second)} a second; ${size(status.bytes)}` : size(status.bytes),
    ],
    items: isOpen && [
      "Items a second",
      rate(pace?.items_per_second ?? null),
      pace ? `in the last ${span(pace.over_seconds)}` : "not known yet",
    ],
    inFlight: isOpen &&
      api?.workers > 0 && [
        "Requests in flight",
        `${number(api.in_flight)} of ${number(api.may_be_in_flight)}`,
        `${countOf(api.workers, "worker")}${bears}${limit}`,
      ],
    answers: isOpen &&
      latency && [
        "Answers within",
        span(latency.p50_seconds),
        `half of them; 95 of 100 within ${span(latency.p95_seconds)}`,
      ],
    requests: ["Requests", number(status.requests), "for what is in the lake"],
    queue: isOpen && queue && ["Queue, of all runs", number(queue.unsettled), queueWords(queue)],
    retries: [
      "Tried again",
      number(status.retries),
      Object.keys(status.retries_by_cause)[0] ? `most often ${Object.keys(status.retries_by_cause)[0]}` : "",
    ],
    poison: ["Poisoned", number(status.poisoned), poisonWords(status)],
  };
}

function queueWords(queue) {
  if (!queue.is_exact) return "messages, about; ready, delayed or worked";
  return `${number(queue.ready)} ready, ${number(queue.delayed)} delayed, ${number(queue.leased)} leased`;
}

function poisonWords(status) {
  const words = Object.entries(status.poison_by_reason).map(([reason, count]) => `${number(count)} ${reason}`);
  if (status.poison_unread) words.push(`${number(status.poison_unread)} not looked at yet`);
  return words.length ? `reason: ${words.join(", ")}` : "";
}

function setNewest(node, failure) {
  if (!node.firstChild) node.append("The newest, ", make("time"), ": ", make("code"));
  setTime(node.querySelector("time"), failure.at);
  setText(node.querySelector("code"), failure.cause);
}

function workerRow(worker, status) {
  const leases = status.leases.find((one) => one.name === worker.name)?.leases;
  const is = worker.is_silent && worker.whereabouts !== "gone" ? "silent" : WHEREABOUTS[worker.whereabouts];
  const word = is === WHEREABOUTS.unknown && !worker.is_silent ? "alive, elsewhere" : is;
  const items = leases === undefined ? number(worker.items) : `${number(worker.items)} of ${number(leases)}`;
  return [
    worker.name,
    word,
    items,
    number(worker.in_flight),
    number(worker.share),
    `${span(worker.beat_age_seconds)} ago`,
  ];
}

function otherRow(other) {
  return [
    link(["run", other.run_id], other.run_id),
    stateChip(other.state),
    number(other.ended),
    number(other.planned),
    number(other.records),
  ];
}
