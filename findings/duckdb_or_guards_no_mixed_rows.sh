#!/bin/sh
# DuckDB 1.4.5, 1.5.5, 2.0.1: the left side of an OR guards the right one, which raises for some rows, in three of four cases:
# as a filter of its own, and in NOT (…) or in a SELECT as long as all rows go one way. Once one row needs the right side, NOT (…)
# and SELECT compute it for all rows, and the query fails on rows that the left side had decided. CASE guards always. So such a
# query passes its tests on one row, or on rows alike, and fails on the first day that brings both kinds.
#
# Seen, of `n <= 2 OR (1 << (n - 3)::INTEGER) > 5`, for the rows 1; 5; 1 and 5:
#   duckdb 1.4.5: filter ok ok ok, not ok ok error, select ok ok error, case ok ok ok
#   duckdb 1.5.5: filter ok ok ok, not ok ok error, select ok ok error, case ok ok ok
#   duckdb 2.0.1: filter ok ok ok, not ok ok error, select ok ok error, case ok ok ok
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import sys

import duckdb

GUARDED = "n <= 2 OR (1 << (n - 3)::INTEGER) > 5"
FORMS = {
    "filter": f"SELECT n FROM t WHERE {GUARDED}",
    "not": f"SELECT n FROM t WHERE NOT ({GUARDED})",
    "select": f"SELECT {GUARDED} FROM t",
    "case": "SELECT CASE WHEN n <= 2 THEN true ELSE (1 << (n - 3)::INTEGER) > 5 END FROM t",
}
EXPECTED = "filter ok ok ok, not ok ok error, select ok ok error, case ok ok ok"


def tried(form, rows):
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (n BIGINT)")
        connection.executemany("INSERT INTO t VALUES (?)", [[row] for row in rows])
        try:
            connection.execute(FORMS[form]).fetchall()
        except duckdb.OutOfRangeException:
            return "error"
        return "ok"


seen = ", ".join(" ".join([form, *(tried(form, rows) for rows in ([1], [5], [1, 5]))]) for form in FORMS)
print(f"duckdb {duckdb.__version__}: {seen}")
sys.exit(seen != EXPECTED)
PY
for version in 1.4.5 1.5.5 2.0.1; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/python" -m pip install --quiet --disable-pip-version-check "duckdb==$version"
  "$folder/$version/bin/python" "$folder/run.py"
done
