"""What lies on this machine: home, disk, warehouse and its lock, prices, Dagster. Only looked at, never made."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from braket_etl import __version__
from braket_etl.health.finding import Finding, Status
from braket_etl.health.units import ago, megabytes
from braket_etl.notify import unusable
from braket_etl.settings import Settings
from braket_etl.warehouse.connection import Connection, Warehouse, first_line
from braket_etl.warehouse.coverage import REMEDY, missing
from braket_etl.warehouse.door import held_back
from braket_etl.warehouse.errors import LakeError, LockHeldError, NotPublishedError, WarehouseError
from braket_etl.warehouse.migrate import declared_fingerprint, numbered_migrations
from braket_etl.warehouse.outcomes import REPAIR
from braket_etl.warehouse.queries import queries
from braket_etl.warehouse.runs import is_alive

_MISSING_PRICES = "prices_missing"
_MOST_LINES = 6
_OLD_PRICES = timedelta(days=90)
_LONG_LOCK = timedelta(minutes=10)
_REPAIR = f"`{REPAIR}` makes one row of those that share a key, and publishes"
_SMALL_DISK = 1_000_000_000  # bytes


def look_here(settings: Settings, warehouse: Warehouse) -> Iterator[Finding]:
    """What can be seen without asking anyone."""
    yield _home(settings)
    yield from _held_back(warehouse)
    yield from _disk(settings, warehouse)
    yield from _warehouse(settings, warehouse)
    yield from _stored(warehouse)
    yield from _lock(warehouse)
    yield _dagster(settings)
    yield from _messages(settings)


def _home(settings: Settings) -> Finding:
    made = _existing(settings.home)
    if not os.access(made, os.W_OK | os.X_OK):
        what = f"{made} cannot be written by this user"
        return Finding(
            "home", "fail", what, "change its owner or mode, or set BRAKET_ETL_HOME to another place"
        )
    kind = "the demo's, kept apart from accounts" if settings.is_demo else "will be made by the first run"
    what = str(settings.home)
    return Finding(
        "home", "ok", what if made == settings.home and not settings.is_demo else f"{what}: {kind}"
    )


def _held_back(warehouse: Warehouse) -> Iterator[Finding]:
    """Why nothing was published of late; nothing where the catalog of a lake cannot be asked, which is told elsewhere."""
    with suppress(WarehouseError):
        if held := held_back(warehouse):
            what = f"nothing is published since {held.since:%Y-%m-%d %H:%M:%S} UTC: {held.what}"
            yield Finding("published", "fail", what, _REPAIR)


def _disk(settings: Settings, warehouse: Warehouse) -> Iterator[Finding]:
    """Whether there is room for the next copy, where one is published."""
    if (size := warehouse.copied_bytes) is None:
        return
    folders = {_existing(settings.home), _existing(warehouse.published.parent)}
    free = min(shutil.disk_usage(folder).free for folder in folders)
    status: Status = "fail" if free < size * 1.1 else "warn" if free < max(_SMALL_DISK, 3 * size) else "ok"
    remedy = "" if status == "ok" else "make room, or move BRAKET_ETL_HOME or BRAKET_ETL_WAREHOUSE"
    yield Finding("disk", status, f"{megabytes(free)} free, publishing needs {megabytes(size * 1.1)}", remedy)


def _warehouse(settings: Settings, warehouse: Warehouse) -> Iterator[Finding]:
    try:
        with warehouse.reading() as connection:
            yield _version(warehouse, connection)
            yield coverage_finding(connection)
            yield _prices(settings, connection)
            yield from missing_prices(settings, connection)
    except NotPublishedError as error:
        yield Finding("warehouse", "ok", str(error))
    except LakeError as error:
        yield Finding("warehouse", "fail", str(error), "see the DuckLake section of docs/scale-out.md")
    except WarehouseError as error:
        yield Finding(
            "warehouse", "fail", str(error), "move it away; the next `braket-etl sync` publishes a new copy"
        )
    except duckdb.Error as error:
        what = f"{warehouse.place} is of another version of braket_etl: {first_line(error)}"
        yield Finding("warehouse", "warn", what, "the next `braket-etl sync` brings it up to date")


def _stored(warehouse: Warehouse) -> Iterator[Finding]:
    """Whether all that is stored can be read; nothing while a run writes to it, or of a catalog that cannot be asked."""
    at_once = replace(warehouse, lock_timeout=0)
    try:
        damage = at_once.damage()
        found = None if damage else at_once.unfit()
    except (LockHeldError, LakeError, NotPublishedError, duckdb.Error):  # told already, or soon over
        return
    except WarehouseError as error:
        yield Finding(warehouse.stored_in, "fail", str(error), "check its owner and mode")
        return
    if damage:
        what = f"{warehouse.writes_to} is damaged: {damage}"
        yield Finding(warehouse.stored_in, "fail", what, warehouse.remedy)
    if found and not held_back(warehouse):  # which tells the same
        what = f"{warehouse.writes_to} is not sound: {found.what}"
        yield Finding(warehouse.stored_in, "fail", what, _REPAIR)


def _version(warehouse: Warehouse, connection: Connection) -> Finding:
    applied = connection.execute("SELECT max(version) FROM etl.migrations").fetchall()[0][0]
    by = connection.execute("SELECT arg_max(version, started_at) FROM etl.runs").fetchall()[0][0]
    known = numbered_migrations()[-1][0]
    if applied > known:
        what = f"went through migration {applied}; braket_etl {__version__} knows {known}"
        return Finding(
            "warehouse", "fail", what, "upgrade braket_etl, or set BRAKET_ETL_HOME to another place"
        )
    fingerprint = connection.execute(
        "SELECT value FROM etl.properties WHERE name = 'declarations'"
    ).fetchall()
    current = fingerprint and fingerprint[0][0] == declared_fingerprint()
    what = f"{_extent(warehouse)}, schema {applied}, last run by {by or 'nobody'}"
    return Finding("warehouse", "ok", what if current else f"{what}; the next run brings it up to date")


def coverage_finding(connection: Connection) -> Finding:
    """Whether all that the last sync wanted was seen whole."""
    found = missing(connection)
    lost = f"{found.lost:,} days are lost, which Braket forgot first" if found.lost else ""
    if not found.lines:
        return Finding(
            "coverage", "ok", "; ".join(filter(None, ("every day that is wanted was seen whole", lost)))
        )
    counted = f"{found.days:,} days not seen whole" if found.days else ""
    return Finding("coverage", "warn", "\n".join(filter(None, (counted, *found.lines, lost))), REMEDY)


def _extent(warehouse: Warehouse) -> str:
    """How large what readers see is, and how old or where."""
    n, size = warehouse.files()
    if published := warehouse.published_at:
        return f"{megabytes(size)}, published {ago(published)}"
    return f"{warehouse.place}, {n:,} files with {megabytes(size)}"


def _prices(settings: Settings, connection: Connection) -> Finding:
    published, loaded, later = connection.execute(
        "SELECT max(published_at) FILTER (NOT is_later), max(loaded_at), max(published_at) FILTER (is_later) FROM "
        "(SELECT *, published_at > loaded_at + INTERVAL 1 DAY AS is_later FROM prices WHERE NOT is_seed)"
    ).fetchall()[0]
    refresh = "`braket-etl prices refresh` loads what AWS publishes now"
    if later:
        what = f"a list is dated {later:%Y-%m-%d}, later than it was read, and counts only where no other has a price"
        return Finding("prices", "warn", what, refresh)
    if published is None:
        off = settings.price_list == "off"
        what = "only those that ship with braket_etl" + ("; BRAKET_ETL_PRICE_LIST is off" if off else "")
        return Finding("prices", "ok" if off else "warn", what, "" if off else refresh)
    what = f"list of {published:%Y-%m-%d}, read {ago(loaded)}"
    old = datetime.now(UTC) - loaded > _OLD_PRICES
    return Finding("prices", "warn" if old else "ok", what, refresh if old else "")


def missing_prices(settings: Settings, connection: Connection) -> Iterator[Finding]:
    """The things in use that have no price in a product family that they use; as it should be where no list is wanted."""
    found = connection.execute(queries()[_MISSING_PRICES].sql).fetchall()
    if not found:
        return
    lines = [
        f"{thing} in {region} has no price of {family}: {why}" for thing, family, region, why, *_ in found
    ]
    if (more := len(lines) - _MOST_LINES) > 0:
        lines[_MOST_LINES:] = [f"… and {more} more"]
    remedy = (
        "`braket-etl prices refresh` loads what AWS publishes now, `braket-etl prices import` an older list; "
        f"`braket-etl sql @{_MISSING_PRICES}` counts the records"
    )
    status: Status = "ok" if settings.price_list == "off" else "warn"
    yield Finding("missing prices", status, "\n".join(lines), "" if status == "ok" else remedy)


def _lock(warehouse: Warehouse) -> Iterator[Finding]:
    """Who writes now; nothing where the catalog of a lake cannot be asked, which was told already."""
    try:
        holder = warehouse.holder()
    except LakeError:
        return
    except WarehouseError as error:
        yield Finding("writer lock", "warn", str(error), "the next run makes a new one")
        return
    if holder is None:
        yield Finding("writer lock", "ok", "free")
    elif holder.is_here and not is_alive(holder.pid):
        yield Finding("writer lock", "ok", f"free; {holder} was killed, the next run goes on where it was")
    elif datetime.now(UTC) - holder.since > _LONG_LOCK:
        yield Finding("writer lock", "warn", f"held by {holder}", "look whether that process still works")
    else:
        yield Finding("writer lock", "ok", f"held by {holder}")


def _dagster(settings: Settings) -> Finding:
    from braket_etl.orchestration.instance import (
        USABLE_HOME,
        daemon_is_alive,
        daemon_last_alive,
        dagster_home,
        instance_in,
        is_laid_out,
        why_unusable,
    )

    home = dagster_home(settings)
    if problem := why_unusable(home):
        return Finding("Dagster", "fail", problem, USABLE_HOME)
    if not is_laid_out(home):
        return Finding("Dagster", "ok", f"{home}: will be laid out by the first run")
    with instance_in(home) as instance:
        last, is_running = daemon_last_alive(instance), daemon_is_alive(instance)
    if last is None:
        what = f"{home}; no daemon has run: schedules wait for `braket-etl ui`, `sync` needs none"
        return Finding("Dagster", "ok", what)
    if not is_running:
        what = f"{home}; the daemon was last alive {ago(last)}, so no schedule runs"
        return Finding(
            "Dagster", "warn", what, "start `braket-etl ui`, or run `braket-etl sync` from elsewhere"
        )
    return Finding("Dagster", "ok", f"{home}; the daemon is alive")


def _messages(settings: Settings) -> Iterator[Finding]:
    """Whether each address of the settings can be told something; none is."""
    if not settings.notify:
        return
    problems = unusable(settings.notify)
    remedy = "how an address is written: https://github.com/caronc/apprise/wiki" if problems else ""
    what = "; ".join(problems) or "each address of BRAKET_ETL_NOTIFY can be read; none was told"
    yield Finding("messages", "warn" if problems else "ok", what, remedy)


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(each for each in (path, *path.parents) if each.exists())
