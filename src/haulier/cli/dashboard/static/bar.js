// The items of a run by state: one stacked bar, and the numbers in words beside it.

import { make, makeSvg, setShown, setText } from "./dom.js";
import { number } from "./words.js";

const WIDTH = 1000;
const LEAST_WIDTH = 4;
/** In the order of the bar. The last one is what is left. */
const PARTS = [
  ["done", "done"],
  ["empty", "empty"],
  ["discarded", "discarded"],
  ["damaged", "damaged"],
  ["poisoned", "poisoned"],
  ["working", "with workers"],
  ["waiting", "not worked yet"],
];

export function makeBar() {
  const rects = PARTS.map(([name]) => makeSvg("rect", { class: `part is-${name}`, y: 0, height: 20 }));
  const picture = makeSvg(
    "svg",
    { viewBox: `0 0 ${WIDTH} 20`, preserveAspectRatio: "none", class: "bar", role: "img" },
    rects,
  );
  const entries = PARTS.map(([name, word]) => {
    const count = make("strong");
    return { name, count, node: make("li", {}, make("span", { class: `swatch is-${name}` }), count, ` ${word}`) };
  });
  const ended = make("p", { class: "ended" });
  const node = make(
    "div",
    {},
    ended,
    picture,
    make(
      "ul",
      { class: "legend" },
      entries.map((entry) => entry.node),
    ),
  );

  return {
    node,
    set(status) {
      const counts = countsOf(status);
      const total = status.planned - status.split;
      const over = total - status.missing;
      // Rounded down: 100 % only once everything has ended.
      const percent = total ? Math.floor((100 * over) / total) : 0;
      setText(
        ended,
        total ? `${percent} %: ${number(over)} of ${number(total)} items have ended` : "No items are planned yet.",
      );
      picture.setAttribute(
        "aria-label",
        PARTS.filter(([name]) => counts[name])
          .map(([name, word]) => `${number(counts[name])} ${word}`)
          .join(", ") || "no items",
      );
      const widths = widthsOf(counts, total);
      let x = 0;
      rects.forEach((rect, place) => {
        rect.setAttribute("x", x);
        rect.setAttribute("width", widths[place]);
        x += widths[place];
      });
      entries.forEach((entry) => {
        setText(entry.count, number(counts[entry.name]));
        setShown(entry.node, counts[entry.name] > 0 || entry.name === "done");
      });
    },
  };
}

/** What workers have is known as they say it; the queue may tell of none (on Azure). */
function countsOf(status) {
  const working = Math.min(
    status.missing,
    status.workers.filter((worker) => !worker.is_silent).reduce((sum, worker) => sum + worker.items, 0),
  );
  return { ...status, working, waiting: status.missing - working };
}

/** Even one poisoned item of 100,000 can be seen: the widest part gives the room. */
function widthsOf(counts, total) {
  const widths = PARTS.map(([name]) =>
    total && counts[name] ? Math.max(LEAST_WIDTH, (WIDTH * counts[name]) / total) : 0,
  );
  const over = widths.reduce((sum, width) => sum + width, 0) - WIDTH;
  if (over > 0) widths[widths.indexOf(Math.max(...widths))] -= over;
  return widths;
}
