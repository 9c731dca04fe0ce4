"""Reads every table, view and question of a published copy, as a client that has nothing but DuckDB and pytz would.

    python read_all.py COPY QUERIES THREADS

Prints a line of JSON for each: its name, how many rows, a digest of all but their
DOUBLEs, and those. It ends by itself, naming what it was at,
where an answer does not come.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb

#: Far more than any answer takes.
PATIENCE_SECONDS = 120
TABLES = """
SELECT schema_name || '."' || table_name || '"' FROM duckdb_tables() WHERE NOT internal
UNION ALL
SELECT schema_name || '."' || view_name || '"' FROM duckdb_views() WHERE NOT internal AND schema_name IN ('main', 'etl')
ORDER BY 1
"""


def plain(value: Any, floats: list[float]) -> Any:
    """A value as it can be compared; DOUBLEs, whose last digits depend on order and version, are laid apart."""
    if isinstance(value, float):
        floats.append(value)
        return "DOUBLE"
    if isinstance(value, dict):
        return [[str(key), plain(value[key], floats)] for key in sorted(value)]
    if isinstance(value, list | tuple):
        return [plain(each, floats) for each in value]
    return str(value.astimezone(timezone.utc)) if isinstance(value, datetime) and value.tzinfo else str(value)  # noqa: UP017


def compared(row: tuple[Any, ...]) -> tuple[str, list[float]]:
    """A row as text, and its DOUBLEs."""
    floats: list[float] = []
    return json.dumps(plain(row, floats)), floats


def main(copy: str, queries: str, threads: str) -> None:
    connection = duckdb.connect(copy, read_only=True)
    for setting in ("TimeZone = 'UTC'", f"threads = {threads}", "streaming_buffer_size = '1KB'"):
        connection.execute(f"SET {setting}")
    asked = {name: f"FROM {name}" for (name,) in connection.execute(TABLES).fetchall()}
    asked |= {f"@{file.stem}": file.read_text("utf-8") for file in sorted(Path(queries).glob("*.sql"))}
    for name, sql in asked.items():
        print(name, file=sys.stderr, flush=True)
        faulthandler.dump_traceback_later(PATIENCE_SECONDS, exit=True)
        # a page at a time, as a notebook or a pipe reads: the whole answer at once is made in another way
        connection.execute(sql)
        rows: list[tuple[str, list[float]]] = []
        while page := connection.fetchmany(1000):
            rows += map(compared, page)
        faulthandler.cancel_dump_traceback_later()
        rows.sort()
        digest = hashlib.sha256("\n".join(text for text, _ in rows).encode()).hexdigest()
        doubles = [each for _, floats in rows for each in floats]
        print(json.dumps({"name": name, "rows": len(rows), "digest": digest, "doubles": doubles}), flush=True)


main(*sys.argv[1:])
