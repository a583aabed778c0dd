// All runs of the source, the newest first.

import { api } from "./api.js";
import { link, make, makeTable, setProse, setRows, setShown, setText } from "./dom.js";
import { countOf, number, OPEN_STATES, size, span, stateChip, time } from "./words.js";

const SHOWN_RUNS = 20;
/** The server tells no more at once; `haulier runs --last` does. */
const MOST_RUNS = 200;
const HEADINGS = ["Run", "State", "Started", "#Took", "#Items", "#Records", "#Size", "#Requests", "#Poisoned", "#Discarded"];

export function showRuns(main, page) {
  const table = makeTable("Runs, the newest first", HEADINGS);
  table.node.classList.add("cards");
  const empty = make("p", { class: "empty" });
  const source = make("p", { class: "quiet" });
  const older = make("button", { type: "button" }, "Show older runs too");
  let shown = SHOWN_RUNS;
  main.append(make("h1", { tabindex: "-1" }, "Runs"), source, table.node, empty, older);
  setShown(older, false);
  setShown(table.node, false);
  setShown(empty, false);
  page.setTitle("Runs");

  const looks = page.repeat(async (signal) => {
    const { runs, hint = "" } = await api.runs({ last: shown }, signal);
    setShown(table.node, runs.length > 0);
    setShown(empty, !runs.length);
    setProse(
      empty,
      `This source has no run in the lake yet. \`haulier run SOURCE\` starts one; it appears here by itself.${hint}`,
    );
    setText(source, runs.length ? summary(runs) : "");
    setRows(table, runs.map(row));
    setShown(older, runs.length === shown && shown < MOST_RUNS);
  });
  older.addEventListener("click", () => {
    shown = MOST_RUNS;
    looks.now();
  });
  return looks.stop;
}

/** Of those that are shown: older ones may be open, too. */
function summary(runs) {
  const open = runs.filter((run) => OPEN_STATES.includes(run.state)).length;
  if (runs.length === 1) return `1 run, which is ${open ? "open" : "closed"}.`;
  return `${countOf(runs.length, "run")}, the newest first; ${open || "none"} of them ${open > 1 ? "are" : "is"} open.`;
}

function row(run) {
  const poisoned = run.poisoned
    ? link(["run", run.run_id, "poison"], number(run.poisoned), {
        "aria-label": `${countOf(run.poisoned, "poisoned item")} of ${run.run_id}`,
      })
    : number(run.poisoned);
  return [
    link(["run", run.run_id], run.run_id),
    stateChip(run.state),
    time(run.created_at),
    span(run.seconds),
    number(run.planned === null ? null : run.planned - run.split),
    number(run.records),
    size(run.bytes),
    number(run.requests),
    poisoned,
    number(run.discarded),
  ];
}
