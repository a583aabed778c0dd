// A run over time: three small plots with one cursor, for the mouse, a finger and the keyboard.

import { api } from "./api.js";
import { make, makeSvg, makeTable, setRows, setShown, setText } from "./dom.js";
import { countOf, number, OPEN_STATES, rate, span, timeText } from "./words.js";

const LOOK_SECONDS = 10;
const HEIGHT = 84;
const LEFT = 52;
const RIGHT = 8;
const TOP = 12;
const LEAST_WIDTH = 240;
const TABLE_HEADINGS = [
  "From",
  "#Records a second",
  "#Items at once",
  "#Seconds an item",
  "#Items ended",
  "#Poisoned",
];

const SERIES = [
  {
    name: "records",
    title: "Records a second",
    words: "records a second",
    of: (bucket, step) => bucket.records / step,
    text: rate,
  },
  { name: "items", title: "Items at once", words: "items at once", of: (bucket) => bucket.under_way, text: rate },
  {
    name: "seconds",
    title: "Seconds an item",
    words: "an item",
    of: (bucket) => (bucket.measured ? bucket.item_seconds / bucket.measured : null),
    text: (value) => (value === null ? "–" : span(value)),
  },
];

export function makePlot(runId, page) {
  const readout = make("p", { class: "readout" });
  const panels = SERIES.map(makePanel);
  const stage = make(
    "div",
    {
      class: "stage",
      tabindex: "0",
      role: "slider",
      "aria-label": "The run over time; the arrow keys move through it",
    },
    panels.map((panel) => panel.node),
  );
  const table = makeTable("The run over time, a row for each step", TABLE_HEADINGS);
  const figures = make("details", { class: "figures" }, make("summary", {}, "The figures as a table"), table.node);
  const nothing = make("p", { class: "quiet" });
  const drawing = make("div", {}, readout, stage, figures);
  const node = make("div", {}, nothing, drawing);
  setShown(drawing, false);
  setText(nothing, "It is drawn once items have ended.");

  let line = null;
  let chosen = null;
  let askedAt = -Infinity;
  let seen = "";
  let isOpen = false;
  let ends = new AbortController();

  const draw = () => {
    if (!line) return;
    const width = Math.max(LEAST_WIDTH, stage.clientWidth);
    panels.forEach((panel) => panel.draw(line, width));
    point();
  };
  const point = () => {
    panels.forEach((panel) => panel.point(chosen));
    setText(readout, chosen === null ? summary(line) : bucketWords(line, chosen));
    stage.setAttribute("aria-valuemin", "0");
    stage.setAttribute("aria-valuemax", String(line.buckets.length - 1));
    stage.setAttribute("aria-valuenow", String(chosen ?? line.buckets.length - 1));
    stage.setAttribute("aria-valuetext", readout.textContent);
  };
  const choose = (place) => {
    if (!line) return;
    chosen = place === null ? null : Math.min(line.buckets.length - 1, Math.max(0, place));
    point();
  };

  const pointAt = (event) => {
    const box = stage.getBoundingClientRect();
    const part = (event.clientX - box.left - LEFT) / Math.max(1, box.width - LEFT - RIGHT);
    if (line) choose(Math.floor(part * line.buckets.length));
  };
  stage.addEventListener("pointermove", pointAt);
  stage.addEventListener("pointerdown", pointAt);
  stage.addEventListener("pointerleave", () => choose(null));
  stage.addEventListener("keydown", (event) => {
    if (!line) return;
    const last = line.buckets.length - 1;
    const at = chosen ?? last;
    const moves = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      PageUp: at - 10,
      PageDown: at + 10,
      Home: 0,
      End: last,
      Escape: null,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    choose(moves[event.key]);
  });
  figures.addEventListener("toggle", () => fillTable());
  const fillTable = () => {
    if (figures.open && line)
      setRows(
        table,
        line.buckets.map((bucket, place) => tableRow(line, bucket, place)),
      );
  };

  const look = async () => {
    const mine = ends;
    try {
      const found = lineOf(await api.timeline(runId, mine.signal));
      if (mine.signal.aborted) return;
      if (isOpen && found.buckets.length > 1) found.buckets.pop(); // It is not over, and would look like a fall.
      line = found.buckets.some((bucket) => bucket.items) ? found : null;
      if (line && chosen !== null) chosen = Math.min(chosen, line.buckets.length - 1);
      setShown(drawing, line !== null);
      setShown(nothing, line === null);
      setText(nothing, isOpen ? "It is drawn once items have ended." : "No item of it has ended.");
      draw();
      fillTable();
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.status !== 0) setText(nothing, `The plot cannot be drawn: ${error.message}`);
      setShown(nothing, line === null);
    }
  };
  const resized = new ResizeObserver(draw);
  resized.observe(stage);

  return {
    node,
    /** A look at the run came: the plot follows, more rarely. */
    note(status) {
      const now = performance.now() / 1000;
      const mark = `${status.state} ${status.missing} ${status.records} ${status.poisoned}`;
      const isOtherState = seen.split(" ")[0] !== status.state;
      if (mark === seen || (!isOtherState && now - askedAt < LOOK_SECONDS)) return;
      seen = mark;
      isOpen = OPEN_STATES.includes(status.state);
      askedAt = now;
      look();
    },
    close() {
      resized.disconnect();
      ends.abort();
    },
  };
}

function makePanel(series) {
  const most = makeSvg("text", { class: "axis", x: LEFT - 6, y: TOP + 9, "text-anchor": "end" });
  const zero = makeSvg("text", { class: "axis", x: LEFT - 6, y: TOP + HEIGHT, "text-anchor": "end" });
  const base = makeSvg("line", { class: "base", x1: LEFT, y1: TOP + HEIGHT, y2: TOP + HEIGHT });
  const area = makeSvg("path", { class: "area" });
  const breaks = makeSvg("path", { class: "break" });
  const marks = makeSvg("path", { class: "poison-mark" });
  const cursor = makeSvg("line", { class: "cursor", y1: TOP, y2: TOP + HEIGHT, visibility: "hidden" });
  const dates = ["start", "end"].map((anchor) =>
    makeSvg("text", { class: "axis", y: TOP + HEIGHT + 14, "text-anchor": anchor }),
  );
  const svg = makeSvg(
    "svg",
    { height: TOP + HEIGHT + 18, "aria-hidden": "true" },
    base,
    area,
    breaks,
    marks,
    cursor,
    most,
    zero,
    dates,
  );
  const node = make("figure", {}, make("figcaption", {}, series.title), svg);
  let scale = () => 0;

  return {
    node,
    draw(line, width) {
      const values = line.buckets.map((bucket) => series.of(bucket, line.step));
      const top = Math.max(...values.map((value) => value ?? 0)) || 1;
      const inner = width - LEFT - RIGHT;
      scale = (place) => LEFT + (inner * place) / values.length;
      const y = (value) => TOP + HEIGHT * (1 - value / top);
      svg.setAttribute("width", width);
      base.setAttribute("x2", width - RIGHT);
      setText(most, series.text(top));
      setText(zero, "0");
      area.setAttribute(
        "d",
        values
          .map((value, place) =>
            value === null ? "" : box(scale(place), scale(place + 1), y(value), TOP + HEIGHT),
          )
          .join(""),
      );
      breaks.setAttribute("d", line.breaks.map((place) => `M${scale(place)} ${TOP}V${TOP + HEIGHT}`).join(""));
      marks.setAttribute(
        "d",
        series.name === "records"
          ? line.buckets
              .map((bucket, place) =>
                bucket.poisoned ? cross((scale(place) + scale(place + 1)) / 2, TOP - 6) : "",
              )
              .join("")
          : "",
      );
      dates[0].setAttribute("x", LEFT);
      dates[1].setAttribute("x", width - RIGHT);
      setText(dates[0], shortTime(line, 0));
      setText(dates[1], shortTime(line, line.buckets.length));
    },
    point(place) {
      cursor.setAttribute("visibility", place === null ? "hidden" : "visible");
      if (place === null) return;
      const x = (scale(place) + scale(place + 1)) / 2;
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
    },
  };
}

function box(left, right, top, bottom) {
  return `M${left.toFixed(1)} ${bottom}V${top.toFixed(1)}H${right.toFixed(1)}V${bottom}Z`;
}

function cross(x, y) {
  return `M${x - 3} ${y - 3}l6 6m0 -6l-6 6`;
}

function momentOf(line, place) {
  return new Date(
    line.buckets[Math.min(place, line.buckets.length - 1)].at +
      (place < line.buckets.length ? 0 : 1000 * line.step),
  ).toISOString();
}

/** Without the day, where the whole run is of one. */
function shortTime(line, place) {
  const text = timeText(momentOf(line, place));
  return timeText(momentOf(line, 0)).slice(0, 10) === timeText(momentOf(line, line.buckets.length)).slice(0, 10)
    ? text.slice(11)
    : text;
}

function summary(line) {
  const steps = `${countOf(line.buckets.length, "step")} of ${span(line.step)}`;
  const cut = line.breaks.length ? `; a dashed line stands where nothing was done for a while` : "";
  const untimed = line.untimed
    ? ` ${countOf(line.untimed, "item")} of an older version ended at a time that is not known.`
    : "";
  const sampled = line.sampled > 1 ? " Times of items without records are of a sample." : "";
  const poison = line.buckets.some((bucket) => bucket.poisoned) ? " A cross marks poisoned items." : "";
  return `${steps}. Point at the plot, or use the arrow keys, to read it${cut}.${poison}${untimed}${sampled}`;
}

function bucketWords(line, place) {
  const bucket = line.buckets[place];
  const values = SERIES.map((series) => `${series.text(series.of(bucket, line.step))} ${series.words}`);
  const poison = bucket.poisoned ? [`${number(bucket.poisoned)} poisoned`] : [];
  return `${shortTime(line, place)} to ${shortTime(line, place + 1)}: ${[...values, ...poison].join(", ")}.`;
}

function tableRow(line, bucket, place) {
  return [
    timeText(momentOf(line, place)),
    ...SERIES.map((series) => series.text(series.of(bucket, line.step))),
    number(bucket.items),
    number(bucket.poisoned),
  ];
}

/** A bucket for each step; the server sends a list for each figure. */
function lineOf({ began_at: began, step_seconds: step, at, untimed, sampled, ...lists }) {
  const start = new Date(began).getTime();
  const buckets = at.map((seconds, place) => ({
    at: start + 1000 * seconds,
    items: lists.items[place],
    poisoned: lists.poison[place],
    records: lists.records[place],
    item_seconds: lists.item_seconds[place],
    // Runs that an older version closed do not tell it.
    measured: lists.measured[place] ?? lists.items[place] - lists.poison[place],
    under_way: lists.under_way[place],
  }));
  const breaks = at.flatMap((seconds, place) => (place && seconds - at[place - 1] > step ? [place] : []));
  return { step, buckets, breaks, untimed, sampled };
}
