"""The emulator answers a real boto3 client as Amazon Braket's service model says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from braket_emulator import Emulator, offers, running
from braket_emulator.devices import REGIONS
from braket_emulator.service_model import braket as service
from braket_emulator.service_model import violations

FIRST, SECOND = "123456789012", "210987654321"
NOW = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)  # a Wednesday
TASKS, JOBS, DAYS = 600, 24, 20
QUEUE_INFO = ["QueueInfo"]
ONCE = Config(retries={"total_max_attempts": 1, "mode": "standard"})


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """One emulator for the tests that change nothing but the clock, which starts frozen at NOW."""
    with running(
        tasks=TASKS, jobs=JOBS, days=DAYS, accounts=[FIRST, SECOND], now=NOW, frozen=True, quotas=False
    ) as each:
        yield each


@pytest.fixture(autouse=True)
def at_now(emulator: Emulator) -> None:
    emulator.set_clock(now=NOW, rate=0)


def client(emulator: Emulator, region: str = "us-east-1", account: str = FIRST, config: Config = ONCE) -> Any:
    env = emulator.env(account)
    return boto3.client(
        "braket",
        region_name=region,
        endpoint_url=env["AWS_ENDPOINT_URL_BRAKET"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        config=config,
    )


def listed(braket: Any, operation: str, member: str, size: int = 100, **request: Any) -> list[dict[str, Any]]:
    pages = braket.get_paginator(operation).paginate(
        **{"filters": [], **request}, PaginationConfig={"PageSize": size}
    )
    return [record for page in pages for record in page[member]]


def tasks_in(braket: Any, *filters: dict[str, Any], size: int = 100) -> list[dict[str, Any]]:
    return listed(braket, "search_quantum_tasks", "quantumTasks", size, filters=list(filters))


def where(name: str, operator: str, *values: str) -> dict[str, Any]:
    return {"name": name, "operator": operator, "values": list(values)}


def everywhere(emulator: Emulator) -> Iterator[Any]:
    return (client(emulator, region, account) for region in REGIONS for account in (FIRST, SECOND))


def refused(call: Any, **request: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as error:
        call(**request)
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


class TestProtocol:
    """What crosses the wire fits the service model."""

    def test_every_answer_fits_its_output_shape(self, emulator: Emulator) -> None:
        seen: Counter[str] = Counter()

        def check(parsed: dict[str, Any], model: Any, http_response: Any, **_: Any) -> None:
            seen[model.name] += 1
            assert http_response.status_code == model.http["responseCode"]
            body = json.loads(http_response.content)
            output = service().operations[model.name].output  # also what an older botocore does not know yet
            assert list(violations(output, body, strict=True)) == []
            plain = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
            report = ParamValidator().validate(plain, model.output_shape)
            assert not report.has_errors(), report.generate_report()

        for braket in everywhere(emulator):
            braket.meta.events.register("after-call.braket.*", check)
            for each in tasks_in(braket)[::3]:
                braket.get_quantum_task(
                    quantumTaskArn=each["quantumTaskArn"], additionalAttributeNames=QUEUE_INFO
                )
            for each in listed(braket, "search_jobs", "jobs"):
                braket.get_job(jobArn=each["jobArn"], additionalAttributeNames=QUEUE_INFO)
            for each in listed(braket, "search_devices", "devices", 2):
                braket.get_device(deviceArn=each["deviceArn"])
            listed(braket, "search_spending_limits", "spendingLimits", 1)
        creating = {"CreateQuantumTask", "CancelQuantumTask", "CreateJob", "CancelJob"}
        assert set(seen) == set(service().operations) - creating  # those are in test_intake
        assert seen["GetQuantumTask"] > 150
        assert seen["GetJob"] == JOBS

    def test_json_texts_inside_bodies_are_json(self, emulator: Emulator) -> None:
        braket = client(emulator, "eu-north-1")
        task = braket.get_quantum_task(quantumTaskArn=tasks_in(braket)[0]["quantumTaskArn"])
        assert isinstance(json.loads(task["deviceParameters"]), dict)
        garnet = braket.get_device(deviceArn="arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet")
        capabilities = json.loads(garnet["deviceCapabilities"])
        assert capabilities["service"]["deviceCost"] == {"price": 0.00145, "unit": "shot"}
        assert capabilities["service"]["executionWindows"]
        assert capabilities["paradigm"]["qubitCount"] == 20
        queues = [each["queue"] for each in garnet["deviceQueueInfo"]]
        assert queues == ["QUANTUM_TASKS_QUEUE", "QUANTUM_TASKS_QUEUE", "JOBS_QUEUE"]

    def test_dates_come_from_the_emulators_clock(self, emulator: Emulator) -> None:
        answer = client(emulator).search_jobs(filters=[])
        assert answer["ResponseMetadata"]["HTTPHeaders"]["date"] == "Wed, 18 Nov 2026 14:30:00 GMT"
        assert len(answer["ResponseMetadata"]["RequestId"]) == 32

    def test_queue_info_comes_only_when_asked_for(self, emulator: Emulator) -> None:
        braket = client(emulator)
        arn = tasks_in(braket)[0]["quantumTaskArn"]
        job = listed(braket, "search_jobs", "jobs")[0]["jobArn"]
        assert "queueInfo" not in braket.get_quantum_task(quantumTaskArn=arn)
        assert "queueInfo" not in braket.get_job(jobArn=job)
        assert "queueInfo" in braket.get_quantum_task(quantumTaskArn=arn, additionalAttributeNames=QUEUE_INFO)
        assert "queueInfo" in braket.get_job(jobArn=job, additionalAttributeNames=QUEUE_INFO)

    @pytest.mark.parametrize(
        ("call", "request_"),
        [
            ("get_job", {"jobArn": "arn:aws:braket:us-east-1:1:job/x"}),
            ("get_quantum_task", {"quantumTaskArn": "not an arn"}),
            ("search_quantum_tasks", {"filters": [], "maxResults": 101}),
            ("search_quantum_tasks", {"filters": [], "maxResults": 0}),
            ("search_quantum_tasks", {"filters": [where("shots", "EQUAL", "1")]}),
            ("search_quantum_tasks", {"filters": [where("status", "LIKE", "RUN")]}),
            ("search_quantum_tasks", {"filters": [where("status", "GT", "QUEUED")]}),
            ("search_quantum_tasks", {"filters": [where("createdAt", "GT", "yesterday")]}),
            ("search_quantum_tasks", {"filters": [where("createdAt", "BETWEEN", "2026-01-01T00:00:00Z")]}),
            ("search_quantum_tasks", {"filters": [], "nextToken": "AAAA"}),
            ("search_jobs", {"filters": [where("status", "EQUAL", "RUNNING")]}),
            ("search_devices", {"filters": [{"name": "deviceName", "values": ["SV1"]}]}),
        ],
    )
    def test_requests_that_break_the_rules_are_refused(
        self, emulator: Emulator, call: str, request_: dict[str, Any]
    ) -> None:
        lax = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
        assert refused(getattr(client(emulator, config=lax), call), **request_) == (
            "ValidationException",
            400,
        )

    def test_a_search_without_filters_is_refused(self, emulator: Emulator) -> None:
        lax = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
        assert refused(client(emulator, config=lax).search_jobs) == ("ValidationException", 400)

    def test_an_unknown_arn_is_not_found(self, emulator: Emulator) -> None:
        arn = f"arn:aws:braket:us-east-1:{FIRST}:quantum-task/nowhere"
        assert refused(client(emulator).get_quantum_task, quantumTaskArn=arn) == (
            "ResourceNotFoundException",
            404,
        )

    @pytest.mark.parametrize(
        "header", [None, "Bearer x", "AWS4-HMAC-SHA256 Credential=AKIA/20261118/us-east-1/s3/aws4_request, x"]
    )
    def test_a_request_without_a_braket_signature_is_denied(
        self, emulator: Emulator, header: str | None
    ) -> None:
        request = urllib.request.Request(f"{emulator.url}/jobs", method="POST", data=b'{"filters":[]}')
        if header:
            request.add_header("Authorization", header)
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(request)
        with error.value:
            assert error.value.code == 403
            assert error.value.headers["x-amzn-ErrorType"].endswith("Exception")


class TestSearch:
    """Filters and pages."""

    @pytest.mark.parametrize("size", [1, 7, 100])
    def test_pages_return_each_record_once_and_newest_first(self, emulator: Emulator, size: int) -> None:
        found = tasks_in(client(emulator, "us-west-1"), size=size)
        created = [each["createdAt"] for each in found]
        assert len({each["quantumTaskArn"] for each in found}) == len(found) > 30
        assert created == sorted(created, reverse=True)

    def test_all_tasks_and_jobs_of_the_account_are_found(self, emulator: Emulator) -> None:
        assert sum(len(tasks_in(braket)) for braket in everywhere(emulator)) == TASKS
        assert sum(len(listed(braket, "search_jobs", "jobs")) for braket in everywhere(emulator)) == JOBS

    def test_pages_stay_right_while_time_goes_on(self, emulator: Emulator) -> None:
        braket = client(emulator)
        before = {each["quantumTaskArn"] for each in tasks_in(braket)}
        found: list[str] = []
        request: dict[str, Any] = {"filters": [], "maxResults": 20}
        for step in range(1000):
            page = braket.search_quantum_tasks(**request)
            found += [each["quantumTaskArn"] for each in page["quantumTasks"]]
            if "nextToken" not in page:
                break
            request["nextToken"] = page["nextToken"]
            emulator.set_clock(now=NOW + timedelta(minutes=40 * (step + 1)))
        assert len(found) == len(set(found))
        assert set(found) == before
        assert len(tasks_in(braket)) > len(before)  # and there is life after NOW

    def test_a_page_holds_twenty_unless_asked_otherwise(self, emulator: Emulator) -> None:
        assert len(client(emulator).search_quantum_tasks(filters=[])["quantumTasks"]) == 20

    def test_a_page_token_is_bound_to_its_query_and_expires(self, emulator: Emulator) -> None:
        braket = client(emulator)
        token = braket.search_quantum_tasks(filters=[])["nextToken"]
        search, other = braket.search_quantum_tasks, [where("status", "EQUAL", "COMPLETED")]
        assert refused(search, filters=other, nextToken=token) == ("ValidationException", 400)
        assert (
            refused(client(emulator, account=SECOND).search_quantum_tasks, filters=[], nextToken=token)[1]
            == 400
        )
        assert search(filters=[], nextToken=token)["quantumTasks"]
        emulator.set_clock(now=NOW + timedelta(hours=25))
        assert refused(search, filters=[], nextToken=token) == ("ValidationException", 400)

    @pytest.mark.parametrize(
        ("operator", "holds"),
        [
            ("LT", lambda created, at: created < at),
            ("LTE", lambda created, at: created <= at),
            ("EQUAL", lambda created, at: created == at),
            ("GTE", lambda created, at: created >= at),
            ("GT", lambda created, at: created > at),
        ],
    )
    def test_creation_filters(self, emulator: Emulator, operator: str, holds: Any) -> None:
        braket = client(emulator)
        every = tasks_in(braket)
        at = every[len(every) // 2]["createdAt"]
        found = tasks_in(braket, where("createdAt", operator, at.isoformat()))
        assert found == [each for each in every if holds(each["createdAt"], at)]
        assert found

    def test_between_includes_both_ends_and_filters_are_joined_by_and(self, emulator: Emulator) -> None:
        braket = client(emulator)
        every = tasks_in(braket)
        last, first = every[5]["createdAt"], every[40]["createdAt"]
        between = where("createdAt", "BETWEEN", first.isoformat(), last.isoformat())
        assert tasks_in(braket, between) == every[5:41]
        completed = tasks_in(braket, between, where("status", "EQUAL", "COMPLETED"))
        assert completed == [each for each in every[5:41] if each["status"] == "COMPLETED"]

    def test_equality_filters(self, emulator: Emulator) -> None:
        braket = client(emulator)
        every = tasks_in(braket)
        arn, device = every[3]["quantumTaskArn"], every[3]["deviceArn"]
        assert tasks_in(braket, where("quantumTaskArn", "EQUAL", arn)) == [every[3]]
        of_device = [each for each in every if each["deviceArn"] == device]
        assert tasks_in(braket, where("deviceArn", "EQUAL", device)) == of_device

    def test_tasks_of_a_job_are_found_by_its_arn(self, emulator: Emulator) -> None:
        found = 0
        for braket in everywhere(emulator):
            for job in listed(braket, "search_jobs", "jobs"):
                for each in tasks_in(braket, where("jobArn", "EQUAL", job["jobArn"])):
                    task = braket.get_quantum_task(
                        quantumTaskArn=each["quantumTaskArn"], additionalAttributeNames=QUEUE_INFO
                    )
                    assert task["jobArn"] == job["jobArn"]
                    assert task["queueInfo"]["queuePriority"] == "Priority"
                    assert task["createdAt"] >= job["startedAt"]
                    found += 1
        assert found > 20

    def test_jobs_are_found_by_a_part_of_their_arn(self, emulator: Emulator) -> None:
        braket = client(emulator)
        job = listed(braket, "search_jobs", "jobs")[0]
        part = job["jobArn"][-12:]
        assert listed(braket, "search_jobs", "jobs", filters=[where("jobArn", "CONTAINS", part)]) == [job]

    def test_devices_are_those_of_the_region(self, emulator: Emulator) -> None:
        here = {
            each["deviceName"] for each in listed(client(emulator, "eu-north-1"), "search_devices", "devices")
        }
        assert here == {"Garnet", "Emerald", "Ibex-Q1"}
        there = {each["deviceName"] for each in listed(client(emulator), "search_devices", "devices", 3)}
        assert {"SV1", "DM1", "Forte 1", "Aquila"} <= there


class TestSeparation:
    """A caller sees one account in one Region."""

    def test_other_accounts_and_regions_do_not_exist(self, emulator: Emulator) -> None:
        arn = tasks_in(client(emulator))[0]["quantumTaskArn"]
        not_found = ("ResourceNotFoundException", 404)
        assert refused(client(emulator, "us-west-2").get_quantum_task, quantumTaskArn=arn) == not_found
        assert refused(client(emulator, account=SECOND).get_quantum_task, quantumTaskArn=arn) == not_found
        garnet = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
        assert refused(client(emulator).get_device, deviceArn=garnet) == not_found

    def test_a_search_lists_only_the_callers_records(self, emulator: Emulator) -> None:
        for region in REGIONS:
            for account in (FIRST, SECOND):
                for each in tasks_in(client(emulator, region, account)):
                    assert each["quantumTaskArn"].startswith(
                        f"arn:aws:braket:{region}:{account}:quantum-task/"
                    )

    def test_keys_can_be_mapped_to_accounts(self, emulator: Emulator) -> None:
        session = boto3.Session("a-key-of-its-own", "dummy", region_name="us-east-1")
        braket = session.client("braket", endpoint_url=emulator.url, config=ONCE)
        assert tasks_in(braket) == tasks_in(client(emulator))  # an unknown key is the first account's
        emulator.map_credentials({"a-key-of-its-own": SECOND})
        assert tasks_in(braket) == tasks_in(client(emulator, account=SECOND))
        with pytest.raises(ValueError, match="999999999999"):
            emulator.map_credentials({"k": "999999999999"})


class TestLife:
    """State is a function of the clock, and agrees with the truth."""

    def test_a_task_runs_through_its_states_as_the_truth_says(self, emulator: Emulator) -> None:
        truth = emulator.truth()
        seen: Counter[str] = Counter()
        for braket in everywhere(emulator):
            for each in tasks_in(braket, where("status", "EQUAL", "QUEUED", "CREATED", "RUNNING")):
                arn = each["quantumTaskArn"]
                for at, expected in _milestones(truth[arn]):
                    emulator.set_clock(now=at)
                    task = braket.get_quantum_task(quantumTaskArn=arn, additionalAttributeNames=QUEUE_INFO)
                    assert task["status"] in expected
                    assert ("endedAt" in task) == (task["status"] in ("COMPLETED", "FAILED", "CANCELLED"))
                    assert ("numSuccessfulShots" in task) == (task["status"] == "COMPLETED")
                    assert task["queueInfo"]["position"] == "None" or task["status"] in ("CREATED", "QUEUED")
                    seen[task["status"]] += 1
                emulator.set_clock(now=NOW)
        assert seen["QUEUED"] > 3
        assert seen["RUNNING"] > 3
        assert seen["COMPLETED"] > 3

    def test_a_little_of_the_history_is_still_open(self, emulator: Emulator) -> None:
        still_open = [
            each for each in emulator.truth().values() if datetime.fromisoformat(each["ended"]) > NOW
        ]
        assert 0.01 <= len(still_open) / TASKS <= 0.03

    def test_positions_fall_while_a_task_waits(self, emulator: Emulator) -> None:
        braket = client(emulator, "us-east-1")
        waiting = tasks_in(braket, where("status", "EQUAL", "QUEUED"))
        assert waiting
        for each in waiting:
            truth = emulator.truth()[each["quantumTaskArn"]]
            leaves = datetime.fromisoformat(truth["started"] or truth["ended"])
            positions = []
            for share in (0.0, 0.3, 0.6, 0.9):
                emulator.set_clock(now=NOW + (leaves - NOW) * share)
                task = braket.get_quantum_task(
                    quantumTaskArn=each["quantumTaskArn"], additionalAttributeNames=QUEUE_INFO
                )
                if task["status"] == "QUEUED":
                    positions.append(int(task["queueInfo"]["position"].replace(">2000", "2001")))
            emulator.set_clock(now=NOW)
            assert positions == sorted(positions, reverse=True)
            assert min(positions) >= 1

    def test_an_open_job_gains_events_and_ends(self, emulator: Emulator) -> None:
        ended = 0
        for braket in everywhere(emulator):
            for each in listed(braket, "search_jobs", "jobs"):
                if each["status"] not in ("QUEUED", "RUNNING"):
                    continue
                before = braket.get_job(jobArn=each["jobArn"])
                assert "billableDuration" not in before
                emulator.set_clock(now=NOW + timedelta(days=6))
                after = braket.get_job(jobArn=each["jobArn"])
                emulator.set_clock(now=NOW)
                assert after["status"] in ("COMPLETED", "FAILED", "CANCELLED")
                assert len(after["events"]) > len(before["events"]) or len(after["events"]) == 20
                assert after["billableDuration"] > 0
                ended += 1
        assert ended >= 2

    def test_a_task_does_not_exist_before_it_is_created(self, emulator: Emulator) -> None:
        braket = client(emulator)
        emulator.set_clock(now=NOW + timedelta(days=1))
        newest = tasks_in(braket)[0]
        assert newest["createdAt"] > NOW
        emulator.set_clock(now=newest["createdAt"] - timedelta(milliseconds=1))
        assert refused(braket.get_quantum_task, quantumTaskArn=newest["quantumTaskArn"])[1] == 404
        assert newest["quantumTaskArn"] not in emulator.truth()
        emulator.set_clock(now=newest["createdAt"])
        born = braket.get_quantum_task(quantumTaskArn=newest["quantumTaskArn"])
        assert born["status"] == "CREATED"

    def test_the_clock_runs_at_a_rate(self, emulator: Emulator) -> None:
        emulator.set_clock(now=NOW, rate=36_000)
        time.sleep(0.05)
        assert datetime.fromisoformat(emulator.clock()["now"]) > NOW + timedelta(minutes=20)
        emulator.set_clock(rate=0)
        assert emulator.clock() == emulator.clock()
        with pytest.raises(ValueError, match="negative"):
            emulator.set_clock(rate=-1)

    def test_spend_on_limits_is_that_of_the_tasks(self, emulator: Emulator) -> None:
        checked = 0
        for braket in everywhere(emulator):
            for limit in listed(braket, "search_spending_limits", "spendingLimits"):
                period, device = limit["timePeriod"], limit["deviceArn"]
                counted = tasks_in(
                    braket,
                    where("deviceArn", "EQUAL", device),
                    where("createdAt", "GTE", period["startAt"].astimezone(UTC).isoformat()),
                    where("status", "EQUAL", "COMPLETED"),
                )
                service = json.loads(braket.get_device(deviceArn=device)["deviceCapabilities"])["service"]
                spend = 0.0
                for each in counted:
                    task = braket.get_quantum_task(quantumTaskArn=each["quantumTaskArn"])
                    if "associations" not in task:
                        spend += 0.3 + service["deviceCost"]["price"] * task["numSuccessfulShots"]
                assert float(limit["totalSpend"]) == pytest.approx(spend)
                assert float(limit["totalSpend"]) <= float(limit["spendingLimit"])
                checked += 1
        assert checked >= 2


class TestControl:
    """What a test may do to the account."""

    def test_tags_change_and_records_expire(self) -> None:
        with running(tasks=30, jobs=0, days=3, now=NOW, frozen=True, quotas=False) as mine:
            braket = client(mine)
            arn, gone = (each["quantumTaskArn"] for each in tasks_in(braket)[:2])
            mine.set_tags(arn, {"team": '<new> "team"'})
            assert braket.get_quantum_task(quantumTaskArn=arn)["tags"] == {"team": '<new> "team"'}
            mine.expire(gone)
            assert refused(braket.get_quantum_task, quantumTaskArn=gone)[1] == 404
            assert gone not in {each["quantumTaskArn"] for each in tasks_in(braket)}
            with pytest.raises(ValueError, match="no record"):
                mine.expire("arn:aws:braket:us-east-1:123456789012:quantum-task/none")

    def test_calls_are_counted(self, emulator: Emulator) -> None:
        emulator.reset_stats()
        client(emulator).search_jobs(filters=[])
        refused(client(emulator, "us-west-2").get_job, jobArn=f"arn:aws:braket:us-west-2:{FIRST}:job/none")
        assert emulator.stats() == {
            "calls": {"SearchJobs": 1, "GetJob": 1},
            "throttled": {},
            "by_region": {"us-east-1": 1, "us-west-2": 1},
            "errors": {"ResourceNotFoundException": 1},
            "faults": {},
        }

    def test_requests_beyond_the_burst_are_throttled(self) -> None:
        with running(tasks=0, jobs=0, days=1) as mine:
            braket, other = client(mine), client(mine, "us-west-2")
            outcomes: Counter[str] = Counter()
            for _ in range(70):
                try:
                    braket.search_jobs(filters=[])
                    outcomes["done"] += 1
                except ClientError as error:
                    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                    outcomes[f"{status} {error.response['Error']['Code']}"] += 1
            assert outcomes["done"] >= 50
            assert outcomes["429 ThrottlingException"] == mine.stats()["throttled"]["SearchJobs"] > 0
            other.search_jobs(filters=[])  # another Region has its own
            braket.search_spending_limits()  # and so has another operation

    def test_the_price_list_is_served_without_a_signature(self, emulator: Emulator) -> None:
        with urllib.request.urlopen(f"{emulator.price_list_url}/index.csv") as answer:
            assert answer.read().decode() == offers.as_csv()
        with urllib.request.urlopen(f"{emulator.price_list_url}/index.json") as answer:
            assert json.load(answer) == offers.as_json()


class TestProcess:
    """How it starts, ends, and repeats itself."""

    def test_equal_options_give_byte_identical_answers(self) -> None:
        options = {"tasks": 80, "jobs": 6, "days": 5, "now": NOW, "frozen": True, "quotas": False}
        with running(**options) as one, running(**options) as two:
            assert _bytes(one) == _bytes(two)

    def test_another_seed_gives_another_account(self) -> None:
        options = {"tasks": 20, "jobs": 2, "days": 5, "now": NOW, "frozen": True}
        with running(**options) as one, running(**options, seed=8) as two:
            assert one.truth().keys().isdisjoint(two.truth().keys())

    def test_it_ends_in_silence_when_interrupted(self) -> None:
        process = _started("--tasks=5", "--jobs=0", "--days=1")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (0, b"", b"")

    def test_it_does_not_outlive_its_parent(self) -> None:
        parent = subprocess.Popen(
            [sys.executable, "-c", _PARENT],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )
        assert parent.stdout is not None
        url = parent.stdout.readline().decode().strip()
        assert urllib.request.urlopen(f"{url}/_emulator/clock").status == 200
        parent.kill()
        parent.communicate()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and _answers(url):
            time.sleep(0.05)
        assert not _answers(url)

    def test_options_that_make_no_sense_are_told_in_one_line(self) -> None:
        with pytest.raises(RuntimeError, match="twelve digits"), running(accounts=["12"]):
            pass
        with pytest.raises(RuntimeError, match="mars-east-1"), running(regions=["mars-east-1"]):
            pass


_PARENT = """
import time
from braket_emulator import running
with running(tasks=1, jobs=0, days=1) as emulator:
    print(emulator.url, flush=True)
    time.sleep(60)
"""


def _milestones(truth: dict[str, Any]) -> Iterator[tuple[datetime, set[str]]]:
    """Instants in the future of a task with the statuses that it may have then."""
    second = timedelta(milliseconds=1)
    waits = {"CREATED", "QUEUED", "CANCELLING"}
    ended = datetime.fromisoformat(truth["ended"])
    if truth["started"]:
        started = datetime.fromisoformat(truth["started"])
        if started - second > NOW:
            yield started - second, waits
        if started > NOW:
            yield started, {"RUNNING"}
        yield max(NOW, ended - second), {"RUNNING", "CANCELLING"}
    else:
        yield max(NOW, ended - second), waits
    yield ended, {"COMPLETED", "FAILED", "CANCELLED"}


def _bytes(emulator: Emulator) -> list[Any]:
    """Status, headers and body of a walk through an account, as they are on the wire."""
    seen: list[Any] = []

    def keep(http_response: Any, **_: Any) -> None:
        seen.append((http_response.status_code, dict(http_response.headers), http_response.content))

    for region in REGIONS:
        braket = client(emulator, region)
        braket.meta.events.register("after-call.braket.*", keep)
        for each in tasks_in(braket, size=9):
            braket.get_quantum_task(
                quantumTaskArn=each["quantumTaskArn"], additionalAttributeNames=QUEUE_INFO
            )
        for each in listed(braket, "search_jobs", "jobs"):
            braket.get_job(jobArn=each["jobArn"], additionalAttributeNames=QUEUE_INFO)
        for each in listed(braket, "search_devices", "devices"):
            braket.get_device(deviceArn=each["deviceArn"])
        listed(braket, "search_spending_limits", "spendingLimits")
    return seen


def _started(*arguments: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "braket_emulator", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"http://127.0.0.1:")
    while not process.stdout.readline().startswith(b"export AWS_EC2_METADATA_DISABLED="):
        assert process.poll() is None, "it ended before it said all that a client needs"
    return process


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_emulator/clock", timeout=2):
            return True
    except OSError:
        return False
