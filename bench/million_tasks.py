"""A small warehouse repeated until it holds as many tasks as two years of a busy account.

    python -m bench.million_tasks .braket_etl-demo/warehouse.duckdb 1000000 large.duckdb

`bench.incremental` fills a home by it; `python -m bench.models large.duckdb` asks what it makes.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import duckdb

WEEKS = 100
"""Over how many weeks repetitions are spread; each keeps its weekday and almost its hour."""

_SHIFT = f"to_seconds(i % {WEEKS} * 604800 + i // {WEEKS} * 611)"
_ENDED = f"(is_terminal OR i % {WEEKS} = 0)"  # tasks and jobs of a year ago are not open any more
_AS_TASK = "regexp_replace(quantum_task_arn, '[^/]+$', '') || md5(quantum_task_arn || i)::UUID"
_AS_JOB = "job_arn || '-' || i"
_NOW = "(SELECT max(fetched_at) FROM present_quantum_tasks)"
_FIRST_POLL = f"least({_NOW}, date_trunc('hour', created_at - {_SHIFT}) + INTERVAL 1 HOUR)"
_RECORD = {
    "created_at": f"created_at - {_SHIFT}",
    "created_date": f"timezone('UTC', created_at - {_SHIFT})::DATE",
    "started_at": f"started_at - {_SHIFT}",
    "ended_at": f"ended_at - {_SHIFT}",
    # as an account that is pulled every hour knows its records
    "first_seen_at": _FIRST_POLL,
    "fetched_at": f"CASE WHEN is_terminal THEN least({_NOW}, date_trunc('hour', ended_at - {_SHIFT}) + INTERVAL 1 HOUR)"
    " ELSE fetched_at END",
    "row_hash": "(random() * 1e18)::BIGINT",
}
#: By table, what a repetition does not share with the rows that it repeats.
_REPEATED = {
    "quantum_tasks": {
        **_RECORD,
        "quantum_task_arn": _AS_TASK,
        "job_arn": _AS_JOB,
        "output_s3_directory": "'tasks/' || md5(quantum_task_arn || i)::UUID",
    },
    "task_results": {
        "quantum_task_arn": _AS_TASK,
        "created_at": f"created_at - {_SHIFT}",
        "ended_at": f"ended_at - {_SHIFT}",
        "fetched_at": f"fetched_at - {_SHIFT}",
    },
    "jobs": {**_RECORD, "job_arn": _AS_JOB, "job_name": "job_name || '-' || i"},
    "job_events": {
        "job_arn": _AS_JOB,
        "time_of_event": f"time_of_event - {_SHIFT}",
        "job_created_at": f"job_created_at - {_SHIFT}",
        "fetched_at": f"fetched_at - {_SHIFT}",
    },
}

# An hourly poll saw each task on a QPU waiting from its first full hour on: near the front once it had moved.
_POLLS = """
INSERT INTO task_observations BY NAME
WITH polled AS (
    SELECT *, date_trunc('hour', created_at) + INTERVAL 1 HOUR AS first_poll,
        date_trunc('hour', coalesce(ended_at, fetched_at)) AS last_poll
    FROM quantum_tasks
    WHERE device_type = 'QPU' AND quantum_task_arn NOT IN (SELECT quantum_task_arn FROM present_quantum_tasks)
),
rows AS (
    SELECT *, first_poll AS observed_at, first_poll AS last_observed_at, 1 + hash(quantum_task_arn) % 200 AS position
    FROM polled WHERE first_poll < last_poll
    UNION ALL
    SELECT *, first_poll + INTERVAL 1 HOUR, last_poll, 1 + hash(quantum_task_arn) % 17
    FROM polled WHERE first_poll + INTERVAL 1 HOUR <= last_poll
)
SELECT
    quantum_task_arn, account_id, region, observed_at, last_observed_at, 'QUEUED' AS status,
    date_diff('hour', observed_at, last_observed_at) + 1 AS n_polls, 'QUANTUM_TASKS_QUEUE' AS queue,
    CASE WHEN job_arn IS NULL THEN 'Normal' ELSE 'Priority' END AS queue_priority,
    position, false AS is_capped, position::VARCHAR AS position_raw, last_observed_at AS fetched_at
FROM rows
ORDER BY observed_at
"""

# Depths change with every poll; a device is away for a day in fifty.
_DEVICE_POLLS = f"""
INSERT INTO device_observations BY NAME
SELECT * EXCLUDE (i) REPLACE (
    observed_at - to_hours(i) AS observed_at,
    last_observed_at - to_hours(i) AS last_observed_at,
    fetched_at - to_hours(i) AS fetched_at,
    CASE WHEN hash(device_arn || (i // 24)) % 50 = 0 THEN 'OFFLINE'
        ELSE replace(device_status, 'PAUSED', 'ONLINE') END AS device_status,
    NULL::VARCHAR AS status_reason,
    NULL::TIMESTAMPTZ AS status_started_at,
    NULL::TIMESTAMPTZ AS status_estimated_end_at,
    hash(device_arn || i) % 300 AS normal_tasks_queue_size,
    (hash(device_arn || i) % 300)::VARCHAR AS normal_tasks_queue_raw
)
FROM present_device_observations, range(1, {WEEKS} * 168) AS t(i)
ORDER BY observed_at
"""


def main(published: Path, wanted: int, large: Path) -> None:
    """Make the large warehouse from the small one."""
    shutil.copyfile(published, large)
    with duckdb.connect(str(large)) as connection:
        print(f"{repeat_tasks(connection, wanted):,} tasks")


def repeat_tasks(connection: duckdb.DuckDBPyConnection, wanted: int) -> int:
    """Repeat tasks, their results, jobs and events over two years until there are about `wanted` tasks; how many then.

    Devices and open tasks get the hourly polls that go with them. Rows lie in the order of their creation, as a
    warehouse that was pulled day by day has them.
    """
    for table in (*_REPEATED, "device_observations"):
        connection.execute(f"CREATE TEMP TABLE present_{table} AS FROM {table}")
    have = connection.execute("SELECT count(*) FROM quantum_tasks").fetchall()[0][0]
    for table, changed in _REPEATED.items():
        _repeat(connection, table, changed, wanted // have)
    connection.execute(_POLLS)
    connection.execute(_DEVICE_POLLS)
    for table in (*_REPEATED, "device_observations"):
        connection.execute(f"DROP TABLE present_{table}")
    connection.execute("CHECKPOINT")
    return int(connection.execute("SELECT count(*) FROM quantum_tasks").fetchall()[0][0])


def _repeat(connection: duckdb.DuckDBPyConnection, table: str, changed: dict[str, str], times: int) -> None:
    """Repeat one table, oldest first, in slices of ten weeks that fit into memory."""
    columns = [name for (name, *_) in connection.execute(f"DESCRIBE {table}").fetchall()]
    values = ", ".join(f"{changed.get(name, name)} AS {name}" for name in columns)
    picked = f"WHERE {_ENDED}" if "is_terminal" in columns else ""
    time_column = "job_created_at" if "job_created_at" in columns else "created_at"
    for week in range(WEEKS - 10, -10, -10):
        connection.execute(
            f"INSERT INTO {table} SELECT {values} FROM present_{table} "
            f"JOIN range(1, {times}) AS t(i) ON i % {WEEKS} BETWEEN {week} AND {week + 9} {picked} "
            f"ORDER BY present_{table}.{time_column} - {_SHIFT}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
