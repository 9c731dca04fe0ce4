"""A QPU that is billed by the minute, from the API to the report: two lines of price_rules.sql more, and all agree on it.

Braket has none: the emulator makes up the device, its prices and the run times in the results.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from braket_emulator import running
from braket_emulator.devices import BY_MINUTE
from tests.conftest import NOW, Program

pytestmark = pytest.mark.slow
SINCE = {"BRAKET_ETL_START_DATE": "2026-11-15", "BRAKET_ETL_REGIONS": "us-east-1"}


def test_costs_charges_estimate_and_report_agree(tmp_path: Path, paid_by_time: Path) -> None:
    program = Program(tmp_path / "home", {"PYTHONPATH": str(paid_by_time), **SINCE})

    def said(*arguments: str) -> str:
        done = program.run(*arguments, cwd=paid_by_time, prefix=["env"])
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    with running(
        tasks=80, jobs=4, days=5, regions=["us-east-1"], now=NOW, frozen=True, quotas=False, by_minute=True
    ) as emulator:
        program.env |= {**emulator.env(), "BRAKET_ETL_PRICE_LIST": f"{emulator.price_list_url}/index.csv"}
        said("sync")
        truth = emulator.truth()

    of_minute = (
        f"FROM task_costs JOIN quantum_tasks USING (quantum_task_arn) WHERE device_arn = '{BY_MINUTE.arn}'"
    )
    costs = dict(
        program.rows(
            f"SELECT quantum_task_arn, cost_usd {of_minute} AND status = 'COMPLETED' AND reservation_arn IS NULL"
        )
    )
    assert len(costs) > 10
    for arn, cost in costs.items():
        ran = datetime.fromisoformat(truth[arn]["ended"]) - datetime.fromisoformat(truth[arn]["started"])
        assert cost == BY_MINUTE.per_minute * (ran // timedelta(milliseconds=1)) / 60_000, arn
    assert program.rows(f"SELECT DISTINCT cost_rule {of_minute} AND cost_usd > 0") == [("run time",)]
    spent = sum(costs.values())
    charged = (
        "SELECT sum(cost_usd), sum(quantity) FROM charges WHERE device_name = 'Minute' AND meter = 'run_time'"
    )
    assert program.rows(charged) == [(spent, spent / BY_MINUTE.per_minute * 60)]
    assert program.one("SELECT sum(run_fee_usd) FROM daily_costs WHERE device_name = 'Minute'") == spent

    asked = ("estimate", "--device", "Minute", "--shots", "100", "--seconds", "1800", "--json")
    assert Decimal(json.loads(said(*asked))["cost_usd"]) == 30 * BY_MINUTE.per_minute
    devices = json.loads(said("sql", "@cost_by_device", "--format", "json"))
    [row] = [each for each in devices if each["device"] == "Minute"]
    assert Decimal(str(row["run_time_usd"])) == spent
    page = (program.home / "report.html").read_text("utf-8")
    assert "Minute" in page
    assert f"{spent:,.2f}" in page
