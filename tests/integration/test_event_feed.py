"""The event feed from folders, buckets and queues: what is stored, what is kept as a reject, what is deleted."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime

import boto3
import pytest

from braket_etl.aws.events import may_hold_events
from braket_etl.aws.sessions import Sessions, ambient_account
from braket_etl.pull import feed
from braket_etl.pull.events import OPERATION
from braket_etl.pull.feed import read_feed, read_rejects_again
from braket_etl.pull.merge import store_rejects
from braket_etl.pull.naming import Naming
from braket_etl.tables import JOBS, QUANTUM_TASKS
from braket_etl.tables.normalize import Reject, normalize
from braket_etl.warehouse.statements import transaction
from braket_etl.warehouse.upsert import upsert
from tests.integration.buckets import empty_moto
from tests.warehouses import empty_warehouse

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
REGION = "us-west-1"
GARNET = f"arn:aws:braket:{REGION}::device/qpu/rigetti/Aspen-M-1"


def arn(number, kind="quantum-task"):
    return f"arn:aws:braket:{REGION}:111122223333:{kind}/11111111-2222-3333-4444-{number:012d}"


def event(number, status="RUNNING", time="2026-11-20T10:00:00Z", **changes):
    return {
        "id": f"event-{number}-{status}",
        "detail-type": "Braket Task State Change",
        "source": "aws.braket",
        "account": "111122223333",
        "region": REGION,
        "time": time,
        "detail": {"quantumTaskArn": arn(number), "status": status},
    } | changes


def created(number, who, kind="quantum-task", **changes):
    """A record of CloudTrail about a call of somebody with a session of a role."""
    name, member = {"quantum-task": ("CreateQuantumTask", "quantumTaskArn"), "job": ("CreateJob", "jobArn")}[
        kind
    ]
    return {
        "eventID": f"ct-{kind}-{number}",
        "eventSource": "braket.amazonaws.com",
        "eventName": name,
        "eventTime": "2026-11-20T09:32:27Z",
        "userIdentity": {
            "type": "AssumedRole",
            "arn": f"arn:aws:sts::111122223333:assumed-role/Lab/{who}",
        },
        "responseElements": {member: arn(number, kind)},
    } | changes


def task(number, **members):
    return {
        "quantumTaskArn": arn(number),
        "status": "COMPLETED",
        "deviceArn": GARNET,
        "deviceParameters": "{}",
        "shots": 50,
        "outputS3Bucket": "bucket",
        "outputS3Directory": "tasks",
        "createdAt": "2026-11-20T09:32:27.370Z",
        "endedAt": "2026-11-20T10:00:59.500Z",
        **members,
    }


def job(number):
    return {
        "jobArn": arn(number, "job"),
        "status": "RUNNING",
        "jobName": "vqe",
        "roleArn": "arn:aws:iam::111122223333:role/jobs",
        "outputDataConfig": {"s3Path": "s3://bucket/x"},
        "algorithmSpecification": {},
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 1},
        "createdAt": "2026-11-20T09:00:00Z",
    }


class Answer:
    def __init__(self, body, operation, at=NOW):
        self.body, self.operation, self.fetched_at = body, operation, at
        self.arn = body.get("quantumTaskArn") or body["jobArn"]


class Read:
    """A warehouse, and a feed that is read into it."""

    def __init__(self, folder):
        self.warehouse = empty_warehouse(folder)
        self.sessions = Sessions()

    def feed(self, source, **options):
        return read_feed(self.warehouse, self.sessions, ambient_account(), str(source), "run", **options)

    def rows(self, query):
        with self.warehouse.writing("looking") as connection:
            return connection.execute(query).fetchall()

    def store(self, table, *bodies, at=NOW):
        answers = [Answer(body, table.operation, at) for body in bodies]
        with self.warehouse.writing("storing") as connection, transaction(connection):
            rows = normalize(table, answers, bookkeeping={"origin": "api"})
            assert not rows.rejects
            upsert(connection, table, rows.rows)


@pytest.fixture
def read(tmp_path_factory):
    return Read(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def moto():
    with empty_moto() as url:
        yield url


@pytest.fixture
def client(moto, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return lambda service: boto3.client(service, region_name="us-east-1", endpoint_url=moto)


@pytest.fixture
def queue(client, request):
    sqs = client("sqs")
    return sqs, sqs.create_queue(QueueName=f"q{abs(hash(request.node.name))}")["QueueUrl"]


def left_in(sqs, url):
    numbers = sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    )["Attributes"]
    return sum(map(int, numbers.values()))


LIVES = [
    (1, "QUEUED", "09:32:30"),
    (1, "CREATED", "09:32:28"),
    (1, "RUNNING", "10:00:00"),
    (1, "COMPLETED", "10:01:00"),
]


def test_a_folder_as_firehose_fills_it_makes_the_wait_exact(read, tmp_path):
    folder = tmp_path / "feed" / "2026" / "11" / "20" / "09"
    folder.mkdir(parents=True)
    lives = [event(number, status, f"2026-11-20T{at}Z") for number, status, at in LIVES]
    (folder / "lab.stream-1-2026-11-20-09-32-28-aaaa").write_bytes(
        gzip.compress("".join(map(json.dumps, lives)).encode())
    )
    (folder / "notes.txt").write_text("not for us")
    (folder / "_SUCCESS").touch()
    read.store(QUANTUM_TASKS, task(1))
    for is_new in (True, False):
        outcome = read.feed(tmp_path / "feed")
        counts = outcome.counts["state_change_events"]
        assert (counts.new, counts.unchanged) == ((4, 0) if is_new else (0, 4))
        assert (outcome.rejected, not outcome.warnings) == (0, True)
    assert outcome.notes.total() == 1
    assert "2 files of another kind" in next(iter(outcome.notes))
    assert read.rows("SELECT basis, wait_seconds_lower, wait_seconds_upper FROM task_latency") == [
        ("exact", 1652.63, 1652.63)
    ]


def test_what_is_told_again_otherwise_stays_as_it_was_first_told(read, tmp_path):
    (tmp_path / "1.json").write_text(json.dumps(event(1)))
    (tmp_path / "2.json").write_text(json.dumps(event(1, time="2026-11-20T11:00:00Z")))
    read.feed(tmp_path)
    first = read.rows("SELECT event_time, fetched_at FROM state_change_events")
    read.feed(tmp_path)
    assert read.rows("SELECT event_time, fetched_at FROM state_change_events") == first
    assert len(first) == 1


def test_files_out_of_reach_are_told_and_the_others_are_read(read, tmp_path):
    (tmp_path / "1.json").write_text(json.dumps(event(1)))
    (tmp_path / "2.json").symlink_to(tmp_path / "nowhere.json")
    with (tmp_path / "3.json").open("wb") as huge:
        huge.truncate((256 << 20) + 1)
    outcome = read.feed(tmp_path)
    assert outcome.counts["state_change_events"].new == 1
    [warning] = outcome.warnings
    assert "1 of its files cannot be read" in warning
    assert "3.json: it is larger than 256 MiB" in warning


@pytest.mark.parametrize(
    ("name", "is_read"),
    [("stream-1-2026-11-20-09-32-28-aaaa", True), ("lab.x-1-2026-11-20-09-32-28-aaaa", True), ("000000.gz", True),
     ("a.json", True), ("a.JSON.GZ", True), ("a.jsonl", True), ("a.ndjson", True), ("a.log", True), ("a.txt", False),
     ("a.parquet", False), (".DS_Store", False), ("_SUCCESS", False), ("aws-logs-write-test", False)],
)  # fmt: skip
def test_which_files_are_read_is_said_by_their_names(name, is_read):
    assert may_hold_events(name) is is_read


def test_objects_under_a_prefix_are_read_whatever_their_name(client, read):
    s3 = client("s3")
    s3.create_bucket(Bucket="events")
    for key, content in {
        "braket/": b"",
        "braket/2026/stream-1": (json.dumps(event(1)) + json.dumps(event(2))).encode(),
        "braket/2026/stream-2.gz": gzip.compress(json.dumps(event(3)).encode()),
        "braket/notes.txt": b"no",
        "other/4.json": json.dumps(event(4)).encode(),
    }.items():
        s3.put_object(Bucket="events", Key=key, Body=content)
    outcome = read.feed("s3://events/braket/")
    assert read.rows("SELECT event_id FROM state_change_events ORDER BY 1") == [
        ("event-1-RUNNING",),
        ("event-2-RUNNING",),
        ("event-3-RUNNING",),
    ]
    assert not outcome.warnings
    assert ["cannot be read" in warning for warning in read.feed("s3://no-such-bucket/x").warnings] == [True]


def test_each_message_of_a_queue_is_stored_rejected_or_counted_and_then_deleted(queue, read):
    sqs, url = queue
    detail = event(3)["detail"]
    bodies = [
        json.dumps(event(1)),
        json.dumps({"Records": [{"body": json.dumps(event(2))}]}),
        json.dumps(detail),
        json.dumps(event(4)).replace("detail-type", "detailType"),
        json.dumps({"hello": "world"}),
        "hello",
        json.dumps(event(5, **{"detail-type": "Braket Device Status Change"})),
    ]
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    outcome = read.feed(url)
    assert read.rows("SELECT event_id FROM state_change_events ORDER BY 1") == [
        ("event-1-RUNNING",),
        ("event-2-RUNNING",),
        ("event-4-RUNNING",),
    ]
    kept = {json.loads(payload) for (payload,) in read.rows("SELECT payload FROM etl.rejected_records")}
    assert kept == {bodies[2], bodies[4], bodies[5]}
    assert outcome.rejected == 3
    assert "1 Braket Device Status Change" in next(iter(outcome.notes))
    assert left_in(sqs, url) == 0


def test_more_messages_than_are_stored_at_once_are_read_and_deleted(queue, read, monkeypatch):
    monkeypatch.setattr(feed, "_MESSAGES", 10)
    monkeypatch.setattr(feed, "_MOST_MESSAGES", 25)
    sqs, url = queue
    for start in range(0, 30, 10):
        entries = [{"Id": str(n), "MessageBody": json.dumps(event(start + n))} for n in range(10)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
    outcome = read.feed(url)
    assert outcome.counts["state_change_events"].new == 25
    assert "what is left is read by the next run" in next(iter(outcome.notes))
    assert left_in(sqs, url) == 5


def test_messages_stay_where_they_cannot_be_stored(queue, read):
    sqs, url = queue
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event(1)))
    read.rows("DROP TABLE etl.rejected_records")
    with pytest.raises(Exception, match="rejected_records"):
        read.feed(url)
    assert left_in(sqs, url) == 1


@pytest.mark.parametrize("is_gone", [True, False])
def test_messages_that_cannot_be_deleted_are_stored_and_a_warning(is_gone, queue, read):
    sqs, url = queue
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event(1)))
    events = read.sessions.session(ambient_account()).events
    if is_gone:
        events.register(
            "before-call.sqs.DeleteMessageBatch", lambda **_: sqs.delete_queue(QueueUrl=url) and None
        )
    else:
        refused = {"Successful": [], "Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}
        events.register("after-call.sqs.DeleteMessageBatch", lambda parsed, **_: parsed.update(refused))
    outcome = read.feed(url)
    assert outcome.counts["state_change_events"].new == 1
    assert [warning for warning in outcome.warnings if "stays in the queue" in warning]


def test_rejects_that_begin_alike_are_all_kept(queue, read):
    sqs, url = queue
    for number in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event(number, time="yesterday")))
    read.feed(url)
    assert read.rows("SELECT count(*), count(DISTINCT arn), max(attempts) FROM etl.rejected_records") == [
        (3, 3, 1)
    ]


def test_what_an_older_version_rejected_is_read_again(read, tmp_path):
    joined = json.dumps(event(1)) + json.dumps(event(2))
    rejects = [
        Reject(OPERATION, f"event:{text[:40]}", "no JSON", json.dumps(text), NOW)
        for text in (joined, "{oops")
    ]
    with read.warehouse.writing("storing") as connection, transaction(connection):
        store_rejects(connection, rejects, "earlier")
        assert read_rejects_again(connection) == 1
        assert read_rejects_again(connection) == 0
    assert read.rows("SELECT count(*) FROM state_change_events") == [(2,)]
    assert read.rows("SELECT arn FROM etl.rejected_records") == [("event:{oops",)]
    (tmp_path / "1.json").write_text(json.dumps(event(3)))
    read.feed(tmp_path)  # asks no more than once what stays a reject
    assert read.rows("SELECT attempts FROM etl.rejected_records") == [(1,)]


def feed_of(folder, *records):
    (folder / "calls.jsonl").write_text("\n".join(map(json.dumps, records)))
    return folder


@pytest.mark.parametrize("is_first", ["calls", "records"])
def test_who_created_a_record_stands_with_it(read, tmp_path, is_first):
    calls = feed_of(tmp_path, created(1, "ada"), created(2, "BraketJobRole"), created(9, "grace", "job"))
    inside = task(2, jobArn=arn(9, "job"))
    if is_first == "calls":
        read.feed(calls, naming=Naming())
    read.store(JOBS, job(9))
    read.store(QUANTUM_TASKS, task(1), inside, task(3))
    if is_first == "records":
        read.feed(calls, naming=Naming())
    by = "SELECT created_by, created_by_kind FROM quantum_tasks ORDER BY quantum_task_arn"
    named = [("ada", "session"), ("grace", "session"), (None, None)]
    assert read.rows(by) == named
    assert read.rows("SELECT created_by FROM jobs") == [("grace",)]
    # whose caller a task in a job had itself is kept apart
    assert read.rows(f"SELECT caller FROM record_callers WHERE record_arn = '{arn(2)}'") == [
        ("BraketJobRole",)
    ]
    later = datetime(2026, 11, 20, 13, tzinfo=UTC)
    read.store(QUANTUM_TASKS, inside | {"tags": {"a": "b"}}, at=later)
    assert read.rows(by) == named


def test_nobody_is_named_unless_the_settings_say_so(read, tmp_path):
    read.store(QUANTUM_TASKS, task(1))
    outcome = read.feed(feed_of(tmp_path, created(1, "ada")))
    assert read.rows("SELECT created_by FROM quantum_tasks") == [(None,)]
    assert read.rows("SELECT count(*) FROM record_callers") == [(0,)]
    assert read.rows("SELECT count(*) FROM etl.rejected_records") == [(0,)]
    assert "BRAKET_ETL_CREATED_BY=name" in next(iter(outcome.notes))


def test_the_program_names_who_created_a_task(pulled, tmp_path_factory):
    first, second = pulled.rows(
        "SELECT quantum_task_arn FROM quantum_tasks WHERE job_arn IS NULL ORDER BY 1 LIMIT 2"
    )
    calls = [
        created(0, who, responseElements={"quantumTaskArn": told})
        for (told,), who in ((first, "ada"), (second, "grace"))
    ]
    folder = tmp_path_factory.mktemp("feed")
    bad = '{"Records": [{"body": "hello"}]}'
    (folder / "calls").write_bytes(gzip.compress(("".join(map(json.dumps, calls)) + bad).encode()))
    pulled.env |= {"BRAKET_ETL_EVENTS": str(folder), "BRAKET_ETL_CREATED_BY": "name"}
    done = pulled.run("sync")
    assert done.returncode == 0, done.stderr
    assert "1 responses could not become a row" in done.stderr
    told_of = f"quantum_task_arn IN ('{first[0]}', '{second[0]}')"
    by = f"SELECT created_by FROM quantum_tasks WHERE {told_of} ORDER BY quantum_task_arn"
    assert pulled.rows(by) == [("ada",), ("grace",)]  # told by the feed before CloudTrail itself is asked
    told = json.loads(pulled.ok("rejects", "retry", "--json"))
    assert (told["healed"], told["still_rejected"], told["unanswered"]) == (0, 1, 0)
    assert not told["outcome"]["warnings"]
