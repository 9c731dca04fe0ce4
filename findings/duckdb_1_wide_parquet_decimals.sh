#!/bin/sh
# A Parquet DECIMAL wider than 38 digits, as Arrow and Spark write it, is a DOUBLE of another number in DuckDB 1.5.6, without an
# error: 1.5 reads as 25165824.0, 16,777,216 times too high. 2.0.1 reads 1.5, and so does pyarrow. 38 digits are right in both.
#
# Seen (file written by pyarrow 26.0.1, decimal(50, 20) and decimal(38, 18), value 1.5):
#   duckdb 1.5.6: 50 digits DOUBLE 25165824.0; 38 digits DECIMAL(38,18) 1.500000000000000000
#   duckdb 2.0.1: 50 digits DOUBLE 1.5; 38 digits DECIMAL(38,18) 1.500000000000000000
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import sys
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq


def read(kind):
    path = f"{sys.argv[1]}/{kind.precision}.parquet"
    pq.write_table(pa.table({"usd": pa.array([Decimal("1.5")], kind)}), path)
    return " ".join(map(str, duckdb.sql(f"SELECT typeof(usd), usd FROM '{path}'").fetchall()[0]))


said = f"50 digits {read(pa.decimal256(50, 20))}; 38 digits {read(pa.decimal128(38, 18))}"
print(f"duckdb {duckdb.__version__}: {said}")
sys.exit(said != sys.argv[2])
PY
right='38 digits DECIMAL(38,18) 1.500000000000000000'
for version in 1.5.6 2.0.1; do
  case "$version" in
    1.5.6) expected="50 digits DOUBLE 25165824.0; $right" ;;
    *) expected="50 digits DOUBLE 1.5; $right" ;;
  esac
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/python" -m pip install --quiet --disable-pip-version-check "duckdb==$version" pyarrow==26.0.1
  "$folder/$version/bin/python" "$folder/run.py" "$folder" "$expected"
done
