"""Who created tasks and jobs, from CloudTrail's LookupEvents and from bills: what is due, in which order, how far it got.

CloudTrail answers two pages of fifty a second, so that a large account takes hours: a run looks for a while and the next
one goes on where it stopped (`etl.caller_lookups`). Whatever CloudTrail does is a warning: no record is missing for it.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from braket_etl import stopping
from braket_etl.aws.errors import AccessDenied, AwsProblem
from braket_etl.aws.lookup import LookedUp, looked_up
from braket_etl.aws.operations import LOOKUP_EVENTS
from braket_etl.aws.sessions import Target
from braket_etl.aws.throttle import Stopped
from braket_etl.crew import Crew
from braket_etl.pull.events import event_rows
from braket_etl.pull.feed import store_events
from braket_etl.pull.naming import PSEUDONYM, Naming
from braket_etl.pull.outcome import Outcome
from braket_etl.pull.puller import Puller
from braket_etl.tables import BILLED_LINE_ITEMS, JOBS, QUANTUM_TASKS, RECORD_CALLERS
from braket_etl.tables.bookkeeping import CALLER_LOOKUPS
from braket_etl.tables.record_callers import BRAKET, CREATES, NOBODY
from braket_etl.warehouse import future
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.statements import transaction
from braket_etl.warehouse.upsert import Counts, name_creators

#: How long a run looks things up, in seconds.
SECONDS = 300.0
#: For how long CloudTrail keeps what may be looked up, and a margin for the time that asking takes.
REMEMBERED, _MARGIN = timedelta(days=90), timedelta(minutes=5)
#: Events come minutes late: what is this young is looked at again.
LATE = timedelta(hours=2)
_THREADS = 16
_PATIENCE = 30.0
#: Events that are stored together.
_AT_ONCE = 2_000
#: ARNs of tasks and jobs, and what tells the kind of a caller in the ARN that a bill has of it.
_RECORD = r"arn:[^:]+:braket:[^:]+:\d{12}:(quantum-task|job)/.+"
_PRINCIPALS = {":assumed-role/": "AssumedRole", ":user/": "IAMUser", ":federated-user/": "FederatedUser"}
_LOST_PAGE = "InvalidNextTokenException"


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time (aware UTC): events from `reached` to `until` are stored, those from `since` on are wanted."""

    since: datetime
    until: datetime
    reached: datetime

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is left."""
        return self.reached <= self.since


@dataclass(frozen=True, slots=True)
class Trail:
    """The events of one name of one account in one Region: what CloudTrail is asked for at once."""

    target: Target
    event_name: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Its place in etl.caller_lookups."""
        return self.target.account.name, self.target.region, self.event_name


def extended(windows: Sequence[Window], now: datetime) -> tuple[Window, ...]:
    """The windows, newest first, with one up to now: for what came in since, and what may have come late."""
    if not windows:
        return (Window(now - REMEMBERED, now, now),)
    newest, *older = windows
    since = min(newest.until, now) - LATE
    if (
        newest.reached >= newest.until or since <= newest.since
    ):  # nothing was read, or it may all have come late
        return Window(newest.since, now, now), *older
    return Window(since, now, now), newest, *older


def advanced(windows: Sequence[Window], reached: datetime) -> tuple[Window, ...]:
    """The windows once the newest was read down to there; where that is all of it, it is joined to the next older one."""
    newest, *older = windows
    newest = replace(newest, reached=max(newest.since, min(newest.reached, reached)))
    if newest.is_whole and older:
        below = older.pop(0)
        newest = Window(below.since, newest.until, max(below.since, min(below.reached, newest.since)))
    return newest, *older


@dataclass(frozen=True, slots=True)
class _Page:
    """Records that were read, as JSON texts, and how the windows stand once they are stored; or why no more come."""

    trail: Trail
    windows: tuple[Window, ...]
    records: tuple[str, ...] = ()
    problem: AwsProblem | None = None


def look_up_callers(
    puller: Puller, targets: Sequence[Target], naming: Naming, *, seconds: float = SECONDS
) -> Outcome:
    """Ask CloudTrail who created tasks and jobs, for so many seconds at most; raises WarehouseError alone.

    Each page that is stored is noted with it, so that the next run goes on where this one stopped, however it ended.
    """
    desk = _Desk(puller, naming)
    with puller.warehouse.writing("looking up how far CloudTrail was asked") as connection:
        puller.clock.known = future.kept_offset(connection)
        stored = _stored(connection)
        with transaction(connection):
            desk.rename(connection)
    now = puller.clock.now().replace(microsecond=0)
    pages: queue.SimpleQueue[_Page | None] = queue.SimpleQueue()
    stop, ends = threading.Event(), time.monotonic() + seconds
    try:
        with Crew(_THREADS, "callers") as crew:
            asked = []
            for target in targets:
                due = {
                    trail: extended(stored.get(trail.key, ()), now)
                    # jobs first: there are few, and they name the tasks in them
                    for trail in (Trail(target, name) for name in reversed(CREATES))
                }
                asked.append(
                    crew.submit(_Asker(puller, pages, stop, ends, now - REMEMBERED + _MARGIN).ask, due)
                )
            left = len(asked)
            while left:
                page = pages.get()
                if page is None:
                    left -= 1
                else:
                    desk.take(page)
            for each in asked:
                each.result()
    except BaseException as error:
        stop.set()
        with stopping.ending(error), suppress(Exception):
            desk.store()
        raise
    desk.store()
    with puller.warehouse.writing("looking up whom bills name") as connection, transaction(connection):
        desk.take_from_bills(connection)
    return desk.told()


@dataclass(frozen=True, slots=True)
class _Asker:
    """What a thread does: ask one target for its pages, until none is left, time is up or CloudTrail refuses."""

    puller: Puller
    pages: queue.SimpleQueue[_Page | None]
    stop: threading.Event
    ends: float
    oldest: datetime

    def ask(self, due: Mapping[Trail, tuple[Window, ...]]) -> None:
        try:
            for trail, windows in due.items():
                for page in self._pages(trail, windows):
                    self.pages.put(page)
                    if page.problem is not None:
                        return
        except Stopped:
            pass
        finally:
            self.pages.put(None)

    def _pages(self, trail: Trail, windows: tuple[Window, ...]) -> Iterator[_Page]:
        token, until, tokens = None, windows[0].reached, set[str]()
        while not windows[0].is_whole and time.monotonic() < self.ends:
            try:
                found = self._found(trail, max(windows[0].since, min(self.oldest, until)), until, token)
                if found.token in tokens:
                    raise AwsProblem("the page tokens run in a circle", code="SearchFailed")
            except AwsProblem as problem:
                if token and problem.code == _LOST_PAGE and windows[0].reached < until:
                    token, until = None, windows[0].reached  # anew, from where we are
                    continue
                yield _Page(trail, windows, problem=problem)
                return
            token = found.token
            windows = advanced(windows, (found.oldest or until) if token else windows[0].since)
            yield _Page(trail, windows, found.records)
            if token:
                tokens.add(token)
            else:
                until = windows[0].reached

    def _found(self, trail: Trail, since: datetime, until: datetime, token: str | None) -> LookedUp:
        target, puller = trail.target, self.puller
        return looked_up(
            puller.sessions.cloudtrail(target),
            puller.budget(target),
            trail.event_name,
            since,
            until,
            token,
            patience=min(puller.patience, _PATIENCE),
            stop=self.stop,
        )


@dataclass
class _Desk:
    """Where pages come in: stores them, so many together, and tells what became of it. Used by one thread."""

    puller: Puller
    naming: Naming
    _outcome: Outcome = field(default_factory=Outcome)
    _records: list[str] = field(default_factory=list)
    _stands: dict[Trail, _Page] = field(default_factory=dict)
    """By trail the last page that is not stored yet."""
    _left: dict[Trail, datetime] = field(default_factory=dict)
    _problems: dict[str, list[tuple[Trail, AwsProblem]]] = field(default_factory=dict)

    def take(self, page: _Page) -> None:
        """See a page."""
        self._records += page.records
        self._stands[page.trail] = page
        if page.problem is not None:
            self._problems.setdefault(page.problem.code, []).append((page.trail, page.problem))
        if len(self._records) >= _AT_ONCE:
            self.store()

    def store(self) -> None:
        """Store what was read, and with it how far that is."""
        if not self._stands:
            return
        read_at = datetime.now(UTC).replace(microsecond=0)
        read = event_rows(self._records, read_at, naming=self.naming, redactor=self.puller.redactor)
        with (
            self.puller.warehouse.writing("storing who created records") as connection,
            transaction(connection),
        ):
            counts = store_events(connection, read, self.puller.run_id)[RECORD_CALLERS.name]
            for page in self._stands.values():
                _keep(connection, page)
        known = self._outcome.counts.get(RECORD_CALLERS.name, Counts())
        self._outcome.counts[RECORD_CALLERS.name] = known + counts
        self._outcome.rejected += len(read.rejects)
        for trail, page in self._stands.items():
            self._left.pop(trail, None)
            if not page.windows[0].is_whole:
                self._left[trail] = page.windows[0].reached
        self._records.clear()
        self._stands.clear()

    def rename(self, connection: Connection) -> None:
        """Give pseudonyms, where they are wanted, to who was stored by name; inside the caller's transaction."""
        people = (
            f"FROM {RECORD_CALLERS.qualified_name} WHERE NOT list_contains(?, caller_kind) "
            "AND NOT regexp_full_match(caller, ?)"
        )
        values = [sorted(NOBODY), PSEUDONYM]
        if self.naming.key is None:
            return
        names = [
            name for (name,) in connection.execute(f"SELECT DISTINCT caller {people}", values).fetchall()
        ]
        for name in names:
            connection.execute(
                f"UPDATE {RECORD_CALLERS.qualified_name} SET caller = ?, caller_arn = NULL "
                "WHERE caller = ? AND NOT list_contains(?, caller_kind)",
                [self.naming.pseudonym(name), name, values[0]],
            )
        for table in (QUANTUM_TASKS, JOBS) if names else ():
            name_creators(connection, table)
        bills, principal = BILLED_LINE_ITEMS.qualified_name, "line_item_iam_principal"
        for (arn,) in connection.execute(
            f"SELECT DISTINCT {principal} FROM {bills} WHERE NOT regexp_full_match({principal}, ?)",
            [PSEUDONYM],
        ).fetchall():
            new = self.naming.principal(arn)
            connection.execute(f"UPDATE {bills} SET {principal} = ? WHERE {principal} = ?", [new, arn])

    def take_from_bills(self, connection: Connection) -> None:
        """Take whom bills name for a task or job of which CloudTrail told nothing; inside the caller's transaction."""
        found = connection.execute(
            f"""SELECT resource_id, min(line_item_iam_principal), min(usage_start)
            FROM {BILLED_LINE_ITEMS.qualified_name} AS b
            ANTI JOIN {RECORD_CALLERS.qualified_name} AS c ON c.record_arn = b.resource_id
            WHERE line_item_iam_principal IS NOT NULL AND regexp_full_match(resource_id, ?)
            GROUP BY resource_id ORDER BY resource_id""",
            [_RECORD],
        ).fetchall()
        names = {member: name for name, member in CREATES.items()}
        records = []
        for arn, principal, at in found:
            member = "jobArn" if ":job/" in arn else "quantumTaskArn"
            kind = next((kind for part, kind in _PRINCIPALS.items() if part in principal), None)
            told = {"eventSource": BRAKET, "eventName": names[member], "eventTime": at.isoformat()}
            who = {"type": kind, "arn": principal, "userName": principal}
            records.append(json.dumps({**told, "userIdentity": who, "responseElements": {member: arn}}))
        if records:
            read = event_rows(records, datetime.now(UTC).replace(microsecond=0), naming=self.naming)
            counts = store_events(connection, read, self.puller.run_id)[RECORD_CALLERS.name]
            known = self._outcome.counts.get(RECORD_CALLERS.name, Counts())
            self._outcome.counts[RECORD_CALLERS.name] = known + counts

    def told(self) -> Outcome:
        """What became of it: one warning a kind of problem, and how far back the next run begins."""
        for problems in self._problems.values():
            self._outcome.warnings[_warning(problems)] += 1
        open_windows = [at for trail, at in self._left.items() if trail not in self._troubled()]
        if open_windows:
            self._outcome.notes[
                f"CloudTrail has told who created what since {max(open_windows):%Y-%m-%d %H:%M} UTC; the next run asks for "
                "what is older"
            ] += 1
        if self.puller.budgets is not None:
            self._outcome.note_calls(
                {
                    place: [each for each in found if each.operation == LOOKUP_EVENTS.name]
                    for place, found in self.puller.budgets.report().items()
                }
            )
        return self._outcome

    def _troubled(self) -> set[Trail]:
        return {trail for problems in self._problems.values() for trail, _ in problems}


def _warning(problems: Sequence[tuple[Trail, AwsProblem]]) -> str:
    """One line about what kept targets from being asked, with what to do; the same whichever answered first."""
    (trail, problem), *others = sorted(problems, key=lambda each: each[0].key)
    where = f"{trail.target.label}{f' and {len(others)} more' if others else ''}"
    if isinstance(problem, AccessDenied):
        return (
            f"{LOOKUP_EVENTS.action} is not allowed in {where}, so who created tasks and jobs is not known there "
            f"({problem.message}): `braket-etl init` writes the policy for it, BRAKET_ETL_CREATED_BY=off asks no more"
        )
    return (
        f"CloudTrail could not be asked in {where} who created tasks and jobs: {problem.message}; the next run goes on "
        "where this one stopped"
    )


def _stored(connection: Connection) -> dict[tuple[str, str, str], tuple[Window, ...]]:
    """The windows by place, newest first."""
    rows = connection.execute(
        f"SELECT account, region, event_name, since, until, reached FROM {CALLER_LOOKUPS.qualified_name} "
        "ORDER BY since DESC"
    ).fetchall()
    found: dict[tuple[str, str, str], tuple[Window, ...]] = {}
    for account, region, event_name, *ends in rows:
        key = account, region, event_name
        found[key] = (*found.get(key, ()), Window(*ends))
    return found


def _keep(connection: Connection, page: _Page) -> None:
    """Let the windows of a page's trail stand as they are once it is stored; inside the caller's transaction."""
    place = list(page.trail.key)
    connection.execute(
        f"DELETE FROM {CALLER_LOOKUPS.qualified_name} WHERE account = ? AND region = ? AND event_name = ?",
        place,
    )
    problem = None if page.problem is None else page.problem.message
    connection.executemany(
        f"INSERT INTO {CALLER_LOOKUPS.qualified_name} VALUES (?, ?, ?, ?, ?, ?, ?)",
        [[*place, window.since, window.until, window.reached, problem] for window in page.windows],
    )
