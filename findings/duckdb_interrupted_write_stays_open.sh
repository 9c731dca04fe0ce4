#!/bin/sh
# DuckDB's Python client 1.4.5, 1.5.5 (2.0.1 no more): where a signal's handler raises in the middle of a statement that writes,
# interrupt() and close() return but the database stays open, with its lock on the file, for as long as the process lives:
# other processes are told that the file is in use, although nothing in this one has a connection any more. After any further
# statement (a ROLLBACK will do, even where it is refused because no transaction is open) close() closes the file. A
# statement that only reads leaves nothing open. So a program that catches Ctrl-C, closes and goes on must send a ROLLBACK
# before it closes.
#
# Seen, whether the file is open after close(): of a write, a write and ROLLBACK, a read
#   duckdb 1.4.5: write open, rollback closed, read closed
#   duckdb 1.5.5: write open, rollback closed, read closed
#   duckdb 2.0.1: write closed, rollback closed, read closed
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import os
import signal
import sys
import tempfile
import threading

import duckdb

signal.signal(signal.SIGTERM, signal.default_int_handler)
LONG = "FROM range(1000000000000) WHERE hash(range) = 7"
EXPECTED = f"write {'closed' if duckdb.__version__ >= '2' else 'open'}, rollback closed, read closed"


def after(way):
    path = os.path.realpath(os.path.join(tempfile.mkdtemp(dir=sys.argv[1]), "a.duckdb"))
    connection = duckdb.connect(path)
    connection.execute("CREATE TABLE t (i BIGINT)")
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
    try:
        connection.execute(f"SELECT count(*) {LONG}" if way == "read" else f"INSERT INTO t SELECT range {LONG}")
    except RuntimeError:
        pass
    connection.interrupt()
    if way == "rollback":
        try:
            connection.execute("ROLLBACK")
        except duckdb.TransactionException:
            pass
    connection.close()
    held = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    return "open" if path in held else "closed"


seen = ", ".join(f"{way} {after(way)}" for way in ("write", "rollback", "read"))
print(f"duckdb {duckdb.__version__}: {seen}", flush=True)
os._exit(seen != EXPECTED)
PY
for version in 1.4.5 1.5.5 2.0.1; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/python" -m pip install --quiet --disable-pip-version-check "duckdb==$version"
  "$folder/$version/bin/python" "$folder/run.py" "$folder"
done
