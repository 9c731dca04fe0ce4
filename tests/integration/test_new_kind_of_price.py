"""A QPU that is paid by run time is one line more in sql/models/price_rules.sql, and everything agrees on its cost.

Braket has no such device yet: the family and the prices are made up. The line is added to a copy of the program, which
then runs in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.warehouse

#: What the copy is asked: it stores through the normal merge and loads through the normal reader of price lists.
SCRIPT = """
import json
from datetime import date
from decimal import Decimal

from braket_etl.costs.estimate import estimate
from braket_etl.report.filters import Filters
from braket_etl.warehouse.checks import model_checks, run_check
from braket_etl.warehouse.queries import answer, named_query
from tests.cost_cases import Result, load, price, qpu, store, store_results, task, warehouse

HELIOS = "arn:aws:braket:us-east-1::device/qpu/quantinuum/Helios"
JOB = "arn:aws:braket:us-east-1:123456789012:job/1"
with warehouse() as connection:
    load(connection, [
        *qpu("Helios", "0.30", "0.01", "us-east-1", EffectiveDate="2026-01-01"),
        price("Made-up QPU Time", "3", "minutes", device="Helios"),
        price("Made-up Jobs QPU Time", "2", "minutes", device="Helios"),
    ])
    before = {"createdAt": "2026-07-31T12:00:00Z", "endedAt": "2026-07-31T12:40:00Z"}
    bodies = [
        task(1, device=HELIOS),
        task(2, device=HELIOS, jobArn=JOB),
        task(3, device=HELIOS),
        task(4, device=HELIOS, status="QUEUED", endedAt=None),
        task(5, device=HELIOS, **before),
    ]
    store(connection, *bodies)
    timed = [Result(body["quantumTaskArn"], 1_800_000) for body in bodies if body is not bodies[2]]
    store_results(connection, *timed)

    def rows(query):
        found = connection.execute(query)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row)) for row in found.fetchall()]

    period = Filters(date(2026, 7, 1), date(2026, 9, 30))

    def on_the_page(name):
        query = named_query(name)
        assert query.page.section
        return answer(connection, query, period.values_for(query)).records()

    print(json.dumps({
        "tasks": rows("SELECT * FROM task_costs ORDER BY quantum_task_arn"),
        "charges": rows("SELECT * FROM charges ORDER BY record_arn, meter"),
        "days": rows("SELECT sum(cost_usd) AS cost_usd, sum(run_fee_usd) AS run_fee_usd FROM daily_costs"),
        "estimate": estimate(connection, "Helios", 100, seconds=Decimal(1800)).as_json(),
        "in_job": estimate(connection, "Helios", 100, seconds=Decimal(1800), in_job=True).as_json(),
        "unknown_time": estimate(connection, "Helios", 100).as_json(),
        "spent": on_the_page("spent"),
        "by_device": on_the_page("cost_by_device"),
        "failed": [check.name for check in model_checks() if not run_check(connection, check).passed],
    }, default=str))
"""


@pytest.fixture(scope="module")
def answers(paid_by_time: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=paid_by_time,
        env=os.environ | {"PYTHONPATH": str(paid_by_time)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_task_costs_its_run_time(answers: dict[str, Any]) -> None:
    alone, in_job, untimed, is_open, _ = answers["tasks"]
    assert (alone["cost_status"], Decimal(alone["cost_usd"])) == ("priced", 90)
    assert (Decimal(alone["run_fee_usd"]), Decimal(alone["billed_seconds"])) == (90, 1800)
    assert (alone["billed_shots"], alone["cost_rule"]) == (None, "run time")
    assert Decimal(in_job["cost_usd"]) == 60
    assert (untimed["cost_status"], untimed["cost_usd"]) == ("no_duration", None)
    assert (Decimal(untimed["cost_usd_lower"]), Decimal(untimed["cost_usd_upper"])) == (0, 15)
    assert (is_open["cost_status"], is_open["committed_usd"]) == ("pending", None)


def test_before_its_first_price_by_time_it_was_paid_by_the_shot(answers: dict[str, Any]) -> None:
    *_, before = answers["tasks"]
    assert (Decimal(before["cost_usd"]), before["billed_shots"]) == (Decimal("1.3"), 100)
    assert [row["meter"] for row in answers["charges"] if row["record_arn"].endswith("/5")] == [
        "shot",
        "task",
    ]


def test_charges_have_one_row_of_run_time_in_its_family(answers: dict[str, Any]) -> None:
    alone, in_job, *_ = answers["charges"]
    assert [(row["meter"], row["unit"], Decimal(row["quantity"])) for row in (alone, in_job)] == [
        ("run_time", "second", 1800)
    ] * 2
    assert [row["product_family"] for row in (alone, in_job)] == ["Made-up QPU Time", "Made-up Jobs QPU Time"]
    assert [Decimal(row["cost_usd"]) for row in (alone, in_job)] == [90, 60]


def test_an_estimate_says_the_same(answers: dict[str, Any]) -> None:
    assert [answers[name]["cost_usd"] for name in ("estimate", "in_job")] == ["90", "60"]
    assert (answers["unknown_time"]["cost_usd"], answers["unknown_time"]["is_minimum"]) == ("0", True)
    assert "--seconds" in answers["unknown_time"]["remarks"][0]


def test_days_report_and_checks_agree(answers: dict[str, Any]) -> None:
    assert [Decimal(value) for value in answers["days"][0].values()] == [Decimal("151.3"), 150]
    assert Decimal(answers["spent"][0]["cost_usd"]) == Decimal("151.3")
    assert answers["spent"][0]["n_without_a_known_cost"] == 1
    assert Decimal(answers["by_device"][0]["run_time_usd"]) == 150
    # the time of one task is not known, and the job of another was never stored
    assert answers["failed"] == ["simulator_durations_are_known"]
