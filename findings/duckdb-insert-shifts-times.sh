#!/usr/bin/env bash
# Since DuckDB 2, INSERT of NDJSON times into a TIMESTAMP column shifts them by the session's zone; COPY does not.
#
# Version:   duckdb 2.0.1, beside 1.4.4.
# Input:     one record, {"id": 1, "seen": "2026-03-01T23:59:59Z"}, into a table (id BIGINT, seen TIMESTAMP).
# Behaviour: read_json infers TIMESTAMP WITH TIME ZONE for such text in 2.0.1, where 1.4.4 inferred TIMESTAMP. INSERT
#            into a TIMESTAMP column casts it, and that cast gives the time on the wall in the session's zone, which
#            is the machine's unless set. COPY of the same file into the same table stores UTC.
# Output:    1.4.4 UTC               TIMESTAMP                 INSERT 23:59:59  COPY 23:59:59
#            1.4.4 America/New_York  TIMESTAMP                 INSERT 23:59:59  COPY 23:59:59
#            2.0.1 UTC               TIMESTAMP WITH TIME ZONE  INSERT 23:59:59  COPY 23:59:59
#            2.0.1 America/New_York  TIMESTAMP WITH TIME ZONE  INSERT 18:59:59  COPY 23:59:59
# Matters:   a job that loads a lake into such a table every day keeps working after the update. On a machine that is
#            not in UTC, its rows from that day on are hours off, in one column with the older ones. Tests in UTC pass.
# Instead:   SET timezone = 'UTC' in every job that loads; or INSERT ... SELECT id, seen AT TIME ZONE 'UTC', which is
#            right under each zone where TIMESTAMP WITH TIME ZONE was inferred; best, columns of that type.
# Exit code: 0 it is still so, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{
  python3 -m venv old && old/bin/pip install --quiet duckdb==1.4.4 &&
    python3 -m venv new && new/bin/pip install --quiet duckdb==2.0.1
} || exit 2
echo '{"id": 1, "seen": "2026-03-01T23:59:59Z"}' >records.ndjson
cat >load.py <<'PYTHON'
import duckdb

READ = "FROM read_json('records.ndjson', format='nd')"
database = duckdb.connect()


def stored(load):
    database.execute("CREATE OR REPLACE TABLE t (id BIGINT, seen TIMESTAMP)")
    database.execute(load)
    return database.execute("SELECT strftime(seen, '%H:%M:%S') FROM t").fetchone()[0]


for zone in ("UTC", "America/New_York"):
    database.execute(f"SET timezone = '{zone}'")
    inferred = database.execute(f"SELECT typeof(seen) {READ}").fetchone()[0]
    insert = stored(f"INSERT INTO t SELECT * {READ}")
    copy = stored("COPY t FROM 'records.ndjson' (FORMAT json)")
    print(f"{duckdb.__version__} {zone:17} {inferred:25} INSERT {insert}  COPY {copy}")
    if inferred != "TIMESTAMP":
        assert stored(f"INSERT INTO t SELECT id, seen AT TIME ZONE 'UTC' {READ}") == "23:59:59"
PYTHON
{ old/bin/python load.py && new/bin/python load.py; } | tee seen.txt
diff seen.txt - <<'EXPECTED'
1.4.4 UTC               TIMESTAMP                 INSERT 23:59:59  COPY 23:59:59
1.4.4 America/New_York  TIMESTAMP                 INSERT 23:59:59  COPY 23:59:59
2.0.1 UTC               TIMESTAMP WITH TIME ZONE  INSERT 23:59:59  COPY 23:59:59
2.0.1 America/New_York  TIMESTAMP WITH TIME ZONE  INSERT 18:59:59  COPY 23:59:59
EXPECTED
