"""Checks: silent on a sound warehouse, and each finds the damage it is there for."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from braket_emulator import running
from braket_etl.orchestration.build import build_defs
from braket_etl.orchestration.checks import CHECKS
from braket_etl.orchestration.failures import failure_lines, step_failures
from braket_etl.orchestration.instance import instance_in
from braket_etl.orchestration.jobs import OBSERVE_CONFIG, pull_config
from braket_etl.package_files import packaged_sql
from braket_etl.runtime import Runtime
from braket_etl.warehouse.checks import blocking_checks, checks, checks_from, differences_of_copy, run_check
from braket_etl.warehouse.connection import Connection, configured
from braket_etl.warehouse.coverage import places_not_whole
from braket_etl.warehouse.door import held_back, refusal
from braket_etl.warehouse.repair import KEYED

ALL_CHECKS = {(check.table, check.name): check for check in checks()}
#: The demo's tasks name reservations whose price nobody has given.
FOUND_IN_THE_DEMO = {("reservation_costs", "reservations_are_known")}
#: What makes a check fail that no other test does, and a word of what it then says.
DAMAGES: dict[tuple[str, str], tuple[str, str]] = {
    ("open_records", "keys_are_unique"): (
        "INSERT INTO job_events FROM job_events USING SAMPLE 1 ROWS",
        "job_events ",
    ),
    **{
        (table, "unique_key"): (f"INSERT INTO {table} FROM {table} LIMIT 1", "arn:aws:braket:")
        for table in ("quantum_tasks", "jobs", "job_events", "task_observations", "job_observations")
    },
    ("quantum_tasks", "listed_is_stored"): (
        "DELETE FROM quantum_tasks WHERE quantum_task_arn = (SELECT min(quantum_task_arn) FROM quantum_tasks)",
        "default",
    ),
    ("jobs", "listed_is_stored"): (
        "UPDATE etl.coverage SET listed = listed + 2 WHERE table_name = 'jobs' AND listed > 0",
        "rejected 0 (2)",
    ),
    ("quantum_tasks", "nothing_is_rejected"): (
        "INSERT INTO etl.rejected_records VALUES ('GetQuantumTask', 'arn', NULL, NULL, 'shots: not a number', '{}', "
        "'run', now(), now(), 1)",
        "shots: not a number",
    ),
    ("jobs", "nothing_is_rejected"): (
        "INSERT INTO etl.rejected_records VALUES ('GetJob', 'arn', NULL, NULL, 'no jobName', '{}', 'run', now(), "
        "now(), 1)",
        "no jobName",
    ),
    **{
        (table, "nothing_new_in_the_api"): (
            f"INSERT INTO etl.schema_drift VALUES ('{table}', 'value', 'status', 'TELEPORTED', now(), 'run')",
            "status = TELEPORTED",
        )
        for table in ("quantum_tasks", "jobs", "job_events", "task_observations", "job_observations")
    },
    ("quantum_tasks", "times_in_order"): (
        "UPDATE quantum_tasks SET created_at = TIMESTAMPTZ '1970-01-21 00:00:00+00' WHERE rowid = 0",
        "created 1970-01-21",
    ),
    ("jobs", "times_in_order"): (
        "UPDATE jobs SET started_at = ended_at + INTERVAL 1 DAY WHERE rowid = "
        "(SELECT min(rowid) FROM jobs WHERE ended_at IS NOT NULL)",
        ":job/",
    ),
    ("quantum_tasks", "every_job_of_a_task_is_known"): (
        "UPDATE quantum_tasks SET job_arn = 'arn:lost' WHERE quantum_task_arn = "
        "(SELECT max_by(quantum_task_arn, created_at) FROM quantum_tasks)",
        "arn:lost",
    ),
    ("job_events", "every_event_has_its_job"): (
        "DELETE FROM jobs WHERE job_arn = (SELECT min(job_arn) FROM job_events)",
        ":job/",
    ),
    ("open_records", "nothing_is_open_for_too_long"): (
        "UPDATE quantum_tasks SET status = 'QUEUED', is_terminal = false WHERE quantum_task_arn = "
        "(SELECT min_by(quantum_task_arn, created_at) FROM quantum_tasks WHERE device_name = 'sv1')",
        "open since",
    ),
    ("state_changes", "events_can_be_true"): (
        "INSERT INTO state_change_events BY NAME SELECT 'e' AS event_id, 'Braket Task State Change' AS detail_type, "
        "'my.app' AS source, account_id, region, created_at AS event_time, quantum_task_arn, quantum_task_arn AS "
        "record_arn, 'RUNNING' AS status, now() AS fetched_at FROM quantum_tasks LIMIT 1",
        "has doubt: source event e",
    ),
    ("job_stages", "stages_fill_the_turnaround"): (
        "UPDATE job_stages SET seconds = seconds + 0.5, ended_at = ended_at + INTERVAL 3 SECOND "
        "WHERE stage = 'RUNNING'",
        "turnaround",
    ),
    ("task_latency", "every_task_has_a_wait"): (
        "DELETE FROM task_latency WHERE quantum_task_arn = (SELECT min(quantum_task_arn) FROM task_latency)",
        "quantum-task",
    ),
    # two discounts for one time, which the reader of the file refuses, would charge everything twice
    ("charges", "charges_are_all_costs"): (
        "INSERT INTO discounts BY NAME SELECT 'Quantum Task' AS product_family, 0.1 AS rate, now() AS read_at, "
        "TIMESTAMPTZ '2020-01-01 00:00:00+00' AS effective_from FROM range(2)",
        "task costs",
    ),
    ("charge_sums", "sums_are_of_charges"): (
        "UPDATE charge_sums SET net_usd = net_usd + 0.000000000001 WHERE record_kind = 'job' AND net_usd = "
        "(SELECT max(net_usd) FROM charge_sums WHERE record_kind = 'job')",
        "job summed",
    ),
    ("daily_costs", "days_sum_to_charges"): (
        "DELETE FROM daily_costs WHERE cost_usd = (SELECT max(cost_usd) FROM daily_costs)",
        "days",
    ),
    ("tag_costs", "tags_sum_to_charges"): (
        "UPDATE tag_costs SET cost_usd = cost_usd + 0.000000000001 WHERE is_untagged AND tag_key = 'team'",
        "team",
    ),
    ("allocated_charges", "shares_sum_to_charges"): (
        "UPDATE allocated_charges SET amount_usd = amount_usd + 0.000000000001 WHERE owner_key = 'project' AND amount_usd = "
        "(SELECT max(amount_usd) FROM allocated_charges)",
        "project ",
    ),
    ("job_costs", "jobs_sum_their_parts"): (
        "UPDATE job_costs SET volume_cost_usd = volume_cost_usd + 0.000000000001 WHERE cost_usd IS NOT NULL",
        ":job/",
    ),
    ("job_costs", "durations_of_jobs_fit"): (
        "UPDATE jobs SET billable_duration = 123456789123 WHERE job_arn = "
        "(SELECT min(job_arn) FROM jobs WHERE is_terminal AND started_at IS NOT NULL)",
        "billable 123456789123",
    ),
    ("job_costs", "every_job_has_a_price"): (
        "UPDATE jobs SET instance_config_instance_type = 'ml.unheard.of' WHERE is_terminal AND billable_duration > 0",
        "ml.unheard.of in ",
    ),
    ("task_costs", "every_task_has_a_price"): (
        "DELETE FROM prices WHERE device_key = 'emerald'",
        "Emerald in eu-north-1",
    ),
    ("task_costs", "simulator_durations_are_known"): (
        "UPDATE task_results SET execution_duration_ms = NULL",
        "sv1 in ",
    ),
    # a list that has the price of tasks by themselves, but not that of tasks in jobs
    ("task_costs", "no_price_is_assumed"): (
        "DELETE FROM prices WHERE product_family LIKE 'Braket Managed Jobs QPU%' AND NOT is_seed",
        " in ",
    ),
    ("price_periods", "prices_do_not_contradict"): (
        "INSERT INTO prices SELECT * REPLACE (rate_code || '.' AS rate_code, usd_per_billion * 2 AS usd_per_billion) "
        "FROM prices WHERE device_key = 'emerald' AND is_used",
        "emerald in eu-north-1",
    ),
    ("reservation_costs", "every_reservation_has_a_price"): (
        "INSERT INTO reservations BY NAME SELECT reservation_arn, account_id, region, device_arn, 'Nowhere' AS device_name, "
        "created_at AS start_at, created_at + INTERVAL 2 HOUR AS end_at, 2 AS hours, created_at AS read_at "
        "FROM quantum_tasks WHERE reservation_arn IS NOT NULL LIMIT 1",
        ":reservation/",
    ),
    ("cost_reconciliation", "the_bill_is_explained"): (
        "INSERT INTO billed_line_items BY NAME SELECT 'cur2' AS source_format, 'one' AS line_item_id, account_id, region, "
        "date_trunc('month', ended_at) AS billing_period_start, ended_at AS usage_start, 'usage' AS charge_kind, "
        "'Quantum Task' AS product_family, device_name, lower(device_name) AS device_key, 12345 AS billed_usd, "
        "'bill.csv' AS source_file, now() AS imported_at FROM quantum_tasks WHERE device_name = 'Emerald' "
        "AND status = 'COMPLETED' LIMIT 1",
        "billed more by",
    ),
}


@pytest.fixture(scope="module")
def sound(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("checks") / "warehouse.duckdb"
    shutil.copyfile(demo_home / "writer" / "warehouse.duckdb", file)
    return file


@pytest.fixture
def connection(sound: Path, tmp_path: Path) -> Iterator[Connection]:
    """A connection to a copy of the demo's warehouse that may be damaged."""
    file = tmp_path / "warehouse.duckdb"
    shutil.copyfile(sound, file)
    with duckdb.connect(str(file)) as opened:
        yield configured(opened)


def freeze(connection: Connection, model: str) -> None:
    """Make a table of a model's view, so that a test can damage it."""
    is_view = connection.execute("SELECT count(*) FROM duckdb_views() WHERE view_name = ?", [model])
    if is_view.fetchall()[0][0]:
        connection.execute(f"CREATE TABLE frozen AS FROM {model}")
        connection.execute(f"DROP VIEW {model}")
        connection.execute(f"ALTER TABLE frozen RENAME TO {model}")


def test_a_sound_warehouse_fails_no_check(sound: Path) -> None:
    with duckdb.connect(str(sound), read_only=True) as opened:
        findings = [run_check(configured(opened), check) for check in ALL_CHECKS.values()]
    failed = {(finding.check.table, finding.check.name) for finding in findings if not finding.passed}
    assert failed == FOUND_IN_THE_DEMO


@pytest.mark.parametrize("of", DAMAGES, ids=".".join)
def test_a_check_finds_its_damage(connection: Connection, of: tuple[str, str]) -> None:
    damage, said = DAMAGES[of]
    if damage.startswith((f"UPDATE {of[0]} ", f"DELETE FROM {of[0]} ")):
        freeze(connection, of[0])
    assert run_check(connection, ALL_CHECKS[of]).passed
    connection.execute(damage)
    finding = run_check(connection, ALL_CHECKS[of])
    assert not finding.passed
    assert said in finding.summary


def test_every_check_gives_its_examples_in_one_order() -> None:
    ordered = re.compile(r"ORDER BY (.*, )?(found|event_id|value)$")  # each tells its rows apart
    asked = [(check.name, sql) for check in ALL_CHECKS.values() for sql in check.queries]
    assert not [name for name, sql in asked if not ordered.search(sql.rstrip())]


def test_every_check_is_failed_by_a_test() -> None:
    assert DAMAGES.keys() | FOUND_IN_THE_DEMO == ALL_CHECKS.keys()


def test_a_check_of_keys_is_asked_of_every_table_that_a_repair_can_mend() -> None:
    for name in ("unique_key", "nothing_new_in_the_api"):
        assert {check.table for check in checks() if check.name == name} == {table.name for table in KEYED}
    [whole] = blocking_checks()
    assert [part.table for part in whole.parts] == [table.name for table in KEYED]


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("-- of: jobs\n-- means: m\n-- do: d\n-- sevrity: error\n", "no field 'sevrity: error'"),
        ("-- of: jobs\n-- means: m\n", "lacks do"),
        ("-- of: jobs\n-- means: m\n-- do: d\n-- parts: unique_key\n", "a query or parts"),
    ],
)
def test_a_check_whose_head_is_not_understood_is_refused(tmp_path: Path, head: str, told: str) -> None:
    for check in packaged_sql("checks").glob("*.sql"):
        shutil.copyfile(check, tmp_path / check.name)
    file = tmp_path / "new.sql"
    file.write_text(f"{head}SELECT 'x' AS found, 1 AS records\n")
    with pytest.raises(ValueError, match=told):
        list(checks_from(file))


def test_drift_that_this_version_has_learned_is_struck_out(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO etl.schema_drift VALUES ('quantum_tasks', 'value', 'status', 'QUEUED', now(), 'run'), "
        "('quantum_tasks', 'member', 'shots', '', now(), 'run'), "
        "('quantum_tasks', 'member', 'teleporter.id', '', now(), 'run')"
    )
    finding = run_check(connection, ALL_CHECKS["quantum_tasks", "nothing_new_in_the_api"])
    assert finding.examples == ("member teleporter.id",)


def test_an_open_task_is_measured_by_its_device(connection: Connection) -> None:
    """Aquila, which opens for some hours a day, may take weeks; a simulator may not."""
    check = ALL_CHECKS["open_records", "nothing_is_open_for_too_long"]
    reopen = (
        "UPDATE quantum_tasks SET status = 'QUEUED', is_terminal = false, created_at = (SELECT max(fetched_at) FROM "
        "quantum_tasks) - INTERVAL 4 DAY WHERE quantum_task_arn = (SELECT min(quantum_task_arn) FROM quantum_tasks "
        "WHERE device_name = ? AND is_terminal)"
    )
    # what else is open there may have waited for days, by the hour of the demo
    connection.execute(
        "UPDATE quantum_tasks SET is_terminal = true WHERE NOT is_terminal;"
        "UPDATE quantum_tasks SET ended_at = created_at + INTERVAL 2 DAY "
        "WHERE device_name = 'Aquila' AND status = 'COMPLETED'"
    )
    connection.execute(reopen, ["Aquila"])
    assert run_check(connection, check).passed
    connection.execute(reopen, ["sv1"])
    assert run_check(connection, check).records == 1


def test_a_question_that_cannot_be_asked_is_not_passed(connection: Connection) -> None:
    connection.execute("DROP VIEW task_latency")
    finding = run_check(connection, ALL_CHECKS["task_latency", "every_task_has_a_wait"])
    assert not finding.passed
    assert "could not be asked" in finding.summary


def test_a_copy_with_fewer_rows_is_told_by_table(connection: Connection, sound: Path, tmp_path: Path) -> None:
    shutil.copyfile(sound, tmp_path / "copy.duckdb")
    with duckdb.connect(str(tmp_path / "copy.duckdb")) as copy:
        assert differences_of_copy(connection, copy) == {}
        copy.execute("DELETE FROM job_events WHERE rowid = 0")
        copy.execute("DELETE FROM etl.runs")
        differences = differences_of_copy(connection, copy)
    assert {table: written - copied for table, (written, copied) in differences.items()} == {
        "job_events": 1,
        "runs": 1,
    }


def test_a_day_is_missing_where_it_was_not_seen_whole(connection: Connection) -> None:
    day = datetime.now(UTC).date() - timedelta(days=2)
    assert places_not_whole(connection, "jobs", day) == []
    connection.execute(
        "UPDATE etl.coverage SET searched_at = ? WHERE region = 'eu-north-1' AND day = ? AND table_name = 'jobs'",
        [datetime.combine(day, datetime.max.time(), UTC), day],
    )
    assert places_not_whole(connection, "jobs", day) == ["default/eu-north-1 was not seen whole"]
    connection.execute("DELETE FROM etl.coverage WHERE day = ?", [day])
    missing = places_not_whole(connection, "quantum_tasks", day)
    assert len(missing) == connection.execute("SELECT count(*) FROM etl.wanted").fetchall()[0][0] > 1
    assert {place.split(" ", 1)[1] for place in missing} == {"was not searched"}


def evaluations(instance: dg.DagsterInstance) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    """The newest evaluation of every check that was evaluated."""
    keys = [key for checks in CHECKS for key in checks.check_keys]
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    return {
        (key.asset_key.path[-1], key.name): record.event.dagster_event.asset_check_evaluation_data
        for key, record in records.items()
        if record.event is not None
    }


def test_dagster_shows_the_checks_of_a_run(demo_home: Path) -> None:
    with instance_in(demo_home / "dagster_home") as instance:
        found = evaluations(instance)
    assert found.keys() == {
        *ALL_CHECKS,
        ("quantum_tasks", "yesterday_is_present"),
        ("jobs", "yesterday_is_present"),
    }
    assert {of for of, evaluation in found.items() if not evaluation.passed} == FOUND_IN_THE_DEMO
    severities = {of: evaluation.severity.value for of, evaluation in found.items()}
    assert severities["quantum_tasks", "unique_key"] == "ERROR"
    assert severities["quantum_tasks", "every_job_of_a_task_is_known"] == "WARN"


def test_a_key_that_stands_twice_holds_publishing_back_and_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "HOME": str(tmp_path),
        "REGIONS": "us-east-1",
        "PRICE_LIST": "off",
        "START_DATE": f"{datetime.now(UTC) - timedelta(days=2):%Y-%m-%d}",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"BRAKET_ETL_{name}", value)

    def succeeds(job: str) -> bool:
        config = {
            "sync": pull_config(only_due=True),
            "observe": OBSERVE_CONFIG,
        }[job] | {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        resolved = build_defs(runtime=Runtime()).resolve_job_def(job)
        return resolved.execute_in_process(config, instance=instance, raise_on_error=False).success

    warehouse = Runtime().warehouse
    with (
        running(tasks=30, jobs=4, days=2, seed=3, quotas=False) as emulator,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        for name, value in emulator.env().items():
            monkeypatch.setenv(name, value)
        assert succeeds("sync")
        assert all(
            found.passed
            for (_, name), found in evaluations(instance).items()
            if name == "yesterday_is_present"
        )
        first = warehouse.published.stat().st_ino

        with warehouse.writing("damaging") as connection:
            connection.execute("INSERT INTO quantum_tasks FROM quantum_tasks LIMIT 1")
        assert not succeeds("observe")
        assert not evaluations(instance)["open_records", "keys_are_unique"].passed
        assert warehouse.published.stat().st_ino == first
        held = held_back(warehouse)
        assert held is not None
        assert "quantum_tasks" in held.examples[0]
        [observe] = instance.get_runs(dg.RunsFilter(job_name="observe"))
        told = failure_lines(step_failures(instance, observe), ())
        assert told == [f"check_records: {refusal(warehouse, held)}"]

        with warehouse.writing("healing this and damaging that") as connection:
            connection.execute(
                "DELETE FROM quantum_tasks WHERE rowid = (SELECT max(rowid) FROM quantum_tasks)"
            )
            connection.execute(
                "UPDATE quantum_tasks SET is_terminal = false, status = 'QUEUED', created_at = created_at - INTERVAL 60 "
                "DAY, quantum_task_arn = regexp_replace(quantum_task_arn, '[^/]+$', uuid()::VARCHAR) WHERE rowid = 0"
            )
        assert succeeds("observe")
        assert not evaluations(instance)["open_records", "nothing_is_open_for_too_long"].passed
        assert warehouse.published.stat().st_ino != first
        assert held_back(warehouse) is None


def test_what_dagster_says_of_a_check_that_blocks_names_it() -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("it_is_right", asset="thing", blocking=True)])
    def thing() -> dg.MaterializeResult:
        return dg.MaterializeResult(
            check_results=[dg.AssetCheckResult(passed=False, check_name="it_is_right")]
        )

    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([thing], instance=instance, raise_on_error=False)
        [line] = failure_lines(done.get_step_failure_events(), ())
    assert "ERROR severity" in line
    assert "it_is_right" in line


def test_only_a_key_that_stands_twice_blocks() -> None:
    specs = [spec for checks in CHECKS for spec in checks.check_specs]
    assert [spec.name for spec in specs if spec.blocking] == ["keys_are_unique"]
