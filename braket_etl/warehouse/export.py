"""Writing tables and models to a folder: Parquet, which keeps the types and is partitioned by month, or CSV.

A reader sees the whole export or none: it is written beside its place and moved there at the end. Parquet holds what the
warehouse holds. CSV is also opened by spreadsheets, which run a text that begins like a formula; tags and names come from
outside, so such a text gets an apostrophe in front, which spreadsheets take for "this is text".
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import duckdb

from braket_etl import __version__
from braket_etl.display import did_you_mean
from braket_etl.tables import MAIN
from braket_etl.tables.declaration import identifier, quoted
from braket_etl.warehouse.connection import Connection, first_line
from braket_etl.warehouse.errors import WarehouseError

Format = Literal["parquet", "csv"]
#: Lies in each export with what it holds; only a folder with it is replaced. Readers of Parquet skip names with _.
MANIFEST = "_export.json"
PARTITION = "created_month"
#: The tables that grow with use, by the column that says when their record was created.
_CREATED = {table.name: table.immutable for table in MAIN if table.immutable}
_NESTED = ("MAP", "STRUCT", "UNION")
#: Begins a text that a spreadsheet would run.
FORMULA = r"^[=+\-@\t\r]"


class ExportError(WarehouseError):
    """An export cannot be made as asked; the message says why, and nothing was changed."""


@dataclass(frozen=True)
class Exported:
    """A table or model that was written, with its rows."""

    name: str
    rows: int


def exportable(connection: Connection) -> list[str]:
    """All tables and models of schema main, in order; then the bookkeeping, as etl.runs."""
    return [
        name if schema == "main" else f"{schema}.{name}"
        for schema, name in connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_schema IN ('main', 'etl') AND table_catalog = current_database() "
            "ORDER BY table_schema DESC, table_name"
        ).fetchall()
    ]


def chosen(connection: Connection, names: Sequence[str]) -> list[str]:
    """The tables and models that are named, or all of schema main; raises ExportError for an unknown one."""
    known = exportable(connection)
    for name in names:
        if name not in known:
            raise ExportError(
                f"there is no table or model {name}: {did_you_mean(name, known) or ', '.join(known)}"
            )
    return list(dict.fromkeys(names)) or [name for name in known if "." not in name]


def export(
    connection: Connection,
    folder: Path,
    style: Format,
    names: Sequence[str],
    *,
    replace: bool = False,
    written: Callable[[Exported], None] = lambda exported: None,
) -> list[Exported]:
    """Write tables and models into the folder, which must be new, empty, or with `replace` an earlier export.

    Raises ExportError; then, as where anything else is raised, the folder is as it was.
    """
    _check_place(folder, replace=replace)
    write = _write_parquet if style == "parquet" else _write_csv
    done = []
    with _moved_into_place(folder) as draft:
        for name in names:
            try:
                rows = write(connection, name, draft)
            except (duckdb.InterruptException, KeyboardInterrupt):
                raise KeyboardInterrupt("nothing was written") from None
            except (duckdb.Error, OSError) as error:
                raise ExportError(f"{name} cannot be written to {folder}: {first_line(error)}") from None
            done.append(Exported(name, rows))
            written(done[-1])
        manifest = {
            "braket_etl": __version__,
            "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "format": style,
            "rows": {each.name: each.rows for each in done},
        }
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    return done


def _write_parquet(connection: Connection, name: str, folder: Path) -> int:
    # Parquet has no integer of 128 bits, which sums are, and would make floats of them
    wide = [column for column, kind in _columns(connection, name) if kind == "HUGEINT"]
    columns = (
        f"* REPLACE ({', '.join(f'{identifier(c)}::BIGINT AS {identifier(c)}' for c in wide)})"
        if wide
        else "*"
    )
    options = "FORMAT parquet, COMPRESSION zstd"
    created = _CREATED.get(name)
    if created is None:
        return _copied(
            connection, f"SELECT {columns} FROM {_table(name)}", folder / f"{name}.parquet", options
        )
    query = f"SELECT {columns}, strftime({created}, '%Y-%m') AS {PARTITION} FROM {_table(name)} ORDER BY {created}"
    rows = _copied(connection, query, folder / name, f"{options}, PARTITION_BY ({PARTITION})")
    if not rows:  # there is no partition to tell the columns
        shutil.rmtree(folder / name, ignore_errors=True)
        _copied(connection, query, folder / f"{name}.parquet", options)
    return rows


def _write_csv(connection: Connection, name: str, folder: Path) -> int:
    columns = ", ".join(
        f"{_csv_value(column, kind)} AS {identifier(column)}" for column, kind in _columns(connection, name)
    )
    # connections of ours are in UTC
    options = "FORMAT csv, HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ'"
    return _copied(connection, f"SELECT {columns} FROM {_table(name)}", folder / f"{name}.csv", options)


def _csv_value(column: str, kind: str) -> str:
    if kind.startswith(_NESTED) or kind.endswith("[]"):
        return f"to_json({identifier(column)})"
    if kind == "VARCHAR":
        return f"CASE WHEN regexp_matches({identifier(column)}, '{FORMULA}') THEN '''' ELSE '' END || {identifier(column)}"
    return identifier(column)


def _copied(connection: Connection, query: str, target: Path, options: str) -> int:
    rows: int = connection.execute(f"COPY ({query}) TO {quoted(str(target))} ({options})").fetchall()[0][0]
    return rows


def _columns(connection: Connection, name: str) -> list[tuple[str, str]]:
    return [(column, kind) for column, kind, *_ in connection.execute(f"DESCRIBE {_table(name)}").fetchall()]


def _table(name: str) -> str:
    return ".".join(map(identifier, name.split(".")))


def _check_place(folder: Path, *, replace: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / MANIFEST).is_file():
        raise ExportError(f"{folder} holds something that is no export; name a folder that is new or empty")
    if not replace:
        raise ExportError(f"{folder} holds an earlier export: add --force to replace it")


@contextmanager
def _moved_into_place(folder: Path) -> Iterator[Path]:
    """A folder beside the place, which takes it at the end and is gone where anything is raised."""
    folder = folder.absolute()
    draft, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{what}") for what in ("new", "old"))
    try:
        draft.mkdir(parents=True, mode=0o750)
    except OSError as error:
        raise ExportError(f"{folder.parent} cannot be written: {error.strerror}") from None
    try:
        yield draft
        with suppress(FileNotFoundError):
            folder.rename(old)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
