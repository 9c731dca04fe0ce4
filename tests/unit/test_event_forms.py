"""The forms in which AWS leaves events in files and queues: what is inside is read, what is not understood is kept."""

from __future__ import annotations

import base64
import gzip
import json
import re
import string
from datetime import UTC, datetime
from random import Random

import pytest

from braket_etl.json_text import Unread, json_values
from braket_etl.pull import event_forms
from braket_etl.pull.events import event_rows, rejected_content
from braket_etl.pull.naming import Naming
from braket_etl.tables.redact import Redactor

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TASK = "arn:aws:braket:us-west-1:111122223333:quantum-task/11111111-2222-3333-4444-555555555550"
JOB = "arn:aws:braket:us-west-1:111122223333:job/11111111-2222-3333-4444-555555555559"


def event(number=1, status="RUNNING", **changes):
    return {
        "version": "0",
        "id": f"event-{number}",
        "detail-type": "Braket Task State Change",
        "source": "aws.braket",
        "account": "111122223333",
        "time": "2026-11-20T10:00:00Z",
        "region": "us-west-1",
        "resources": [TASK],
        "detail": {
            "quantumTaskArn": TASK,
            "status": status,
            "shots": "50",
            "createdAt": "2026-11-20T09:32:27.370Z",
        },
    } | changes


def packed(value):
    return base64.b64encode(gzip.compress(json.dumps(value).encode())).decode()


def of_logs(*events):
    return {
        "messageType": "DATA_MESSAGE",
        "owner": "111122223333",
        "logGroup": "/aws/events/braket",
        "logStream": "x",
        "subscriptionFilters": ["all"],
        "logEvents": [
            {"id": str(n), "timestamp": 1, "message": json.dumps(each)} for n, each in enumerate(events)
        ],
    }


ONE, TWO = event(1, "QUEUED"), event(2)
BOTH = json.dumps(ONE) + json.dumps(TWO)
NOTICE = {"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:x", "Message": json.dumps(TWO)}
CREATED = {
    "eventVersion": "1.08",
    "eventID": "ct-1",
    "eventSource": "braket.amazonaws.com",
    "eventName": "CreateQuantumTask",
    "eventTime": "2026-11-20T09:32:27Z",
    "recipientAccountId": "111122223333",
    "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/lab/researcher-1"},
    "responseElements": {"quantumTaskArn": TASK},
}
FORMS = {
    "joined": BOTH,
    "lines": json.dumps(ONE) + "\n\r\n" + json.dumps(TWO) + "\n",
    "printed": json.dumps(ONE, indent=2) + "\n" + json.dumps(TWO, indent=4),
    "list": json.dumps([ONE, TWO]),
    "list with trailing comma of lines": json.dumps(ONE) + ",\n" + json.dumps(TWO) + ",\n",
    "record separators": "\x1e" + json.dumps(ONE) + "\n\x1e" + json.dumps(TWO),
    "export of CloudWatch Logs": "".join(f"2026-11-20T09:32:28.000Z {json.dumps(each)}\n" for each in (ONE, TWO)),
    "UTF-16": BOTH.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + BOTH.encode(),
    "gzip": gzip.compress(BOTH.encode()),
    "gzip twice": gzip.compress(gzip.compress(BOTH.encode())),
    "gzip after gzip": gzip.compress(json.dumps(ONE).encode()) + gzip.compress(json.dumps(TWO).encode()),
    "CloudWatch Logs": json.dumps(of_logs(ONE, TWO)),
    "CloudWatch Logs by Firehose": gzip.compress(json.dumps(of_logs(ONE)).encode() + json.dumps(of_logs(TWO)).encode()),
    "CloudWatch Logs in Kinesis in Lambda": json.dumps(
        {"Records": [{"kinesis": {"data": packed(of_logs(each))}} for each in (ONE, TWO)]}
    ),
    "the data of CloudWatch Logs alone": packed(of_logs(ONE, TWO)) + "\n",
    "CloudWatch Logs in Lambda": json.dumps({"awslogs": {"data": packed(of_logs(ONE, TWO))}}),
    "SQS in Lambda": json.dumps({"Records": [{"messageId": "m", "body": json.dumps(each)} for each in (ONE, TWO)]}),
    "SQS in Lambda, joined": json.dumps({"Records": [{"body": BOTH, "eventSource": "aws:sqs"}]}),
    "SNS in Lambda": json.dumps({"Records": [{"Sns": {"Message": json.dumps(each)}} for each in (ONE, TWO)]}),
    "SNS in SQS": json.dumps({"Records": [{"body": json.dumps(NOTICE)}, {"body": json.dumps(ONE)}]}),
    "Kinesis in Lambda": json.dumps(
        {"Records": [{"kinesis": {"data": base64.b64encode(json.dumps(each).encode()).decode()}} for each in (ONE, TWO)]}
    ),
    "Firehose in Lambda": json.dumps({"records": [{"recordId": "r", "data": base64.b64encode(BOTH.encode()).decode()}]}),
    "what Firehose gave up": json.dumps({"errorCode": "x", "rawData": base64.b64encode(BOTH.encode()).decode()}),
    "a destination of Lambda": json.dumps({"version": "1.0", "requestPayload": ONE, "responsePayload": None})
    + json.dumps({"version": "1.0", "requestPayload": TWO}),
    "a destination of Lambda in EventBridge": json.dumps(
        event(9, **{"detail-type": "Lambda Function Invocation Result - Success", "detail": {"requestPayload": [ONE, TWO]}})
    ),
    "aws sqs receive-message": json.dumps({"Messages": [{"Body": json.dumps(each)} for each in (ONE, TWO)]}, indent=4),
    "text of text": json.dumps(json.dumps(ONE)) + json.dumps(json.dumps(TWO)),
    "detail as text": json.dumps([ONE, TWO | {"detail": json.dumps(TWO["detail"])}]),
    "another spelling": json.dumps([ONE, {"detailType" if k == "detail-type" else k: v for k, v in TWO.items()}]),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_events_inside_are_read(form):
    read = event_rows([FORMS[form]], NOW)
    assert sorted(read.rows.column("event_id").to_pylist()) == ["event-1", "event-2"]
    assert set(read.rows.column("source").to_pylist()) == {"aws.braket"}
    assert (read.rejects, read.others) == ([], {})


DAMAGED = {
    "cut between": (json.dumps(ONE)[:60] + json.dumps(TWO), "no JSON"),
    "cut at the end": (json.dumps(TWO) + json.dumps(ONE)[:60], "no JSON"),
    "a line of something else": ("{oops}\n" + json.dumps(TWO), "no JSON"),
    "words around": ("data: " + json.dumps(TWO), "no JSON object"),
    "bytes that are no text": (BOTH.encode().replace(b'"event-1"', b'"event-\xff"'), "utf-8"),
    "NaN": (json.dumps(ONE).replace('"50"', "NaN") + json.dumps(TWO), "NaN is no number"),
    "a huge number": (json.dumps(ONE).replace('"50"', "9" * 5_000) + json.dumps(TWO), "5,000 digits"),
    "a number too large": (json.dumps(ONE).replace('"50"', "1e999") + json.dumps(TWO), "too large"),
    "shots too large": (json.dumps(ONE).replace('"50"', "9" * 30) + json.dumps(TWO), "64 bits"),
    "a key twice": (json.dumps(ONE)[:-1] + ', "id": "other"}' + json.dumps(TWO), "a key stands twice"),
    "nested": (json.dumps(ONE).replace('"50"', "[" * 150 + "]" * 150) + json.dumps(TWO), "nested too deeply"),
    "gzip cut short": (gzip.compress(json.dumps(TWO).encode())[:-6], "cut short"),
    "gzip with a tail": (gzip.compress(json.dumps(TWO).encode()) + b"tail", "damaged"),
    "an object of another kind": (json.dumps({"a": 1}) + json.dumps(TWO), "neither an event"),
    "nothing in a list": ("[]" + json.dumps(TWO), "an event is a JSON object"),
    "a body of words": (json.dumps({"Records": [{"body": "hello"}, {"body": json.dumps(TWO)}]}), "no JSON object"),
    "an empty body": (json.dumps({"Records": [{"body": " "}, {"body": json.dumps(TWO)}]}), "no event"),
    "S3 notice": (json.dumps({"Records": [{"eventSource": "aws:s3", "eventName": "x", "userIdentity": {}, "s3": {}}]})
                  + json.dumps(TWO), "s3://bucket/prefix"),
    "SNS asks": (json.dumps({"Type": "SubscriptionConfirmation", "Message": "x"}) + json.dumps(TWO), "SubscribeURL"),
    "detail without a time": (json.dumps(ONE["detail"]) + json.dumps(TWO), "as a whole"),
}  # fmt: skip


@pytest.mark.parametrize("form", DAMAGED)
def test_what_is_not_understood_is_one_reject_and_the_rest_stays(form):
    content, error = DAMAGED[form]
    read = event_rows([content], NOW)
    assert read.rows.column("event_id").to_pylist() == ["event-2"]
    (reject,) = read.rejects
    assert re.search(error, reject.error)
    kept = rejected_content(reject.payload)
    assert kept
    if isinstance(content, str):  # nothing of it is lost
        lost = content.replace(json.dumps(TWO), "").strip()
        assert kept in lost or json.loads(kept) in json.loads(content)["Records"]


@pytest.mark.parametrize("content", ["", b""])
def test_nothing_is_in_an_empty_file(content):
    read = event_rows([content], NOW)
    assert (read.rows.num_rows, read.rejects, read.others) == (0, [], {})


@pytest.mark.parametrize(
    "content", [" ", "[]", "{}", "null", '""', '{"Records": []}', b"PK\x03\x04zip", b"a\x00b", "}{" * 9]
)
def test_whatever_else_there_is_leaves_something(content):
    read = event_rows([content], NOW)
    assert read.rejects
    assert all(rejected_content(reject.payload) for reject in read.rejects)


def test_a_gzip_that_unpacks_to_too_much_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(event_forms, "MOST_BYTES", 3 << 20)
    bomb = gzip.compress(b" " * (2 << 20))
    read = event_rows([("stream-1", bomb), ("stream-2", bomb + bomb), json.dumps(TWO)], NOW)
    assert read.rows.num_rows == 1
    assert [reject.error for reject in read.rejects] == ["it holds no event", "it unpacks to more than 3 MiB"]
    assert "stream-2" in read.rejects[1].payload
    inner = base64.b64encode(bomb).decode()
    (reject,) = event_rows(
        [json.dumps({"Records": [{"data": inner}, {"data": inner, "more": 1}]})], NOW
    ).rejects[1:]
    assert "more than 3 MiB" in reject.error


def test_envelopes_have_an_end():
    wrapped = json.dumps(TWO)
    for _ in range(12):
        wrapped = json.dumps({"Records": [{"body": wrapped}]})
    (reject,) = event_rows([wrapped], NOW).rejects
    assert "envelopes" in reject.error


def test_rejects_that_begin_alike_are_told_apart_and_the_same_one_is_not():
    bad = [json.dumps(event(n, time="yesterday")) for n in (1, 2, 1)]
    names = [reject.arn for reject in event_rows(bad, NOW).rejects]
    assert len(names) == len(set(names)) == 2
    again = event_rows(["hello", "hello", '{"a": 1}' * 2_000], NOW).rejects
    assert len(again) == 2


def test_a_file_full_of_what_is_no_event_makes_a_bounded_number_of_rejects():
    lines = "".join(f'{{"line": {n}}}\n' for n in range(5_000))
    rejects = event_rows([lines + json.dumps(TWO)], NOW).rejects
    assert len(rejects) == 1_001
    assert "4,000 more" in rejects[-1].error
    assert '"line": 4999' in rejected_content(rejects[-1].payload)


def test_events_of_other_kinds_are_counted():
    others = [
        event(1, **{"detail-type": "Braket QPU Status Change"}),
        event(2, **{"detail-type": "Braket QPU Status Change"}),
        CREATED | {"eventName": "GetDevice"},
        CREATED | {"errorCode": "ValidationException", "responseElements": None},
        {"messageType": "CONTROL_MESSAGE", "logEvents": [{"message": "reachable?"}]},
        {"Service": "Amazon S3", "Event": "s3:TestEvent"},
        {"awsAccountId": "111122223333", "digestStartTime": "2026-11-20T09:00:00Z", "logFiles": []},
        {"Records": [{"eventType": "AwsCloudTrailInsight", "insightDetails": {"state": "Start"}}]},
        CREATED,
    ]
    read = event_rows([json.dumps(others)], NOW)
    assert (read.rows.num_rows, read.callers.num_rows, read.rejects) == (0, 0, [])
    assert read.others == {
        "Braket QPU Status Change": 2,
        "GetDevice via CloudTrail": 1,
        "CreateQuantumTask via CloudTrail that was refused": 1,
        "CreateQuantumTask via CloudTrail": 1,
        "control message of CloudWatch Logs": 1,
        "s3:TestEvent": 1,
        "digest of CloudTrail": 1,
        "insight of CloudTrail": 1,
    }


def test_a_detail_alone_has_the_time_that_it_tells_and_no_sender():
    ended = TWO["detail"] | {"status": "COMPLETED", "endedAt": "2026-11-20T10:01:00.5Z"}
    job = {"jobArn": JOB, "status": "RUNNING", "startedAt": "2026-11-20T10:00:00Z"}
    rows = event_rows(
        [json.dumps(ended), json.dumps({"detail": job, "time": "2026-11-20T10:00:01Z"})], NOW
    ).rows
    assert [(r["status"], r["account_id"], r["region"], r["source"]) for r in rows.to_pylist()] == [
        ("COMPLETED", "111122223333", "us-west-1", ""),
        ("RUNNING", "111122223333", "us-west-1", ""),
    ]
    assert [str(time) for time in rows.column("event_time").to_pylist()] == [
        "2026-11-20 10:01:00.500000+00:00",
        "2026-11-20 10:00:01+00:00",
    ]
    again = event_rows([json.dumps(ended, indent=1)], NOW).rows
    assert again.column("event_id").to_pylist() == rows.column("event_id").to_pylist()[:1]


def of_cloudtrail(**identity):
    return json.dumps(CREATED | {"userIdentity": identity})


ROLE = "arn:aws:sts::111122223333:assumed-role"
CALLERS = {
    "user": ({"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/lab/ada", "userName": "ada"}, "ada"),
    "session": ({"type": "AssumedRole", "arn": f"{ROLE}/AWSReservedSSO_Lab_0a/ada@example.org",
                 "principalId": "AROA1:ada@example.org"}, "ada@example.org"),
    "root": ({"type": "Root", "arn": "arn:aws:iam::111122223333:root"}, "root"),
    "federated": ({"type": "FederatedUser", "arn": "arn:aws:sts::111122223333:federated-user/ada"}, "ada"),
    "identity_center": ({"type": "IdentityCenterUser", "onBehalfOf": {"userId": "5448-94e8"}}, "5448-94e8"),
    "service": ({"type": "AWSService", "invokedBy": "scheduler.amazonaws.com"}, "scheduler.amazonaws.com"),
    "account": ({"type": "AWSAccount", "principalId": "AIDA1:ada", "accountId": "444455556666"}, "ada"),
    "Newfangled": ({"type": "Newfangled", "userName": "ada"}, "ada"),
}  # fmt: skip


def test_a_caller_of_another_account_without_a_name_is_that_account():
    identity = {"type": "AWSAccount", "principalId": "AIDA1", "accountId": "444455556666"}
    (row,) = event_rows([of_cloudtrail(**identity)], NOW, naming=Naming()).callers.to_pylist()
    assert (row["caller"], row["caller_kind"]) == ("444455556666", "account")


@pytest.mark.parametrize("kind", CALLERS)
def test_a_caller_is_named_by_its_user_or_its_session(kind):
    identity, name = CALLERS[kind]
    (row,) = event_rows([of_cloudtrail(**identity)], NOW, naming=Naming()).callers.to_pylist()
    assert (row["record_arn"], row["caller"], row["caller_kind"]) == (TASK, name, kind)
    assert (row["caller_arn"], row["event_id"]) == (identity.get("arn"), "ct-1")


def test_calls_of_cloudtrail_are_read_from_events_trails_and_look_ups():
    job = CREATED | {"eventName": "CreateJob", "responseElements": {"jobArn": JOB}}
    bare = {name: value for name, value in CREATED.items() if name not in ("eventID", "eventTime")}
    forms = [
        json.dumps(event(7, **{"detail-type": "AWS API Call via CloudTrail", "detail": bare})),
        gzip.compress(json.dumps({"Records": [job, CREATED | {"eventName": "SearchDevices"}]}).encode()),
        json.dumps(
            {"Events": [{"EventId": "ct-1", "EventName": "CreateJob", "CloudTrailEvent": json.dumps(job)}]}
        ),
    ]
    read = event_rows(forms, NOW, naming=Naming())
    assert [(row["record_arn"], row["event_id"]) for row in read.callers.to_pylist()] == [
        (TASK, "event-7"),
        (JOB, "ct-1"),
        (JOB, "ct-1"),
    ]
    assert (read.rejects, read.others) == ([], {"SearchDevices via CloudTrail": 1})


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"responseElements": None}, "no ARN of what was created"),
        ({"recipientAccountId": "444455556666"}, "another account"),
        ({"userIdentity": {"type": "AWSService"}}, "names no caller"),
        ({"userIdentity": "ada"}, "names no caller"),
        ({"eventTime": None}, "eventTime"),
    ],
)
def test_a_call_that_does_not_say_who_or_what_is_a_reject(changes, error):
    read = event_rows([json.dumps(CREATED | changes)], NOW, naming=Naming())
    assert read.callers.num_rows == 0
    assert error in read.rejects[0].error


def test_one_who_may_put_events_cannot_say_who_created_a_task():
    put = event(7, source="my.app", **{"detail-type": "AWS API Call via CloudTrail", "detail": CREATED})
    read = event_rows([json.dumps(put)], NOW, naming=Naming())
    assert (read.callers.num_rows, read.others.total()) == (0, 1)


def test_secrets_in_a_reject_are_struck_out():
    call = CREATED | {"userIdentity": {}, "requestParameters": {"tags": {"api_key": "hunter2"}}}
    cut = json.dumps(call)[:-1]
    for content in (json.dumps(call), cut):
        (reject,) = event_rows([content], NOW, naming=Naming(), redactor=Redactor(["*apikey*"])).rejects
        assert "hunter2" not in reject.payload
        assert "111122223333" in reject.payload


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_done_to_a_text_each_part_of_it_is_read_or_kept(seed):
    """Every value that is whole and stands behind what is damaged is read; all else is in what is not."""
    random = Random(seed)
    written = [json.dumps(event(n), indent=random.choice([None, 2])) for n in range(8)]
    whole, pieces = [], []
    for n, text in enumerate(written):
        if random.random() < 0.4:
            at = random.randrange(1, len(text))
            text = text[:at] + random.choice(["", "\n", "".join(random.choices(string.printable, k=5))])
        else:
            whole.append(n)
        pieces.append(text + random.choice(["", "\n", " ", "\r\n", ",\n"]))
    text = "".join(pieces)
    found = list(json_values(text))
    read = [value["id"] for _, value in found if isinstance(value, dict) and "id" in value]
    kept = "".join(value.text for _, value in found if isinstance(value, Unread))
    for n in whole:
        assert f"event-{n}" in read or f'"event-{n}"' in kept
    assert re.sub(r"[\s,]", "", "".join(part for part, _ in found)) == re.sub(r"[\s,]", "", text)
