"""What Dagster costs on top of what it runs: the same sync as a job, and as plain functions.

    python -m bench.dagster_cost [--tasks 1000] [--rounds 3]

Either is a process of its own that pulls an account into a fresh home, computes models and statistics, publishes and
reports; the job also keeps events, partitions, metadata and charts, and asks the checks. They take turns. No limit: the
figure is what the UI, schedules, retries and the history of runs are paid with.

And what it saves to keep Dagster's SQLite files open: whole syncs that find nothing new, with dagster.yaml as it is and
without its `storage`, in turn, after two of each that are not counted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from bench.incremental import SYNC, Cost, account, measured, measured_whole, medians
from bench.line import Line
from braket_etl.package_files import packaged_dagster_yaml

_PLAIN = [sys.executable, "-m", "bench.dagster_cost", "--plain"]


def sync_without_dagster() -> None:
    """Pull, compute, publish and report, without a run, an event or a check."""
    from braket_etl.costs.load import install_seed, refresh_prices
    from braket_etl.orchestration.outside_dagster import close_run, open_run
    from braket_etl.pull.plan import days_between
    from braket_etl.pull.reference import pull_devices, pull_spending_limits
    from braket_etl.pull.resources import RESOURCES
    from braket_etl.pull.results import read_results
    from braket_etl.report.page import write_report
    from braket_etl.runtime import Runtime
    from braket_etl.warehouse.models import create_view, models

    runtime = Runtime()
    settings, warehouse, targets = runtime.settings, runtime.warehouse, runtime.targets()
    run_id = open_run(warehouse, "sync")
    puller = runtime.puller(run_id)
    install_seed(warehouse)
    refresh_prices(warehouse, settings.price_list)
    outcome = puller.pull_days(
        targets, RESOURCES, days_between(settings.first_day, settings.today), only_due=True
    )
    outcome += puller.refresh_open(targets, RESOURCES)
    outcome += read_results(warehouse, runtime.sessions, runtime.accounts)
    outcome += pull_devices(puller, targets, only_in_use=False)
    outcome += pull_spending_limits(puller, targets)
    with warehouse.writing("building models") as connection:
        for model in models():
            create_view(connection, model)
            connection.execute(f'SELECT count(*) FROM main."{model.name}"').fetchall()
    close_run(warehouse, run_id, "sync", outcome)
    write_report(warehouse, settings.home / "report.html")


def costs(tasks: int, rounds: int) -> list[tuple[Cost, Cost]]:
    """What a first sync costs as a job, and as plain functions, in turn."""
    with account(tasks) as env, tempfile.TemporaryDirectory() as folder:
        return [
            (
                measured(SYNC, Path(folder) / f"job-{n}", env),
                measured(_PLAIN, Path(folder) / f"plain-{n}", env),
            )
            for n in range(rounds)
        ]


def storage_costs(tasks: int, rounds: int) -> list[tuple[Cost, Cost]]:
    """What whole syncs cost with Dagster's files kept open, and with one opened for each statement, in turn."""
    with account(tasks) as env, tempfile.TemporaryDirectory() as folder:
        kept_open, opened = Path(folder) / "kept-open", Path(folder) / "opened"
        with_storage = yaml.safe_load(packaged_dagster_yaml().read_text("utf-8"))
        (opened / "dagster").mkdir(parents=True)
        (opened / "dagster" / "dagster.yaml").write_text(
            yaml.safe_dump({name: part for name, part in with_storage.items() if name != "storage"}), "utf-8"
        )
        for home in (kept_open, opened) * 2:
            measured(SYNC, home, env)
        return [(measured_whole(kept_open, env), measured_whole(opened, env)) for _ in range(rounds)]


def lines(quick: bool) -> Iterator[Line]:
    """Processor seconds of a first sync as a job beside those of the plain functions."""
    tasks, rounds = (100, 1) if quick else (1_000, 3)
    job, plain = medians(costs(tasks, rounds), "cpu")
    yield Line(
        what=f"first sync of {tasks:,} tasks as a Dagster job, CPU",
        ours=job,
        against="plain functions, without checks",
        theirs=plain,
    )
    found = storage_costs(tasks, 1 if quick else 5)
    for what, unit in (("wall", ""), ("cpu", ", CPU")):
        ours, theirs = medians(found, what)
        yield Line(
            what=f"whole sync of {tasks:,} tasks with nothing new{unit}",
            ours=ours,
            against="Dagster's files opened for each statement",
            theirs=theirs,
        )


def main() -> None:
    """Print what the syncs cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        sync_without_dagster()
        return
    for job, plain in costs(options.tasks, options.rounds):
        print(
            f"job: {job.wall:.1f} s, CPU {job.cpu:.1f} s   plain functions: {plain.wall:.1f} s, CPU {plain.cpu:.1f} s   "
            f"Dagster and checks: CPU {job.cpu - plain.cpu:.1f} s"
        )


if __name__ == "__main__":
    main()
