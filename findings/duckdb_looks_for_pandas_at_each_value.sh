#!/bin/sh
# DuckDB: where pandas is not installed, the Python client 1.4.5 and 1.5.5 looks for it on sys.path twice for each value that
# is bound, and for each element of a list, every time anew: 4,000 searches for 1,000 rows of two columns. With sys.path as
# long as an application's, that is most of what executemany takes. 2.0.1 does not look. Values that come as an Arrow table
# need no search, so rows are better registered than bound.
#
# Seen:
#   duckdb 1.4.5: 3 values 6 searches, a list of 10 22, executemany of 1,000 rows of 2 values 4000, the same as Arrow 0
#   duckdb 1.5.5: 3 values 6 searches, a list of 10 22, executemany of 1,000 rows of 2 values 4000, the same as Arrow 0
#   duckdb 2.0.1: 3 values 0 searches, a list of 10 0, executemany of 1,000 rows of 2 values 0, the same as Arrow 0
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import sys

import duckdb
import pyarrow as pa


class Searches:
    count = 0

    def find_spec(self, name, path=None, target=None):
        Searches.count += name == "pandas"


def searches(work):
    Searches.count = 0
    work()
    return Searches.count


sys.meta_path.insert(0, Searches())
connection = duckdb.connect()
connection.execute("CREATE TABLE seen (a INTEGER, b VARCHAR)")
rows = [(n, str(n)) for n in range(1_000)]
arrow = pa.table({"a": pa.array(range(1_000), pa.int32()), "b": [text for _, text in rows]})
connection.register("arrow", arrow)
found = (
    searches(lambda: connection.execute("SELECT ?, ?, ?", [1, "a", 2.0])),
    searches(lambda: connection.execute("SELECT ?", [[1] * 10])),
    searches(lambda: connection.executemany("INSERT INTO seen VALUES (?, ?)", rows)),
    searches(lambda: connection.execute("INSERT INTO seen FROM arrow")),
)
told = "3 values {} searches, a list of 10 {}, executemany of 1,000 rows of 2 values {}, the same as Arrow {}"
print(f"duckdb {duckdb.__version__}: {told.format(*found)}")
sys.exit(found != tuple(map(int, sys.argv[1:])))
PY
for version in 1.4.5 1.5.5 2.0.1; do
  expected="6 22 4000 0"
  test "$version" != 2.0.1 || expected="0 0 0 0"
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/python" -m pip install --quiet --disable-pip-version-check "duckdb==$version" pyarrow==26.0.1
  "$folder/$version/bin/python" "$folder/run.py" $expected
done
