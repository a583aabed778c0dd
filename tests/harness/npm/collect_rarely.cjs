// Loaded before Azurite. Each minute it looks for bodies of messages that are gone; after some thousands of them that stops
// it for tens of seconds, in which no call is answered.
const path = require("node:path");
const constants = require(path.join(path.dirname(process.argv[1]), "queue", "utils", "constants.js"));
constants.DEFAULT_GC_INTERVAL_MS = 24 * 60 * 60 * 1000;
