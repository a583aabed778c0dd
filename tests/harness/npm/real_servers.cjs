// Servers that somebody else wrote, with records that are counted: PouchDB's CouchDB, json-server, json-graphql-server.
// It prints their addresses as JSON, in one line.
"use strict";
// Found from the working directory, which is the folder of the packages: this file stands elsewhere.
const load = require("node:module").createRequire(`${process.cwd()}/`);
const express = load("express");
const COUNT = 1234;

const listen = (app) =>
  new Promise((resolve) => {
    const server = app.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`));
  });

const rows = (count) => Array.from({ length: count }, (_, n) => ({ id: n + 1, name: `row ${n + 1}`, price: n / 4 }));

async function couch() {
  const plugin = (name) => load(name).default ?? load(name);
  const PouchDB = plugin("pouchdb-core").plugin(plugin("pouchdb-adapter-memory")).plugin(plugin("pouchdb-mapreduce"))
    .plugin(plugin("pouchdb-find")).defaults({ adapter: "memory" });
  const app = express();
  app.use("/", load("express-pouchdb")(PouchDB, { inMemoryConfig: true, logPath: "/dev/null", mode: "minimumForPouchDB" }));
  const docs = new PouchDB("letters");
  await docs.bulkDocs(rows(COUNT).map(({ id, ...rest }) => ({ _id: `letter ${id}`, ...rest })));
  return listen(app);
}

async function rest() {
  const server = load("json-server");
  const app = server.create();
  app.use(server.defaults({ logger: false }));
  app.use(server.router({ rows: rows(COUNT) }));
  return listen(app);
}

async function graphql() {
  const app = express();
  const { jsonGraphqlExpress } = load("json-graphql-server/node");
  app.use("/graphql", jsonGraphqlExpress({ posts: rows(COUNT).map((row) => ({ ...row, user_id: 1 })), users: [{ id: 1, name: "Ada" }] }));
  return listen(app);
}

Promise.all([couch(), rest(), graphql()]).then(([couch, rest, graphql]) => {
  process.stdout.write(`${JSON.stringify({ couch, rest, graphql })}\n`);
  process.stdin.resume().on("end", () => process.exit(0));
});
