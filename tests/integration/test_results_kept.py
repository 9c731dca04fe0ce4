"""Results of a step: kept while the tables behind them hold what they held, and made anew when any of it changes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from braket_emulator import running
from braket_etl.orchestration.build import build_defs
from braket_etl.orchestration.jobs import pull_config
from braket_etl.report.page import write_report
from braket_etl.runtime import Runtime
from braket_etl.tables import ALL
from braket_etl.warehouse.checks import Check, checks, last_or_new, model_checks, record_checks
from braket_etl.warehouse.connection import Connection, configured
from braket_etl.warehouse.models import models
from braket_etl.warehouse.results import MANY_TASKS, Contents, Results

_A_TASK = "quantum_task_arn = (SELECT min(quantum_task_arn) FROM quantum_tasks)"


@pytest.fixture
def connection(demo_home: Path, tmp_path: Path) -> Iterator[Connection]:
    """A connection to a copy of the demo's warehouse that may be changed."""
    file = tmp_path / "warehouse.duckdb"
    shutil.copyfile(demo_home / "writer" / "warehouse.duckdb", file)
    with duckdb.connect(str(file)) as opened:
        yield configured(opened)


@pytest.mark.parametrize(
    "change",
    [
        f"UPDATE quantum_tasks SET status = if(status = 'FAILED', 'COMPLETED', 'FAILED') WHERE {_A_TASK}",
        f"UPDATE quantum_tasks SET created_at = created_at + INTERVAL 1 SECOND WHERE {_A_TASK}",
        f"UPDATE quantum_tasks SET row_hash = row_hash + 1 WHERE {_A_TASK}",  # of tags, say
        "UPDATE task_results SET attempts = attempts + 1 WHERE rowid = 0",
        f"INSERT INTO quantum_tasks FROM quantum_tasks WHERE {_A_TASK}",
        f"DELETE FROM quantum_tasks WHERE {_A_TASK}",
        "UPDATE prices SET price_usd = price_usd * 2 WHERE rowid = 0",
        "INSERT INTO discounts BY NAME SELECT 'Quantum Task' AS product_family, 0.1 AS rate, now() AS read_at, "
        "TIMESTAMPTZ '2020-01-01 00:00:00+00' AS effective_from",
    ],
)
def test_a_change_of_any_table_behind_a_model_is_seen(connection: Connection, change: str) -> None:
    before = Contents(connection).made_of("charges", ["charges"])
    assert Contents(connection).made_of("charges", ["charges"]) == before
    connection.execute(change)
    assert Contents(connection).made_of("charges", ["charges"]) != before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE job_events SET message = 'other'",  # no cost is made of it
        "UPDATE etl.coverage SET searched_at = now()",
        "UPDATE spending_limits SET fetched_at = fetched_at + INTERVAL 1 SECOND",
    ],
)
def test_what_a_model_is_not_made_of_changes_nothing(connection: Connection, change: str) -> None:
    before = Contents(connection).made_of("charges", ["charges"])
    connection.execute(change)
    assert Contents(connection).made_of("charges", ["charges"]) == before


def test_every_table_has_contents(connection: Connection) -> None:
    contents = Contents(connection)
    names = [table.name if table.schema == "main" else f"{table.schema}.{table.name}" for table in ALL]
    assert len({contents.of(name).split()[0] for name in names}) > 1


def test_a_result_is_kept_with_the_file_until_something_changes(connection: Connection) -> None:
    check = next(check for check in checks() if check.name == "days_sum_to_charges")

    def asked(*, anew: bool = False) -> datetime | None:
        results = Results(connection, "testing", anew)
        finding, found_at = last_or_new(results, check, {})
        results.save(connection)
        assert finding.passed
        return found_at

    assert asked() is None
    assert asked() is not None
    assert asked(anew=True) is None
    connection.execute(f"DELETE FROM quantum_tasks WHERE {_A_TASK}")
    assert asked() is None
    assert asked() is not None


def test_of_many_records_all_history_is_asked_once_a_day(connection: Connection) -> None:
    daily = next(check for check in checks() if check.name == "jobs_sum_their_parts")
    hourly = next(check for check in checks() if check.name == "every_task_has_a_price")
    assert daily.is_daily
    assert not hourly.is_daily

    def asked_again(change: str) -> list[bool]:
        connection.execute(change)
        results = Results(connection, "testing")
        found = [last_or_new(results, check, {})[1] is None for check in (daily, hourly)]
        results.save(connection)
        return found

    changed = f"UPDATE quantum_tasks SET row_hash = row_hash + 1 WHERE {_A_TASK}"
    assert asked_again(changed) == [True, True]
    assert asked_again(changed) == [True, True]
    connection.execute(
        "INSERT INTO quantum_tasks SELECT t.* REPLACE (concat(quantum_task_arn, n) AS quantum_task_arn) "
        f"FROM quantum_tasks AS t, range({MANY_TASKS} // (SELECT count(*) FROM quantum_tasks)) AS copies (n)"
    )
    assert asked_again(changed) == [True, True]
    assert asked_again(changed) == [False, True]
    assert asked_again("UPDATE prices SET price_usd = price_usd * 2 WHERE rowid = 0") == [True, True]


def test_a_check_that_failed_is_told_again_in_the_same_words(connection: Connection) -> None:
    check = next(check for check in checks() if check.name == "keys_are_unique")
    connection.execute("INSERT INTO job_events FROM job_events LIMIT 1")
    results = Results(connection, "testing")
    first, _ = last_or_new(results, check, {})
    again, found_at = last_or_new(results, check, {})
    assert found_at is not None
    assert not again.passed
    assert (again.summary, again.metadata) == (first.summary, first.metadata)


def test_what_could_not_be_asked_is_not_kept(connection: Connection) -> None:
    check = Check(
        "broken",
        "quantum_tasks",
        "It cannot be asked.",
        "ask otherwise.",
        "SELECT nonsense, 1 FROM quantum_tasks",
    )
    results = Results(connection, "testing")
    for _ in range(2):
        finding, found_at = last_or_new(results, check, {})
        assert not finding.passed
        assert found_at is None


def test_a_check_and_the_one_it_is_part_of_ask_once(connection: Connection) -> None:
    known: dict[Check, list[tuple[Any, ...]]] = {}
    results = Results(connection, "testing")
    for check in record_checks():
        last_or_new(results, check, known)
    whole = next(check for check in checks() if check.name == "keys_are_unique")
    assert whole not in known
    assert set(whole.parts) <= set(record_checks()) & known.keys()


def test_only_reservations_and_days_are_compared_with_the_present() -> None:
    """What else asked for the time would be told as it was: `results` looks at reservations and at what is wanted for it."""
    asking = re.compile(r"\b(now\(\)|current_(date|timestamp|time)|today\(\)|get_current_timestamp)", re.I)
    asked = {model.name for model in models() if asking.search(model.sql)}
    assert asked == {"day_coverage", "reservation_costs"}
    assert not [check.name for check in checks() for sql in check.queries if asking.search(sql)]


def _unchanged(instance: dg.DagsterInstance, run_id: str) -> set[str]:
    """The assets and checks of a run that were told as they were."""
    told = set()
    for log in instance.all_logs(run_id):
        event = log.dagster_event
        if event is None:
            continue
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            done = event.step_materialization_data.materialization
            told |= {done.asset_key.path[-1]} if "unchanged_since" in done.metadata else set()
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            found = event.asset_check_evaluation_data
            told |= {found.check_name} if "unchanged_since" in found.metadata else set()
    return told


def test_a_sync_that_finds_nothing_new_derives_nothing_and_one_that_does_derives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    monkeypatch.setenv("BRAKET_ETL_HOME", str(tmp_path))
    monkeypatch.setenv("BRAKET_ETL_PRICE_LIST", "off")
    monkeypatch.setenv("BRAKET_ETL_START_DATE", f"{now - timedelta(days=15):%Y-%m-%d}")
    config = pull_config(only_due=True) | {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with (
        running(
            tasks=60, jobs=4, days=5, seed=3, now=now - timedelta(days=9), frozen=True, quotas=False
        ) as emulator,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        emulator.set_clock(now=now, rate=0)
        for name, value in emulator.env().items():
            monkeypatch.setenv(name, value)

        def synced() -> set[str]:
            job = build_defs(runtime=Runtime()).resolve_job_def("sync")
            return _unchanged(instance, job.execute_in_process(config, instance=instance).run_id)

        everything = {model.name for model in models()} | {
            "queue_wait_quantiles",
            "wait_forecast",
            "open_task_forecast",
        }
        everything -= {"day_coverage", "budget_periods", "budget_status"}  # each search is noted
        sums = {check.name for check in model_checks()}
        assert not synced()
        report, mark = tmp_path / "report.html", "<!-- of the first sync -->"
        report.write_text(report.read_text().replace("</article>", f"{mark}</article>"))
        assert everything | sums <= synced()

        assert report.read_text().count(mark) >= 20
        write_report(Runtime().warehouse, tmp_path / "anew.html")
        made_at = re.compile(r"<p>Made [^<]*")
        kept, anew = ((tmp_path / f"{name}.html").read_text() for name in ("report", "anew"))
        assert made_at.sub("", kept.replace(mark, "")) == made_at.sub("", anew)

        with Runtime().warehouse.writing("changing a task") as connection:
            connection.execute(f"UPDATE quantum_tasks SET shots = shots + 1 WHERE {_A_TASK}")
            connection.execute("DROP VIEW job_latency")
        told = synced()
        assert not told & {
            "charges",
            "task_latency",
            "queue_wait_quantiles",
            "days_sum_to_charges",
            "job_latency",
        }
        assert {"job_stages", "stages_fill_the_turnaround"} <= told
        with Runtime().warehouse.reading() as connection:
            rows = connection.execute("SELECT count(*) FROM job_latency EXCEPT SELECT count(*) FROM jobs")
            assert not rows.fetchall()
