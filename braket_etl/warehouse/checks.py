"""Checks as data: each is one query whose rows are what is wrong, with a line for the user.

Here are the type, how one is asked, and the checks of records and latency; those of costs lie with the costs. Dagster's
asset checks are made of them; what a run does when one fails is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import duckdb
import sqlglot

from braket_etl.tables import ALL, JOB_EVENTS, JOBS, QUANTUM_TASKS
from braket_etl.tables.declaration import Table, quoted
from braket_etl.warehouse.connection import Connection, first_line, row_counts
from braket_etl.warehouse.models import tables_read
from braket_etl.warehouse.repair import KEYED
from braket_etl.warehouse.results import Results


@dataclass(frozen=True, slots=True)
class Check:
    """One check: the table or model it is of, what it asks, and a query whose rows are what is wrong.

    The query's first column says what is wrong in words, its second how many records it concerns. A check is an error
    where what is shown would be wrong, else a warning.
    """

    name: str
    table: str
    description: str
    sql: str = ""
    is_error: bool = False
    is_blocking: bool = False
    """Whether nothing may be made of the data, or published, when it fails."""
    is_of_keys: bool = False
    """Whether it looks at nothing but the keys of its tables."""
    parts: tuple[Check, ...] = ()
    """The checks that find what this one does, where it asks nothing itself."""

    @property
    def queries(self) -> tuple[str, ...]:
        """All that it asks, itself or through its parts."""
        return (self.sql,) if self.sql else tuple(sql for part in self.parts for sql in part.queries)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: nothing where `passed`; `examples` are the first things found, in words."""

    check: Check
    passed: bool
    records: int
    examples: tuple[str, ...]
    was_asked: bool = True

    @property
    def summary(self) -> str:
        """One line for the user."""
        if self.passed:
            return f"{self.check.name}: nothing found"
        return f"{self.check.name}: {self.records} records; {'; '.join(self.examples)}"

    @property
    def metadata(self) -> Mapping[str, str | int]:
        """What was found, as plain values."""
        return {"records": self.records, "examples": "\n".join(self.examples)}


#: Rows that checks found in a warehouse, so that a check and what it is a part of ask once.
Rows = dict[Check, list[tuple[Any, ...]]]

_EXAMPLES = 5


def run_check(connection: Connection, check: Check, known: Rows | None = None) -> Finding:
    """Ask one check of a warehouse whose models are there; a question that cannot be asked is not passed."""
    try:
        rows = _found(connection, check, {} if known is None else known)
    except duckdb.Error as error:
        told = f"it could not be asked: {first_line(error)}"
        return Finding(check, False, 0, (told,), was_asked=False)
    examples = tuple(f"{what} ({n})" if n != 1 else str(what) for what, n in rows[:_EXAMPLES])
    return Finding(check, not rows, sum(n for _, n in rows), examples)


def _found(connection: Connection, check: Check, known: Rows) -> list[tuple[Any, ...]]:
    if check.parts:
        return [
            (f"{part.table} {what}", n) for part in check.parts for what, n in _found(connection, part, known)
        ]
    if check not in known:
        known[check] = connection.execute(check.sql).fetchall()
    return known[check]


def last_or_new(results: Results, check: Check, known: Rows) -> tuple[Finding, datetime | None]:
    """What the check finds, and when it did where nothing that it reads has changed since."""
    name, made_of = _kept_as(results, check)
    if last := results.last(name, made_of):
        passed, records, examples = last.value
        return Finding(check, passed, records, tuple(examples)), last.made_at
    finding = run_check(results.connection, check, known)
    if finding.was_asked:
        results.keep(name, made_of, [finding.passed, finding.records, finding.examples])
    return finding, None


def finds_nothing(results: Results, check: Check, known: Rows) -> bool:
    """Whether the check passes; what it finds is kept in `known` alone, so that who asks next is the first to tell."""
    if last := results.last(*_kept_as(results, check)):
        return bool(last.value[0])
    return run_check(results.connection, check, known).passed


def _kept_as(results: Results, check: Check) -> tuple[str, str]:
    """The name of a check's result, and what it is made of."""
    reads = _tables_read(check)
    made_of = results.contents.made_of(" ".join(check.queries), reads, only_keys=check.is_of_keys)
    return f"{check.table}.{check.name}", made_of


@cache
def _tables_read(check: Check) -> frozenset[str]:
    read = (tables_read(sqlglot.parse_one(sql, read="duckdb")) for sql in check.queries)
    return frozenset().union(*read)


def differences_of_copy(connection: Connection, copy: Connection) -> dict[str, tuple[int, int]]:
    """Rows in the writer's file and in the published copy, by table, where they differ."""
    written, published = row_counts(connection, ALL), row_counts(copy, ALL)
    return {name: (n, published[name]) for name, n in written.items() if n != published[name]}


def unique_key(table: Table) -> Check:
    """No key stands twice: there is no index that would refuse it."""
    keys = ", ".join(table.key)
    return Check(
        "unique_key",
        table.name,
        f"One row for each {keys}; a record that stands twice is counted and paid for twice.",
        f"SELECT concat_ws(' ', {keys}), count(*) FROM {table.qualified_name} GROUP BY {keys} HAVING count(*) > 1",
        is_error=True,
        is_of_keys=True,
    )


def listed_is_stored(table: Table) -> Check:
    """What searches listed is there, by day; also a row that was lost after its search is found by it."""
    return Check(
        "listed_is_stored",
        table.name,
        "Every record that the last search of a day listed is stored or rejected, and what was stored is still there.",
        f"""WITH rows AS (
            SELECT account_id, region, created_date AS day, count(*) AS n FROM {table.qualified_name} GROUP BY ALL
        )
        SELECT concat_ws(' ', c.account, c.region, c.day, 'listed', c.listed, 'stored', least(c.stored, coalesce(r.n, 0)),
                'rejected', c.rejected),
            (c.listed - c.rejected - least(c.stored, coalesce(r.n, 0)))::BIGINT
        FROM etl.coverage AS c
        LEFT JOIN rows AS r ON r.account_id = c.account_id AND r.region = c.region AND r.day = c.day
        WHERE c.table_name = '{table.name}' AND c.listed > 0
            AND c.listed > c.rejected + least(c.stored, coalesce(r.n, 0))
        ORDER BY c.day DESC""",
        is_error=True,
    )


def nothing_new_in_the_api(table: Table) -> Check:
    """Members and enum values that no declaration of this version knows, newest first.

    What a newer version has learned is struck out, although its row stays in etl.schema_drift.
    """
    members = {column.source for column in table.columns if column.source}
    values = {(column.source or column.name, value) for column in table.columns for value in column.values}
    learned = [
        *(f"(kind = 'member' AND path = {quoted(member)})" for member in sorted(members)),
        *(
            f"(kind = 'value' AND path = {quoted(path)} AND value = {quoted(value)})"
            for path, value in sorted(values)
        ),
    ]
    return Check(
        "nothing_new_in_the_api",
        table.name,
        "Braket sends members or enum values that this version does not know, or members of another type. They are "
        "stored (members in `extra`), but no model reads them: look for a newer version of braket_etl.",
        f"""SELECT CASE kind WHEN 'value' THEN concat_ws(' ', path, '=', value)
                WHEN 'unreadable' THEN concat_ws(' ', 'member', path, 'as', value) ELSE concat('member ', path) END, 1
        FROM etl.schema_drift WHERE table_name = '{table.name}' AND kind NOT IN ('date', 'moved')
            AND NOT ({" OR ".join([*learned, "false"])})
        ORDER BY first_seen_at DESC, kind, path, value""",
    )


def nothing_is_rejected(table: Table) -> Check:
    """Responses that could not become rows."""
    return Check(
        "nothing_is_rejected",
        table.name,
        "Responses of Braket that could not become a row: `braket-etl rejects list` shows them.",
        f"""SELECT error, count(*) FROM etl.rejected_records WHERE operation = '{table.operation}'
        GROUP BY error ORDER BY count(*) DESC""",
    )


def times_in_order(table: Table, started: str = "NULL") -> Check:
    """A time in another unit or zone shows as one before Braket was there, or after it was told."""
    arn = table.key[0]
    return Check(
        "times_in_order",
        table.name,
        "Records were created after Braket's launch, and created, started, ended and fetched in this order (an hour of "
        "tolerance between clocks).",
        f"""SELECT concat_ws(' ', {arn}, 'created', created_at, 'ended', ended_at, 'fetched', fetched_at), 1
        FROM {table.qualified_name}
        WHERE created_at < TIMESTAMPTZ '2020-08-01 00:00:00+00'
            OR greatest(created_at, {started}, ended_at) > fetched_at + INTERVAL 1 HOUR
            OR ended_at < created_at OR {started} < created_at OR ended_at < {started}""",
    )


_EVERY_EVENT_HAS_ITS_JOB = Check(
    "every_event_has_its_job",
    JOB_EVENTS.name,
    "Events and their job are stored in one transaction. Stages and waits are made of jobs, so an event without one is "
    "in none of them.",
    """SELECT e.job_arn, count(*) FROM job_events AS e ANTI JOIN jobs AS j ON j.job_arn = e.job_arn
    GROUP BY e.job_arn""",
    is_error=True,
)

# A job may be older than the first day that was searched and create tasks while it runs, five days at most, after it
# waited: hence the two weeks.
_EVERY_JOB_OF_A_TASK_IS_KNOWN = Check(
    "every_job_of_a_task_is_known",
    QUANTUM_TASKS.name,
    "Tasks name a job that is not stored, although jobs of their account and Region were searched from two weeks before "
    "the task on: the cost of the job's instances is missing.",
    """WITH accounts AS (
        SELECT DISTINCT account, account_id FROM etl.coverage WHERE account_id IS NOT NULL
    ),
    searched AS (
        SELECT a.account_id, c.region, min(c.day) AS first_day
        FROM etl.coverage AS c JOIN accounts AS a ON a.account = c.account
        WHERE c.table_name = 'jobs' GROUP BY a.account_id, c.region
    ),
    missing AS (
        SELECT t.* FROM quantum_tasks AS t ANTI JOIN jobs AS j ON j.job_arn = t.job_arn WHERE t.job_arn IS NOT NULL
    )
    SELECT m.job_arn, count(*)
    FROM missing AS m
    JOIN searched AS s
        ON s.account_id = m.account_id AND s.region = m.region AND m.created_date >= s.first_day + 14
    ANTI JOIN etl.rejected_records AS r ON r.arn = m.job_arn
    GROUP BY m.job_arn""",
)

# With twenty tasks of the device that completed: three times the longest that one of them took from creation to end, at
# least three days, since devices close over weekends. With fewer: a week. A job: a week and its longest allowed run
# time, five days where Braket names none. "Now" is the newest answer stored, so that equal data give an equal finding.
_NOTHING_IS_OPEN_FOR_TOO_LONG = Check(
    "nothing_is_open_for_too_long",
    "open_records",
    "Tasks and jobs that are open for longer than the device makes plausible: three times the longest that a completed "
    "task took there and at least three days, a week where fewer than twenty completed; jobs a week and their run time. "
    "Perhaps they are stuck, or their account is out of reach: what is shown of them may be old.",
    """WITH now AS (
        SELECT max(fetched_at) AS at FROM (SELECT fetched_at FROM quantum_tasks UNION ALL SELECT fetched_at FROM jobs)
    ),
    history AS (
        SELECT device_arn, count(*) AS n, max(epoch_us(ended_at) - epoch_us(created_at)) / 1e6 AS longest
        FROM quantum_tasks WHERE status = 'COMPLETED' GROUP BY device_arn
    ),
    still_open AS (
        SELECT t.quantum_task_arn AS arn, t.created_at, t.fetched_at,
            CASE WHEN h.n >= 20 THEN greatest(3 * 86400, 3 * h.longest) ELSE 7 * 86400 END AS plausible
        FROM quantum_tasks AS t LEFT JOIN history AS h ON h.device_arn = t.device_arn
        WHERE NOT t.is_terminal AND t.expired_at IS NULL
        UNION ALL
        SELECT job_arn, created_at, fetched_at,
            7 * 86400 + coalesce(stopping_condition_max_runtime_in_seconds, 5 * 86400)
        FROM jobs WHERE NOT is_terminal AND expired_at IS NULL
    )
    SELECT concat_ws(' ', o.arn, 'open since', o.created_at, 'last seen', o.fetched_at), 1
    FROM still_open AS o CROSS JOIN now
    WHERE date_diff('second', o.created_at, now.at) > o.plausible ORDER BY o.created_at""",
)

_UNIQUE_KEYS = tuple(map(unique_key, KEYED))

#: The one check that holds publishing back. A record that stands twice is in every sum twice, and nobody who reads the
#: copy could tell; that of the run before is older but right. Whatever else is wrong shows beside what is right.
_KEYS_ARE_UNIQUE = Check(
    "keys_are_unique",
    "open_records",
    "No key stands twice in any table that the pull or the refresh writes; nothing is published where one does.",
    is_error=True,
    is_blocking=True,
    is_of_keys=True,
    parts=_UNIQUE_KEYS,
)

RECORD_CHECKS = (
    _KEYS_ARE_UNIQUE,
    *_UNIQUE_KEYS,
    *map(listed_is_stored, (QUANTUM_TASKS, JOBS)),
    *map(nothing_is_rejected, (QUANTUM_TASKS, JOBS)),
    *map(nothing_new_in_the_api, KEYED),
    times_in_order(QUANTUM_TASKS),
    times_in_order(JOBS, "started_at"),
    _EVERY_JOB_OF_A_TASK_IS_KNOWN,
    _EVERY_EVENT_HAS_ITS_JOB,
    _NOTHING_IS_OPEN_FOR_TOO_LONG,
)

#: What `warehouse.door` asks before anything is shown.
BLOCKING_CHECKS = tuple(check for check in RECORD_CHECKS if check.is_blocking)

LATENCY_CHECKS = (
    Check(
        "stages_fill_the_turnaround",
        "job_stages",
        "The stages of a job follow each other without a gap, and last together as long as the job took.",
        """WITH summed AS (
            SELECT job_arn, sum(round(seconds * 1e6)::BIGINT) AS stages,
                date_diff('microsecond', min(started_at), max(ended_at)) AS span
            FROM job_stages GROUP BY job_arn
        )
        SELECT concat_ws(' ', s.job_arn, 'stages', s.stages / 1e6, 's, turnaround', l.turnaround_seconds, 's'), 1
        FROM job_latency AS l LEFT JOIN summed AS s ON s.job_arn = l.job_arn
        WHERE s.stages IS DISTINCT FROM s.span
            OR s.stages <> round(l.turnaround_seconds * 1e6)::BIGINT""",
        is_error=True,
    ),
    Check(
        "events_can_be_true",
        "state_changes",
        "Events of EventBridge that cannot be true: of another sender, account or Region than the record's, or of a time "
        "outside of its life. They are kept, and no wait is made of them. Look at who else may write to the feed.",
        """SELECT concat_ws(' ', status, 'of', record_arn, 'at', event_time, 'has doubt:', doubt,
            'event', event_id), 1
        FROM state_changes WHERE doubt IS NOT NULL ORDER BY event_time DESC, event_id""",
    ),
    Check(
        "every_task_has_a_wait",
        "task_latency",
        "Each task has one row, whose bounds are in order: no wait is negative or exceeds the turnaround.",
        """SELECT concat_ws(' ', t.quantum_task_arn, 'wait', l.wait_seconds_lower, 'to', l.wait_seconds_upper,
            'turnaround', l.turnaround_seconds), count(*)
        FROM quantum_tasks AS t LEFT JOIN task_latency AS l ON l.quantum_task_arn = t.quantum_task_arn
        WHERE l.quantum_task_arn IS NULL OR l.wait_seconds_lower < 0 OR l.wait_seconds_lower > l.wait_seconds_upper
            OR l.wait_seconds_upper > l.turnaround_seconds OR l.run_seconds_lower > l.run_seconds_upper
        GROUP BY ALL""",
        is_error=True,
    ),
)
