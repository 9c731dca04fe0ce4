"""`restore`: the last published copy, or a backup, in place of a damaged warehouse."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from braket_etl.cli.output import as_json as to_json
from braket_etl.cli.output import say, warn
from braket_etl.runtime import Runtime
from braket_etl.settings import SettingsError
from braket_etl.warehouse.connection import Warehouse
from braket_etl.warehouse.outcomes import Restored


def run_restore(source: Path | None, *, force: bool, yes: bool, as_json: bool) -> int:
    """Restore after asking, and say of which time the warehouse now is."""
    warehouse = Runtime().warehouse
    source = source.absolute() if source else warehouse.published
    if not yes and not _is_wanted(warehouse, source):
        say("nothing was changed")
        return 0
    done = warehouse.restore(source, force=force)
    if as_json:
        print(
            to_json(
                {
                    "restored_from": str(source),
                    "as_of": done.as_of,
                    "kept": done.kept,
                    "rows": done.rows,
                    "unfit": done.unfit.what if done.unfit else None,
                }
            )
        )
    else:
        _tell(done, source)
    if done.unfit:
        warn(f"what was restored is not published as it is: {done.unfit.summary}")
    return 0


def _is_wanted(warehouse: Warehouse, source: Path) -> bool:
    if not sys.stdin.isatty():
        raise SettingsError("nobody can be asked here: add --yes to restore")
    found = warehouse.damage() or ("it is empty" if warehouse.is_missing else None)
    unfit = None if found else warehouse.unfit()
    say(f"{warehouse.writes_to}: {found or (unfit.summary if unfit else 'it is sound')}")
    return typer.confirm(f"Put a copy of {source} in its place?", err=True)


def _tell(done: Restored, source: Path) -> None:
    rows = ", ".join(f"{n:,} {name}" for name, n in done.rows.items() if n)
    say(f"restored from {source}: {rows or 'no rows'}")
    if done.kept:
        say(f"what lay there is kept in {done.kept}; delete it when you no longer need it")
    if done.as_of:
        warn(
            f"it is as of the run that began {done.as_of:%Y-%m-%d %H:%M:%S} UTC. What was pulled later comes back with "
            "`braket-etl sync`, as far as Braket remembers; prices, bills and reservations imported and results "
            "recovered later must be imported and recovered again"
        )
    say("run `braket-etl sync` next")
