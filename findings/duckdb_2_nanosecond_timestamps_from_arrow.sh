#!/bin/sh
# Arrow's timestamp[ns, UTC] is TIMESTAMP WITH TIME ZONE in DuckDB 1.5.5 and TIMESTAMPTZ_NS in 2.0.1, for which epoch_us(…) does
# not bind: the same Arrow table and query answer in one and raise in the other. As timestamp[us, UTC] both answer.
#
# Seen (pyarrow 26.0.1):
#   duckdb 1.5.5: ns is TIMESTAMP WITH TIME ZONE, epoch_us answers; us is TIMESTAMP WITH TIME ZONE, epoch_us answers
#   duckdb 2.0.1: ns is TIMESTAMPTZ_NS, epoch_us raises BinderException; us is TIMESTAMP WITH TIME ZONE, epoch_us answers
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import datetime as dt
import sys

import duckdb
import pyarrow as pa


def read(unit):
    at = dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc)
    table = pa.table({"seen": pa.array([at], pa.timestamp(unit, "UTC"))})
    connection = duckdb.connect()
    connection.register("given", table)
    kind = connection.execute("SELECT typeof(seen) FROM given").fetchall()[0][0]
    try:
        connection.execute("SELECT epoch_us(seen) FROM given").fetchall()
        answer = "answers"
    except duckdb.Error as error:
        answer = f"raises {type(error).__name__}"
    return f"{unit} is {kind}, epoch_us {answer}"


said = f"{read('ns')}; {read('us')}"
print(f"duckdb {duckdb.__version__}: {said}")
sys.exit(said != sys.argv[1])
PY
us='us is TIMESTAMP WITH TIME ZONE, epoch_us answers'
for version in 1.5.5 2.0.1; do
  case "$version" in
    1.5.5) expected="ns is TIMESTAMP WITH TIME ZONE, epoch_us answers; $us" ;;
    *) expected="ns is TIMESTAMPTZ_NS, epoch_us raises BinderException; $us" ;;
  esac
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/python" -m pip install --quiet --disable-pip-version-check "duckdb==$version" pyarrow==26.0.1
  "$folder/$version/bin/python" "$folder/run.py" "$expected"
done
