"""Whether memory grows with the account: the peak of a pull of 20,000 tasks beside one of 2,000.

    python bench/memory.py [--rounds 3]

Each pull is a process of its own against the emulator (quotas off); the figure is the largest resident size that the
operating system saw. Limit: at most 1.15 times.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from braket_emulator import running


def peak_of_pull(tasks: int) -> float:
    """Megabytes at the peak of a pull of so many tasks."""
    with (
        running(tasks=tasks, jobs=0, days=30, quotas=False) as emulator,
        tempfile.TemporaryDirectory() as home,
    ):
        env = {**os.environ, **emulator.env(), "BRAKET_ETL_HOME": home, "BRAKET_ETL_CONFIG": os.devnull}
        done = subprocess.run(
            [sys.executable, __file__, "--pull"], env=env, stdout=subprocess.PIPE, text=True, check=True
        )
    return float(done.stdout.splitlines()[-1])


def peak_megabytes() -> float:
    """The most memory that this program has had. On Linux `ru_maxrss` also counts whoever started it, so not that."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


def pull() -> None:
    """Pull everything and print this process's peak in megabytes."""
    from datetime import UTC, datetime, timedelta

    from braket_etl.pull.plan import days_between
    from braket_etl.pull.resources import TASKS
    from braket_etl.runtime import Runtime

    runtime = Runtime(flags={"quota_share": 1.0})
    runtime.__dict__["budgets"] = None
    today = datetime.now(UTC).date()
    runtime.puller("bench").pull_days(
        runtime.targets(), [TASKS], days_between(today - timedelta(30), today), only_due=False
    )
    print(peak_megabytes())


def main() -> None:
    """Print the two peaks and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pull", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pull:
        pull()
        return
    pairs = [(peak_of_pull(2_000), peak_of_pull(20_000)) for _ in range(options.rounds)]
    small, large = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"2,000 tasks: {small:.0f} MB   20,000 tasks: {large:.0f} MB   ratio {large / small:.2f}   limit <= 1.15"
    )


if __name__ == "__main__":
    main()
