#!/usr/bin/env bash
# Polars' diagonal concat drops the rows of an NDJSON file whose records are all `{}`.
#
# Version:   polars 2.1.0.
# Input:     a file with two records that have an `id`, and a file with three records that are `{}`.
# Behaviour: each file alone is read with its rows (a frame without columns has a height in Polars 2), and all five rows
#            are there when both files are handed to one scan. A concat of the two is two rows high: lazy "diagonal",
#            lazy and eager "diagonal_relaxed". Eager "diagonal" has all five. No error, no warning.
# Output:    the file of {} alone         3
#            one scan of both             5
#            diagonal, eager              5
#            diagonal, lazy               2
#            diagonal_relaxed, eager      2
#            diagonal_relaxed, lazy       2
#            diagonal_relaxed, row index  5
# Matters:   an API that is asked for some fields alone (`?fields=discount`) may answer `{}` for a whole page. Counts of
#            a lake that is read file by file are then short, and a check against the API's total fails far from the
#            cause. (One scan takes its columns from the first file, so it is no cure where fields differ.)
# Instead:   scan_ndjson(..., row_index_name="_n") for each file and .drop("_n") after the concat; or all in one go:
#            pl.read_ndjson(b"".join(path.read_bytes() for path in paths), infer_schema_length=None)
# Exit code: 0 it is still so, 1 it has changed, 2 the package could not be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{ python3 -m venv venv && venv/bin/pip install --quiet polars==2.1.0; } || exit 2
printf '{"id": 1}\n{"id": 2}\n' >some.ndjson
printf '{}\n{}\n{}\n' >empty.ndjson
venv/bin/python - <<'PYTHON'
import sys

import polars as pl

NAMES = ["some.ndjson", "empty.ndjson"]


def eager(how):
    return pl.concat([pl.read_ndjson(name) for name in NAMES], how=how).height


def lazy(how, **options):
    frame = pl.concat([pl.scan_ndjson(name, **options) for name in NAMES], how=how).collect()
    return frame.drop(options.values()).height


seen = {
    "the file of {} alone": pl.read_ndjson("empty.ndjson").height,
    "one scan of both": pl.scan_ndjson(NAMES).collect().height,
    "diagonal, eager": eager("diagonal"),
    "diagonal, lazy": lazy("diagonal"),
    "diagonal_relaxed, eager": eager("diagonal_relaxed"),
    "diagonal_relaxed, lazy": lazy("diagonal_relaxed"),
    "diagonal_relaxed, row index": lazy("diagonal_relaxed", row_index_name="_n"),
}
for how, rows in seen.items():
    print(f"{how:28} {rows}")
sys.exit([*seen.values()] != [3, 5, 5, 2, 2, 2, 5])
PYTHON
