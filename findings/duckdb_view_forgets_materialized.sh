#!/bin/sh
# DuckDB 1.5.5: a view that is stored in a file forgets AS MATERIALIZED of its CTEs when the file is opened again, so its plan
# in the session that made it is not its plan later. DuckDB 1.4.5 and 2.0.1 keep it.
#
# Seen:
#   duckdb 1.4.5: when made True, opened again True
#   duckdb 1.5.5: when made True, opened again False
#   duckdb 2.0.1: when made True, opened again True
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import sys

import duckdb

file, expected = sys.argv[1], sys.argv[2]


def is_materialized(connection):
    return "CTE" in connection.execute("EXPLAIN SELECT * FROM v").fetchall()[0][1].upper()


with duckdb.connect(file) as connection:
    connection.execute("CREATE TABLE t AS SELECT range AS a FROM range(1000)")
    connection.execute("CREATE VIEW v AS WITH x AS MATERIALIZED (SELECT a FROM t) SELECT * FROM x")
    made = is_materialized(connection)
with duckdb.connect(file) as connection:
    again = is_materialized(connection)
print(f"duckdb {duckdb.__version__}: when made {made}, opened again {again}")
sys.exit((made, again) != (True, expected == "True"))
PY
for pair in 1.4.5=True 1.5.5=False 2.0.1=True; do
  version="${pair%%=*}"
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/python" -m pip install --quiet --disable-pip-version-check "duckdb==$version"
  "$folder/$version/bin/python" "$folder/run.py" "$folder/$version.duckdb" "${pair#*=}"
done
