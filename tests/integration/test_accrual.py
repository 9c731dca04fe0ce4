"""What runs has a cost so far: up to its last sight, never by the clock, and within what it may cost at most."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from braket_etl.costs.spend import period_of, spend
from braket_etl.warehouse.checks import checks, run_check
from tests.cost_cases import (
    ACCOUNT,
    GARNET,
    SV1,
    job,
    one,
    reserved,
    see,
    store,
    task,
    usd,
)

pytestmark = pytest.mark.warehouse

STARTED = datetime(2026, 9, 30, 22, tzinfo=UTC)
JOB = f"arn:aws:braket:us-east-1:{ACCOUNT}:job/1"
#: 30 GB for an hour at 0.72 USD a GB and month of 720 hours, and the instance at 0.12 USD an hour.
HOURLY = usd("0.15")


def running(**members: Any) -> dict[str, Any]:
    """A job that began two hours before October."""
    return job(
        **{
            "status": "RUNNING",
            "createdAt": "2026-09-30T21:50:00Z",
            "startedAt": STARTED.isoformat(),
            "endedAt": None,
            "billableDuration": None,
            "stoppingCondition": {"maxRuntimeInSeconds": 36_000},
            **members,
        }
    )


def held(connection: duckdb.DuckDBPyConnection) -> None:
    """Every sum is the same sum."""
    for each in checks():
        if each.name in (
            "charges_are_all_costs",
            "sums_are_of_charges",
            "days_sum_to_charges",
            "tags_sum_to_charges",
        ):
            assert run_check(connection, each).passed, each.name


def test_a_running_job_costs_what_it_has_run_until_its_last_sight(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, running(), fetched_at=STARTED + timedelta(hours=1))
    found = one(priced, "SELECT * FROM job_costs")
    assert (found["cost_status"], found["cost_usd"], found["accrued_usd"]) == ("pending", None, HOURLY)
    assert found["accrued_until"] == STARTED + timedelta(hours=1)
    # an answer that says nothing new is not stored again, but the poll was
    see(priced, running(), at=STARTED + timedelta(hours=3))
    found = one(priced, "SELECT * FROM job_costs")
    assert (found["accrued_usd"], found["committed_at_most_usd"]) == (3 * HOURLY, 10 * HOURLY)
    held(priced)


def test_what_it_has_run_stands_on_the_days_on_which_it_ran(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, running(), fetched_at=STARTED + timedelta(hours=6))
    days = priced.execute(
        "SELECT charge_date::VARCHAR, cost_usd, accrued_usd, n_jobs, n_open FROM daily_costs ORDER BY 1"
    ).fetchall()
    assert days == [("2026-09-30", 0, 2 * HOURLY, 0, 0), ("2026-10-01", 0, 4 * HOURLY, 1, 1)]
    month = spend(priced, period_of("month", STARTED.date()), account=None, tag=None)
    assert (month.net_usd, month.accrued_usd, month.usd) == (0, 2 * HOURLY, 2 * HOURLY)
    held(priced)


def test_nothing_is_counted_beyond_what_the_job_may_run(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, running(), fetched_at=STARTED + timedelta(days=9))
    found = one(priced, "SELECT * FROM job_costs")
    assert found["accrued_usd"] == found["committed_at_most_usd"] == 10 * HOURLY


@pytest.mark.parametrize("volume", [0, 30])
def test_several_instances_accrue_each(priced: duckdb.DuckDBPyConnection, volume: int) -> None:
    config = {"instanceType": "ml.m5.large", "volumeSizeInGb": volume, "instanceCount": 4}
    store(priced, running(instanceConfig=config), fetched_at=STARTED + timedelta(hours=1))
    wanted = 4 * (HOURLY if volume else usd("0.12"))
    assert one(priced, "SELECT accrued_usd FROM job_costs")["accrued_usd"] == wanted


def test_a_job_that_waits_has_cost_nothing_and_is_bounded(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, running(status="QUEUED", startedAt=None), fetched_at=STARTED + timedelta(hours=1))
    found = one(priced, "SELECT * FROM job_costs")
    assert (found["accrued_usd"], found["committed_at_most_usd"]) == (0, 10 * HOURLY)
    held(priced)


def test_a_bound_that_is_not_told_and_a_price_that_is_not_known_are_null(
    priced: duckdb.DuckDBPyConnection,
) -> None:
    unknown = {"instanceType": "ml.p4d.24xlarge", "volumeSizeInGb": 0}
    store(
        priced,
        running(stoppingCondition=None),
        running(jobArn=JOB + "2", instanceConfig=unknown),
        fetched_at=STARTED + timedelta(hours=1),
    )
    found = priced.execute(
        "SELECT accrued_usd, committed_at_most_usd FROM job_costs ORDER BY job_arn"
    ).fetchall()
    assert found == [(HOURLY, None), (None, None)]


def test_an_ended_job_accrues_nothing(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, job())
    see(priced, running(jobArn=job()["jobArn"]), at=STARTED)
    found = one(priced, "SELECT * FROM job_costs")
    assert (found["accrued_usd"], found["accrued_until"], found["committed_at_most_usd"]) == (
        None,
        None,
        None,
    )
    assert one(priced, "SELECT sum(accrued_usd) AS s FROM daily_costs")["s"] == 0


def test_a_running_simulator_task_costs_what_it_was_seen_running(priced: duckdb.DuckDBPyConnection) -> None:
    body = task(device=SV1, status="RUNNING", endedAt=None, createdAt=STARTED.isoformat())
    store(priced, body, fetched_at=STARTED)
    assert one(priced, "SELECT accrued_usd FROM task_costs")["accrued_usd"] == usd("0.00375")  # 3 s at least
    see(priced, {**body, "status": "QUEUED"}, at=STARTED)
    see(priced, body, at=STARTED + timedelta(minutes=5))
    see(priced, body, at=STARTED + timedelta(minutes=25))
    found = one(priced, "SELECT * FROM task_costs")
    assert (found["cost_usd"], found["accrued_usd"]) == (None, 20 * usd("0.075"))
    assert found["committed_at_most_usd"] == 360 * usd("0.075")  # Braket stops it after six hours
    held(priced)


def test_a_task_on_a_qpu_costs_nothing_before_it_completes(priced: duckdb.DuckDBPyConnection) -> None:
    running_task = task(1, status="RUNNING", endedAt=None)
    paid_by_the_hour = task(2, status="RUNNING", endedAt=None, associations=reserved())
    store(priced, running_task, paid_by_the_hour, task(3))
    see(priced, running_task, paid_by_the_hour, at=STARTED)
    found = priced.execute(
        "SELECT accrued_usd, committed_usd, committed_at_most_usd FROM task_costs ORDER BY quantum_task_arn"
    ).fetchall()
    assert found == [(0, usd("0.445"), usd("0.445")), (0, 0, 0), (None, None, None)]


def test_the_bound_of_a_job_holds_its_open_tasks(priced: duckdb.DuckDBPyConnection) -> None:
    store(
        priced,
        running(),
        task(1, jobArn=JOB),
        task(2, jobArn=JOB, status="QUEUED", endedAt=None),
        task(3, jobArn=JOB, device=SV1, status="RUNNING", endedAt=None),
        fetched_at=STARTED + timedelta(hours=1),
    )
    found = one(priced, "SELECT * FROM job_costs")
    assert found["accrued_usd"] == HOURLY
    assert found["committed_at_most_usd"] == 10 * HOURLY + usd("0.4") + 360 * usd("0.06")
    held(priced)
    assert one(priced, f"SELECT count(*) AS n FROM charges WHERE device_arn = '{GARNET}'")["n"] == 4
