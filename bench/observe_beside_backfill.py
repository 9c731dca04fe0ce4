"""Does polling suffer while a long backfill runs? `observe` every minute beside a backfill of twenty minutes.

    python bench/observe_beside_backfill.py [--minutes 20]

The account has as many tasks as the backfill can fetch in that time at a tenth of the documented rates, all in one
Region, so that both share one request budget and one writer lock. A poll counts as made where its run went well and
saw every open task and job that the warehouse knows; late ones ended after the next was due.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from braket_emulator import running

SHARE = 0.1
GETS_A_SECOND = 100 * SHARE
DAYS = 60
EVERY = 60.0
_UNSEEN = """
SELECT (SELECT count(*) FROM quantum_tasks AS t WHERE NOT is_terminal AND NOT EXISTS (
          FROM task_observations AS o WHERE o.quantum_task_arn = t.quantum_task_arn AND o.last_observed_at >= ?)),
       (SELECT count(*) FROM jobs AS j WHERE NOT is_terminal AND NOT EXISTS (
          FROM job_observations AS o WHERE o.job_arn = j.job_arn AND o.last_observed_at >= ?)),
       (SELECT count(*) FROM quantum_tasks WHERE NOT is_terminal) + (SELECT count(*) FROM jobs WHERE NOT is_terminal)
"""


@dataclass(frozen=True)
class Poll:
    """How one poll went; `unseen` are open records without a fresh observation."""

    seconds: float
    ok: bool
    seen: int
    unseen: int

    @property
    def made(self) -> bool:
        return self.ok and self.unseen == 0


def observe(home: Path, environment: dict[str, str]) -> Poll:
    """One run of the job `observe` in a process of its own, and what the published copy shows after it."""
    began, asked = (
        time.monotonic(),
        datetime.now(UTC) - timedelta(seconds=2),
    )  # Date headers have whole seconds
    command = [
        "-W",
        "ignore",
        "-m",
        "dagster",
        "job",
        "execute",
        "-m",
        "braket_etl.definitions",
        "-j",
        "observe",
    ]
    done = subprocess.run(
        [sys.executable, *command], env=environment, cwd=home, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        tasks, jobs, still_open = connection.execute(_UNSEEN, [asked, asked]).fetchall()[0]
    return Poll(time.monotonic() - began, done.returncode == 0, still_open - tasks - jobs, tasks + jobs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20)
    minutes = parser.parse_args().minutes
    tasks = int(minutes * 60 * GETS_A_SECOND * 1.05) + 200
    today = datetime.now(UTC).date()
    with (
        tempfile.TemporaryDirectory() as folder,
        running(tasks=tasks, jobs=30, days=DAYS, regions=["us-east-1"]) as emulator,
    ):
        home = Path(folder)
        environment = {
            **os.environ,
            **emulator.env(),
            "BRAKET_ETL_HOME": folder,
            "DAGSTER_HOME": str(home / "dagster"),
            "BRAKET_ETL_REGIONS": "us-east-1",
            "BRAKET_ETL_QUOTA_SHARE": str(SHARE),
            "BRAKET_ETL_PRICE_LIST": "off",
            "BRAKET_ETL_RESULTS": "off",
        }
        ours = [sys.executable, "-m", "braket_etl"]
        subprocess.run(
            [*ours, "--quiet", "sync", "--start-date", str(today - timedelta(days=1))],
            env=environment,
            check=True,
        )
        began = time.monotonic()
        backfill = subprocess.Popen(
            [*ours, "backfill", "--from", str(today - timedelta(days=DAYS)), "--to", str(today)],
            env=environment,
        )
        with ThreadPoolExecutor(8) as pool:
            due = []
            while backfill.poll() is None:
                due.append(pool.submit(observe, home, environment))
                next_due = began + EVERY * len(due)
                while backfill.poll() is None and time.monotonic() < next_due:
                    time.sleep(0.2)
            took = time.monotonic() - began
            polls = [poll.result() for poll in due]
        stats = emulator.stats()
    made = sum(poll.made for poll in polls)
    seconds = [poll.seconds for poll in polls]
    print(f"backfill: {took / 60:.1f} min, exit code {backfill.returncode}, calls {stats['calls']}")
    print(f"throttled: {stats['throttled']}")
    late = sum(poll.seconds > EVERY for poll in polls)
    print(f"polls due {len(polls)}, made {made}, missed {len(polls) - made}, late {late}")
    print(f"open records seen a poll: {min(p.seen for p in polls)} to {max(p.seen for p in polls)}")
    print(f"seconds a poll: median {statistics.median(seconds):.1f}, longest {max(seconds):.1f}")
    sys.exit(made < len(polls) or backfill.returncode != 0)


if __name__ == "__main__":
    main()
