// Elements of the page. Whatever the API says becomes text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element. Children are elements, or texts; those that are null are left out. */
export function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function makeSvg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (value === true) {
      node.setAttribute(name, "");
    } else if (value !== null && value !== undefined && value !== false) {
      node.setAttribute(name, value);
    }
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

/** Change a text only where it differs, so that selections stay and readers are not told again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

let typedSource = "SOURCE";

/** How the source is called in commands. */
export function nameSource(typed) {
  typedSource = typed;
}

/** Words between backticks are code, where SOURCE stands for the source. */
export function prose(text) {
  const parts = text.split("`");
  return parts.map((part, place) =>
    place % 2
      ? make(
          "code",
          {},
          part.replace(/\bSOURCE\b/, () => typedSource),
        )
      : part,
  );
}

/** Like `setText`, with code between backticks. */
export function setProse(node, text) {
  if (node.dataset.text === text) return;
  node.dataset.text = text;
  node.replaceChildren(...prose(text).filter((part) => part !== ""));
}

export function setShown(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown;
}

/** A table with a caption for readers. A heading that begins with `#` is of a column of numbers. */
export function makeTable(caption, headings) {
  const cells = headings.map((heading) =>
    make(
      "th",
      { scope: "col", role: "columnheader", class: heading.startsWith("#") ? "number" : null },
      heading.replace(/^#/, ""),
    ),
  );
  const body = make("tbody", { role: "rowgroup" });
  // Roles are said, since a phone shows rows as cards: a table that is drawn otherwise is none to some readers.
  const table = make(
    "table",
    { role: "table" },
    make("caption", { class: "unseen" }, caption),
    make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, cells)),
    body,
  );
  const labels = headings.map((heading) => heading.replace(/^#/, ""));
  return { node: make("div", { class: "wide" }, table), body, headings, labels };
}

/** Show these rows, each an array of a cell for each heading. Rows and cells that stay are kept in place. */
export function setRows(table, rows) {
  while (table.body.rows.length > rows.length) table.body.deleteRow(-1);
  rows.forEach((cells, place) => {
    const row = table.body.rows[place] ?? table.body.appendChild(makeRow(table));
    cells.forEach((cell, column) => setCell(row.cells[column], cell));
  });
}

function makeRow(table) {
  return make(
    "tr",
    { role: "row" },
    table.headings.map((heading, column) =>
      make(column ? "td" : "th", {
        scope: column ? null : "row",
        role: column ? "cell" : "rowheader",
        class: heading.startsWith("#") ? "number" : null,
        "data-label": table.labels[column],
      }),
    ),
  );
}

function setCell(node, cell) {
  if (cell instanceof Node) {
    const old = node.firstElementChild;
    if (!old || node.childNodes.length > 1 || !old.isEqualNode(cell)) node.replaceChildren(cell);
  } else {
    setText(node, cell);
  }
}

/** A link to a view of this page. */
export function link(path, text, attributes = {}) {
  return make("a", { href: `#/${path.map(encodeURIComponent).join("/")}`, ...attributes }, text);
}
