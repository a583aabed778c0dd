#!/usr/bin/env bash
# Polars' relaxed concat turns an object into text without its keys, and a number into an object that nobody sent.
#
# Version:   polars 2.1.0.
# Input:     two NDJSON files with a field `amount` that is an object in one and text or a number in the other.
# Behaviour: Polars takes String for Struct beside String, and its cast writes the values without the keys. For a Struct
#            of one field beside a number it takes the Struct, and the number stands under the key of the other file.
#            Both in silence, lazy and eager. With two fields in the Struct the number is an error.
# Output:    object and text    [('{7,"EUR"}',), ('n/a',)]
#            object and number  [({'net': 7},), ({'net': 5},)]
#            two keys, number   InvalidOperationError
#            in one go          [('{"net": 7, "cur": "EUR"}',), ('n/a',)]
# Matters:   APIs change a field from a number to an object, or send "n/a" for one, from one page to the next. `relaxed`
#            is what one reaches for when the strict concat of a lake's files says that the types differ. Here an
#            amount of 5 becomes a net amount of 5.
# Instead:   read all files in one go, which gives JSON text, or an error for the number:
#            pl.read_ndjson(b"".join(path.read_bytes() for path in paths), infer_schema_length=None)
# Exit code: 0 it is still so, 1 it has changed, 2 the package could not be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{ python3 -m venv venv && venv/bin/pip install --quiet polars==2.1.0; } || exit 2
venv/bin/python - <<'PYTHON'
import io
import json
import sys

import polars as pl


def line(amount):
    return json.dumps({"amount": amount}).encode() + b"\n"


def concat(*amounts):
    """Lazy and eager alike."""
    lazy = [pl.scan_ndjson(io.BytesIO(line(amount))) for amount in amounts]
    eager = [pl.read_ndjson(line(amount)) for amount in amounts]
    try:
        rows = pl.concat(lazy, how="vertical_relaxed").collect().rows()
    except pl.exceptions.PolarsError as error:
        return type(error).__name__
    assert rows == pl.concat(eager, how="vertical_relaxed").rows()
    return rows


two_keys = {"net": 7, "cur": "EUR"}
together = pl.read_ndjson(line(two_keys) + line("n/a"), infer_schema_length=None).rows()
seen = {
    "object and text": concat(two_keys, "n/a"),
    "object and number": concat({"net": 7}, 5),
    "two keys, number": concat(two_keys, 5),
    "in one go": together,
}
for what, rows in seen.items():
    print(f"{what:18} {rows}")
same = [*seen.values()] == [
    [('{7,"EUR"}',), ("n/a",)],
    [({"net": 7},), ({"net": 5},)],
    "InvalidOperationError",
    [('{"net": 7, "cur": "EUR"}',), ("n/a",)],
]
sys.exit(not same)
PYTHON
