"""What a hybrid job, a reservation and a whole account cost, and that every sum is the same sum."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braket_etl.costs.kept_files import read_discounts, read_reservations, replace_table
from braket_etl.tables import SPENDING_LIMITS
from braket_etl.tables.normalize import normalize
from braket_etl.tables.reservations import DISCOUNTS, RESERVATIONS
from braket_etl.warehouse.checks import CheckResult, checks, run_check
from braket_etl.warehouse.upsert import replace_rows
from tests.cost_cases import (
    ACCOUNT,
    FORTE,
    GARNET,
    PRICES,
    START,
    SV1,
    Response,
    Result,
    instance_and_volume,
    job,
    load,
    one,
    qpu,
    reserved,
    store,
    store_results,
    task,
    usd,
    warehouse,
)

pytestmark = pytest.mark.warehouse

JOB = f"arn:aws:braket:us-east-1:{ACCOUNT}:job/1"


def check(connection: duckdb.DuckDBPyConnection, name: str) -> CheckResult:
    return run_check(connection, next(found for found in checks() if found.name == name))


def keep(connection: duckdb.DuckDBPyConnection, folder: Path, kind: str, *lines: str) -> None:
    file = folder / f"{kind}.csv"
    file.write_text("\n".join(lines) + "\n")
    table, read = {
        "reservations": (RESERVATIONS, read_reservations),
        "discounts": (DISCOUNTS, read_discounts),
    }[kind]
    rows = [row | {"read_at": datetime.now(UTC)} for row in read(file)]
    replace_table(connection, table, pa.Table.from_pylist(rows, schema=table.arrow_schema))


def test_a_job_costs_its_instances_its_volumes_and_its_tasks(priced: duckdb.DuckDBPyConnection) -> None:
    body = job(instanceConfig={"instanceType": "ml.m5.large", "volumeSizeInGb": 30, "instanceCount": 2})
    store(priced, body, task(jobArn=JOB))
    found = one(priced, "SELECT * FROM job_costs")
    assert (found["cost_status"], found["duration_unit"], found["billed_seconds"]) == (
        "priced",
        "seconds",
        3600,
    )
    assert found["instance_cost_usd"] == usd("0.24")
    assert found["volume_cost_usd"] == usd("0.06")  # 0.72 a GB-month is 0.001 a GB-hour
    assert (found["task_cost_usd"], found["n_tasks"]) == (usd("0.4"), 1)
    assert found["cost_usd"] == usd("0.7")


def test_a_duration_in_milliseconds_is_recognised(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, job(1, billableDuration=3_600_000), job(2, billableDuration=3_500_000))
    found = one(priced, "SELECT * FROM job_costs WHERE job_arn = ?", JOB)
    assert (found["duration_unit"], found["instance_cost_usd"]) == ("milliseconds", usd("0.12"))
    assert check(priced, "durations_of_jobs_fit").passed


def test_a_duration_that_fits_no_unit_is_no_cost_and_a_failed_check(
    priced: duckdb.DuckDBPyConnection,
) -> None:
    store(priced, job(billableDuration=36))
    found = one(priced, "SELECT * FROM job_costs")
    assert (found["cost_status"], found["cost_usd"], found["duration_unit"]) == ("no_duration", None, None)
    assert found["cost_usd_upper"] == usd("0.15")
    assert not check(priced, "durations_of_jobs_fit").passed


def test_one_job_that_does_not_fit_the_others_is_found(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, job(1), job(2), job(3, billableDuration=3_600_000))
    statuses = [
        row[0] for row in priced.execute("SELECT cost_status FROM job_costs ORDER BY job_arn").fetchall()
    ]
    assert statuses == ["priced", "priced", "no_duration"]
    assert check(priced, "durations_of_jobs_fit").records == 1


@pytest.mark.parametrize("milliseconds", [0, 1, 40, 150, 900])
def test_a_second_billed_for_less_than_a_second_is_still_seconds(
    priced: duckdb.DuckDBPyConnection, milliseconds: int
) -> None:
    ended = START + timedelta(minutes=5, milliseconds=milliseconds)
    store(priced, job(endedAt=ended.isoformat(), billableDuration=1))
    found = one(priced, "SELECT * FROM job_costs")
    assert (found["cost_status"], found["duration_unit"], found["billed_seconds"]) == ("priced", "seconds", 1)


def test_a_short_job_takes_its_unit_from_the_long_ones(priced: duckdb.DuckDBPyConnection) -> None:
    short = {"endedAt": (START + timedelta(minutes=5, seconds=10)).isoformat(), "billableDuration": 60}
    store(priced, job(1), job(2, **short))
    assert one(priced, "SELECT * FROM job_costs WHERE job_arn LIKE '%/2'")["instance_cost_usd"] == usd(
        "0.002"
    )


def test_a_job_whose_instance_never_ran_costs_nothing(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, job(status="CANCELLED", startedAt=None, billableDuration=None))
    found = one(priced, "SELECT * FROM job_costs")
    assert (found["cost_status"], found["cost_usd"]) == ("not_billed", 0)


def test_a_failed_job_pays_for_its_instance(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, job(status="FAILED"))
    assert one(priced, "SELECT * FROM job_costs")["instance_cost_usd"] == usd("0.12")


def test_an_open_job_is_pending_and_shows_what_its_tasks_cost_so_far(
    priced: duckdb.DuckDBPyConnection,
) -> None:
    store(
        priced,
        job(status="RUNNING", endedAt=None, billableDuration=None),
        task(1, jobArn=JOB),
        task(2, jobArn=JOB, status="QUEUED", endedAt=None),
    )
    found = one(priced, "SELECT * FROM job_costs")
    assert (found["cost_status"], found["cost_usd"]) == ("pending", None)
    assert (found["task_cost_usd"], found["task_committed_usd"]) == (usd("0.4"), usd("0.4"))


def test_a_job_with_a_task_of_unknown_cost_has_no_total(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, job(), task(jobArn=JOB, device=SV1))
    found = one(priced, "SELECT * FROM job_costs")
    assert (found["cost_status"], found["cost_usd"], found["n_unpriced_tasks"]) == ("unpriced_tasks", None, 1)
    assert found["instance_cost_usd"] == usd("0.12")


def test_an_instance_without_a_price_is_no_zero(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, job(instanceConfig={"instanceType": "ml.p4d.24xlarge", "volumeSizeInGb": 30}))
    found = one(priced, "SELECT * FROM job_costs")
    assert (found["cost_status"], found["cost_usd"], found["volume_cost_usd"]) == (
        "no_price",
        None,
        usd("0.03"),
    )
    assert "ml.p4d.24xlarge" in check(priced, "every_job_has_a_price").summary


RESERVATION = f"arn:aws:braket:us-east-1:{ACCOUNT}:reservation/1"
HEAD = "reservation_arn,device_arn,start_at,end_at,cancelled_at,agreed_usd"


@pytest.mark.parametrize(
    ("end", "cancelled", "agreed", "status", "expected"),
    [
        ("2026-09-02T14:00", "", "", "priced", "28000"),
        ("2026-09-02T13:01", "", "", "priced", "28000"),
        ("2026-09-02T14:00", "", "20000", "priced", "20000"),
        ("2026-09-02T14:00", "2026-08-31T10:00", "", "not_billed", "0"),
        ("2026-09-02T14:00", "2026-08-31T10:01", "", "priced", "28000"),
    ],
)
def test_a_reservation_is_paid_by_the_hour(
    priced: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    end: str,
    cancelled: str,
    agreed: str,
    status: str,
    expected: str,
) -> None:
    keep(
        priced,
        tmp_path,
        "reservations",
        HEAD,
        f"{RESERVATION},{FORTE},2026-09-02T10:00,{end},{cancelled},{agreed}",
    )
    store(priced, task(device=FORTE, associations=reserved(RESERVATION)))
    found = one(priced, "SELECT * FROM reservation_costs")
    assert (found["cost_status"], found["cost_usd"], found["n_tasks"]) == (status, usd(expected), 1)
    assert one(priced, "SELECT sum(cost_usd) AS s FROM daily_costs")["s"] == usd(expected)
    assert check(priced, "reservations_are_known").passed


def test_a_reservation_to_come_is_committed(priced: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    keep(priced, tmp_path, "reservations", HEAD, f"{RESERVATION},{FORTE},2126-09-02T10:00,2126-09-02T11:00,,")
    found = one(priced, "SELECT * FROM reservation_costs")
    assert (found["cost_status"], found["cost_usd"], found["committed_usd"]) == ("pending", None, usd("7000"))


def test_a_discount_stands_beside_the_list_price(priced: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    head = "product_family,percent,effective_from,effective_to"
    keep(priced, tmp_path, "discounts", head, "Quantum Task-Shot,25,2026-01-01,2026-09-02")
    late = {"createdAt": "2026-09-02T00:00:00Z", "endedAt": "2026-09-02T00:00:01Z"}
    store(priced, task(1), task(2, **late))
    days = priced.execute(
        "SELECT cost_usd, discount_usd, net_usd FROM daily_costs ORDER BY charge_date"
    ).fetchall()
    assert days == [(usd("0.445"), usd("0.03625"), usd("0.40875")), (usd("0.445"), 0, usd("0.445"))]
    assert one(priced, "SELECT sum(cost_usd) AS s FROM task_costs")["s"] == usd("0.89")


def test_a_task_is_charged_on_the_utc_day_it_ended(priced: duckdb.DuckDBPyConnection) -> None:
    store(
        priced,
        task(1, createdAt="2026-09-01T23:59:00Z", endedAt="2026-09-02T00:00:00Z"),
        task(2, createdAt="2026-09-01T23:59:00Z", endedAt=None, status="QUEUED"),
    )
    days = priced.execute(
        "SELECT charge_date::VARCHAR, cost_usd, committed_usd FROM daily_costs ORDER BY 1"
    ).fetchall()
    assert days == [("2026-09-01", 0, usd("0.445")), ("2026-09-02", usd("0.445"), 0)]


def test_what_has_no_tag_is_shown_as_such(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, task(1, tags={"team": "a"}), task(2, tags={"team": "b", "x": "'; --"}), task(3))
    found = priced.execute(
        "SELECT tag_key, tag_value, cost_usd, n_tasks FROM tag_costs ORDER BY tag_key, tag_value"
    ).fetchall()
    assert found == [
        ("team", "(untagged)", usd("0.445"), 1),
        ("team", "a", usd("0.445"), 1),
        ("team", "b", usd("0.445"), 1),
        ("x", "'; --", usd("0.445"), 1),
        ("x", "(untagged)", usd("0.89"), 2),
    ]


def test_a_spending_limit_stands_beside_what_we_count(priced: duckdb.DuckDBPyConnection) -> None:
    arn = f"arn:aws:braket:eu-north-1:{ACCOUNT}:spending-limit/1"
    body = {
        "spendingLimitArn": arn,
        "deviceArn": GARNET,
        "timePeriod": {"startAt": START.timestamp() - 3600, "endAt": START.timestamp() + 86400},
        "spendingLimit": "10.00",
        "queuedSpend": "0.445",
        "totalSpend": "0.5",
        "createdAt": (START - timedelta(days=1)).isoformat(),
        "updatedAt": START.isoformat(),
    }
    response = Response("SearchSpendingLimits", arn, body, START + timedelta(hours=1))
    rows = normalize(SPENDING_LIMITS, [response], bookkeeping={"origin": "api"})
    assert not rows.rejects
    assert not rows.drift
    replace_rows(priced, SPENDING_LIMITS, rows.rows)
    store(
        priced,
        task(1),
        task(2, status="QUEUED", endedAt=None),
        task(3, device=FORTE),
        task(4, createdAt=(START - timedelta(hours=2)).isoformat()),
    )
    found = one(priced, "SELECT * FROM spend_against_limits")
    assert (found["spending_limit_usd"], found["remaining_usd"]) == (usd("10"), usd("9.055"))
    assert (found["our_total_usd"], found["our_committed_usd"]) == (usd("0.445"), usd("0.445"))
    assert (found["difference_usd"], found["n_tasks"], found["is_active"]) == (usd("-0.055"), 2, True)


TASKS = st.fixed_dictionaries(
    {
        "device": st.sampled_from([GARNET, FORTE, SV1, "arn:aws:braket:us-east-1::device/qpu/acme/Anvil"]),
        "status": st.sampled_from(
            ["COMPLETED", "COMPLETED", "COMPLETED", "FAILED", "CANCELLED", "QUEUED", "RUNNING"]
        ),
        "shots": st.integers(0, 10_000),
        "numSuccessfulShots": st.none() | st.integers(0, 10_000),
        "jobArn": st.none() | st.just(JOB),
        "associations": st.none() | st.just(reserved(RESERVATION)),
        "tags": st.none()
        | st.dictionaries(st.sampled_from(["team", "project"]), st.sampled_from(["a", "b", ""])),
        "createdAt": st.integers(0, 5).map(lambda days: (START + timedelta(days=days)).isoformat()),
        "endedAt": st.integers(0, 5).map(lambda days: (START + timedelta(days=days, hours=20)).isoformat()),
        "milliseconds": st.none() | st.integers(0, 10**7),
    }
)


@settings(max_examples=10)
@given(tasks=st.lists(TASKS, max_size=12), durations=st.lists(st.integers(0, 7000), max_size=3))
def test_every_sum_is_the_same_sum(tasks: list[dict[str, Any]], durations: list[int]) -> None:
    bodies, results = [], []
    for n, chosen in enumerate(tasks):
        members = dict(chosen)
        milliseconds = members.pop("milliseconds")
        bodies.append(task(n, **members))
        results.append(Result(bodies[-1]["quantumTaskArn"], milliseconds))
    bodies += [job(n + 1, billableDuration=duration) for n, duration in enumerate(durations)]
    with warehouse() as connection:
        load(connection, PRICES)
        store(connection, *bodies)
        if results:
            store_results(connection, *results)
        amounts = {
            name: one(connection, f"SELECT coalesce(sum({column}), 0) AS s FROM {name} {where}")["s"]
            for name, column, where in (
                ("charges", "cost_usd", ""),
                ("daily_costs", "cost_usd", ""),
                ("focus_costs", '"ListCost"', ""),
            )
        }
        total = one(
            connection,
            "SELECT coalesce((SELECT sum(cost_usd) FROM task_costs), 0) + coalesce("
            "(SELECT sum(coalesce(instance_cost_usd, 0) + coalesce(volume_cost_usd, 0)) FROM job_costs), 0) AS s",
        )["s"]
        assert amounts == dict.fromkeys(amounts, total)
        by_key = connection.execute(
            "SELECT tag_key, sum(cost_usd), sum(n_tasks) FROM tag_costs GROUP BY 1"
        ).fetchall()
        assert all(amount == total and n == len(tasks) for _, amount, n in by_key)
        meters = connection.execute(
            "SELECT sum(task_fee_usd + shot_fee_usd + run_fee_usd + instance_cost_usd + volume_cost_usd), "
            "sum(cost_usd), sum(n_tasks) FROM daily_costs"
        ).fetchall()[0]
        assert meters[0] == meters[1]
        assert (meters[2] or 0) == len(tasks)
        unknown = connection.execute(
            "SELECT count(*) FROM task_costs WHERE cost_usd IS NOT NULL "
            "AND cost_status NOT IN ('priced', 'not_billed', 'reservation') "
            "OR (cost_usd IS NULL AND cost_status IN ('priced', 'not_billed', 'reservation'))"
        ).fetchall()[0][0]
        assert unknown == 0


@settings(max_examples=8)
@given(
    shots=st.integers(0, 10**6),
    later=st.decimals("0.00001", "10", places=5),
    day=st.integers(1, 20),
)
def test_changing_todays_price_never_changes_yesterdays_cost(shots: int, later: Decimal, day: int) -> None:
    with warehouse() as connection:
        load(connection, PRICES, "2026-08-15")
        ends = [(START + timedelta(days=n)).isoformat() for n in range(20)]
        store(connection, *(task(n, shots=shots, createdAt=end, endedAt=end) for n, end in enumerate(ends)))
        query = "SELECT quantum_task_arn, cost_usd, price_source, charged_at FROM task_costs ORDER BY ALL"
        before = connection.execute(query).fetchall()
        change = START + timedelta(days=day, hours=-1)
        rows = qpu("Garnet", "0.30", str(later), "eu-north-1", EffectiveDate=change.isoformat())
        load(connection, rows, f"{change:%Y-%m-%d}")
        after = connection.execute(query).fetchall()
        for old, new in zip(before, after, strict=True):
            if old[3] < change:
                assert new == old
            else:
                assert new[1] == usd("0.30") + later * shots


def days_of(connection: duckdb.DuckDBPyConnection, record: str) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT meter, charge_date::VARCHAR, quantity, cost_usd FROM charges WHERE record_arn = ? ORDER BY ALL",
        [record],
    ).fetchall()


def test_a_job_is_spread_over_the_days_on_which_it_ran(priced: duckdb.DuckDBPyConnection) -> None:
    body = job(startedAt="2026-09-01T18:00:00Z", endedAt="2026-09-05T18:00:00Z", billableDuration=4 * 86400)
    store(priced, body)
    assert days_of(priced, JOB) == [
        (meter, f"2026-09-0{day}", usd(hours) * 3600 * units, usd(hours) * usd(hourly))
        for meter, units, hourly in (("instance", 1, "0.12"), ("volume", 30, "0.03"))
        for day, hours in ((1, "6"), (2, "24"), (3, "24"), (4, "24"), (5, "18"))
    ]
    assert one(priced, "SELECT count(*) AS n FROM charges WHERE is_record") == {"n": 1}
    assert one(priced, "SELECT * FROM job_costs")["instance_cost_usd"] == usd("11.52")
    days = priced.execute("SELECT n_jobs, n_unknown FROM daily_costs ORDER BY charge_date").fetchall()
    assert days == [(0, 0)] * 4 + [(1, 0)]


def test_a_job_is_billed_by_its_billable_time_and_spread_by_its_run(
    priced: duckdb.DuckDBPyConnection,
) -> None:
    body = job(startedAt="2026-09-01T21:00:00Z", endedAt="2026-09-02T01:00:00Z", billableDuration=7200)
    store(priced, body)
    assert [row[2:] for row in days_of(priced, JOB) if row[0] == "instance"] == [
        (usd("5400"), usd("0.18")),
        (usd("1800"), usd("0.06")),
    ]


def test_the_price_at_its_end_is_that_of_all_days(priced: duckdb.DuckDBPyConnection) -> None:
    load(priced, instance_and_volume(hourly="0.24", EffectiveDate="2026-09-02"), "2026-10-01")
    store(
        priced, job(startedAt="2026-09-01T23:00:00Z", endedAt="2026-09-02T01:00:00Z", billableDuration=7200)
    )
    assert [row[3] for row in days_of(priced, JOB) if row[0] == "instance"] == [usd("0.24")] * 2


@pytest.mark.parametrize(
    ("members", "day"),
    [
        ({"status": "QUEUED", "startedAt": None, "endedAt": None, "billableDuration": None}, "2026-09-01"),
        ({"startedAt": None, "endedAt": "2026-09-03T01:00:00Z"}, "2026-09-03"),
        ({"startedAt": "2026-09-02T00:00:00Z", "endedAt": "2026-09-03T00:00:00Z"}, "2026-09-02"),
        ({"startedAt": "2026-09-04T00:00:00Z", "endedAt": "2026-09-03T01:00:00Z"}, "2026-09-03"),
        ({"startedAt": "1999-09-04T00:00:00Z", "endedAt": "2026-09-03T01:00:00Z"}, "2026-09-03"),
    ],
)
def test_a_job_without_a_run_that_is_known_or_of_one_day_has_one_day(
    priced: duckdb.DuckDBPyConnection, members: dict[str, Any], day: str
) -> None:
    store(priced, job(**members))
    assert [row[:2] for row in days_of(priced, JOB)] == [("instance", day), ("volume", day)]


def test_a_job_of_unknown_cost_is_counted_once_among_them(priced: duckdb.DuckDBPyConnection) -> None:
    odd = {"instanceConfig": {"instanceType": "ml.p4d.24xlarge", "volumeSizeInGb": 30}}
    store(
        priced,
        job(startedAt="2026-09-01T18:00:00Z", endedAt="2026-09-02T18:00:00Z", billableDuration=86400, **odd),
    )
    days = priced.execute("SELECT n_jobs, n_unknown FROM daily_costs ORDER BY charge_date").fetchall()
    assert days == [(0, 0), (1, 1)]
    assert check(priced, "every_job_has_a_price").records == 1


def test_a_reservation_is_spread_over_the_days_of_its_window(
    priced: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    window = "2026-09-02T21:00,2026-09-03T03:00"
    keep(priced, tmp_path, "reservations", HEAD, f"{RESERVATION},{FORTE},{window},,")
    assert days_of(priced, RESERVATION) == [
        ("reservation", "2026-09-02", 3, usd("21000")),
        ("reservation", "2026-09-03", 3, usd("21000")),
    ]
    assert one(priced, "SELECT sum(n_reservations) AS n FROM daily_costs") == {"n": 1}


def test_focus_has_a_row_a_day_and_its_arithmetic_holds(priced: duckdb.DuckDBPyConnection) -> None:
    store(
        priced, job(startedAt="2026-08-31T23:00:00Z", endedAt="2026-09-01T02:00:07Z", billableDuration=10807)
    )
    rows = priced.execute(
        'SELECT "ChargePeriodStart"::VARCHAR, "BillingPeriodStart"::VARCHAR, '
        'abs("ListUnitPrice" * "PricingQuantity" - "ListCost") < 1e-9 FROM focus_costs '
        "WHERE \"SkuMeter\" = 'instance' ORDER BY 1"
    ).fetchall()
    assert rows == [
        ("2026-08-31 00:00:00+00", "2026-08-01 00:00:00+00", True),
        ("2026-09-01 00:00:00+00", "2026-09-01 00:00:00+00", True),
    ]


RUNS = st.fixed_dictionaries(
    {
        "startedAt": st.integers(0, 3 * 86_400_000).map(
            lambda n: (START + timedelta(milliseconds=n)).isoformat()
        ),
        "endedAt": st.integers(0, 8 * 86_400_000).map(
            lambda n: (START + timedelta(milliseconds=n)).isoformat()
        ),
        "billableDuration": st.integers(0, 8 * 86_400),
        "status": st.sampled_from(["COMPLETED", "FAILED", "CANCELLED", "RUNNING"]),
    }
)


@settings(max_examples=10)
@given(
    runs=st.lists(RUNS, min_size=1, max_size=8),
    hourly=st.decimals("0.000001", "1000", places=6),
    percent=st.decimals("0", "99.99", places=2),
)
def test_the_days_of_a_record_add_up_to_it_to_the_last_digit(
    runs: list[dict[str, Any]], hourly: Decimal, percent: Decimal
) -> None:
    with warehouse() as connection:
        load(connection, instance_and_volume(hourly=str(hourly)))
        store(connection, *(job(n, **run) for n, run in enumerate(runs)))
        connection.execute(
            "INSERT INTO discounts BY NAME SELECT DISTINCT product_family, ? AS rate, now() AS read_at, "
            "TIMESTAMPTZ '2020-01-01 00:00:00+00' AS effective_from FROM price_rules",
            [percent / 100],
        )
        wrong = connection.execute(
            "SELECT * FROM (SELECT record_arn, meter, sum(cost_usd) AS cost_usd, sum(quantity) AS quantity, "
            "sum(discount_usd) AS off, any_value(discount_rate) AS rate, count(*) FILTER (is_record) AS n, "
            "min(cost_usd) AS least FROM charges GROUP BY ALL) AS c "
            "JOIN job_costs AS j ON j.job_arn = c.record_arn JOIN jobs AS b ON b.job_arn = c.record_arn "
            "WHERE c.cost_usd IS DISTINCT FROM CASE meter WHEN 'instance' THEN j.instance_cost_usd "
            "ELSE j.volume_cost_usd END OR c.quantity IS DISTINCT FROM j.billed_seconds * "
            "CASE meter WHEN 'instance' THEN 1 ELSE 30 END OR c.least < 0 "
            "OR c.off IS DISTINCT FROM (c.cost_usd * c.rate)::DECIMAL(38, 12) OR n <> (meter = 'instance')::INTEGER"
        ).fetchall()
        assert wrong == []
        assert check(connection, "charges_are_all_costs").passed
        assert check(connection, "days_sum_to_charges").passed
