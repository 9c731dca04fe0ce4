"""SQL that somebody else wrote, run in a process of its own that can do nothing but read the published copy.

`python -m braket_etl.serving.ask` reads requests as lines of JSON on standard input and answers each with one on standard
output; each opens the copy anew. DuckDB may open no file, no network and no extension there, and no setting can be
changed; the system holds the process to its memory, and whoever asked kills it when a question takes too long.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any, cast

import duckdb

from braket_etl.display import as_json
from braket_etl.runtime import Runtime
from braket_etl.warehouse.connection import Connection, Warehouse, confined
from braket_etl.warehouse.errors import WarehouseError
from braket_etl.warehouse.queries import Value, assignments
from braket_etl.warehouse.query_errors import explained
from braket_etl.warehouse.statements import asked

#: The longest that a question may take, in seconds.
SECONDS = 30.0
#: The most rows that are answered, and the most characters of all of them.
MOST_ROWS, _MOST_CHARACTERS = 1_000, 400_000
#: What DuckDB may use, and what the process may map in all, which is more: code, stacks, what is only reserved.
_MEMORY, _MAPPED_BYTES = "2GB", 8 << 30
_TOO_MUCH = f"this needs more than {_MEMORY} of memory: ask for less"


class AskError(Exception):
    """A statement that was refused or failed, or took too long; the message is for whoever wrote it."""


@dataclass(frozen=True)
class Reply:
    """The rows under the names of their columns, as JSON has them; whether there are more."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    is_cut: bool


@dataclass
class Asker:
    """Asks a process of its own, one question at a time; it is started when the first comes, and anew where it ended."""

    _turn: threading.Lock = field(default_factory=threading.Lock)
    _process: subprocess.Popen[bytes] | None = None

    def ask(
        self,
        statement: str,
        values: Mapping[str, Value] | None = None,
        rows: int = MOST_ROWS,
        seconds: float = SECONDS,
    ) -> Reply:
        """The first rows of a query, with these variables set; raises AskError."""
        request = {"statement": statement, "before": assignments(values or {}), "rows": min(rows, MOST_ROWS)}
        with self._turn:
            said = self._said(json.dumps(request), seconds)
        if "error" in said:
            raise AskError(said["error"])
        return Reply(said["columns"], said["rows"], said["is_cut"])

    def _said(self, request: str, seconds: float) -> dict[str, Any]:
        process = self._process or _started()
        self._process = None
        began, watch = time.monotonic(), threading.Timer(seconds, process.kill)
        watch.start()
        try:
            asked, answers = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
            asked.write(f"{request}\n".encode())
            asked.flush()
            line = answers.readline()
        finally:
            watch.cancel()
        if not line:
            process.communicate()
            if time.monotonic() - began >= seconds:
                raise AskError(f"this took longer than {seconds:.0f} seconds and was ended: ask for less")
            raise AskError(_TOO_MUCH)
        said: dict[str, Any] = json.loads(line)
        if said["is_last"]:
            process.communicate()
        else:
            self._process = process
        return said


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "braket_etl.serving.ask"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def _answered(warehouse: Warehouse, request: Mapping[str, Any]) -> dict[str, Any]:
    with warehouse.reading() as connection:
        confined(connection, _MEMORY, warehouse.reads_outside)
        for each in request["before"]:
            connection.execute(each)
        try:
            columns = asked(connection, _only_query(connection, request["statement"]))
            rows: list[list[Any]] = []
            length = 0
            while (
                len(rows) <= request["rows"] and length <= _MOST_CHARACTERS and (row := connection.fetchone())
            ):
                text = as_json(list(row))
                length += len(text)
                rows.append(json.loads(text))
        except duckdb.Error as error:
            raise AskError(explained(error, connection)) from None
    is_cut = len(rows) > request["rows"] or length > _MOST_CHARACTERS
    return {"columns": columns, "rows": rows[:-1] if is_cut else rows, "is_cut": is_cut}


def _only_query(connection: Connection, text: str) -> duckdb.Statement:
    """The one statement of a text, which must be a query; raises AskError."""
    statements = connection.extract_statements(text)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise AskError("only one query is answered here, such as SELECT …, FROM …, DESCRIBE … or SUMMARIZE …")
    return statements[0]


def main() -> None:
    """Answer requests until there are no more."""
    with suppress(ValueError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (_MAPPED_BYTES, _MAPPED_BYTES))
    warehouse = Runtime().warehouse
    for line in sys.stdin:
        try:
            answer = _answered(warehouse, json.loads(line))
        except (AskError, WarehouseError) as error:
            answer = {"error": str(error)}
        except MemoryError:
            answer = {"error": _TOO_MUCH}
        # the engine of a lake is kept for the next reader, who cannot undo how it is confined
        is_last = bool(warehouse.reads_outside)
        print(json.dumps({**answer, "is_last": is_last}), flush=True)
        if is_last:
            break


if __name__ == "__main__":
    main()
