"""Quantiles and forecasts against tasks whose waits are known, and the ready queries on them."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from braket_emulator.devices import DEVICES
from braket_emulator.instants import milliseconds
from braket_emulator.world import generate
from braket_etl.analysis import forecast, open_tasks, wait_quantiles
from braket_etl.analysis.choices import choices
from braket_etl.analysis.stored import replace_table
from braket_etl.package_files import packaged_sql
from braket_etl.tables import DEVICE_OBSERVATIONS, QUANTUM_TASKS, TASK_OBSERVATIONS
from braket_etl.tables import DEVICES as DEVICES_TABLE
from braket_etl.tables.open_task_forecast import OPEN_TASK_FORECAST
from braket_etl.tables.queue_wait_quantiles import QUEUE_WAIT_QUANTILES
from braket_etl.tables.wait_forecast import WAIT_FORECAST
from braket_etl.warehouse.file import FileWarehouse
from braket_etl.warehouse.statements import transaction

pytestmark = pytest.mark.warehouse

NOW = datetime(2026, 11, 2, tzinfo=UTC)
BUSY = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"
RARE = "arn:aws:braket:us-east-1::device/qpu/quera/Aquila"
MEDIAN, P95 = 2400.0, 2400.0 * 3.2  # waits are lognormal: 1.163 = ln 3.2 is 1.645 sigma
QUERIES = sorted(packaged_sql("questions").glob("*.sql"))


def polled_tasks(n, device, weeks=13, gap=900):
    """Rows of quantum_tasks and of task_observations as polls every `gap` seconds leave them."""
    rng = random.Random(device)
    tasks, observations, waits = [], [], {}
    begin = NOW - timedelta(weeks=weeks)
    for number in range(n):
        arn = f"arn:aws:braket:us-east-1:123456789012:quantum-task/{device[-6:]}-{number}"
        age = rng.uniform(0, weeks * 7 * 86_400) if number % 8 else rng.uniform(gap, MEDIAN)
        created = NOW - timedelta(seconds=age)
        wait = MEDIAN * rng.lognormvariate(0, 0.7071)
        waits[arn] = wait
        # so short that no two run at once: a QPU runs one after the other
        started, ended = created + timedelta(seconds=wait), created + timedelta(seconds=wait + 0.02)
        at = begin + timedelta(seconds=gap) * -(-(created - begin) // timedelta(seconds=gap))
        first, last_waiting = at, None
        while at < started and at <= NOW:
            last_waiting, at = at, at + timedelta(seconds=gap)
        common = {"quantum_task_arn": arn, "account_id": "123456789012", "region": "us-east-1"}
        if last_waiting is not None:
            position = max(1, int((started - first).total_seconds() // 60))
            observations.append(
                {**common, "observed_at": first, "last_observed_at": last_waiting, "n_polls": 1, "status": "QUEUED",
                 "position": position, "is_capped": False, "position_raw": str(position), "fetched_at": last_waiting}
            )  # fmt: skip
        is_over = at <= NOW and at >= started
        if not is_over and last_waiting is None:
            continue
        tasks.append(
            {**common, "status": "COMPLETED" if is_over else "QUEUED", "is_terminal": is_over, "created_at": created,
             "created_date": created.date(), "ended_at": ended if is_over else None, "device_arn": device,
             "device_type": "QPU", "shots": 100, "num_successful_shots": 100 if is_over else None,
             "output_s3_bucket": "b", "output_s3_directory": "d", "fetched_at": at if is_over else last_waiting,
             "first_seen_at": first, "origin": "api", "row_hash": 0}
        )  # fmt: skip
    return tasks, observations, waits


@pytest.fixture(scope="module")
def con(tmp_path_factory):
    folder = tmp_path_factory.mktemp("warehouse")
    with FileWarehouse(folder, folder / "published.duckdb").writing("test") as connection:
        for device, n in ((BUSY, 1600), (RARE, 12)):
            tasks, observations, _ = polled_tasks(n, device)
            insert(connection, QUANTUM_TASKS, tasks)
            insert(connection, TASK_OBSERVATIONS, observations)
        insert(
            connection,
            DEVICE_OBSERVATIONS,
            [{"device_arn": BUSY, "observed_at": NOW, "last_observed_at": NOW, "n_polls": 1, "device_status": "ONLINE",
              "normal_tasks_queue_size": 50, "normal_tasks_queue_is_capped": False, "priority_tasks_queue_size": 9,
              "normal_tasks_queue_raw": "50", "fetched_at": NOW}],
        )  # fmt: skip
        for _ in range(2):
            with transaction(connection):
                replace_table(connection, QUEUE_WAIT_QUANTILES, wait_quantiles.compute(connection, now=NOW))
                replace_table(connection, WAIT_FORECAST, forecast.compute(connection, now=NOW))
                replace_table(connection, OPEN_TASK_FORECAST, open_tasks.compute(connection, now=NOW))
        yield connection


def insert(connection, table, rows):
    connection.register("arrived", pa.Table.from_pylist(rows, schema=table.arrow_schema))
    connection.execute(f"INSERT INTO {table.qualified_name} BY NAME FROM arrived")
    connection.unregister("arrived")


def rows(con, query):
    cursor = con.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def test_bounds_of_every_task_hold_its_true_wait(con):
    waits = {**polled_tasks(1600, BUSY)[2], **polled_tasks(12, RARE)[2]}
    found = rows(con, "FROM task_latency")
    assert len(found) > 1000
    for row in found:
        wait = waits[row["quantum_task_arn"]]
        for kind in ("wait_seconds", "stat_seconds"):
            upper = row[f"{kind}_upper"]
            assert row[f"{kind}_lower"] <= wait
            assert upper is None or wait <= upper


@pytest.mark.parametrize(("quantile", "true"), [(0.5, MEDIAN), (0.95, P95)])
def test_the_confidence_interval_holds_the_true_quantile_and_is_narrow(con, quantile, true):
    (row,) = rows(
        con,
        f"FROM queue_wait_quantiles WHERE scope = 'device' AND device_arn = '{BUSY}' AND quantile = {quantile}",
    )
    assert row["status"] == "ok"
    # one draw: a wide margin round the 90 % interval, so that only a wrong estimate fails
    margin = row["ci_upper_seconds"] - row["ci_lower_seconds"]
    assert row["ci_lower_seconds"] - margin <= true <= row["ci_upper_seconds"] + margin
    assert margin < true / 3
    assert row["ci_lower_seconds"] <= row["wait_seconds"] <= row["ci_upper_seconds"]
    assert row["wait_seconds_left"] <= row["wait_seconds"]
    assert row["n_censored"] > 50


def as_first_seen_after_their_end(world, now):
    """Rows of quantum_tasks as one sync at `now` (milliseconds) leaves them of an emulator's world."""
    for task in world.tasks.values():
        status = task.status_at(now)
        if task.created <= now:
            created, ended = (datetime.fromtimestamp(each / 1000, UTC) for each in (task.created, task.ended))
            is_over = status in ("COMPLETED", "FAILED", "CANCELLED")
            yield {
                "quantum_task_arn": task.arn, "account_id": task.account, "region": task.region, "status": status,
                "is_terminal": is_over, "created_at": created, "created_date": created.date(),
                "ended_at": ended if is_over else None, "device_arn": task.device.arn,
                "device_name": task.device.name, "device_type": "QPU" if task.device.is_qpu else "SIMULATOR",
                "shots": task.shots, "job_arn": task.job_arn, "reservation_arn": task.reservation_arn,
                "output_s3_bucket": "b", "output_s3_directory": "d", "fetched_at": NOW, "first_seen_at": NOW,
                "origin": "api", "row_hash": 0,
            }  # fmt: skip


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    """Sixty days that were first seen after their end, with the windows of their devices, and the true waits."""
    world = generate(seed=5, tasks=4000, jobs=20, days=60, accounts=["111122223333"], regions=None, now=NOW)
    folder = tmp_path_factory.mktemp("emulated")
    with FileWarehouse(folder, folder / "published.duckdb").writing("test") as connection:
        insert(connection, QUANTUM_TASKS, list(as_first_seen_after_their_end(world, milliseconds(NOW))))
        insert(
            connection,
            DEVICE_OBSERVATIONS,
            [
                {"device_arn": device.arn, "observed_at": NOW, "last_observed_at": NOW, "n_polls": 1,
                 "device_status": device.status, "fetched_at": NOW, "execution_windows": [
                     {"execution_day": w.day, "window_start_hour": w.start, "window_end_hour": w.end}
                     for w in device.windows
                 ]}
                for device in DEVICES if device.is_qpu
            ],
        )  # fmt: skip
        waits = {
            task.arn: (task.started - task.created) / 1000
            for task in world.tasks.values()
            if task.started is not None
        }
        yield connection, waits


def test_bounds_that_need_no_look_hold_every_true_wait_of_the_emulator(emulated):
    connection, waits = emulated
    found = rows(connection, "FROM task_latency WHERE device_type = 'QPU' AND end_kind = 'completed'")
    assert len(found) > 1500
    for row in found:
        assert (
            row["wait_seconds_lower"] - 1e-3
            <= waits[row["quantum_task_arn"]]
            <= row["wait_seconds_upper"] + 1e-3
        )
    by_kind = Counter(row["lower_from"] for row in found)
    assert by_kind["own_task"] > 20
    assert by_kind["device_closed_assumed"] > 200


def test_every_qpu_of_an_account_that_nobody_watched_has_an_answer(emulated):
    connection, _ = emulated
    found = [
        row
        for row in wait_quantiles.compute(connection, now=NOW).to_pylist()
        if row["scope"] == "device" and "/qpu/" in row["device_arn"]
    ]
    told = {p: [row for row in found if row["quantile"] == p] for p in (0.5, 0.9)}
    assert [len(rows) for rows in told.values()] == [7, 7]
    for row in (*told[0.5], *told[0.9]):
        assert row["status"] in ("ok", "not_informative")
        assert row["bound_upper_seconds"] is not None
        if row["status"] == "ok":
            assert row["bound_lower_seconds"] <= row["wait_seconds"] <= row["bound_upper_seconds"]
            assert row["ci_lower_seconds"] <= row["wait_seconds"]
    assert sum(row["status"] == "ok" for row in told[0.9]) >= 5


@pytest.fixture(scope="module")
def told(emulated):
    """The same, with its statistics stored and each device's range of shots known."""
    connection, _ = emulated
    insert(
        connection,
        DEVICES_TABLE,
        [
            {"device_arn": device.arn, "device_name": device.name, "provider_name": device.provider, "device_type": "QPU",
             "device_status": device.status, "device_capabilities": json.dumps({"service": {"shotsRange": device.shots}}),
             "fetched_at": NOW, "first_seen_at": NOW, "origin": "api", "row_hash": 0}
            for device in DEVICES if device.is_qpu
        ],
    )  # fmt: skip
    replace_table(connection, QUEUE_WAIT_QUANTILES, wait_quantiles.compute(connection, now=NOW))
    replace_table(connection, WAIT_FORECAST, forecast.compute(connection, now=NOW))
    replace_table(connection, OPEN_TASK_FORECAST, open_tasks.compute(connection, now=NOW))
    return connection


def test_each_device_says_when_a_request_would_be_back_or_what_bounds_its_wait(told):
    found = {choice.device: choice for choice in choices(told, 100, now=NOW)}
    assert len(found) == 12
    assert found["sv1"].is_available is None
    for choice in found.values():
        for level in ("p50", "p90"):
            wait = getattr(choice, f"wait_{level}_seconds")
            most = getattr(choice, f"wait_{level}_at_most_seconds")
            if choice.status == "RETIRED":
                assert (wait, most, choice.is_available) == (None, None, False)
            else:
                assert (wait is None) != (most is None)
                back = getattr(choice, f"back_{level}_at")
                assert back >= NOW + timedelta(seconds=most if wait is None else wait)
    assert found["Garnet"].wait_p50_at_most_seconds is not None
    assert "half at most" in found["Garnet"].remarks[-1]


def test_a_device_outside_its_window_is_not_available_and_says_when_it_opens(told):
    sunday = NOW - timedelta(hours=12)
    (choice,) = choices(told, 100, device="ibex-q1", now=sunday)
    opens = datetime(2026, 11, 3, 7, tzinfo=UTC)
    assert choice.is_available is False
    assert choice.remarks[0] == "outside its window, which opens at 2026-11-03 07:00 UTC"
    assert choice.wait_p50_seconds >= (opens - sunday).total_seconds()
    (later,) = choices(told, 100, device="ibex-q1", now=opens + timedelta(hours=1))
    assert later.is_available is True
    assert later.wait_p50_seconds < choice.wait_p50_seconds


def test_a_device_that_does_not_take_so_many_shots_says_so(told):
    (choice,) = choices(told, 2000, device="Aquila", now=NOW)
    assert (choice.is_available, choice.wait_p50_seconds) == (False, None)
    assert choice.remarks[-1] == "takes 1 to 1,000 shots a task"


def test_many_tasks_are_back_later_than_one(told):
    one, ten = (choices(told, 100, tasks, device="Forte-1", now=NOW)[0] for tasks in (1, 10))
    assert ten.back_p50_at > one.back_p50_at + timedelta(seconds=30)
    assert ten.wait_p50_seconds == one.wait_p50_seconds


def test_each_waiting_task_says_how_long_it_has_still_to_wait(told, con):
    for connection, basis in ((told, "history"), (con, "position")):
        found = rows(connection, "FROM open_task_forecast")
        waiting = rows(connection, "FROM waits WHERE record_kind = 'task' AND is_waiting")
        assert {row["quantum_task_arn"] for row in found} == {row["record_arn"] for row in waiting}
        known = [row for row in found if row["basis"] == basis]
        assert len(known) > 0.4 * len(found) > 0
        for row in known:
            assert 0 <= row["remaining_p50_seconds"] <= (row["remaining_p90_seconds"] or float("inf"))
            if row["backtest_n"] >= 50:
                assert row["backtest_below_p50"] == pytest.approx(0.5, abs=0.2)
                assert row["backtest_below_p90"] == pytest.approx(0.9, abs=0.2)
        assert {row["basis"] for row in found} <= {basis, "history", "not_known"}


def test_a_forecast_knows_windows_and_so_beats_the_week_before(emulated):
    connection, _ = emulated
    found = {
        row["device_arn"]: row
        for row in forecast.compute(connection, now=NOW).to_pylist()
        if row["method"] == "hour" and row["hour_utc"] == 0 and row["backtest_n"] >= 100
    }
    assert len(found) >= 4
    for row in found.values():
        assert row["loss_p50_seconds"] < 0.9 * row["rival_loss_p50_seconds"]
        assert row["loss_p90_seconds"] < 0.9 * row["rival_loss_p90_seconds"]
        assert 0.7 <= row["backtest_coverage_90"] <= 1


def test_there_are_rows_for_each_week_and_all_are_computed_once(con):
    weeks = con.execute(
        "SELECT count(DISTINCT week_start), count(*), min(isodow(week_start)), max(isodow(week_start)) "
        f"FROM queue_wait_quantiles WHERE scope = 'device_week' AND device_arn = '{BUSY}'"
    ).fetchall()
    # 13 weeks back from a Monday, five quantiles each
    assert weeks == [(13, 65, 1, 1)]


def test_without_enough_tasks_nothing_is_estimated_but_bounds_are_given(con):
    found = rows(con, f"FROM queue_wait_quantiles WHERE scope = 'device' AND device_arn = '{RARE}'")
    assert {row["status"] for row in found} == {"not_enough_data"}
    assert {row["wait_seconds"] for row in found} == {None}
    assert all(row["bound_lower_seconds"] is not None for row in found)
    assert {row["status"] for row in rows(con, f"FROM wait_forecast WHERE device_arn = '{RARE}'")} <= {
        "not_enough_data",
        "no_depth",
    }


def test_the_certain_bounds_enclose_the_estimate(con):
    for row in rows(con, f"FROM queue_wait_quantiles WHERE scope = 'device' AND device_arn = '{BUSY}'"):
        assert row["bound_lower_seconds"] <= row["wait_seconds"]
        assert row["bound_upper_seconds"] is None or row["wait_seconds_left"] <= row["bound_upper_seconds"]


def test_the_forecast_by_hour_holds_what_it_says_in_its_backtest(con):
    found = rows(con, f"FROM wait_forecast WHERE device_arn = '{BUSY}' AND method = 'hour' ORDER BY hour_utc")
    assert [row["hour_utc"] for row in found] == list(range(24))
    for row in found:
        assert (row["status"], row["backtest_weeks"]) == ("ok", 4)
        assert row["backtest_n"] >= 50
        assert row["wait_p05_seconds"] <= row["wait_p50_seconds"] <= row["wait_p95_seconds"]
    assert found[0]["backtest_coverage_50"] == pytest.approx(0.5, abs=0.12)
    assert found[0]["backtest_coverage_90"] == pytest.approx(0.9, abs=0.08)


def test_the_forecast_by_depth_follows_from_positions(con):
    (row,) = rows(con, f"FROM wait_forecast WHERE device_arn = '{BUSY}' AND method = 'depth'")
    # each place took a minute, and a new task stands behind 59 others
    assert (row["status"], row["depth"]) == ("ok", 59)
    assert row["drain_rate_per_hour"] == pytest.approx(60, rel=0.05)
    assert row["wait_p50_seconds"] == pytest.approx(3600, rel=0.05)


@pytest.mark.parametrize("query", QUERIES, ids=lambda path: path.stem)
def test_every_ready_query_runs_as_it_stands(con, query):
    text = query.read_text()
    heads = [line.split(":")[0] for line in text.splitlines() if line.startswith("-- ") and ":" in line]
    assert heads[:3] == ["-- title", "-- question", "-- read"]
    con.execute(text).fetchall()
