#!/bin/sh
# DuckDB's read_csv guesses quote and escape from the first lines of a file, also with all_varchar and header given. In a valid file
# whose first quoted field comes after 30,000 lines, it keeps quotes and doubled quotes as if they were text, without an error. With
# quote='"' and escape='"' the field is read as it was written.
#
# Seen (a file of Python's csv module, last field {"k": "v"}):
#   duckdb 1.5.6: guessed "{""k"": ""v""}"; given {"k": "v"}
#   duckdb 2.0.1: guessed "{""k"": ""v""}"; given {"k": "v"}
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import csv
import sys

import duckdb

path = f"{sys.argv[1]}/late.csv"
with open(path, "w", newline="") as stream:
    csv.writer(stream).writerows([("id", "tags"), *((n, "") for n in range(30_000)), ("last", '{"k": "v"}')])


def read(options):
    query = f"SELECT tags FROM read_csv('{path}', header = true, all_varchar = true{options}) WHERE id = 'last'"
    return duckdb.sql(query).fetchall()[0][0]


guessed, given = read(""), read(", delim = ',', quote = '\"', escape = '\"'")
print(f"duckdb {duckdb.__version__}: guessed {guessed}; given {given}")
sys.exit((guessed, given) != ('"{""k"": ""v""}"', '{"k": "v"}'))
PY
for version in 1.5.6 2.0.1; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/python" -m pip install --quiet --disable-pip-version-check "duckdb==$version"
  "$folder/$version/bin/python" "$folder/run.py" "$folder"
done
