#!/usr/bin/env bash
# PyArrow's dataset gives null for a field that first comes after the first block of an NDJSON file, also with a schema.
#
# Version:   pyarrow 26.0.1.
# Input:     20,000 records in 1.7 MB. The last 5,000 have the field `late`; the first of them comes after 1 MiB.
# Behaviour: each file is parsed with the schema of its first block (1 MiB unless said otherwise), and what is not in
#            it is skipped. Without a schema there is no column `late`. With `late` in the schema of the dataset, even
#            when JsonFileFormat is given the same explicit_schema, the column is there and null in all rows. A filter
#            on it finds nothing. No error, no warning. pyarrow.json.read_json reads all values of the same file.
# Output:    dataset, no schema             no column
#            dataset, schema                0 values
#            dataset, schema in the parser  0 values
#            dataset, schema, filter        0 rows
#            dataset, block of 8 MiB        5000 values
#            read_json                      5000 values
# Matters:   objects of a lake are often larger than 1 MiB, and optional fields (`deleted_at`, `refund`) come late. A
#            schema written by hand looks like the cure and hides the loss, since the column is there.
# Instead:   pyarrow.json.read_json for each file, then pa.concat_tables(..., promote_options="default"); or
#            JsonFileFormat(read_options=ReadOptions(block_size=...)) with more than the largest file, inflated, has.
# Exit code: 0 it is still so, 1 it has changed, 2 the package could not be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{ python3 -m venv venv && venv/bin/pip install --quiet pyarrow==26.0.1; } || exit 2
venv/bin/python - <<'PYTHON'
import json
import sys

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.json import ParseOptions, ReadOptions, read_json

NAME = "records.ndjson"
with open(NAME, "w") as file:
    for number in range(20_000):
        late = {"late": number} if number >= 15_000 else {}
        file.write(json.dumps({"id": number, "text": "x" * 60, **late}) + "\n")

schema = pa.schema({"id": pa.int64(), "text": pa.string(), "late": pa.int64()})
parser = ds.JsonFileFormat(parse_options=ParseOptions(explicit_schema=schema))
block = ds.JsonFileFormat(read_options=ReadOptions(block_size=8 * 1024 * 1024))


def values(table):
    assert table.num_rows == 20_000
    if "late" not in table.schema.names:
        return "no column"
    return f"{table.num_rows - table['late'].null_count} values"


filtered = ds.dataset(NAME, format="json", schema=schema).to_table(filter=ds.field("late").is_valid())
seen = {
    "dataset, no schema": values(ds.dataset(NAME, format="json").to_table()),
    "dataset, schema": values(ds.dataset(NAME, format="json", schema=schema).to_table()),
    "dataset, schema in the parser": values(ds.dataset(NAME, format=parser, schema=schema).to_table()),
    "dataset, schema, filter": f"{filtered.num_rows} rows",
    "dataset, block of 8 MiB": values(ds.dataset(NAME, format=block).to_table()),
    "read_json": values(read_json(NAME)),
}
for how, what in seen.items():
    print(f"{how:30} {what}")
sys.exit([*seen.values()] != ["no column", "0 values", "0 values", "0 rows", "5000 values", "5000 values"])
PYTHON
