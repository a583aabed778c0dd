// The poisoned items of one group, a page at a time.

import { api } from "./api.js";
import { link, make, makeTable, setRows, setShown, setText } from "./dom.js";
import { countOf, number, time } from "./words.js";

const PAGE_ITEMS = 100;

/** Opened by a click: until then nothing is asked. ``selection`` is the group, as the server names it. */
export function makeItems(runId, selection, page, signal) {
  const table = makeTable("Items of the group, by key", ["Item", "Kind", "Poisoned at", "Error"]);
  table.node.classList.add("cards");
  const said = make("p", { class: "quiet", role: "status" });
  const back = make("button", { type: "button", on: { click: () => turn(-1) } }, "Earlier items");
  const on = make("button", { type: "button", on: { click: () => turn(1) } }, "Further items");
  const node = make(
    "details",
    {},
    make("summary", {}, "Items, one by one"),
    table.node,
    said,
    make("p", { class: "buttons" }, back, on),
  );
  const starts = [""];
  let next = null;
  let total = 0;

  const look = async () => {
    try {
      const found = await api.poison(runId, { ...selection, after: starts.at(-1), limit: PAGE_ITEMS }, signal);
      if (signal.aborted) return;
      if (!found.items.length && starts.length > 1) {
        starts.pop(); // The page before was full, and the last one.
        await look();
        setShown(on, false);
        return;
      }
      next = found.next ?? null;
      setRows(
        table,
        found.items.map((item) => row(runId, item)),
      );
      const first = (starts.length - 1) * PAGE_ITEMS + 1;
      setText(
        said,
        found.items.length
          ? `${number(first)} to ${number(first + found.items.length - 1)} of ${countOf(total, "item")}`
          : "No item is left here.",
      );
    } catch (error) {
      if (!signal.aborted) page.problem(error);
    }
    setShown(back, starts.length > 1);
    setShown(on, next !== null);
  };
  const turn = (pages) => {
    if (pages > 0) starts.push(next);
    else starts.pop();
    node.scrollIntoView({ block: "nearest" });
    return look();
  };
  node.addEventListener("toggle", () => node.open && look());
  setShown(back, false);
  setShown(on, false);

  return {
    node,
    /** The group has so many items now: what is shown of them is read again. */
    set(items) {
      if (items === total) return;
      total = items;
      if (node.open) look();
    },
  };
}

function row(runId, item) {
  return [
    link(["run", runId, "poison", item.key], item.key),
    item.kind,
    time(item.poisoned_at),
    make("span", { class: "brief" }, item.error),
  ];
}
