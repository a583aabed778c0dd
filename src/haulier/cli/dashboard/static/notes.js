// What holds a run back, and what its verdict says besides numbers.

import { countOf, number, OPEN_STATES, span, timeText } from "./words.js";

/** What a person should see first. */
export function warningsOf(status) {
  const { api } = status;
  const isOpen = OPEN_STATES.includes(status.state);
  const lines = [];
  if (api && api.state !== "well") lines.push(apiWords(api));
  if (isOpen && status.is_stranded) {
    lines.push("Items are missing from the queue: `haulier work SOURCE` sends them again.");
  }
  const living = status.workers.filter((worker) => !worker.is_silent && worker.whereabouts !== "gone");
  if (isOpen && status.state !== "planning" && !living.length) {
    if (status.missing) {
      lines.push(
        `No worker is alive, and ${countOf(status.missing, "item is", "items are")} left: \`haulier work SOURCE\` takes them.`,
      );
    } else if (status.needs_api) {
      lines.push("All items have ended. Closing the run needs the API: `haulier work SOURCE` closes it.");
    }
  }
  for (const worker of status.workers) {
    if (isOpen && worker.whereabouts === "gone")
      lines.push(`The worker ${worker.name} has ended without a word; its items come back.`);
    else if (isOpen && worker.is_silent)
      lines.push(`The worker ${worker.name} is silent, and was seen ${span(worker.beat_age_seconds)} ago.`);
  }
  if (status.state === "superseded" || status.state === "cancelled") {
    lines.push(`The run is ${status.state}: what it wrote stays, was not counted, and is part of no snapshot.`);
  }
  if (Object.keys(status.reasons).length) lines.push(reasonWords(status.reasons));
  return lines;
}

function apiWords(api) {
  const why = api.reason ? `: ${api.reason}` : "";
  switch (api.state) {
    case "held": {
      const said = api.held.why ? ` (${api.held.why})` : "";
      return [
        `${api.held.by} paused the source at ${timeText(api.held.since)}${said}.`,
        "No request leaves until `haulier resume SOURCE`.",
      ].join(" ");
    }
    case "paused": {
      const person = api.is_for_a_person
        ? " That is longer than any worker waits: `haulier resume SOURCE` ends it."
        : "";
      return `The API asked to wait until ${timeText(api.until)}${why}.${person}`;
    }
    case "down":
      return `The API is down since ${timeText(api.since)}${why}. One worker asks whether it is back; no item is charged.`;
    case "spent":
      return `A limit of the API is used up${why}.`;
    default:
      return `The API is ${api.state}${why}.`;
  }
}

const REASONS = {
  poison: (count) => `${countOf(count, "item is", "items are")} poisoned`,
  damaged: (count) => `${countOf(count, "object is", "objects are")} damaged`,
  count: (count) => `${countOf(count, "stream has", "streams have")} not as many records as the API promised`,
};

function reasonWords(reasons) {
  const words = Object.entries(reasons).map(
    ([reason, count]) => REASONS[reason]?.(count) ?? `${reason}: ${number(count)}`,
  );
  return `The run is partial: ${words.join("; ")}.`;
}

/** What changed in the records, what was read once more, what was removed. */
export function notesOf(status) {
  const lines = Object.entries(status.unseen).map(
    ([stream, sign]) =>
      `No page of ${stream} ever had ${sign}, which says whether there is a next one: each list was taken to be one page long.`,
  );
  for (const [stream, change] of Object.entries(status.shapes)) {
    lines.push(
      `The records of ${stream} have another shape than in ${change.before}: ${changesOf(change).join("; ")}.`,
    );
  }
  for (const [stream, spans] of Object.entries(status.overlaps)) {
    lines.push(`Of ${stream} was read once more: ${spans.map(([start, end]) => `${start} to ${end}`).join(", ")}.`);
  }
  for (const [stream, count] of Object.entries(status.feeds_anew)) {
    lines.push(
      `${countOf(count, "feed")} of ${stream} began anew: all was read once more, and what was deleted in between is told by nobody.`,
    );
  }
  for (const [stream, moment] of Object.entries(status.removed)) {
    lines.push(`The objects of ${stream} were removed by \`haulier gc\` at ${timeText(moment)}.`);
  }
  return lines;
}

function changesOf(change) {
  const lines = [];
  for (const word of ["new", "gone"]) {
    const paths = Object.entries(change[word] ?? {});
    if (paths.length) lines.push(`${word}: ${paths.map(([path, types]) => `${path} (${types})`).join(", ")}`);
  }
  for (const [path, [before, after]] of Object.entries(change.retyped ?? {}))
    lines.push(`${path} was ${before}, and is ${after}`);
  if (change.more) lines.push(`and ${countOf(change.more, "more path")}`);
  return lines;
}
