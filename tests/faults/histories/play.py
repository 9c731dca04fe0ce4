"""Plays a history: the product's own layers in this process, over botocore, on a clock that moves with the world's.

What `sync`, `observe`, `backfill` and `rejects retry` do is done by the same calls as in their Dagster steps, without
Dagster. A request goes through all of botocore but its socket; histories on the command line (`command.py`) have both.
"""

from __future__ import annotations

import base64
import io
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import time_machine
from botocore.awsrequest import AWSResponse

from braket_etl.aws import call, fetch
from braket_etl.aws.sessions import Account, Sessions, Target
from braket_etl.pull.moved import unite_moved
from braket_etl.pull.plan import days_between
from braket_etl.pull.puller import Puller
from braket_etl.pull.rejects import plan_retry, retry_due, retry_rejects
from braket_etl.pull.resources import RESOURCES
from braket_etl.warehouse.connection import Connection, Warehouse, configured
from braket_etl.warehouse.door import STEP
from braket_etl.warehouse.file import FileWarehouse
from braket_etl.warehouse.results import Results
from tests.faults.histories.draw import ACCOUNT_IDS, HOUR, MINUTE, History, Step
from tests.faults.histories.world import Place, World

#: How long after the world is still the program runs again: the second get of what ended last is due after an hour, a
#: reject that came often after a day at most. The last run is to find nothing to do.
AFTERWARDS = (2 * HOUR, 26 * HOUR, 28 * HOUR, 28 * HOUR + 20 * MINUTE)
#: When all days are searched once more, where they are.
BACKFILLED = 26 * HOUR + 30 * MINUTE
#: The names under which the program knows the accounts.
PROFILES = dict(zip(("one", "two"), ACCOUNT_IDS, strict=True))


@dataclass(frozen=True)
class KeptOpen(FileWarehouse):
    """The file, opened once: opening and closing it for each merge, which other tests do, costs ten times a merge."""

    connection: Connection | None = None

    @contextmanager
    def writing(self, purpose: str) -> Iterator[Connection]:
        assert self.connection is not None
        yield self.connection


@dataclass
class Played:
    """What a history left."""

    history: History
    connection: Connection
    """To the warehouse as it is at the end."""
    steps: list[Step]
    """What was done, in order."""
    in_future: list[str] = field(default_factory=list)
    """Columns that held an instant later than it was, by step."""
    too_early: list[str] = field(default_factory=list)
    """Days that were whole before they were over for an hour, by step."""

    @property
    def world(self) -> World:
        return self.history.world


@dataclass
class Stage:
    """What histories share: sessions whose requests the world of the day answers, and an empty warehouse to copy."""

    folder: Path
    sessions: Sessions
    world: World | None = None
    _open: Connection | None = None

    def played(self, history: History) -> Played:
        """Play a history from its first step to the last; it can be looked at until the next one is played."""
        self.world = history.world
        warehouse = self._fresh()
        assert warehouse.connection is not None
        played = Played(history, warehouse.connection, all_steps(history))
        targets = [Target(self.account(place), place.region) for place in history.places]
        with time_machine.travel(history.steps[0].at, tick=False) as clock:
            for number, step in enumerate(played.steps):
                clock.move_to(step.at)
                self.world.step = number
                _run(step, history, warehouse, self.sessions, targets, clock)
                played.in_future += _in_future(warehouse.connection, step)
                played.too_early += _too_early(warehouse.connection, step)
        return played

    def close(self) -> None:
        """Close the warehouse of the history that was played last."""
        if self._open is not None:
            self._open.close()

    def account(self, place: Place) -> Account:
        return next(a for a in self.sessions.accounts if PROFILES[a.name] == place.account_id)

    def _fresh(self) -> KeptOpen:
        """An empty warehouse; what was played before is closed."""
        self.close()
        home = self.folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.folder / "empty", home)
        self._open = configured(duckdb.connect(str(home / "warehouse.duckdb"), config={"threads": 1}))
        return KeptOpen(home, home / "published.duckdb", connection=self._open)


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """A stage in a folder; waiting before another try costs no time on it."""
    folder.mkdir(parents=True, exist_ok=True)
    empty = FileWarehouse(folder / "empty", folder / "none.duckdb")
    with empty.writing("making it"):
        pass
    with pytest.MonkeyPatch.context() as patched:
        for name, value in credentials(folder).items():
            patched.setenv(name, value)
        for module in (call, fetch):
            patched.setattr(module, "pause", lambda *_: None)
        patched.setattr(sys, "meta_path", [_NoPandas(), *sys.meta_path])
        made = Stage(folder, Sessions([Account(name, profile=name) for name in PROFILES]))
        for account in made.sessions.accounts:
            _answer_from(made, account)
        yield made
        made.close()


def _answer_from(made: Stage, account: Account) -> None:
    """Let the world of the day answer the requests of an account, in place of the socket."""

    def answer(request: Any, **_: Any) -> AWSResponse:
        assert made.world is not None
        body = request.body or b""
        content = body if isinstance(body, bytes) else body.encode()
        given = made.world.answer(
            request.method, request.url, content, asked_of(request.headers["Authorization"].decode())
        )
        headers = {**given.headers, "Content-Length": str(len(given.body))}
        return AWSResponse(request.url, given.status, headers, _Body(given.body))

    made.sessions.check_credentials(account)  # so that they are known whatever the environment is later
    made.sessions.session(account).events.register("before-send.braket.*", answer)


class _NoPandas:
    """Says at once that there is no pandas: DuckDB looks for it on the disk at each statement, a tenth of a history."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


class _Body(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def all_steps(history: History) -> list[Step]:
    """The drawn steps and those that are to make it right."""
    still = history.world.still
    steps = [*history.steps, *(Step(still + after, "sync") for after in AFTERWARDS)]
    if history.backfills:
        at = still + BACKFILLED
        steps.append(Step(at, "backfill", (history.first_day, at.date())))
    return sorted(steps, key=lambda step: step.at)


def credentials(folder: Path) -> dict[str, str]:
    """The environment in which the accounts are profiles."""
    config = folder / "aws"
    config.write_text(
        "".join(
            f"[{name}]\naws_access_key_id = {access_key(account_id)}\naws_secret_access_key = secret\n"
            for name, account_id in PROFILES.items()
        )
    )
    return {"AWS_SHARED_CREDENTIALS_FILE": str(config)}


def asked_of(authorization: str) -> Place:
    """The place that a signed request goes to, from its header: `… Credential=KEY/DATE/REGION/braket/aws4_request, …`."""
    key, _, region, *_ = authorization.split("Credential=")[1].split("/")
    return Place(next(id_ for id_ in ACCOUNT_IDS if access_key(id_) == key), region)


def access_key(account_id: str) -> str:
    """An access key id as AWS makes them: the account stands in it."""
    number = int(account_id) << 7
    return "AKIA" + base64.b32encode(number.to_bytes(6, "big") + bytes(4)).decode()


def _run(
    step: Step, history: History, warehouse: Warehouse, sessions: Sessions, targets: list[Target], clock: Any
) -> None:
    run_id = step.at.isoformat()
    puller = Puller(warehouse, sessions, None, run_id, threads_per_target=2)
    if step.kind == "retry":
        retry_rejects(puller, plan_retry(warehouse, sessions))
    else:
        _pull(step, history, puller, targets, clock)
    with warehouse.writing("checking") as connection:
        unite_moved(warehouse, connection, Results(connection, STEP), run_id)


def _pull(step: Step, history: History, puller: Puller, targets: list[Target], clock: Any) -> None:
    if step.kind != "observe":
        days = days_between(*(step.days or (history.first_day, step.at.date())))
        puller.pull_days(targets, RESOURCES, days, only_due=step.kind == "sync", again=step.kind == "again")
        clock.shift(timedelta(seconds=3))
    puller.refresh_open(targets, RESOURCES, with_due=step.kind != "observe")
    if step.kind != "observe":
        retry_due(puller, targets)


_INSTANTS = """
    SELECT 'quantum_tasks', max(greatest(fetched_at, first_seen_at, expired_at)) FROM quantum_tasks
    UNION ALL SELECT 'jobs', max(greatest(fetched_at, first_seen_at, expired_at)) FROM jobs
    UNION ALL SELECT 'task_observations', max(greatest(observed_at, last_observed_at)) FROM task_observations
    UNION ALL SELECT 'job_observations', max(greatest(observed_at, last_observed_at)) FROM job_observations
    UNION ALL SELECT 'job_events', max(fetched_at) FROM job_events
    UNION ALL SELECT 'coverage', max(searched_at) FROM etl.coverage
    UNION ALL SELECT 'rejected_records', max(last_seen_at) FROM etl.rejected_records
"""


def _in_future(connection: Connection, step: Step) -> list[str]:
    limit = datetime.now(UTC) + 5 * MINUTE
    return [
        f"{step.kind} of {step.at:%m-%d %H:%M}: {table} holds {latest:%Y-%m-%d %H:%M}"
        for table, latest in connection.execute(_INSTANTS).fetchall()
        if latest is not None and latest > limit
    ]


def _too_early(connection: Connection, step: Step) -> list[str]:
    """Days that are whole though they are not over for an hour; the clock may be a minute off."""
    whole = connection.execute(
        "SELECT table_name, region, day FROM etl.coverage WHERE day >= ? AND listed <= stored + rejected "
        "AND searched_at >= (day + 1)::TIMESTAMP AT TIME ZONE 'UTC' + INTERVAL 1 HOUR",
        [(step.at - HOUR + MINUTE).date()],
    ).fetchall()
    return [f"{step.kind} of {step.at:%m-%d %H:%M}: {table} {region} {day}" for table, region, day in whole]


def looked_at(history: History, connection: Connection) -> Played:
    """A history that was played elsewhere, and its warehouse."""
    return Played(history, connection, all_steps(history))
