#!/usr/bin/env bash
# An append to a Delta table casts to the table's types and loses what does not fit; PyIceberg refuses the same.
#
# Version:   deltalake 1.6.6 and pyiceberg 0.12.0 (pyarrow 26.0.1, sqlalchemy 2.1.9).
# Input:     tables with one row, n = 1 (int64) and ok = true (bool); then appends of one row with other types.
# Behaviour: write_deltalake(mode="append") takes 1.9 as 1, 2 as true, "yes" as true, "n" as false and "7" as 7, with
#            schema_mode="merge" too. It refuses the text "7.9": text is looked at, the fraction of a number is cut.
#            PyIceberg's append refuses each of them, with an error that names the column.
# Output:    n=1.9    deltalake 1      with merge 1      pyiceberg ValueError
#            n='7'    deltalake 7      with merge 7      pyiceberg ValueError
#            n='7.9'  deltalake error  with merge error  pyiceberg ValueError
#            ok=2     deltalake True   with merge True   pyiceberg ValueError
#            ok='yes' deltalake True   with merge True   pyiceberg ValueError
#            ok='n'   deltalake False  with merge False  pyiceberg ValueError
# Matters:   types that a reader infers from NDJSON change from day to day: an amount that was whole so far gets a
#            fraction. Who appends the second day to the table of the first loses the fraction in silence.
# Instead:   compare the schemas of data and table before the append and stop where a column's types differ. Do not
#            rely on "merge" to notice: it adds columns and keeps the types of the old ones.
# Exit code: 0 it is still so, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{
  python3 -m venv venv &&
    venv/bin/pip install --quiet deltalake==1.6.6 pyiceberg==0.12.0 pyarrow==26.0.1 sqlalchemy==2.1.9
} || exit 2
venv/bin/python - <<'PYTHON'
import contextlib
import io
import os
import sys

import pyarrow as pa
import pyarrow.parquet
from deltalake import DeltaTable, write_deltalake
from pyiceberg.catalog.sql import SqlCatalog

FIRST = pa.table({"n": pa.array([1], pa.int64()), "ok": [True]})
CASES = [("n", 1.9, 1), ("n", "7", 7), ("n", "7.9", "error"), ("ok", 2, True), ("ok", "yes", True), ("ok", "n", False)]

catalog = SqlCatalog("c", uri="sqlite:///:memory:", warehouse=f"file://{os.getcwd()}/iceberg")
catalog.create_namespace("lake")
iceberg = catalog.create_table("lake.t", FIRST.schema)


def delta(name, column, more, schema_mode):
    write_deltalake(name, FIRST)
    try:
        write_deltalake(name, more, mode="append", schema_mode=schema_mode)
    except Exception as error:
        return "error" if "Cast error" in str(error) else error
    values = [pyarrow.parquet.read_table(file)[column][0].as_py() for file in DeltaTable(name).file_uris()]
    values.remove(FIRST[column][0].as_py())
    (added,) = values
    return added


same = True
for number, (column, value, expected) in enumerate(CASES):
    more = pa.table({**FIRST.to_pydict(), column: [value]})
    plain = delta(f"plain{number}", column, more, None)
    merged = delta(f"merged{number}", column, more, "merge")
    refused = "taken"
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            iceberg.append(more)
        except ValueError:
            refused = "ValueError"
    same = same and (repr(plain), repr(merged), refused) == (repr(expected), repr(expected), "ValueError")
    print(f"{column + '=' + repr(value):8} deltalake {plain!s:6} with merge {merged!s:6} pyiceberg {refused}")
sys.exit(not same)
PYTHON
