"""`recover`: tasks come back from the results files that a bucket or a folder still holds."""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from braket_etl.aws.errors import BadConfiguration
from braket_etl.aws.fetch import Fetched
from braket_etl.pull.merge import Batch, merge
from braket_etl.pull.recover import Source, Tally, recover
from braket_etl.warehouse.connection import Warehouse
from tests.conftest import Program
from tests.http_server import answered_by
from tests.integration.buckets import (
    GARNET,
    JOB_RESULT,
    LOCAL_RESULT,
    SECRET,
    SV1,
    Buckets,
    program_set_result,
    qpu_result,
    serving,
    simulator_result,
    split_program_set,
    task_arn,
    task_metadata,
)
from tests.processes import bound_by_modes
from tests.warehouses import empty_warehouse

REFUSAL = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
BUCKET = "amazon-braket-us-west-2-123456789012"


@pytest.fixture(scope="module")
def s3() -> Iterator[Buckets]:
    with serving() as started:
        for number in range(1, 4):
            started.put(BUCKET, f"tasks/{number}/results.json", simulator_result(task_arn(number)))
        started.put(BUCKET, "tasks/4/results.json", qpu_result(task_arn(4, "eu-north-1")))
        started.put(BUCKET, "tasks/5/results.json", program_set_result(task_arn(5, "eu-north-1")))
        started.put(BUCKET, "tasks/6/results.json", simulator_result(task_arn(6), measurements=200_000))
        started.put(BUCKET, "tasks/7/results.json", json.dumps(simulator_result(task_arn(7))).encode()[:-9])
        for name, content in split_program_set(task_arn(8, "eu-north-1")).items():
            started.put(BUCKET, f"tasks/8/{name}", content)
        started.put(BUCKET, "jobs/j/data/results.json", JOB_RESULT)
        started.put(BUCKET, "notes/results.json", LOCAL_RESULT)
        started.put(BUCKET, "tasks/1/other.json", {"not": "asked for"})
        yield started


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return empty_warehouse(tmp_path)


def put(folder: Path, where: str, content: Any) -> Path:
    file = folder / where / "results.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return file


def stored(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    with warehouse.writing("a look") as connection:
        return connection.execute(query).fetchall()


def api_record(arn: str, **members: Any) -> Fetched:
    body = {
        "quantumTaskArn": arn,
        "deviceArn": SV1,
        "status": "COMPLETED",
        "shots": 100,
        "createdAt": "2025-03-04T05:06:07.123456Z",
        "endedAt": "2025-03-04T05:06:15.250Z",
        "deviceParameters": "{}",
        "outputS3Bucket": BUCKET,
        "outputS3Directory": "tasks/1",
        **members,
    }
    return Fetched("GetQuantumTask", arn, body, datetime.now(UTC).replace(microsecond=0))


def test_a_bucket_gives_its_tasks_back_and_says_what_it_found(program: Program, s3: Buckets) -> None:
    program.env = s3.env()
    done = program.run("recover", f"s3://{BUCKET}/", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    counted = ("read", "taken", "already_known", "part_of_a_set", "not_a_task", "unreadable")
    assert {name: told[name] for name in counted} == {
        "read": 12,
        "taken": 7,
        "already_known": 0,
        "part_of_a_set": 2,
        "not_a_task": 2,
        "unreadable": 1,
    }
    reasons = {each["file"]: (each["outcome"], each["reason"]) for each in told["not_taken"]}
    assert reasons.keys() == {
        f"s3://{BUCKET}/{name}/results.json" for name in ("tasks/7", "jobs/j/data", "notes")
    }
    assert reasons[f"s3://{BUCKET}/jobs/j/data/results.json"] == ("not_a_task", "the result of a hybrid job")
    assert "tasks/7/results.json" in done.stderr
    assert program.rows(
        "SELECT quantum_task_arn, device_arn, region, account_id, status, is_terminal, shots, "
        "num_successful_shots, created_at, ended_at, output_s3_bucket, output_s3_directory, origin, tags "
        "FROM quantum_tasks WHERE region = 'eu-north-1' ORDER BY 1"
    ) == [
        (
            task_arn(number, "eu-north-1"),
            GARNET,
            "eu-north-1",
            "123456789012",
            "COMPLETED",
            True,
            shots,
            successful,
            datetime(2025, 3, 4, 5, 6, 7, 123_000, UTC),
            datetime(2025, 3, 4, 5, 6, 15, 250_000, UTC),
            BUCKET,
            f"tasks/{number}",
            "results_file",
            None,
        )
        for number, shots, successful in ((4, 100, None), (5, 300, 200), (8, 300, 200))
    ]
    assert (
        program.rows(
            "SELECT action_metadata_action_type, action_metadata_program_count, action_metadata_executable_count "
            "FROM quantum_tasks WHERE output_s3_directory IN ('tasks/5', 'tasks/8')"
        )
        == [("braket.ir.openqasm.program_set", 2, 3)] * 2
    )
    assert program.rows(
        "SELECT each.program_index, each.executable_index, each.outcome, each.failure_reason "
        "FROM (SELECT unnest(executables) AS each FROM task_results "
        f"WHERE quantum_task_arn = '{task_arn(8, 'eu-north-1')}') ORDER BY ALL"
    ) == [(0, 0, "succeeded", None), (0, 1, "failed", "The device stopped."), (1, 0, "succeeded", None)]
    # The models answer for them: run time, wait and cost.
    assert program.rows(
        "SELECT count(*), min(execution_duration_ms), max(problem) FROM task_results JOIN quantum_tasks "
        "USING (quantum_task_arn) WHERE device_name = 'sv1'"
    ) == [(4, 4321, None)]
    assert program.one(
        "SELECT count(*) FROM task_costs WHERE cost_status = 'priced' AND billed_seconds = 4.321"
    )
    assert program.one("SELECT count(*) FROM task_latency WHERE turnaround_seconds = 8.127") == 7
    assert program.rows("SELECT kind, outcome, ended_at IS NOT NULL FROM etl.runs") == [
        ("recover", "warning", True)
    ]
    assert SECRET not in done.stderr + done.stdout
    assert SECRET.encode() not in program.published.read_bytes()

    again = json.loads(program.ok("recover", f"s3://{BUCKET}/", "--json"))
    assert (again["taken"], again["already_known"], again["not_a_task"]) == (0, 7, 2)
    assert program.one("SELECT count(*) FROM quantum_tasks") == 7
    assert program.one("SELECT count(*) FROM task_results") == 7


def test_a_person_is_told_in_a_table_and_the_worst_five_by_name(program: Program, tmp_path: Path) -> None:
    for number in range(7):
        put(tmp_path / "copy", str(number), LOCAL_RESULT)
    put(tmp_path / "copy", "a\x1b[31m", b"{")
    done = program.run("recover", str(tmp_path / "copy"))
    assert done.returncode == 0, done.stderr
    assert "already known" in done.stdout
    assert "\x1b" not in done.stderr
    named = [line for line in done.stderr.splitlines() if "results.json: " in line]
    assert ["local simulator" in line for line in named] == [False, True, True, True, True]
    assert "and 3 more files" in done.stderr
    assert len(json.loads(program.ok("recover", str(tmp_path / "copy"), "--json"))["not_taken"]) == 8
    (tmp_path / "nothing").mkdir()
    assert "no file named results.json" in program.run("recover", str(tmp_path / "nothing")).stderr


def test_what_the_api_said_stays_and_comes_over_what_a_file_said(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    """The API writes more digits of the same instant, and knows tags."""
    merge(warehouse, Batch([api_record(task_arn(1), tags={"team": "one"})]), "run", "a test")
    for number in (1, 2):
        put(tmp_path / "copy", str(number), simulator_result(task_arn(number)))
    done = recover(warehouse, Source.of(str(tmp_path / "copy")))
    assert (done.tally.taken, done.tally.already_known) == (1, 1)
    origins = "SELECT origin, tags['team'], date_part('us', created_at) FROM quantum_tasks ORDER BY quantum_task_arn"
    assert stored(warehouse, origins) == [("api", "one", 7_123_456), ("results_file", None, 7_123_000)]
    assert stored(warehouse, "SELECT count(*) FROM task_results WHERE execution_duration_ms = 4321") == [(2,)]

    merge(warehouse, Batch([api_record(task_arn(2), tags={"team": "two"})]), "run", "a test")
    assert stored(warehouse, origins) == [("api", "one", 7_123_456), ("api", "two", 7_123_456)]


def test_a_task_is_known_by_its_key_alone_whatever_time_the_file_tells(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    merge(warehouse, Batch([api_record(task_arn(1))]), "run", "a test")
    later = simulator_result(task_arn(1))
    later["taskMetadata"]["createdAt"] = "2025-03-09T05:06:07.123Z"
    put(tmp_path / "copy", "1", later)
    done = recover(warehouse, Source.of(str(tmp_path / "copy")))
    assert (done.tally.taken, done.tally.already_known) == (0, 1)
    assert stored(warehouse, "SELECT count(*), min(origin) FROM quantum_tasks") == [(1, "api")]


def test_a_copied_folder_keeps_its_paths_and_takes_the_bucket_that_it_is_told(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    put(folder, "tasks/1", simulator_result(task_arn(1)))
    put(folder, "", simulator_result(task_arn(2)))
    put(folder, "tasks/again", simulator_result(task_arn(1)))
    places = "SELECT output_s3_bucket, output_s3_directory FROM quantum_tasks ORDER BY quantum_task_arn"
    done = recover(warehouse, Source.of(str(folder)))
    assert (done.tally.read, done.tally.taken, done.tally.already_known) == (3, 2, 1)
    assert stored(warehouse, places) == [("", "tasks/1"), ("", "")]

    other = empty_warehouse(tmp_path / "other")
    recover(other, Source.of(str(folder), "s3://lab/all/of it/"))
    assert stored(other, places) == [("lab", "all/of it/tasks/1"), ("lab", "all/of it")]


def put_set(folder: Path, number: int, change: Callable[[dict[str, Any]], None] = lambda files: None) -> Path:
    """The files of a program set in a folder of its own, changed."""
    files = split_program_set(task_arn(number))
    change(files)
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return folder


def test_program_sets_in_several_files_come_back_from_a_folder(warehouse: Warehouse, tmp_path: Path) -> None:
    def packed(files: dict[str, Any]) -> None:
        files["metadata.json"] = gzip.compress(json.dumps(files["metadata.json"]).encode())
        files["results.json.gz"] = gzip.compress(json.dumps(files.pop("results.json")).encode())

    def failed(files: dict[str, Any]) -> None:
        files["metadata.json"] |= {"status": "FAILED", "successfulShots": 100}

    put_set(tmp_path / "copy" / "1", 1)
    put_set(tmp_path / "copy" / "2", 2, packed)
    put_set(tmp_path / "copy" / "3", 3, failed)
    done = recover(warehouse, Source.of(str(tmp_path / "copy")))
    assert done.tally == Tally(read=9, taken=3, part_of_a_set=6)
    assert done.not_taken == []
    assert stored(
        warehouse, "SELECT status, shots, num_successful_shots FROM quantum_tasks ORDER BY quantum_task_arn"
    ) == [("COMPLETED", 300, 200), ("COMPLETED", 300, 200), ("FAILED", 300, 100)]


def test_a_program_set_that_is_not_whole_is_named(warehouse: Warehouse, tmp_path: Path) -> None:
    def without(*names: str) -> Callable[[dict[str, Any]], None]:
        def change(files: dict[str, Any]) -> None:
            for name in names:
                del files[name]

        return change

    def elsewhere(name: str) -> Callable[[dict[str, Any]], None]:
        return lambda files: files["results.json"].update(taskMetadata=name)

    folder = tmp_path / "copy"
    put_set(folder / "a", 1, without("programs/0/results.json", "programs/1/results.json"))
    put_set(folder / "b", 2, without("metadata.json"))
    put_set(folder / "c", 3, elsewhere("../a/metadata.json"))
    put_set(folder / "d", 4, elsewhere(str(folder / "a" / "metadata.json")))
    put_set(folder / "e", 5, elsewhere("results.json"))
    put_set(folder / "f", 6, without("results.json", "metadata.json"))
    done = recover(warehouse, Source.of(str(folder)))
    assert done.tally == Tally(read=15, taken=1, part_of_a_set=6, not_a_task=5, unreadable=3)
    said = {each.file.removeprefix(f"{folder}/"): (each.outcome, each.reason) for each in done.not_taken}
    assert {name: outcome for name, (outcome, _) in said.items()} == {
        "b/results.json": "unreadable",
        "c/results.json": "unreadable",
        "d/results.json": "unreadable",
        "e/results.json": "not_a_task",
        "e/programs/0/results.json": "not_a_task",
        "e/programs/1/results.json": "not_a_task",
        "f/programs/0/results.json": "not_a_task",
        "f/programs/1/results.json": "not_a_task",
    }
    assert "metadata.json" in said["b/results.json"][1]
    assert "no place beside it" in said["c/results.json"][1]
    assert "whose own results.json is not here" in said["f/programs/0/results.json"][1]


def test_a_program_set_whose_metadata_may_not_be_read_is_exit_1(program: Program, tmp_path: Path) -> None:
    (put_set(tmp_path / "set", 1) / "metadata.json").chmod(0)
    done = program.run("recover", str(tmp_path / "set"), "--json", prefix=bound_by_modes())
    assert done.returncode == 1, done.stderr
    [told] = json.loads(done.stdout)["not_taken"]
    assert told["outcome"] == "not_opened"
    assert "metadata.json, which it names: Permission denied" in told["reason"]


def test_in_a_bucket_a_set_leads_to_nothing_outside_its_folder(warehouse: Warehouse, s3: Buckets) -> None:
    for number, name in ((1, "../b/metadata.json"), (2, "s3://sets/b/metadata.json"), (3, "not-there.json")):
        root = {**split_program_set(task_arn(number))["results.json"], "taskMetadata": name}
        s3.put("sets", f"{number}/results.json", root)
    s3.put("sets", "b/metadata.json", split_program_set(task_arn(9))["metadata.json"])
    done = recover(warehouse, Source.of("s3://sets"), client=s3.client)
    assert done.tally == Tally(read=3, unreadable=3)
    assert ["no place beside it" in each.reason for each in done.not_taken] == [True, True, False]
    assert "not-there.json, which it names, is not beside it" in done.not_taken[2].reason


def test_one_file_may_have_any_name(warehouse: Warehouse, s3: Buckets, tmp_path: Path) -> None:
    file = put(tmp_path, "one", simulator_result(task_arn(1))).rename(tmp_path / "my task (1).txt")
    assert recover(warehouse, Source.of(str(file))).tally == Tally(read=1, taken=1)
    s3.put("kept", "by hand/task 2", simulator_result(task_arn(2)))
    s3.put("kept", "by hand/task 2 again", simulator_result(task_arn(3)))
    named = Source.of("s3://kept/by hand/task 2")
    assert recover(warehouse, named, client=s3.client).tally == Tally(read=1, taken=1)
    part = put_set(tmp_path / "set", 4) / "programs" / "0" / "results.json"
    done = recover(warehouse, Source.of(str(part)))
    assert done.tally == Tally(read=1, not_a_task=1)
    assert "whose own results.json is not here" in done.not_taken[0].reason
    shutil.move(tmp_path / "set" / "results.json", tmp_path / "set" / "saved.json")
    assert recover(warehouse, Source.of(str(tmp_path / "set" / "saved.json"))).tally.taken == 1


def test_shots_of_aquila_that_succeeded_come_back(warehouse: Warehouse, tmp_path: Path) -> None:
    result = qpu_result(task_arn(1))
    result["additionalMetadata"] = {"action": {}, "queraMetadata": {"numSuccessfulShots": 41}}
    put(tmp_path, "aquila", result)
    recover(warehouse, Source.of(str(tmp_path)))
    assert stored(warehouse, "SELECT shots, num_successful_shots FROM quantum_tasks") == [(100, 41)]


def test_files_that_cannot_become_a_row_are_counted_and_stop_nothing(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    for place, members in {
        "no time": {"createdAt": None},
        "no device": {"deviceId": None},
        "no status": {"status": None},
        "too many": {"shots": 10**30},
    }.items():
        result = simulator_result(task_arn(9))
        result["taskMetadata"] |= members
        put(folder, place, result)
    put(folder, "cut", b'{"taskMetadata": {')
    put(folder, "empty", b"")
    put(folder, "good", simulator_result(task_arn(1)))
    put(folder, "whole, after damaged ones of the same task", simulator_result(task_arn(9)))
    done = recover(warehouse, Source.of(str(folder)))
    tally = done.tally
    assert (tally.read, tally.taken, tally.unreadable) == (8, 2, 6)
    good = [(task_arn(1),), (task_arn(9),)]
    for table in ("quantum_tasks", "task_results"):
        assert stored(warehouse, f"SELECT quantum_task_arn FROM {table} ORDER BY 1") == good
    assert [each.outcome for each in done.not_taken] == ["unreadable"] * 6


def test_an_interrupted_run_goes_on_where_it_was_and_counts_as_one(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    for number in range(10):
        put(folder, str(number), simulator_result(task_arn(number)))
    put(folder, "3", LOCAL_RESULT)

    def interrupt(tally: Tally) -> None:
        if tally.read == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recover(warehouse, Source.of(str(folder)), progress=interrupt)
    assert stored(warehouse, "SELECT count(*) FROM quantum_tasks") == [(5,)]

    for earlier in range(6):
        (folder / str(earlier) / "results.json").write_bytes(b"not to be read again")
    done = recover(warehouse, Source.of(str(folder)))
    assert done.resumed_after == str(folder / "5" / "results.json")
    assert done.tally == Tally(read=10, taken=9, not_a_task=1)
    # It is finished, so the next one begins anew.
    done = recover(warehouse, Source.of(str(folder)))
    assert (done.resumed_after, done.tally.already_known, done.tally.unreadable) == ("", 4, 6)


def test_a_place_that_is_old_or_not_wanted_is_not_gone_on_from(warehouse: Warehouse, tmp_path: Path) -> None:
    file = put(tmp_path / "copy", "1", simulator_result(task_arn(1)))
    source = Source.of(str(tmp_path / "copy"))

    def note(age: timedelta) -> None:
        noted = {"after": str(file), "at": (datetime.now(UTC) - age).isoformat(), "tally": {"read": 1}}
        with warehouse.writing("a test") as connection:
            connection.execute(
                "INSERT INTO etl.properties VALUES (?, ?)", [f"recover {source.path}", json.dumps(noted)]
            )

    note(timedelta(days=6))
    assert recover(warehouse, source).tally == Tally(read=1)
    note(timedelta(days=8))
    assert recover(warehouse, source).tally.taken == 1
    note(timedelta(days=1))
    assert recover(warehouse, source, restart=True).tally.already_known == 1


def test_killed_by_the_system_it_ends_as_if_undisturbed(program: Program, tmp_path: Path) -> None:
    for number in range(1_500):
        put(tmp_path / "copy", f"{number:05}", simulator_result(task_arn(number), measurements=50))
    process = program.start("recover", str(tmp_path / "copy"))
    counts = program.writer.parent / "row_counts.json"
    while process.poll() is None:
        if counts.exists() and json.loads(counts.read_text() or "{}").get("quantum_tasks"):
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    assert process.wait(timeout=60) == -signal.SIGKILL
    told = json.loads(program.ok("recover", str(tmp_path / "copy"), "--json"))
    assert told["resumed_after"]
    assert (told["read"], told["taken"]) == (1_500, 1_500)
    assert program.one("SELECT count(DISTINCT quantum_task_arn) FROM quantum_tasks") == 1_500
    assert program.one("SELECT count(*) FROM task_results") == 1_500
    assert program.rows("SELECT outcome FROM etl.runs ORDER BY started_at") == [("failure",), ("success",)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/no/such/folder"], "no file or folder"),
        (["s3://"], "s3://bucket/prefix"),
        ([".", "--copy-of", "bucket"], "s3://bucket/prefix"),
        (["s3://lab/x", "--copy-of", "s3://lab"], "local folder"),
        (["s3://lab/x", "--account", "nobody"], "nobody"),
        (["s3://lab/x"], "no AWS credentials"),
        ([], "path"),
    ],
)
def test_bad_usage_is_told_in_a_line_with_exit_2(program: Program, arguments: list[str], said: str) -> None:
    done = program.run("recover", *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not program.home.exists()


def test_several_accounts_need_one_to_be_named(program: Program, s3: Buckets) -> None:
    accounts = '[{"name": "lab"}, {"name": "prod"}]'
    program.env = {**s3.env(), "BRAKET_ETL_ACCOUNTS": accounts}
    done = program.run("recover", f"s3://{BUCKET}/jobs")
    assert done.returncode == 2
    assert "--account (lab, prod)" in done.stderr
    told = json.loads(program.ok("recover", f"s3://{BUCKET}/jobs", "--account", "prod", "--json"))
    assert (told["read"], told["not_a_task"]) == (1, 1)


def test_a_bucket_that_is_not_there_is_exit_1_and_what_is_stored_is_published(
    program: Program, s3: Buckets
) -> None:
    program.env = s3.env()
    done = program.run("recover", "s3://no-such-bucket-here/x")
    assert done.returncode == 1, done.stderr
    assert "NoSuchBucket" in done.stderr
    assert "Traceback" not in done.stderr
    assert program.rows("SELECT kind, outcome FROM etl.runs") == [("recover", "failure")]


@contextmanager
def listing(
    keys: int, forbidden: Callable[[], bool], *, broken: Callable[[], bool] = lambda: False
) -> Iterator[Buckets]:
    """An S3 that lists `keys` files but, while `forbidden`, gives none, as a policy without s3:GetObject does.

    While `broken`, the listing promises a second page and refuses it.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if "list-type=2" in query:
                asked = parse_qs(query)
                after = asked.get("start-after", [""])[0]
                names = [name for n in range(keys) if (name := f"{n:02}/results.json") > after]
                found = "".join(f"<Contents><Key>{name}</Key></Contents>" for name in names)
                more = "<NextContinuationToken>2</NextContinuationToken>" if broken() else ""
                rest = f"<IsTruncated>{str(broken()).lower()}</IsTruncated>{more}"
                if "continuation-token" in asked:
                    self.answer(403, REFUSAL)
                else:
                    self.answer(200, f"<ListBucketResult>{rest}{found}</ListBucketResult>")
            elif forbidden():
                self.answer(403, REFUSAL)
            else:
                self.answer(200, json.dumps(simulator_result(task_arn(int(path.split("/")[-2])))))

        def answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

    with answered_by(Handler) as url:
        yield Buckets(url)


def test_a_bucket_that_lists_but_gives_nothing_is_given_up_and_gone_on_with_later(
    warehouse: Warehouse,
) -> None:
    closed = [True]
    with listing(20, lambda: closed[0]) as secret:
        done = recover(warehouse, Source.of("s3://secret"), client=secret.client)
        assert "AccessDenied" in str(done.problem)
        assert (done.tally.read, done.tally.not_opened) == (0, 0)
        closed[0] = False
        done = recover(warehouse, Source.of("s3://secret"), client=secret.client)
    assert done.problem is None
    assert done.tally == Tally(read=20, taken=20)


def test_a_file_that_cannot_be_had_is_named_with_exit_1(program: Program) -> None:
    with listing(5, lambda: True) as secret:
        program.env = secret.env()
        done = program.run("recover", "s3://secret")
    assert done.returncode == 1, done.stderr
    assert "s3://secret/00/results.json" in done.stderr
    assert "5 files could not be opened" in done.stderr
    assert SECRET not in done.stderr + done.stdout
    assert program.rows("SELECT outcome FROM etl.runs") == [("failure",)]


def test_a_folder_that_may_not_be_listed_is_exit_1(program: Program, tmp_path: Path) -> None:
    put(tmp_path / "copy", "a", simulator_result(task_arn(1)))
    (tmp_path / "copy" / "b").mkdir(mode=0)
    done = program.run("recover", str(tmp_path / "copy"), prefix=bound_by_modes())
    assert done.returncode == 1, done.stderr
    assert str(tmp_path / "copy" / "b") in done.stderr
    assert "Traceback" not in done.stderr
    assert program.one("SELECT count(*) FROM quantum_tasks") == 1


def test_what_comes_before_the_place_where_a_listing_fails_is_taken(warehouse: Warehouse) -> None:
    broken = [True]
    with listing(5, lambda: False, broken=lambda: broken[0]) as lab:
        done = recover(warehouse, Source.of("s3://lab"), client=lab.client)
        assert "AccessDenied" in str(done.problem)
        assert done.tally == Tally(read=5, taken=5)
        assert stored(warehouse, "SELECT count(*) FROM quantum_tasks") == [(5,)]
        broken[0] = False
        done = recover(warehouse, Source.of("s3://lab"), client=lab.client)
    assert (done.resumed_after, done.problem) == ("s3://lab/04/results.json", None)
    assert done.tally == Tally(read=5, taken=5)


def test_a_source_is_what_its_name_says(tmp_path: Path) -> None:
    source = Source.of("s3://lab/prefix")
    assert source.place_of("s3://lab/prefix/tasks/1/results.json") == ("lab", "prefix/tasks/1")
    assert source.place_of("s3://lab/results.json") == ("lab", "")
    file = put(tmp_path, "one", task_metadata(task_arn(1), SV1))
    assert Source.of(str(file)).place_of(str(file)) == ("", "")
    with pytest.raises(BadConfiguration):
        Source.of(str(file), "lab/prefix")
