// Numbers, sizes, spans and times, as the command line writes them.

const NUMBERS = new Intl.NumberFormat("en");
const TENTHS = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const HUNDREDTHS = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const ZONE_KEY = "haulier.isUtc";

export function number(value) {
  return value === null || value === undefined ? "–" : NUMBERS.format(value);
}

/** Three digits that count: 0.07, 4.3, 812. */
export function rate(value) {
  if (value === null || value === undefined) return "–";
  return (value < 10 ? HUNDREDTHS : value < 100 ? TENTHS : NUMBERS).format(value < 100 ? value : Math.round(value));
}

export function countOf(count, one, several = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : several}`;
}

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit
    ? `${value < 10 ? TENTHS.format(value) : number(Math.round(value))} ${units[unit]}`
    : countOf(bytes, "byte");
}

export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return `${Math.round(1000 * seconds)} ms`;
  if (seconds < 9.95 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

function twoDigits(value) {
  return String(value).padStart(2, "0");
}

export function utcText(moment) {
  return `${moment.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

function localText(moment) {
  const day = [moment.getFullYear(), moment.getMonth() + 1, moment.getDate()].map(twoDigits).join("-");
  return `${day} ${[moment.getHours(), moment.getMinutes(), moment.getSeconds()].map(twoDigits).join(":")}`;
}

export function zoneName() {
  return isUtc() ? "UTC" : ownZone();
}

/** Whether who looks is in UTC anyhow. */
export function hasUtcZone() {
  return ["UTC", "Etc/UTC", "Etc/GMT"].includes(ownZone());
}

function ownZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone ?? "your zone";
}

let isUtcNow = null;

export function isUtc() {
  if (isUtcNow === null) {
    try {
      isUtcNow = localStorage.getItem(ZONE_KEY) === "yes";
    } catch {
      isUtcNow = false; // A browser that keeps nothing for pages.
    }
  }
  return isUtcNow;
}

/** Show all times of the page in UTC, or in the zone of who looks; the browser remembers it. */
export function setUtc(isWanted) {
  isUtcNow = isWanted;
  try {
    localStorage.setItem(ZONE_KEY, isWanted ? "yes" : "no");
  } catch {
    // It holds for this visit.
  }
  for (const node of document.querySelectorAll("time[datetime]")) setTime(node, node.getAttribute("datetime"));
}

export function timeText(iso) {
  const moment = new Date(iso);
  return isUtc() ? utcText(moment) : localText(moment);
}

/** Show a moment in the zone of who looks; UTC is told where one points at it. */
export function setTime(node, iso) {
  const text = iso ? timeText(iso) : "–";
  if (iso && node.getAttribute("datetime") !== iso) {
    node.setAttribute("datetime", iso);
    node.setAttribute("title", utcText(new Date(iso)));
  }
  if (node.textContent !== text) node.textContent = text;
}

export function time(iso) {
  const node = document.createElement(iso ? "time" : "span");
  setTime(node, iso);
  return node;
}

const STATE_MARKS = {
  planning: "…",
  open: "▶",
  closing: "▶",
  complete: "✓",
  partial: "!",
  superseded: "×",
  cancelled: "×",
};

export const OPEN_STATES = ["planning", "open", "closing"];

/** A state has its word and a mark; the colour only repeats them. */
export function setState(node, state) {
  const text = `${STATE_MARKS[state] ?? "·"} ${state}`;
  if (node.textContent === text) return;
  node.textContent = text;
  node.className = `state is-${STATE_MARKS[state] ? state : "other"}`;
}

export function stateChip(state) {
  const node = document.createElement("span");
  setState(node, state);
  return node;
}
