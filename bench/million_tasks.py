"""How large a warehouse is and how fast it answers: a published copy whose tasks are repeated until there are enough.

python bench/million_tasks.py .braket_etl-demo/warehouse.duckdb 1000000
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

QUESTIONS = {
    "sum of task_costs": "SELECT sum(cost_usd) FROM task_costs",
    "daily_costs, all days": "SELECT charge_date, sum(cost_usd) FROM daily_costs GROUP BY ALL",
    "tag_costs of one key": "SELECT tag_value, sum(cost_usd) FROM tag_costs WHERE tag_key = 'team' GROUP BY ALL",
    "median wait by device": "SELECT device_arn, median(wait_seconds_lower) FROM task_latency GROUP BY ALL",
}
#: Every repetition lies an hour further back, under an ARN and an output folder of its own.
CHANGED = {
    "quantum_task_arn": "regexp_replace(quantum_task_arn, '[^/]+$', '') || uuid()",
    "output_s3_directory": "'tasks/' || uuid()",
    "created_at": "created_at - to_hours(i)",
    "created_date": "timezone('UTC', created_at - to_hours(i))::DATE",
    "ended_at": "ended_at - to_hours(i)",
    "row_hash": "(random() * 1e18)::BIGINT",
}


def main(published: Path, wanted: int) -> None:
    """Print size, time to copy, and time to answer."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "warehouse.duckdb"
        shutil.copyfile(published, file)
        with duckdb.connect(str(file)) as connection:
            n = repeat_tasks(connection, wanted)
        print(f"{n:,} tasks: {file.stat().st_size / 1e6:.0f} MB")
        print(f"{seconds(lambda: shutil.copyfile(file, file.with_name('copy'))):.2f} s to copy")
        with duckdb.connect(str(file), read_only=True) as connection:
            for question, sql in QUESTIONS.items():
                print(f"{seconds(lambda sql=sql: connection.execute(sql).fetchall()):.2f} s {question}")


def repeat_tasks(connection: duckdb.DuckDBPyConnection, wanted: int) -> int:
    """Repeat the tasks until there are about as many as wanted; how many there are then."""
    connection.execute("CREATE TEMP TABLE present AS FROM quantum_tasks")
    columns = [name for (name, *_) in connection.execute("DESCRIBE quantum_tasks").fetchall()]
    have = connection.execute("SELECT count(*) FROM present").fetchall()[0][0]
    values = ", ".join(CHANGED.get(name, f'"{name}"') for name in columns)
    connection.execute(
        f"INSERT INTO quantum_tasks SELECT {values} FROM present, range(1, {wanted // have}) AS t(i) ORDER BY created_at"
    )
    connection.execute("CHECKPOINT")
    return int(connection.execute("SELECT count(*) FROM quantum_tasks").fetchall()[0][0])


def seconds(work: Callable[[], object]) -> float:
    """How long it took."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
