"""results.json in the pipeline: which tasks are asked for, what is stored, and that S3 is never a condition."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from braket_emulator import running
from braket_emulator.callers import access_key_for
from braket_etl.aws.fetch import Fetched
from braket_etl.aws.sessions import Account, Sessions
from braket_etl.orchestration.assets import task_results
from braket_etl.pull import results as module
from braket_etl.pull.merge import Batch, merge
from braket_etl.pull.outcome import Outcome
from braket_etl.pull.results import PROGRAM_SET, read_results
from braket_etl.runtime import Runtime
from braket_etl.warehouse.connection import Warehouse
from tests.conftest import NOW, Program
from tests.http_server import answered_by
from tests.integration.buckets import (
    GARNET,
    JOB_RESULT,
    SECRET,
    SV1,
    Buckets,
    program_set_result,
    qpu_result,
    serving,
    simulator_result,
    split_program_set,
    task_arn,
)
from tests.warehouses import empty_warehouse

LAB = Account("lab")
TODAY = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def s3() -> Iterator[Buckets]:
    with serving() as started:
        yield started


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return empty_warehouse(tmp_path)


def store(
    warehouse: Warehouse, *tasks: dict[str, Any], account: str = "lab", principal: str | None = None
) -> None:
    """Store tasks as the API gave them to the account that is called so in the settings, with its credentials."""
    bodies = []
    for number, members in enumerate(tasks, 1):
        body = {
            "quantumTaskArn": task_arn(number),
            "deviceArn": SV1,
            "status": "COMPLETED",
            "shots": 100,
            "createdAt": (TODAY - timedelta(hours=number)).isoformat(),
            "endedAt": (TODAY - timedelta(hours=number, minutes=-5)).isoformat(),
            "deviceParameters": "{}",
            "outputS3Bucket": "lab",
            "outputS3Directory": f"tasks/{number}",
            **members,
        }
        bodies.append(Fetched("GetQuantumTask", body["quantumTaskArn"], body, TODAY))
    merge(warehouse, Batch(bodies), "run", "a test")
    with warehouse.writing("a test") as connection:
        connection.execute(
            "INSERT INTO etl.coverage (account, principal, account_id, region, table_name, day, searched_at, listed, "
            "stored, rejected, run_id) SELECT ?, ?, account_id, 'us-west-2', 'quantum_tasks', DATE '2026-11-19', "
            "?, 1, 1, 0, 'run' FROM (SELECT DISTINCT account_id FROM quantum_tasks)",
            [account, principal, TODAY],
        )


def read(
    warehouse: Warehouse,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    at: datetime = TODAY,
    key: str = "AKIAEXAMPLE123456789",
) -> Outcome:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    sessions = Sessions([LAB], attempts=1)
    return read_results(warehouse, sessions, [LAB], now=at)


def stored(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    with warehouse.writing("a look") as connection:
        return connection.execute(query).fetchall()


@contextmanager
def answering(status: int, body: str, asked: list[str]) -> Iterator[str]:
    """An S3 that always gives the same answer, and notes which paths it was asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

    with answered_by(Handler) as url:
        yield url


MISSING = "<Error><Code>NoSuchKey</Code></Error>"
REFUSAL = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"


def test_only_finished_simulator_tasks_and_program_sets_are_asked_for(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(
        warehouse,
        {},
        {"status": "RUNNING"},
        {"status": "FAILED"},
        {"deviceArn": GARNET},
        {"deviceArn": GARNET, "actionMetadata": {"actionType": PROGRAM_SET}},
        {"deviceArn": GARNET, "actionMetadata": {"actionType": "x", "programCount": 2}},
        {"deviceArn": GARNET, "actionMetadata": {"actionType": PROGRAM_SET}, "status": "FAILED"},
        {"deviceArn": GARNET, "actionMetadata": {"actionType": PROGRAM_SET}, "status": "RUNNING"},
    )
    asked: list[str] = []
    with answering(404, MISSING, asked) as url:
        outcome = read(warehouse, url, monkeypatch)
    assert sorted(asked) == [f"/lab/tasks/{number}/results.json" for number in (1, 5, 6, 7)]
    assert outcome.verdict == "success"


def test_a_program_set_that_failed_without_results_is_asked_for_a_few_times_only(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(warehouse, {"deviceArn": GARNET, "actionMetadata": {"actionType": PROGRAM_SET}, "status": "FAILED"})
    asked: list[str] = []
    with answering(404, MISSING, asked) as url:
        for day in (0, 10, 20, 30, 40):
            read(warehouse, url, monkeypatch, at=TODAY + timedelta(days=day))
    assert len(asked) == module.ENOUGH


def test_a_program_set_in_several_files_is_read_once_and_as_a_whole(
    warehouse: Warehouse, s3: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_set = {"deviceArn": GARNET, "actionMetadata": {"actionType": PROGRAM_SET}}
    store(warehouse, a_set, {**a_set, "status": "FAILED"}, a_set, a_set)
    for number in (1, 2, 3, 4):
        files = split_program_set(task_arn(number))
        files["results.json"]["taskMetadata"] = "../1/metadata.json" if number == 4 else "metadata.json"
        for name in ("results.json", "metadata.json")[: 1 if number == 3 else 2]:
            s3.put("lab", f"tasks/{number}/{name}", files[name])
    outcome = read(warehouse, s3.url, monkeypatch)
    assert outcome.verdict == "success"
    rows = stored(
        warehouse,
        "SELECT requested_shots, successful_shots, failed_executables, len(executables), problem IS NULL "
        "FROM task_results ORDER BY quantum_task_arn",
    )
    assert rows == [(300, 200, 1, 3, True)] * 2 + [(None, None, None, None, False)] * 2
    problems = stored(
        warehouse, "SELECT problem FROM task_results WHERE problem IS NOT NULL ORDER BY quantum_task_arn"
    )
    assert ["is not beside it" in problem for (problem,) in problems] == [True, False]
    asked: list[str] = []
    with answering(404, MISSING, asked) as url:
        read(warehouse, url, monkeypatch)
    assert asked == []


def test_metadata_that_are_forbidden_are_a_warning_and_the_bucket_is_read_on(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_set = self.path == "/lab/tasks/1/results.json"
            name = "results.json" if is_set else "metadata.json"
            number = int(self.path.split("/")[-2])
            answer = (
                split_program_set(task_arn(1))[name] if number == 1 else simulator_result(task_arn(number))
            )
            body = json.dumps(answer).encode() if is_set or number > 1 else REFUSAL.encode()
            self.send_response(200 if is_set or number > 1 else 403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    store(warehouse, {"deviceArn": GARNET, "actionMetadata": {"actionType": PROGRAM_SET}}, *[{}] * 3)
    with answered_by(Handler) as url:
        outcome = read(warehouse, url, monkeypatch)
    [warning] = outcome.warnings
    assert "AccessDenied" in warning
    assert stored(warehouse, "SELECT count(*), count(problem) FROM task_results") == [(3, 0)]


def test_where_nothing_is_to_be_read_s3_is_not_asked_and_no_client_made(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(warehouse, {"deviceArn": GARNET}, {"status": "RUNNING"})
    asked: list[str] = []
    with answering(500, "", asked) as url:
        assert read(warehouse, url, monkeypatch).summary()["rows"] == {}
    assert asked == []


def test_a_task_of_an_account_that_is_configured_no_longer_is_left_alone(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(warehouse, {}, account="gone")
    asked: list[str] = []
    with answering(500, "", asked) as url:
        assert read(warehouse, url, monkeypatch).verdict == "success"
    assert asked == []


def test_other_credentials_under_the_same_name_ask_for_nothing_of_the_first(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = "123456789012", "444455556666"
    store(warehouse, {}, principal=first)
    asked: list[str] = []
    with answering(404, MISSING, asked) as url:
        assert read(warehouse, url, monkeypatch, key=access_key_for(second)).verdict == "success"
        assert asked == []
        read(warehouse, url, monkeypatch, key=access_key_for(first))
    assert asked == ["/lab/tasks/1/results.json"]


def test_what_the_files_say_is_stored_once(
    warehouse: Warehouse, s3: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(
        warehouse,
        *[{"outputS3Directory": f"kinds/{number}"} for number in range(1, 6)],
        {"outputS3Directory": "kinds/6", "deviceArn": GARNET, "actionMetadata": {"actionType": PROGRAM_SET}},
        {"outputS3Directory": "kinds/7"},
    )
    s3.put("lab", "kinds/1/results.json", simulator_result(task_arn(1), measurements=100_000))
    s3.put("lab", "kinds/2/results.json", dict(reversed(simulator_result(task_arn(2), 7).items())))
    s3.put("lab", "kinds/3/results.json", simulator_result(task_arn(99)))
    s3.put("lab", "kinds/4/results.json", JOB_RESULT)
    s3.put("lab", "kinds/5/results.json", json.dumps(simulator_result(task_arn(5))).encode()[:-30])
    s3.put("lab", "kinds/6/results.json", program_set_result(task_arn(6)))
    s3.put("lab", "kinds/7/results.json", simulator_result(task_arn(7), 1e30))
    outcome = read(warehouse, s3.url, monkeypatch)
    assert outcome.verdict == "success"
    assert outcome.counts["task_results"].new == 7
    rows = stored(
        warehouse,
        "SELECT execution_duration_ms, successful_shots, problem, attempts, region, account_id "
        "FROM task_results ORDER BY quantum_task_arn",
    )
    assert [row[0] for row in rows] == [4321, 7, None, None, None, None, None]
    assert [row[1] for row in rows] == [None, None, None, None, None, 200, None]
    reasons = [row[2] for row in rows]
    assert reasons[:2] == [None, None]
    assert reasons[5] is None
    for reason, said in zip(
        (reasons[2], reasons[3], reasons[4], reasons[6]),
        ("of another task", "hybrid job", "Incomplete", "cannot be stored"),
        strict=True,
    ):
        assert said.lower() in reason.lower()
    assert {row[3:] for row in rows} == {(1, "us-west-2", "123456789012")}
    asked: list[str] = []
    with answering(404, MISSING, asked) as url:
        assert read(warehouse, url, monkeypatch).counts == {}
    assert asked == []


def test_what_is_not_there_is_asked_for_again_on_later_days_ever_more_rarely(
    warehouse: Warehouse, s3: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(warehouse, {})
    asked: list[str] = []
    tried: list[int] = []
    with answering(404, MISSING, asked) as url:
        for day in range(9):
            for hour in (0, 8):
                before = len(asked)
                read(warehouse, url, monkeypatch, at=TODAY + timedelta(days=day, hours=hour))
                tried += [day] * (len(asked) - before)
    assert tried == [0, 1, 3, 7]
    assert stored(warehouse, "SELECT problem, attempts FROM task_results") == [
        ("there is no results.json", 4)
    ]
    s3.put("lab", "tasks/1/results.json", simulator_result(task_arn(1)))
    read(warehouse, s3.url, monkeypatch, at=TODAY + timedelta(days=15))
    assert stored(warehouse, "SELECT problem, execution_duration_ms FROM task_results") == [(None, 4321)]


def test_a_bucket_that_refuses_is_one_warning_and_is_asked_again_by_the_next_run(
    warehouse: Warehouse, s3: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(warehouse, *[{"outputS3Bucket": "closed"}] * 30, {"outputS3Bucket": "other"})
    asked: list[str] = []
    with answering(403, REFUSAL, asked) as url:
        outcome = read(warehouse, url, monkeypatch)
    assert outcome.verdict == "warning"
    closed, other = sorted(outcome.warnings)
    assert "bucket closed" in closed
    assert "AccessDenied" in closed
    assert "bucket other" in other
    assert set(outcome.warnings.values()) == {1}
    assert len(asked) <= module.THREADS + 1  # those under way when the first was refused
    assert stored(warehouse, "SELECT count(*) FROM task_results") == [(0,)]
    for number in range(1, 31):
        s3.put("closed", f"tasks/{number}/results.json", simulator_result(task_arn(number)))
    outcome = read(warehouse, s3.url, monkeypatch)
    assert outcome.counts["task_results"].new == 30
    assert [warning for warning in outcome.warnings if "bucket other" in warning]


def test_an_endpoint_out_of_reach_is_one_warning_a_run(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [("us-west-2", "one"), ("us-west-2", "one"), ("us-west-2", "two"), ("eu-west-2", "three")]
    store(
        warehouse,
        *[
            {"quantumTaskArn": task_arn(number, region), "outputS3Bucket": bucket}
            for number, (region, bucket) in enumerate(places, 1)
        ],
    )
    outcome = read(warehouse, "http://127.0.0.1:9", monkeypatch)
    assert outcome.verdict == "warning"
    [(warning, times)] = outcome.warnings.items()
    assert times == 1
    assert "buckets one, three, two" in warning
    assert "127.0.0.1:9" in warning


def test_many_buckets_out_of_reach_are_counted_and_not_all_named(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(warehouse, *[{"outputS3Bucket": f"b{number}"} for number in range(1, 8)])
    [warning] = read(warehouse, "http://127.0.0.1:9", monkeypatch).warnings
    assert "b1, b2, b3 and 4 more" in warning
    assert stored(warehouse, "SELECT count(*) FROM task_results") == [(0,)]


def test_more_tasks_than_one_batch_are_read_newest_first(
    warehouse: Warehouse, s3: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_DUE", module._DUE.replace(str(module.BATCH_TASKS), "4"))
    store(
        warehouse,
        *[{"createdAt": TODAY.isoformat(), "outputS3Directory": f"many/{n}"} for n in range(1, 7)],
        *[{"outputS3Directory": f"many/{n}"} for n in range(7, 11)],
        {"outputS3Bucket": "nowhere"},
    )
    for number in range(1, 11):
        s3.put("lab", f"many/{number}/results.json", simulator_result(task_arn(number)))
    outcome = read(warehouse, s3.url, monkeypatch)
    assert outcome.counts["task_results"].new == 10
    assert stored(warehouse, "SELECT count(DISTINCT quantum_task_arn) FROM task_results") == [(10,)]
    [warning] = outcome.warnings
    assert "NoSuchBucket" in warning


def test_sync_reads_run_times_and_goes_on_where_a_bucket_refuses(program: Program) -> None:
    with running(tasks=80, jobs=2, days=4, seed=11, now=NOW, frozen=True, quotas=False) as emulator:
        emulator.set_faults([{"kind": "bucket_denied", "buckets": ["*-us-east-1-*"]}])
        program.env = {**emulator.env(), "BRAKET_ETL_START_DATE": "2026-11-16"}
        done = program.run("sync")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: results in bucket") == 1
    assert "AccessDenied" in done.stderr
    assert "Traceback" not in done.stderr
    assert "task_results" in done.stdout
    assert program.rows("SELECT outcome FROM etl.runs") == [("warning",)]
    by_place = program.rows(
        "SELECT t.region = 'us-east-1', r.problem, count(r.quantum_task_arn) > 0 "
        "FROM quantum_tasks AS t LEFT JOIN task_results AS r USING (quantum_task_arn) "
        "WHERE t.status = 'COMPLETED' AND (device_type = 'SIMULATOR' OR action_metadata_program_count IS NOT NULL) "
        "GROUP BY ALL ORDER BY 1"
    )
    assert by_place == [(False, None, True), (True, None, False)]
    statuses = program.rows(
        "SELECT DISTINCT region = 'us-east-1', cost_status FROM task_costs JOIN quantum_tasks "
        "USING (quantum_task_arn) WHERE device_type = 'SIMULATOR' AND is_terminal AND cost_status <> 'not_billed' "
        "AND NOT (region = 'us-east-1' AND cost_status = 'reservation') ORDER BY ALL"
    )
    assert statuses == [(False, "priced"), (True, "no_duration")]
    assert "dummy" not in done.stderr + done.stdout


def test_it_can_be_switched_off(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store(warehouse, {})
    monkeypatch.setenv("BRAKET_ETL_ACCOUNTS", '[{"name": "lab"}]')
    asked: list[str] = []
    with answering(404, MISSING, asked) as url:
        for name, value in Buckets(url).env().items():
            monkeypatch.setenv(name, value)
        for choice, times in (("off", 0), ("auto", 1)):
            runtime = Runtime({"home": tmp_path, "results": choice})
            assert dg.materialize([task_results], resources={"runtime": runtime}).success
            assert len(asked) == times


def test_files_of_qpu_tasks_can_be_read_too(warehouse: Warehouse, s3: Buckets) -> None:
    """A QPU's file has no run time; `recover` stores it, and a pull does not ask for it."""
    from braket_etl.pull.recover import Source, recover

    s3.put("qpus", "1/results.json", qpu_result(task_arn(1)))
    recover(warehouse, Source.of("s3://qpus"), client=s3.client)
    assert stored(warehouse, "SELECT execution_duration_ms, attempts, problem FROM task_results") == [
        (None, None, None)
    ]
