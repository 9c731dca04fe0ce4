#!/bin/sh
# DuckDB 1.5.5: where a query names a CTE twice, so that its rows are kept, the rest of the query reads every column that a star
# in it names, though one is asked for. AS NOT MATERIALIZED prevents it.
#
# Seen:
#   duckdb 1.5.5: kept, reads the wide column True; not kept, False
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import sys

import duckdb

QUERY = """EXPLAIN SELECT max(a) FROM (
    WITH n AS {how} (SELECT k, min(a) AS m FROM t GROUP BY k)
    SELECT t.*, n1.m, n2.m AS m2 FROM t LEFT JOIN n AS n1 ON n1.k = t.k LEFT JOIN n AS n2 ON n2.m = t.k
)"""
with duckdb.connect() as connection:
    connection.execute("CREATE TABLE t AS SELECT range AS a, range % 5 AS k, 'x' || range AS wide FROM range(100000)")
    kept, not_kept = (
        "wide" in connection.execute(QUERY.format(how=how)).fetchall()[0][1] for how in ("", "NOT MATERIALIZED")
    )
print(f"duckdb {duckdb.__version__}: kept, reads the wide column {kept}; not kept, {not_kept}")
sys.exit((kept, not_kept) != (True, False))
PY
python3 -m venv "$folder/1.5.5"
"$folder/1.5.5/bin/python" -m pip install --quiet --disable-pip-version-check "duckdb==1.5.5"
"$folder/1.5.5/bin/python" "$folder/run.py"
