"""Past this machine, on paper: hours to pull the past of many accounts, from the documented quotas; and a check of it.

    python -m bench paper [--quick] [--write]

What is computed is checked against pulls of one account and of three from an emulator that enforces the quotas.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from bench import client_ceiling
from bench.line import Line, table_row
from bench.long_history import scratch
from braket_emulator import running
from braket_etl.aws.throttle import ALL_OPERATIONS, QUOTAS
from braket_etl.pull.plan import days_between
from braket_etl.pull.resources import TASKS
from braket_etl.runtime import Runtime

ACCOUNTS = (1, 10, 50, 200)
HISTORIES = (100_000, 1_000_000, 10_000_000, 50_000_000)
SHARE = 0.5
PAGE = 100
REGION = "us-east-1"
_ids = ["111111111111", "222222222222", "333333333333"]
#: Requests a second of one process, measured by `lines`; until then what it was when this was written.
_ceiling = 500.0


def gets_a_second(share: float) -> float:
    """GetQuantumTask requests a second of an account in a Region: its own quota, or what searches leave of all."""
    own = QUOTAS["GetQuantumTask"].rate
    of_all = QUOTAS[ALL_OPERATIONS].rate * PAGE / (PAGE + 1)
    listed = QUOTAS["SearchQuantumTasks"].rate * PAGE
    return share * min(own, of_all, listed)


def seconds_to_pull(tasks: int, places: int, share: float) -> float:
    """Seconds that the quotas ask for tasks spread evenly over so many (account, Region) pairs."""
    burst = share * QUOTAS["GetQuantumTask"].burst
    return max(0.0, tasks / places - burst) / gets_a_second(share)


def lines(quick: bool) -> Iterator[Line]:
    """The check: computed and measured, and what one process can ask for."""
    global _ceiling
    _ceiling = client_ceiling.compared(0.0, 300 if quick else 4_000, 1).ours
    yield Line(
        what="get, normalise and merge, without latency: what one process can do",
        ours=_ceiling,
        unit="requests/s",
        against="the quota of an account and Region",
        theirs=gets_a_second(1.0),
    )
    for accounts in (1, 3):
        seconds, largest = _measured(accounts * (700 if quick else 2_500), _ids[:accounts])
        yield Line(
            what=f"pull at the whole quota, of {accounts} account(s), the largest with {largest:,} tasks",
            ours=seconds,
            against="computed",
            theirs=seconds_to_pull(largest, 1, 1.0),
        )


def page() -> str:
    """The arithmetic as a Markdown table."""
    head = ["accounts", *(f"{tasks:,} tasks" for tasks in HISTORIES)]
    rows = [head, ["---:"] * len(head)]
    for accounts in ACCOUNTS:
        rows.append([str(accounts), *(_cell(tasks, accounts) for tasks in HISTORIES)])
    return "\n".join(
        [
            "",
            *map(table_row, rows),
            "",
            f"Each account in one Region, at the default share of {SHARE:g}: {gets_a_second(SHARE):g} tasks a second and "
            f"account. What one process can ask for here, {_ceiling:,.0f} a second, bounds where a time stands in "
            "brackets: with that many processes on as many cores or machines it is the time before them.",
            "",
        ]
    )


def _cell(tasks: int, accounts: int) -> str:
    by_quota = seconds_to_pull(tasks, accounts, SHARE)
    by_process = tasks / _ceiling
    if by_process <= 1.1 * by_quota:
        return _hours(by_quota)
    return f"{_hours(by_quota)} ({_hours(by_process)}, {by_process / max(by_quota, 1):.0f} processes)"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else f"{seconds / 60:,.0f} min"


def _measured(tasks: int, accounts: Sequence[str]) -> tuple[float, int]:
    """Seconds of a pull of these accounts at the documented quotas, and how many tasks the largest of them has."""
    from braket_emulator.callers import access_key_for

    today = datetime.now(UTC).date()
    with (
        running(tasks=tasks, jobs=0, days=30, accounts=accounts, regions=[REGION]) as served,
        tempfile.TemporaryDirectory(dir=scratch()) as folder,
    ):
        config = Path(folder) / "config"
        config.write_text(
            "".join(
                f"[profile a{account}]\naws_access_key_id = {access_key_for(account)}\naws_secret_access_key = dummy\n"
                for account in accounts
            )
        )
        settings = Path(folder) / "braket_etl.toml"
        settings.write_text(
            "".join(f'[[accounts]]\nname = "a{account}"\nprofile = "a{account}"\n' for account in accounts)
        )
        environment = {
            **served.env(),
            "AWS_CONFIG_FILE": str(config),
            "BRAKET_ETL_HOME": folder,
            "BRAKET_ETL_CONFIG": str(settings),
            "BRAKET_ETL_REGIONS": REGION,
            "BRAKET_ETL_QUOTA_SHARE": "1",
        }
        with mock.patch.dict(os.environ, environment):
            runtime = Runtime()
            began = time.perf_counter()
            outcome = runtime.puller("bench").pull_days(
                runtime.targets(), [TASKS], days_between(today - timedelta(31), today), only_due=False
            )
            seconds = time.perf_counter() - began
            with runtime.warehouse.writing("bench") as connection:
                largest = connection.execute(
                    "SELECT count(*) FROM quantum_tasks GROUP BY account_id ORDER BY 1 DESC LIMIT 1"
                ).fetchall()[0][0]
    assert not outcome.problems, outcome.problems
    return seconds, largest
