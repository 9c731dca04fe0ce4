"""Run times and program-set shots of finished tasks, read from results.json in S3 after the records are stored.

S3 is a help and never a condition: a bucket that refuses is a warning, a file that is not there is remembered
and asked for again on later days only. Finding tasks that Braket has forgotten is `recover`'s part.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from braket_etl.aws.results import NoResult, NotATask, Result, ResultMetadata, S3Results, Skipped, Unreadable
from braket_etl.aws.sessions import Account, Sessions
from braket_etl.crew import Crew
from braket_etl.display import safe_text
from braket_etl.pull.outcome import Outcome
from braket_etl.pull.owners import owners
from braket_etl.pull.puller import Progress
from braket_etl.tables import TASK_RESULTS
from braket_etl.tables.arns import account_id_of, region_of
from braket_etl.warehouse.connection import Warehouse
from braket_etl.warehouse.statements import transaction
from braket_etl.warehouse.upsert import Counts, replace_rows

#: Files read side by side; S3 bears far more, and most are small.
THREADS = 16
#: Tasks looked up, read and stored together.
BATCH_TASKS = 1_000
#: Buckets that a warning names.
_MOST_NAMED = 3
#: Times that a program set which did not complete is asked for: some executables may have results, or none.
ENOUGH = 3
PROGRAM_SET = "braket.ir.openqasm.program_set"

# Devices of which a price by run time is known.
_PAID_BY_TIME = """
SELECT k.device_name
FROM device_keys AS k
JOIN prices AS p ON p.device_key = k.device_key
JOIN price_rules AS r ON r.product_family = p.product_family AND r.meter = 'run_time'
"""

# Newest first: their results are the likeliest to be there still, and a bucket that does not tell "missing" from
# "forbidden" is given up at the first file that is missing. The pause before another attempt doubles with each
# one, from a day to 64: most of what is missing stays missing.
_DUE = f"""
SELECT t.quantum_task_arn, t.account_id, t.region, t.output_s3_bucket, t.output_s3_directory, t.created_at,
       coalesce(r.attempts, 0) AS attempts
FROM quantum_tasks AS t LEFT JOIN task_results AS r ON r.quantum_task_arn = t.quantum_task_arn
WHERE t.origin = 'api'
  AND CASE WHEN t.action_metadata_program_count IS NOT NULL OR t.action_metadata_action_type = '{PROGRAM_SET}'
      THEN t.status = 'COMPLETED' OR (t.status IN ('FAILED', 'CANCELLED') AND coalesce(r.attempts, 0) < {ENOUGH})
      ELSE t.status = 'COMPLETED' AND (t.device_type = 'SIMULATOR' OR t.device_name IN ({_PAID_BY_TIME})) END
  AND list_contains(?, t.account_id)
  AND NOT list_contains(?, t.account_id || '/' || t.output_s3_bucket)
  AND (r.quantum_task_arn IS NULL OR (
       r.problem IS NOT NULL
       AND ((r.fetched_at AT TIME ZONE 'UTC')::DATE + (1 << least(greatest(r.attempts, 1) - 1, 6))::INTEGER) <= ?::DATE))
  AND (t.created_at < ? OR (t.created_at = ? AND t.quantum_task_arn < ?))
ORDER BY t.created_at DESC, t.quantum_task_arn DESC
LIMIT {BATCH_TASKS}
"""


@dataclass(frozen=True, slots=True)
class _Due:
    """A task whose results.json is wanted; `attempts` is how often it was asked for in vain."""

    arn: str
    account_id: str
    region: str
    bucket: str
    directory: str
    created_at: datetime
    attempts: int

    def result(self, read: Mapping[str, S3Results]) -> Result | NoResult | Skipped:
        """What is in S3, read with the credentials of the account that owns the task."""
        found = read[self.account_id].read(self.bucket, self.directory, self.region)
        if isinstance(found, ResultMetadata) and found.arn != self.arn:
            return Unreadable("the file is of another task")
        return found

    def row(self, found: Result | NoResult, now: datetime) -> pa.Table:
        """The row of task_results, with the problem where nothing could be read."""
        attempts = self.attempts + 1
        if isinstance(found, ResultMetadata):
            try:
                return result_row(found, now, attempts)
            except ValueError as error:
                found = Unreadable(str(error))
        problem = {
            "quantum_task_arn": self.arn,
            "account_id": self.account_id,
            "region": self.region,
            "problem": _problem(found),
            "attempts": attempts,
            "fetched_at": now,
        }
        return pa.Table.from_pylist([problem], schema=TASK_RESULTS.arrow_schema)


def read_results(
    warehouse: Warehouse,
    sessions: Sessions,
    accounts: Sequence[Account],
    *,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> Outcome:
    """Read results.json of every completed task that is paid by time and every ended program set, where not read yet.

    `now` (aware) is what days are counted from. Nothing that S3 can do is raised: a bucket that refuses is one
    warning, and so is all that cannot be reached. Raises WarehouseError.
    """
    outcome, progress, now = Outcome(), progress or Progress(), now or datetime.now(UTC)
    read: dict[str, S3Results] = {}
    skipped: dict[str, str] = {}
    last: tuple[datetime, str] = (datetime.max.replace(tzinfo=UTC), "")
    while due := _due(warehouse, sessions, accounts, read, now, last):
        last = due[-1].created_at, due[-1].arn
        progress.expect(len(due))
        rows: list[pa.Table] = []
        with Crew(THREADS, "results") as crew:
            reading = [crew.submit(task.result, read) for task in due]
            for task, answer in zip(due, reading, strict=True):
                found = answer.result()
                if isinstance(found, Skipped):
                    skipped.setdefault(task.bucket, found.reason)
                else:
                    rows.append(task.row(found, now))
                progress.advance(1)
        counts = store_results(warehouse, rows)
        outcome.counts[TASK_RESULTS.name] = outcome.counts.get(TASK_RESULTS.name, Counts()) + counts
    for warning in _warnings(skipped, {reason for s3 in read.values() for reason in s3.unreachable.values()}):
        outcome.warnings[warning] = 1
    return outcome


def _warnings(skipped: Mapping[str, str], out_of_reach: Container[str]) -> Iterator[str]:
    """One warning for each bucket that refuses, and one for all that are out of reach."""
    unreached = sorted(bucket for bucket, reason in skipped.items() if reason in out_of_reach)
    for bucket, reason in skipped.items():
        if bucket not in unreached:
            yield (
                f"results in bucket {safe_text(bucket)} could not be read, so its simulator tasks have no run time, and "
                f"what became of program sets is not known: {reason}"
            )
    if unreached:
        more = f" and {len(unreached) - _MOST_NAMED} more" if len(unreached) > _MOST_NAMED else ""
        named = ", ".join(safe_text(bucket) for bucket in unreached[:_MOST_NAMED])
        yield (
            f"S3 is out of reach, so simulator tasks with results in buckets {named}{more} have no run time: "
            f"{skipped[unreached[0]]}"
        )


def result_row(metadata: ResultMetadata, read_at: datetime, attempts: int | None = None) -> pa.Table:
    """A file's metadata as one row of task_results; raises ValueError for what no row can hold."""
    row: dict[str, Any] = {
        name: value for name, value in asdict(metadata).items() if name in TASK_RESULTS.by_name
    }
    row["quantum_task_arn"] = metadata.arn
    row["account_id"], row["region"] = account_id_of(metadata.arn), region_of(metadata.arn)
    row["attempts"], row["fetched_at"] = attempts, read_at
    try:
        return pa.Table.from_pylist([row], schema=TASK_RESULTS.arrow_schema)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"a value in it cannot be stored: {safe_text(error)}") from None


def store_results(warehouse: Warehouse, rows: Sequence[pa.Table]) -> Counts:
    """Merge rows of task_results in one transaction."""
    if not rows:
        return Counts()
    with warehouse.writing("merging task results") as connection, transaction(connection):
        return replace_rows(connection, TASK_RESULTS, pa.concat_tables(rows).combine_chunks())


def _due(
    warehouse: Warehouse,
    sessions: Sessions,
    accounts: Sequence[Account],
    read: dict[str, S3Results],
    now: datetime,
    before: tuple[datetime, str],
) -> list[_Due]:
    """The next tasks to read, those of buckets that refused left out; adds a reader for each account."""
    refused = [f"{account_id}/{bucket}" for account_id, s3 in read.items() for bucket in list(s3.refused)]
    created_at, arn = before
    with warehouse.writing("looking up results to read") as connection:
        mine = {
            account_id: owner
            for account_id, owner in owners(connection, sessions).items()
            if owner is not None and owner in accounts
        }
        today = now.astimezone(UTC).date()
        rows = connection.execute(_DUE, [list(mine), refused, today, created_at, created_at, arn]).fetchall()
    due = [_Due(*row) for row in rows]
    for account_id in {task.account_id for task in due} - read.keys():
        read[account_id] = S3Results(sessions, mine[account_id])
    return due


def _problem(found: NotATask | Unreadable | NoResult) -> str:
    if isinstance(found, NoResult):
        return "there is no results.json"
    return safe_text(found.reason if isinstance(found, NotATask) else found.error)
