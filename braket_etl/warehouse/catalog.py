"""What a DuckLake's catalog tells beside its tables: which lake it holds, and which of its states readers may see.

DuckLake shows a reader what was committed last. Which state was published last, and what holds later ones back, stands in
a table of ours in the catalog's own database, where every machine finds it. What a home has stored in a lake is
remembered in the home, so that a catalog that was lost, or brought back older, is not taken for a new one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from braket_etl.warehouse.statements import Connection

#: The table of one row in the catalog's database.
MARKS = "braket_etl_published"
_TABLES = """SELECT table_name FROM information_schema.tables
WHERE table_schema = current_schema() AND table_name IN ('ducklake_schema', 'braket_etl_published')"""
_LAKE = "SELECT schema_uuid::VARCHAR FROM ducklake_schema WHERE schema_id = 0 LIMIT 1"

Ask = Callable[[str], list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class State:
    """What a catalog holds; by default nothing at all."""

    lake: str | None = None
    """What tells this lake from any other; None where the catalog holds none."""
    newest: int = 0
    """Its newest state; 0 is the empty lake."""
    is_marked: bool = False
    """Whether it says which state was published: a lake of an older version does not."""
    published: int | None = None
    held_back: str | None = None

    @property
    def shown(self) -> int | None:
        """The state that readers see; None where there is none yet."""
        return self.published if self.is_marked else self.newest or None


@dataclass(frozen=True, slots=True)
class Known:
    """What a home remembers of the lake that it stored something in."""

    catalog: str
    lake: str
    newest: int

    @classmethod
    def kept_in(cls, file: Path) -> Known | None:
        """What stands in the file, if anything can be read there."""
        try:
            return cls(**json.loads(file.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    def difference(self, state: State) -> str | None:
        """Why the catalog is not the one that this home stored something in, in words; None where it may be."""
        if state.lake is None:
            return "holds no lake"
        if state.lake != self.lake:
            return "holds another lake"
        if state.newest < self.newest:
            return f"holds an older state of the lake, {state.newest} in place of {self.newest} or later"
        return None


def state_of(ask: Ask) -> State:
    """The state of a catalog, asked in its own database."""
    tables = {name for (name,) in ask(_TABLES)}
    if "ducklake_schema" not in tables:
        return State()
    lake = str(ask(_LAKE)[0][0])
    newest = ask("SELECT max(snapshot_id) FROM ducklake_snapshot")[0][0] or 0
    if MARKS not in tables:
        return State(lake, newest)
    marked = ask(f"SELECT snapshot_id, held_back FROM {MARKS}")
    return State(lake, newest, True, *(marked[0] if marked else ()))


class Marks:
    """The catalog's own tables through a connection that has the lake attached under this name."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._catalog = f"__ducklake_metadata_{name}"

    def begin(self, published: int | None) -> None:
        """Begin to say which state is published: so far this one, or none."""
        self._connection.execute(
            f"CREATE TABLE {self._catalog}.{MARKS} AS SELECT $published::BIGINT AS snapshot_id, "
            "now() AS published_at, NULL::VARCHAR AS held_back",
            {"published": published},
        )

    def publish(self, snapshot: int) -> None:
        """Let readers see this state; nothing is held back any more."""
        self._connection.execute(
            f"UPDATE {self._catalog}.{MARKS} SET snapshot_id = ?, published_at = now(), held_back = NULL",
            [snapshot],
        )

    def hold_back(self, note: str | None) -> None:
        """Note why readers do not see what is newer."""
        self._connection.execute(f"UPDATE {self._catalog}.{MARKS} SET held_back = ?", [note])

    @property
    def published(self) -> int | None:
        """The state that readers see."""
        found: int | None = self._one(f"SELECT snapshot_id FROM {self._catalog}.{MARKS}")
        return found

    @property
    def held_back(self) -> str | None:
        """Why readers do not see what is newer."""
        found: str | None = self._one(f"SELECT held_back FROM {self._catalog}.{MARKS}")
        return found

    @property
    def newest(self) -> int:
        """The state that the connection sees."""
        found: int = self._one(f"SELECT * FROM ducklake_current_snapshot('{self._name}')")
        return found

    @property
    def lake(self) -> str:
        """What tells this lake from any other."""
        return str(self._one(f"SELECT schema_uuid FROM {self._catalog}.ducklake_schema WHERE schema_id = 0"))

    def files(self, root: str, snapshot: int, *, since: int = -1) -> Iterator[tuple[str, int]]:
        """Address and bytes of each Parquet file of a state, as the catalog has them; only those newer than `since`."""
        then = "{0}.begin_snapshot <= $at AND ({0}.end_snapshot IS NULL OR {0}.end_snapshot > $at)"
        found = " UNION ALL ".join(
            f"SELECT s.path, s.path_is_relative, t.path, t.path_is_relative, f.path, f.path_is_relative, "
            f"f.file_size_bytes FROM {self._catalog}.{files} AS f "
            f"JOIN {self._catalog}.ducklake_table AS t ON t.table_id = f.table_id AND {then.format('t')} "
            f"JOIN {self._catalog}.ducklake_schema AS s ON s.schema_id = t.schema_id AND {then.format('s')} "
            f"WHERE {then.format('f')} AND f.begin_snapshot > $since"
            for files in ("ducklake_data_file", "ducklake_delete_file")
        )
        for row in self._connection.execute(found, {"at": snapshot, "since": since}).fetchall():
            *places, size = row
            address = root
            for path, is_relative in zip(places[::2], places[1::2], strict=True):
                address = address + path if is_relative else path
            yield address, size

    def _one(self, query: str) -> Any:
        return self._connection.execute(query).fetchall()[0][0]
