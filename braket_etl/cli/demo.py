"""`demo`: the whole pipeline on a synthetic account, in a home of its own, and the two answers."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from braket_emulator import running
from braket_etl.cli.output import duration, say, show_table
from braket_etl.cli.pull import run_job
from braket_etl.private import private_folder
from braket_etl.runtime import Runtime
from braket_etl.settings import DEMO_MARK, Settings, SettingsError, load_settings
from braket_etl.warehouse.connection import Warehouse

_COST = """
SELECT coalesce(device_name, '(no device)') AS device, sum(n_tasks)::BIGINT AS tasks, sum(n_jobs)::BIGINT AS jobs,
       sum(cost_usd) AS usd, sum(committed_usd) AS committed_usd, sum(n_unknown)::BIGINT AS n_unknown
FROM daily_costs
GROUP BY device ORDER BY usd DESC, tasks DESC, device
"""
_WAIT = """
SELECT device_name AS device, count(*) AS tasks,
       quantile_disc(wait_seconds_lower, 0.5) AS at_least, quantile_disc(wait_seconds_at_most, 0.5) AS at_most,
       count(*) FILTER (certainty = 'censored') AS still_waiting
FROM waits
WHERE record_kind = 'task' AND is_counted
GROUP BY device_name ORDER BY at_most DESC
"""
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
        cost = connection.execute(_COST).fetchall()
        wait = connection.execute(_WAIT).fetchall()
    show_table(
        "What did it cost? (US dollars, list prices)",
        ["device", "tasks", "jobs", "cost", "committed by open tasks", "without a known cost"],
        [
            (device, tasks, jobs, _dollars(usd), _dollars(more), unknown or "")
            for device, tasks, jobs, usd, more, unknown in cost
        ],
    )
    show_table(
        "How long did it wait in the queue? (median over tasks, bounds that hold for certain)",
        ["device", "tasks", "at least", "at most", "still waiting"],
        [(d, n, duration(low), duration(high), still) for d, n, low, high, still in wait],
    )


def _show_next_steps(settings: Settings, seconds: float) -> None:
    ours = _shown(settings.home)
    name = "braket-etl" if shutil.which("braket-etl") else _shown(Path(sys.argv[0]))
    say(f"Done in {seconds:.0f} s. Try next:", "bold")
    for what, command in (
        ("ask your own question", f'{name} --home {ours} sql "{_TRY}"'),
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
