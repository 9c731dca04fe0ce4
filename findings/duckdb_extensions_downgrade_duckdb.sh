#!/bin/sh
# duckdb-extensions and duckdb-extension-ducklake 1.5.5 pin duckdb==1.5.5: installed beside duckdb 2.0.1 they put 1.5.5 in its
# place without an error, and that cannot open a file which 2.0.1 made in its default storage format.
#
# Seen:
#   before: duckdb 2.0.1
#   after: duckdb 1.5.5
#   the file of 2.0.1 in 1.5.5: refused
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
python="$folder/env/bin/python"
said() { "$python" -c 'import duckdb; print("duckdb", duckdb.__version__)'; }
"$python" -m pip install --quiet --disable-pip-version-check duckdb==2.0.1
before="$(said)"
"$python" -c 'import duckdb, sys; duckdb.connect(sys.argv[1]).execute("CREATE TABLE t (a INTEGER)")' "$folder/a.duckdb"
"$python" -m pip install --quiet --disable-pip-version-check duckdb-extensions==1.5.5 duckdb-extension-ducklake==1.5.5
after="$(said)"
opened=opened
"$python" -c 'import duckdb, sys; duckdb.connect(sys.argv[1], read_only=True)' "$folder/a.duckdb" 2>/dev/null || opened=refused
echo "before: $before"
echo "after: $after"
echo "the file of 2.0.1 in 1.5.5: $opened"
test "$before" = "duckdb 2.0.1" && test "$after" = "duckdb 1.5.5" && test "$opened" = refused
