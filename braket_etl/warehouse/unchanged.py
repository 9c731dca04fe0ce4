"""What a sync that left nothing to do noted beside the writer's file, so that the next one can tell that nothing changed.

Belongs here: the note, and a warehouse that sees whether anybody else wrote meanwhile. Does not belong here: what is
asked of Braket, and what is passed over then (`orchestration/quiet.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path

import duckdb

from braket_etl import __version__
from braket_etl.package_files import packaged_sql
from braket_etl.values import instant
from braket_etl.warehouse.connection import Warehouse, replaced_atomically
from braket_etl.warehouse.file import FileWarehouse
from braket_etl.warehouse.migrate import declared_fingerprint, numbered_migrations

_COUNT_OR_TIME = re.compile(r"(?<![\w-])(?!\d{12}(?!\d))\d[\d,.:]*(?![\w-])")


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A sync after which everything was stored, computed, checked, published and reported.

    `mark` is the warehouse's as that sync left it, or one that found nothing new since.
    """

    mark: str
    made_with: str
    """The program and the settings, see `made_with`."""
    since: datetime
    """When that sync began (UTC)."""
    run_id: str
    seen: str
    """How things stood that change with time alone."""
    told: tuple[str, ...]
    """Its warnings, as `numberless` leaves them."""


class DisturbedError(Exception):
    """Somebody else stored or published something meanwhile."""

    def __str__(self) -> str:
        return "something else was stored or published meanwhile"


def noted(warehouse: Warehouse) -> Unchanged | None:
    """What was noted last; None where nothing was, or it cannot be read."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(_file(warehouse).read_text("utf-8"))
        return Unchanged(**{**told, "since": instant(told["since"]), "told": tuple(told["told"])})
    return None


def note(warehouse: Warehouse, known: Unchanged) -> None:
    """Note it with the mark of now; under the writer lock, with nothing written since the last checkpoint.

    Reading the file lets go of DuckDB's own lock on it, as publishing does.
    """
    if mark := warehouse.mark():
        with suppress(OSError):  # then the next sync is a whole one
            replaced_atomically(_file(warehouse), json.dumps(asdict(replace(known, mark=mark)), default=str))


def made_with(settings: str, home: Path, *files: Path) -> str:
    """What changes when the program does, its models and checks, the settings, a file of them in the home, or another."""
    program = f"{__version__} {duckdb.__version__} {declared_fingerprint()} {len(numbered_migrations())}"
    digest = hashlib.sha256(f"{program} {settings}".encode())
    for file in sorted(packaged_sql("checks").glob("*.sql")):
        digest.update(file.name.encode() + file.read_bytes())
    for file in (*sorted(home.glob("*.toml")), *files):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def numberless(warning: str) -> str:
    """A warning without counts and times of day, which change from run to run; accounts, Regions, ARNs and days stay."""
    return _COUNT_OR_TIME.sub("", warning)


@dataclass(frozen=True)
class Watched(FileWarehouse):
    """A warehouse whose mark is known, and that raises DisturbedError where somebody else wrote to it since."""

    marks: list[str] = field(default_factory=list, compare=False)
    """The last one is what is expected."""

    @classmethod
    def of(cls, warehouse: Warehouse, known: Unchanged) -> Watched:
        """The warehouse, as it was noted."""
        return cls(warehouse.folder, warehouse.published, warehouse.lock_timeout, [known.mark])

    def check_undisturbed(self) -> None:
        """Raise DisturbedError where somebody else wrote; under the lock, while the file is not open here."""
        if self.mark() != self.marks[-1]:
            raise DisturbedError

    def _about_to_open(self) -> None:
        self.check_undisturbed()

    def _closed(self) -> None:
        self.marks.append(self.mark() or "")


def _file(warehouse: Warehouse) -> Path:
    return warehouse.folder / "unchanged.json"
