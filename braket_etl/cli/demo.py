"""`demo`: the whole pipeline on a synthetic account, in a home of its own, and the two answers."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from braket_emulator import running
from braket_etl.cli.output import duration, say, show_table
from braket_etl.cli.pull import run_job
from braket_etl.private_files import private_folder
from braket_etl.runtime import Runtime
from braket_etl.settings import DEMO_MARK, Settings, SettingsError, load_settings
from braket_etl.warehouse.connection import Warehouse
from braket_etl.warehouse.queries import answer, named_query

_TRY = (
    "SELECT tags['team'] AS team, sum(cost_usd) AS usd FROM task_costs "
    "JOIN quantum_tasks USING (quantum_task_arn) GROUP BY team ORDER BY usd DESC"
)


def run_demo(tasks: int, jobs: int, days: int, seed: int) -> int:
    """Serve a synthetic account, pull it, show cost and wait by device and what to try next."""
    began = time.monotonic()
    settings = _fresh_home(load_settings(), days)
    with running(tasks=tasks, jobs=jobs, days=days, seed=seed) as emulator:
        os.environ.update(emulator.env(), BRAKET_ETL_PRICE_LIST=f"{emulator.price_list_url}/index.csv")
        runtime = Runtime()
        say(
            f"A synthetic Amazon Braket account with {tasks:,} tasks and {jobs} hybrid jobs answers at {emulator.url}"
        )
        first, last = runtime.settings.first_day, runtime.settings.today
        code = run_job(runtime, "sync", first, last, [])
    _show_answers(runtime.warehouse)
    _show_next_steps(settings, time.monotonic() - began)
    return code


def _fresh_home(settings: Settings, days: int) -> Settings:
    """The demo's own home, emptied of an earlier demo, as this process's settings."""
    home = settings.demo_home
    if home.exists() and not (home / DEMO_MARK).exists() and any(home.iterdir()):
        raise SettingsError(f"{home} holds something that is no demo's; move it, or choose another --home")
    shutil.rmtree(home, ignore_errors=True)
    private_folder(home)
    (home / DEMO_MARK).touch()
    for name in [
        name for name in os.environ if name.startswith("BRAKET_ETL_") and name != "BRAKET_ETL_QUIET"
    ]:
        del os.environ[name]  # the user's accounts and Regions are not the demo's
    os.environ["BRAKET_ETL_HOME"] = str(home)
    os.environ["BRAKET_ETL_CONFIG"] = os.devnull
    os.environ["BRAKET_ETL_START_DATE"] = str(settings.today - timedelta(days=days))
    return load_settings()


def _show_answers(warehouse: Warehouse) -> None:
    with warehouse.reading() as connection:
        cost, still_open, wait, estimated = (
            answer(connection, named_query(name)).records()
            for name in ("cost_by_device", "open_by_device", "queue_wait_bounds", "queue_wait_by_device")
        )
    told = {(row["device"], row["quantile"]): row for row in estimated}
    committed: dict[str, Decimal] = defaultdict(Decimal)
    for row in still_open:
        committed[row["device"]] += row["committed_usd"] or 0
    show_table(
        "What did it cost? (US dollars, list prices)",
        ["device", "tasks", "jobs", "cost", "committed by open tasks", "without a known cost"],
        [
            (
                row["device"],
                row["n_tasks"],
                row["n_jobs"],
                _dollars(row["cost_usd"]),
                _dollars(committed[row["device"]]),
                row["n_unknown"] or "",
            )
            for row in cost
        ],
    )
    show_table(
        "How long did it wait in the queue? (estimates; for half of the tasks also the certain bounds)",
        [
            "device",
            "tasks",
            "half",
            "90% sure",
            "nine in ten",
            "90% sure",
            "at least",
            "at most",
            "still waiting",
        ],
        [
            (
                row["device"],
                row["n"],
                *_estimated(told.get((row["device"], 0.5)), row["p50_high_seconds"]),
                *_estimated(told.get((row["device"], 0.9)), row["p90_high_seconds"]),
                duration(row["p50_low_seconds"]),
                duration(row["p50_high_seconds"]) or "unknown",
                row["n_censored"],
            )
            for row in wait
        ],
        "at most: the data give no closer estimate, but of these tasks the bound is certain (docs/queue-latency.md)",
    )


def _estimated(row: Mapping[str, Any] | None, at_most: float | None) -> tuple[str, str]:
    """A quantile and its interval; where it is not known, what bounds that of these tasks, and the queue's interval."""
    bound = f"at most {duration(at_most)}" if at_most is not None else "unknown"
    if row is None or row["ci_low_seconds"] is None:
        return bound, ""
    low, high = row["ci_low_seconds"], row["ci_high_seconds"]
    interval = f"over {duration(low)}" if high is None else f"{duration(low)} to {duration(high)}"
    return duration(row["wait_seconds"]) if row["status"] == "ok" else bound, interval


def _show_next_steps(settings: Settings, seconds: float) -> None:
    ours = _shown(settings.home)
    name = "braket-etl" if shutil.which("braket-etl") else _shown(Path(sys.argv[0]))
    say(f"Done in {seconds:.0f} s. Try next:", "bold")
    for what, command in (
        ("ask your own question", f'{name} --home {ours} sql "{_TRY}"'),
        ("what would the next one cost, and when is it back?", f"{name} --home {ours} estimate --shots 1000"),
        ("see all of it on one page: open report.html", f"{name} --home {ours} report --output report.html"),
        ("see lineage and runs", f"{name} --home {ours} ui"),
        ("pull your own account", f"AWS_PROFILE=your-profile {name} sync"),
    ):
        say(f"  # {what}")
        say(f"  {command}")


def _shown(path: Path) -> str:
    """The path, short where it lies below the current folder."""
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))


def _dollars(value: Decimal) -> str:
    return f"{value:,.2f}" if value else ""
