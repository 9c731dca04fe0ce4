"""Pulling: search and get side by side for every target, merge in bounded batches as the answers come.

Each (account, Region, kind of record) has a thread of its own that searches and gets; the thread that called
does all work on the warehouse, so that the lock is held for merges only and by nobody else here.
"""

from __future__ import annotations

import ctypes
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import pyarrow as pa

from braket_etl import stopping
from braket_etl.aws import fetch, search
from braket_etl.aws.call import PATIENCE
from braket_etl.aws.errors import AccessDenied, AwsProblem, SearchFailed, Throttled
from braket_etl.aws.search import Page, Window
from braket_etl.aws.sessions import Sessions, Target
from braket_etl.aws.stamp import Stamp
from braket_etl.aws.throttle import Budget, Budgets, Stopped
from braket_etl.crew import Crew
from braket_etl.facts import REMEMBERED
from braket_etl.pull import plan
from braket_etl.pull.clock import TOLERANCE, Clock
from braket_etl.pull.merge import Batch, dated, merge, store_drift
from braket_etl.pull.outcome import News, Outcome, Problem, refuse_news
from braket_etl.pull.owners import account_ids_by_day, owners
from braket_etl.pull.resources import BY_GET, Resource
from braket_etl.tables.arns import account_id_of
from braket_etl.tables.bookkeeping import COVERAGE
from braket_etl.tables.normalize import Drift
from braket_etl.tables.redact import NOTHING_REDACTED, Redactor
from braket_etl.warehouse import future, unsettled
from braket_etl.warehouse import listing as listings
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.statements import transaction
from braket_etl.warehouse.upsert import replace_rows

T = TypeVar("T")

#: A merge takes this many responses at most, or what came in this many seconds.
BATCH_RECORDS = 500
BATCH_SECONDS = 15.0
#: Answers that wait for the desk; what is held in memory is bounded by this and a batch, not by the account.
_AHEAD = 200
#: After so many full pages a search of several days is cut into slices of about so many records.
_PROBE_PAGES = 10
_SLICE_RECORDS = 1_000
_MOST_TARGETS = 32
#: So many open records of a table are asked for by a run that only looks.
_MOST_LOOKED_AT = 100
_SEARCH_TRIES = 3
_STALE_PAGES = 30
_M_ARENA_MAX = -8  # malloc.h of glibc
_NAMED = 5  # records that a problem names
_MOST_DATES = 100  # dates that one run notes as drift


@dataclass(frozen=True, slots=True)
class Listing:
    """What a search of one window found."""

    target: Target
    resource: Resource
    window: Window
    rows: pa.Table
    stamps: Sequence[Stamp]
    """When its pages were given; the first began the search."""

    @property
    def days(self) -> tuple[datetime, datetime]:
        """The first instant that was searched, and the one after the last."""
        return self.window.start, self.window.end


@dataclass(frozen=True, slots=True)
class Progress:
    """Told how far a pull is; both are called from the thread that called the pull."""

    expect: Callable[[int], None] = lambda more: None
    """So many more records are to be fetched."""
    advance: Callable[[int], None] = lambda done: None
    """So many were fetched."""


@dataclass(frozen=True, slots=True)
class _Question:
    """A worker asks which of the listed records to fetch."""

    listing: Listing
    answer: Future[list[tuple[str, datetime]]]


@dataclass(frozen=True, slots=True)
class _Finished:
    """Every record of a listing has been answered, one way or another."""

    listing: Listing


@dataclass(frozen=True, slots=True)
class _Troubled:
    """Something could not be had; `records` are the requests that this answers."""

    problem: Problem
    records: int = 0
    arn: str = ""
    """Of the record, where it is one."""


@dataclass(frozen=True, slots=True)
class _Left:
    """A worker has ended; `error` is a mistake of ours that ended it."""

    error: BaseException | None = None


_Answer = fetch.Fetched | fetch.Rejected | fetch.Missing
_Message = _Question | _Finished | _Troubled | _Left | _Answer


@dataclass
class Puller:
    """One run's way to pull: from which accounts, into which warehouse, under which name."""

    warehouse: Warehouse
    sessions: Sessions
    budgets: Budgets | None
    """None asks as fast as it goes, for benchmarks."""
    run_id: str
    progress: Progress = field(default_factory=Progress)
    polled: set[str] = field(default_factory=set)
    """Open records that this run has fetched already."""
    threads_per_target: int = fetch.DEFAULT_THREADS
    patience: float = PATIENCE
    """Seconds that a search or a record is asked for while Braket throttles it."""
    redactor: Redactor = NOTHING_REDACTED
    """Strikes out secrets in what comes, before it is stored."""
    clock: Clock = field(default_factory=Clock)
    """Which dates are believed; the steps of a run share it."""
    only_looks: bool = False
    """Raise News where a record would have to be fetched that is not known to be open, where many are open, or where a
    day would have to be searched that is neither today nor yesterday."""

    def pull_days(
        self,
        targets: Sequence[Target],
        resources: Sequence[Resource],
        days: Sequence[date],
        *,
        only_due: bool,
        again: bool = False,
    ) -> Outcome:
        """Search the days and fetch what is not stored in a final state or is listed otherwise; note what is covered.

        `only_due` leaves out days that are complete, other than today and yesterday, and rejects that came damaged again
        and again and are not due. `again` fetches everything that is listed, whatever is stored.
        """
        work: list[_Work] = []
        now = datetime.now(UTC)
        with self.warehouse.writing("planning a pull") as connection:
            self.clock.known = future.kept_offset(connection)
            for target in targets:
                for resource in resources:
                    wanted = (
                        plan.due_days(
                            connection,
                            target.account.name,
                            target.region,
                            resource.table.name,
                            days,
                            now,
                            self.sessions.principal(target.account),
                        )
                        if only_due
                        else days
                    )
                    if self.only_looks and wanted and wanted[0] < now.date() - plan.DAY:
                        raise News(
                            f"{resource.table.name} of {target.label} from {wanted[0]} on are to be searched"
                        )
                    work.append(_Work(target, resource, windows=plan.windows(wanted)))
        outcome = self._run(work, only_due=only_due, again=again)
        outcome.warnings.update(self._expiring(targets, resources, days, now))
        return outcome

    def _expiring(
        self, targets: Sequence[Target], resources: Sequence[Resource], days: Sequence[date], now: datetime
    ) -> list[str]:
        """A warning for each target whose oldest days Braket is about to forget and that were not seen whole."""
        edge = [day for day in days if REMEMBERED - plan.NOTICE <= now.date() - day <= REMEMBERED]
        if not edge:
            return []
        warnings = []
        with self.warehouse.writing("looking up coverage") as connection:
            for target in targets:
                for resource in resources:
                    account, table = target.account.name, resource.table.name
                    principal = self.sessions.principal(target.account)
                    if due := plan.due_days(connection, account, target.region, table, edge, now, principal):
                        warnings.append(
                            f"{table} of {target.label} created from {due[0]} to {due[-1]} were not seen whole, and "
                            f"Braket forgets tasks after {REMEMBERED.days} days, the first of these on "
                            f"{due[0] + REMEMBERED}"
                        )
        return warnings

    def refresh_open(
        self, targets: Sequence[Target], resources: Sequence[Resource], *, with_due: bool = True
    ) -> Outcome:
        """Fetch every stored record that can still change and that this run has not fetched yet.

        `with_due` takes in those that had just ended when they were first got and are due for their second get.
        """
        with self.warehouse.writing("looking up open records") as connection:
            self.clock.known = future.kept_offset(connection)
            reached = owners(connection, self.sessions)
            work, outcome = [], Outcome()
            for resource in resources:
                by_target: dict[Target, list[tuple[str, datetime]]] = {}
                with transaction(connection):
                    unsettled.refill(connection, resource.table)
                wanted = unsettled.open_records(connection, resource.table)
                if with_due:
                    wanted += unsettled.due_records(connection, resource.table, self.clock.now())
                for account_id, region, arn, created_at in wanted:
                    if arn in self.polled:
                        continue
                    owner = reached.get(account_id)
                    target = next((t for t in targets if t.account == owner and t.region == region), None)
                    if target is not None:
                        by_target.setdefault(target, []).append((arn, created_at))
                    elif owner is None:
                        outcome.warnings[
                            f"open {resource.table.name} of account {account_id} are not refreshed: "
                            "no configured account reaches it"
                        ] += 1
                if self.only_looks and (n := sum(map(len, by_target.values()))) > _MOST_LOOKED_AT:
                    raise News(f"{n:,} {resource.table.name} can still change")
                work += [_Work(target, resource, records=found) for target, found in by_target.items()]
        return outcome + self._run(work)

    def budget(self, target: Target) -> Budget | None:
        """The request budget of a target."""
        return self.budgets.budget(target.account.name, target.region) if self.budgets is not None else None

    def fetch_records(self, target: Target, resource: Resource, arns: Iterable[str]) -> Outcome:
        """Fetch these records again, whatever is stored."""
        with self.warehouse.writing("looking up the time") as connection:
            self.clock.known = future.kept_offset(connection)
        return self._run([_Work(target, resource, records=[(arn, None) for arn in arns])])

    def _run(self, work: Sequence[_Work], *, only_due: bool = False, again: bool = False) -> Outcome:
        outcome = Outcome()
        work = [item for item in work if item.windows or item.records]
        if not work:
            return outcome
        _share_one_arena()
        messages: queue.Queue[_Message] = queue.Queue(_AHEAD)
        stop = threading.Event()
        desk = _Desk(self, outcome, only_due, again)
        pool = Crew(min(len(work), _MOST_TARGETS), "pull")
        try:
            self.progress.expect(sum(len(item.records) for item in work))
            for item in work:
                pool.submit(_Worker(self, item, messages, stop).run)
            left = 0
            while left < len(work):
                try:
                    message = messages.get(timeout=desk.patience())
                except queue.Empty:
                    desk.flush()
                    continue
                if isinstance(message, _Left):
                    left += 1
                    if message.error is not None:
                        raise message.error
                else:
                    desk.take(message)
            desk.flush()
            desk.close()
        except BaseException as error:
            stop.set()
            with (
                stopping.ending(error),
                suppress(Exception),
            ):  # what has come is kept, also when the user interrupts
                desk.take_answers(messages)
                desk.flush()
            raise
        finally:
            stop.set()
            pool.close()
        if self.budgets is not None:
            outcome.note_calls(self.budgets.report())
        return outcome


@dataclass(frozen=True, slots=True)
class _Work:
    """What one worker does: search windows and fetch what they list, or fetch named records."""

    target: Target
    resource: Resource
    windows: Sequence[Window] = ()
    records: Sequence[tuple[str, datetime | None]] = ()


@dataclass
class _Desk:
    """The thread that owns the warehouse: it answers workers' questions and merges what they bring."""

    puller: Puller
    outcome: Outcome
    only_due: bool = False
    again: bool = False
    batch: Batch = field(default_factory=Batch)
    waiting: list[_Finished] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """Why records could not be had, by ARN."""
    has_healed: bool = False
    since: float = field(default_factory=time.monotonic)

    def patience(self) -> float:
        """Seconds until the batch is due."""
        return (
            max(0.05, BATCH_SECONDS - (time.monotonic() - self.since)) if len(self.batch) else BATCH_SECONDS
        )

    def take(self, message: _Question | _Finished | _Troubled | _Answer) -> None:
        """Do what a message asks for."""
        match message:
            case fetch.Fetched(arn=arn, body=body, operation=operation):
                self.batch.fetched.append(message)
                if str(body.get("status")) not in BY_GET[operation].table.terminal_statuses:
                    self.puller.polled.add(arn)
            case fetch.Rejected():
                self.batch.rejected.append(message)
            case fetch.Missing(arn=arn, operation=operation):
                self.batch.expired.append(message)
                self.failed[arn] = f"{operation}: Braket lists it, and says that it does not exist"
            case _Troubled(problem=problem, records=records, arn=arn):
                self.outcome.problems[problem] += 1
                self.puller.progress.advance(records)
                if arn:
                    self.failed[arn] = f"{problem.operation}: {problem.message}"
            case _Finished():
                self.waiting.append(message)
            case _Question(listing=listing, answer=answer):
                try:
                    answer.set_result(self._answer(listing))
                except BaseException as error:
                    answer.set_exception(error)
                    raise
        if isinstance(message, _Answer):
            self.puller.clock.note(message.stamp)
            self.outcome.fetched += isinstance(message, fetch.Fetched)
            self.puller.progress.advance(1)
        if len(self.batch) >= BATCH_RECORDS:
            self.flush()

    def take_answers(self, messages: queue.Queue[_Message]) -> None:
        """Take the records that wait already, at the end of an interrupted run."""
        with suppress(queue.Empty):
            while True:
                message = messages.get_nowait()
                if isinstance(message, fetch.Fetched):
                    self.batch.fetched.append(message)

    def flush(self) -> None:
        """Merge the batch, then note the coverage of the listings that it completes."""
        if len(self.batch):
            self._heal()
            merged = merge(
                self.puller.warehouse,
                dated(self.batch, self.puller.clock),
                self.puller.run_id,
                "merging records",
                self.puller.redactor,
                refuse_news if self.puller.only_looks else None,
            )
            self.batch = Batch()  # only now: what an interruption rolled back is merged again at the end
            self.outcome.note(merged)
        if self.waiting:
            waiting, self.waiting = self.waiting, []
            with self.puller.warehouse.writing("noting coverage") as connection:
                self._heal(connection)
                with transaction(connection):
                    rows = [
                        row for finished in waiting for row in self._covered(connection, finished.listing)
                    ]
                    replace_rows(
                        connection, COVERAGE, pa.Table.from_pylist(rows, schema=COVERAGE.arrow_schema)
                    )
        self.since = time.monotonic()

    def close(self) -> None:
        """Note and tell which dates were not believed."""
        clock = self.puller.clock
        told = clock.told()
        for line in told:
            self.outcome.warnings[line] += 1
        for line in clock.note_of_ours():
            self.outcome.notes[line] += 1
        drift = [Drift("runs", "date", "Date", at.isoformat(timespec="seconds")) for at in clock.replaced]
        if told or clock.is_news:
            with self.puller.warehouse.writing("noting dates") as connection, transaction(connection):
                store_drift(connection, drift[:_MOST_DATES], clock.now(), self.puller.run_id)
                clock.known = future.keep_offset(connection, clock.offset) if clock.is_sure else clock.known

    def _heal(self, connection: Connection | None = None) -> None:
        """Correct what an earlier run dated later than now; once, as soon as the answers agree what time it is."""
        clock = self.puller.clock
        if self.has_healed or not clock.is_sure:
            return
        self.has_healed = True
        writing = self.puller.warehouse.writing("looking for wrong dates")
        with writing if connection is None else nullcontext(connection) as opened:
            future.heal(opened, clock.now(), TOLERANCE)

    def _answer(self, listing: Listing) -> list[tuple[str, datetime]]:
        table = listing.resource.table
        for stamp in listing.stamps:
            self.puller.clock.note(stamp)
        self.outcome.listed[table.name] += listing.rows.num_rows
        if listing.rows.num_rows == 0:
            return []
        now = self.puller.clock.now()
        with (
            self.puller.warehouse.writing("comparing a listing") as connection,
            listings.compared(connection, table, listing.rows, listing.days),
        ):
            listings.look_up(connection, table, self._whole_days(connection, listing))
            wanted = listings.all_listed(connection) if self.again else listings.to_fetch(connection, now)
            if self.only_due:
                early = listings.rejects_not_due(connection, listing.resource.get.name, now)
                wanted = [(arn, created_at) for arn, created_at in wanted if arn not in early]
            if self.puller.only_looks:  # what is known to be open is polled in the end
                polled = {arn for _, _, arn, _ in unsettled.open_records(connection, table)}
                wanted = [(arn, created_at) for arn, created_at in wanted if arn not in polled]
        if self.puller.only_looks and wanted:
            raise News(f"{len(wanted):,} {table.name} of {listing.target.label} are new or changed")
        self.puller.progress.expect(len(wanted))
        return wanted

    def _whole_days(self, connection: Connection, listing: Listing) -> list[date]:
        """The days of the listing that an earlier run saw whole."""
        account = listing.target.account
        principal = self.puller.sessions.principal(account)
        whole = plan.whole_days(
            connection, account.name, listing.target.region, listing.resource.table.name, principal
        )
        return [day for day in plan.days_of(listing.window) if day in whole]

    def _covered(self, connection: Connection, listing: Listing) -> list[dict[str, Any]]:
        """The days of a listing as rows of etl.coverage; what it lists and is not there is noted and told."""
        target, table, get = listing.target, listing.resource.table, listing.resource.get.name
        days = plan.days_of(listing.window)
        found: dict[date, listings.Covered] = {}
        missing: list[tuple[str, datetime]] = []
        if listing.rows.num_rows:
            with listings.compared(connection, table, listing.rows, listing.days):
                if listings.not_stored(connection, get):
                    listings.look_up(
                        connection, table, days
                    )  # an answer may be of another day than its listing
                listings.note_contradictions(connection, table, self.puller.clock.now())
                found = {each.day: each for each in listings.covered(connection, get)}
                missing = listings.not_stored(connection, get)
        reasons = {
            arn: (created_at, self.failed.get(arn, "it was not asked for")) for arn, created_at in missing
        }
        account, principal = target.account.name, self.puller.sessions.principal(target.account)
        listed_id = _account_of(listing)
        known_ids = account_ids_by_day(connection, account, principal, target.region, table.name, days)
        owner_id = listed_id or next(iter(known_ids.values()), None)
        unsettled.note_not_stored(connection, table, (owner_id, target.region), listing.days, reasons)
        if missing:
            self._name(listing, [arn for arn, _ in missing])
        rows = []
        for day in days:
            of_day = found.get(day, listings.Covered(day, 0, 0, 0))
            rows.append(
                {
                    "account": account,
                    "account_id": listed_id or known_ids.get(day),
                    "principal": principal,
                    "region": target.region,
                    "table_name": table.name,
                    "day": day,
                    "searched_at": self._searched_at(listing),
                    "listed": of_day.listed,
                    "stored": of_day.stored,
                    "rejected": of_day.rejected,
                    "run_id": self.puller.run_id,
                }
            )
        return rows

    def _searched_at(self, listing: Listing) -> datetime:
        """When a search began: when its first page was given."""
        return self.puller.clock.at(min(listing.stamps, key=lambda stamp: stamp.seen_at))

    def _name(self, listing: Listing, arns: Sequence[str]) -> None:
        """Tell of records that are listed, but neither stored nor rejected."""
        target = listing.target
        named = ", ".join(arns[:_NAMED])
        more = f" and {len(arns) - _NAMED:,} more" if len(arns) > _NAMED else ""
        self.outcome.problems[
            Problem(
                target.account.name,
                target.region,
                listing.resource.get.name,
                f"{len(arns):,} of {listing.rows.num_rows:,} records created in {listing.window} are listed, but neither "
                f"stored nor rejected: {named}{more}; `braket-etl sql @records_not_stored` lists all with the reason, and "
                "the next sync asks for them again",
            )
        ] += 1


@dataclass
class _Worker:
    """Searches and gets for one target and kind of record; all it finds goes to the desk as messages."""

    puller: Puller
    work: _Work
    messages: queue.Queue[_Message]
    stop: threading.Event

    def run(self) -> None:
        """Do the work; a problem of AWS is a message, a mistake of ours is raised at the desk."""
        error: BaseException | None = None
        try:
            self._fetch(self._requests())
        except Stopped:
            pass
        except AwsProblem as problem:
            self._trouble(problem, self.work.resource.get.name)
        except Exception as mistake:  # noqa: BLE001 - raised at the desk
            error = mistake
        with suppress(Stopped):
            self._tell(_Left(error))

    # A listing is finished when all its requests are answered. Answers come in any order, so each open request
    # is kept with its listing; at most a few thousand are open at once.

    def _fetch(self, requests: Iterator[tuple[fetch.Request, Listing | None]]) -> None:
        open_requests: dict[str, Listing | None] = {}
        open_counts: dict[int, int] = {}
        handed_out: set[int] = set()

        def taken() -> Iterator[fetch.Request]:
            previous: Listing | None = None
            for request, listing in requests:
                if previous is not None and listing is not previous:
                    handed_out.add(id(previous))
                    finish_if_answered(previous)
                previous = listing
                open_requests[request.arn] = listing
                if listing is not None:
                    open_counts[id(listing)] = open_counts.get(id(listing), 0) + 1
                yield request
            if previous is not None:
                handed_out.add(id(previous))
                finish_if_answered(previous)

        def finish_if_answered(listing: Listing) -> None:
            if id(listing) in handed_out and not open_counts.get(id(listing)):
                handed_out.discard(id(listing))
                open_counts.pop(id(listing), None)
                self._tell(_Finished(listing))

        outcomes = fetch.fetch_all(
            self.puller.sessions,
            self.puller.budgets,
            taken(),
            threads_per_target=self.puller.threads_per_target,
            patience=self.puller.patience,
            stop=self.stop,
        )
        try:
            for outcome in outcomes:
                self._tell(outcome if not isinstance(outcome, fetch.Failed) else self._placed(outcome))
                listing = open_requests.pop(outcome.arn, None)
                if listing is not None:
                    open_counts[id(listing)] -= 1
                    finish_if_answered(listing)
        finally:
            outcomes.close()  # type: ignore[attr-defined]  # it is a generator

    def _requests(self) -> Iterator[tuple[fetch.Request, Listing | None]]:
        target, operation = self.work.target, self.work.resource.get.name
        for arn, created_at in self.work.records:
            yield fetch.Request(target, operation, arn, created_at), None
        for listing in self._listings():
            answer: Future[list[tuple[str, datetime]]] = Future()
            self._tell(_Question(listing, answer))
            wanted = self._awaited(answer)
            if not wanted:
                self._tell(_Finished(listing))
            for arn, created_at in wanted:
                yield fetch.Request(target, operation, arn, created_at), listing

    def _listings(self) -> Iterator[Listing]:
        """The listings of the windows, oldest first; the next one is searched while one is fetched."""
        with Crew(1, "search") as ahead:
            ready = ahead.submit(next, searches := self._searches(), None)
            try:
                while (listing := self._awaited(ready)) is not None:
                    ready = ahead.submit(next, searches, None)
                    yield listing
            finally:
                ready.cancel()

    def _searches(self) -> Iterator[Listing | None]:
        """One listing a window; a window that cannot be searched is told and left out."""
        waiting = list(self.work.windows)
        while waiting:
            window = waiting.pop(0)
            try:
                pages, slices = self._probed(window)
                if slices:
                    waiting = slices + waiting
                else:
                    yield self._listing(window, pages)
            except Throttled as problem:
                rest = Window(window.start, waiting[-1].end) if waiting else window
                self._trouble(problem, self.work.resource.search.name, rest)
                return  # the others would be held up as long
            except AwsProblem as problem:
                self._trouble(problem, self.work.resource.search.name, window)
                if not problem.retryable:
                    return  # refused: the other windows would be too

    def _probed(self, window: Window) -> tuple[list[Page], list[Window]]:
        """`_probe`, from the beginning again where a chain of page tokens broke: tokens expire."""
        for _ in range(_SEARCH_TRIES - 1):
            with suppress(SearchFailed):
                return self._probe(window)
        return self._probe(window)

    def _probe(self, window: Window) -> tuple[list[Page], list[Window]]:
        """All pages of a window; or, for one that proves long, the shorter windows to search instead."""
        pages: list[Page] = []
        seen_arns: set[str] = set()
        stale = 0
        for page in self._pages(window):
            pages.append(page)
            fresh = {summary.arn for summary in page.summaries} - seen_arns
            seen_arns |= fresh
            stale = 0 if fresh else stale + 1
            if stale > _STALE_PAGES:
                raise SearchFailed(
                    f"created in {window}: {stale} pages in a row list nothing new, and more follow"
                )
            if len(pages) == _PROBE_PAGES and page.more:
                seen = [summary.created_at for p in pages for summary in p.summaries] or [window.start]
                spread = max((max(seen) - min(seen)) / plan.DAY, 1e-6)
                slices = plan.slices(window, len(seen) / spread, _SLICE_RECORDS)
                if len(slices) > 1:
                    return pages, slices
        return pages, []

    def _pages(self, window: Window) -> Iterator[Page]:
        target = self.work.target
        client = self.puller.sessions.braket(target)
        budget = self.puller.budget(target)
        return search.search_pages(
            self.work.resource.search,
            client,
            budget,
            window,
            stop=self.stop,
            account=target.account.name,
            patience=self.puller.patience,
        )

    def _listing(self, window: Window, pages: Sequence[Page]) -> Listing:
        found = {s.arn: s for page in pages for s in page.summaries}
        rows = pa.Table.from_pylist(
            [
                {
                    "arn": s.arn,
                    "created_at": s.created_at,
                    "status": s.status,
                    "started_at": s.started_at,
                    "ended_at": s.ended_at,
                    "shots": s.shots,
                    "tags": self.puller.redactor.tags(s.tags),
                    "is_complete": s.is_complete,
                }
                for s in found.values()
            ],
            schema=listings.LISTING,
        )
        return Listing(self.work.target, self.work.resource, window, rows, [page.stamp for page in pages])

    def _placed(self, failed: fetch.Failed) -> _Troubled:
        target = self.work.target
        problem = Problem.of(failed.problem, target.account.name, target.region, failed.operation)
        return _Troubled(problem, records=1, arn=failed.arn)

    def _trouble(self, problem: AwsProblem, operation: str, window: Window | None = None) -> None:
        target = self.work.target
        told = Problem.of(problem, target.account.name, target.region, operation)
        if window is not None:
            days = f"{told.message} (days {window}){_leave_out(problem)}"
            told = Problem(told.account, told.region, told.operation, days)
        self._tell(_Troubled(told))

    def _awaited(self, future: Future[T]) -> T:
        while not self.stop.is_set():
            with suppress(TimeoutError):
                return future.result(timeout=0.2)
        raise Stopped

    def _tell(self, message: _Message) -> None:
        while not self.stop.is_set():
            with suppress(queue.Full):
                self.messages.put(message, timeout=0.2)
                return
        raise Stopped


def _leave_out(problem: AwsProblem) -> str:
    """What to do where nobody may ask: a policy that denies a Region is no fault that a next run could heal."""
    if not isinstance(problem, AccessDenied):
        return ""
    return "; where a policy denies the Region on purpose, leave it out of BRAKET_ETL_REGIONS"


def _account_of(listing: Listing) -> str | None:
    """The account id of the first listed ARN that has one."""
    for arn in listing.rows.column("arn").to_pylist():
        with suppress(ValueError):
            if account_id := account_id_of(arn):
                return account_id
    return None


def _share_one_arena() -> None:
    """Let all threads allocate from one place, where the C library has such a thing.

    glibc gives threads arenas of their own, and what a hundred of them once held is never given back: a sixth of
    the memory of a long pull. They wait for each other at Python's lock anyway.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
