#!/bin/sh
# DuckDB: after a table changed under a view, SELECT * from the view follows it in 1.5.5 and 2.0.1, but the catalog
# (duckdb_columns, information_schema) goes on telling the old columns and types in that session, and tells the new ones when
# the file is opened again. DuckDB 1.4.5 refuses the view from then on, and its catalog lists it as if nothing were wrong. So
# whoever alters a table makes the views on it anew in the same step, whatever DuckDB they use themselves.
#
# Seen:
#   duckdb 1.4.5: altered: catalog FLOAT, view refused; opened again: catalog FLOAT, view refused
#   duckdb 1.5.5: altered: catalog FLOAT, view DECIMAL(38,12); opened again: catalog DECIMAL(38,12), view DECIMAL(38,12)
#   duckdb 2.0.1: altered: catalog FLOAT, view DECIMAL(38,12); opened again: catalog DECIMAL(38,12), view DECIMAL(38,12)
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import sys

import duckdb

file, expected = sys.argv[1:]


def told(connection):
    catalog = connection.execute(
        "SELECT data_type FROM information_schema.columns WHERE table_name = 'costs' AND column_name = 'usd'"
    ).fetchall()[0][0]
    try:
        view = dict(row[:2] for row in connection.execute("DESCRIBE costs").fetchall())["usd"]
    except duckdb.BinderException:
        view = "refused"
    return f"catalog {catalog}, view {view}"


with duckdb.connect(file) as connection:
    connection.execute("CREATE TABLE charges (usd FLOAT); CREATE VIEW costs AS SELECT * FROM charges")
    connection.execute("ALTER TABLE charges ALTER usd TYPE DECIMAL(38, 12)")
    altered = told(connection)
with duckdb.connect(file) as connection:
    again = told(connection)
seen = f"altered: {altered}; opened again: {again}"
print(f"duckdb {duckdb.__version__}: {seen}")
sys.exit(seen != expected)
PY
follows="altered: catalog FLOAT, view DECIMAL(38,12); opened again: catalog DECIMAL(38,12), view DECIMAL(38,12)"
refused="altered: catalog FLOAT, view refused; opened again: catalog FLOAT, view refused"
for version in 1.4.5 1.5.5 2.0.1; do
  expected="$follows"
  test "$version" != 1.4.5 || expected="$refused"
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/python" -m pip install --quiet --disable-pip-version-check "duckdb==$version"
  "$folder/$version/bin/python" "$folder/run.py" "$folder/$version.duckdb" "$expected"
done
