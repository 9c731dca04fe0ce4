"""CloudTrail's LookupEvents names who created tasks and jobs; whatever CloudTrail does to it is a warning."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from braket_emulator import Emulator, running
from braket_etl.aws.sessions import Account, Sessions, Target
from braket_etl.aws.stamp import Stamp
from braket_etl.aws.throttle import Budgets, Files
from braket_etl.pull.callers import look_up_callers
from braket_etl.pull.clock import Clock
from braket_etl.pull.naming import Naming, naming
from braket_etl.pull.outcome import Outcome
from braket_etl.pull.plan import days_between
from braket_etl.pull.puller import Puller
from braket_etl.pull.resources import RESOURCES
from braket_etl.warehouse.file import FileWarehouse
from tests.conftest import Program

NOW = datetime.now(UTC).replace(microsecond=0)
#: Two Regions of which one alone has Aquila.
REGIONS = ("us-east-1", "us-west-2")
TARGETS = [Target(Account("default"), region) for region in REGIONS]
CREATES = {"CreateQuantumTask": "quantumTaskArn", "CreateJob": "jobArn"}


@pytest.fixture(scope="module")
def account() -> Iterator[Emulator]:
    with running(
        tasks=300, jobs=12, days=6, seed=3, regions=list(REGIONS), now=NOW, frozen=True, quotas=False
    ) as emulator:
        yield emulator


@pytest.fixture
def endpoint(account: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    for name, value in account.env().items():
        monkeypatch.setenv(name, value)
    account.set_clock(now=NOW, rate=0)
    account.set_faults([])
    account.reset_stats()
    return account


@pytest.fixture(scope="module")
def pulled_once(account: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home into which all records were pulled, and nobody's name."""
    home = tmp_path_factory.mktemp("callers") / "home"
    with pytest.MonkeyPatch.context() as environment:
        for name, value in account.env().items():
            environment.setenv(name, value)
        days = days_between((NOW - timedelta(days=7)).date(), NOW.date())
        assert not here(home).pull_days(TARGETS, RESOURCES, days, only_due=False).problems
    return home


def here(home: Path, now: datetime = NOW) -> Puller:
    """A puller without a request budget, to which it is a certain time."""
    clock = Clock()
    for _ in range(3):
        clock.note(Stamp(datetime.now(UTC), now))
    warehouse = FileWarehouse(home / "writer", home / "warehouse.duckdb")
    return Puller(warehouse, Sessions(), None, "run", clock=clock)


@pytest.fixture
def home(pulled_once: Path, tmp_path: Path) -> Path:
    shutil.copytree(pulled_once, tmp_path / "home")
    return tmp_path / "home"


def rows(home: Path, query: str) -> list[tuple[Any, ...]]:
    with here(home).warehouse.writing("looking") as connection:
        return connection.execute(query).fetchall()


def told(endpoint: Emulator) -> dict[str, str]:
    """By ARN, the last part of its creator's ARN, as a client sees it that knows nothing of ours."""
    found = {}
    for region in REGIONS:
        trail = boto3.client("cloudtrail", region_name=region)
        for name, member in CREATES.items():
            attribute = {"AttributeKey": "EventName", "AttributeValue": name}
            for page in trail.get_paginator("lookup_events").paginate(LookupAttributes=[attribute]):
                for event in page["Events"]:
                    record = json.loads(event["CloudTrailEvent"])
                    if not record.get("errorCode"):
                        who = record["userIdentity"]["arn"].rpartition("/")[2]
                        found[record["responseElements"][member]] = who
    endpoint.reset_stats()
    return found


def everybody(home: Path) -> dict[str, str | None]:
    """By ARN, who created it, as our tables have it."""
    records = "SELECT quantum_task_arn, created_by FROM quantum_tasks UNION ALL SELECT job_arn, created_by FROM jobs"
    return dict(rows(home, records))


def creators(home: Path, endpoint: Emulator) -> dict[str, str | None]:
    """The same as it should be: of a task in a job, who created the job."""
    callers = told(endpoint)
    of_a_job = dict(
        rows(home, "SELECT quantum_task_arn, job_arn FROM quantum_tasks WHERE job_arn IS NOT NULL")
    )
    return {arn: callers.get(of_a_job.get(arn, arn)) for arn in everybody(home)}


def calls(endpoint: Emulator) -> int:
    return endpoint.stats()["calls"].get("LookupEvents", 0)


def look_up(home: Path, now: datetime = NOW, name: Naming | None = None, **options: Any) -> Outcome:
    return look_up_callers(here(home, now), TARGETS, name or Naming(), **options)


def named_by_now(home: Path) -> set[str | None]:
    """Who created the tasks of which CloudTrail must have told by now."""
    told_of = f"TIMESTAMPTZ '{NOW - timedelta(minutes=14)}'"
    query = f"SELECT created_by FROM quantum_tasks WHERE job_arn IS NULL AND created_at < {told_of}"
    return {who for (who,) in rows(home, query)}


def test_everyone_is_named_page_by_page_and_calls_are_counted(
    home: Path, endpoint: Emulator, tmp_path: Path
) -> None:
    expected = creators(home, endpoint)
    puller = replace(here(home), budgets=Budgets(Files(tmp_path / "budget"), 1.0))
    outcome = look_up_callers(puller, TARGETS, Naming())
    assert (outcome.verdict, dict(outcome.notes)) == ("success", {})
    assert everybody(home) == expected
    assert len(set(expected.values())) > 10
    counted = {place: report.calls for place, report in outcome.calls.items()}
    assert counted.keys() == {f"default/{region}/LookupEvents" for region in REGIONS}
    assert sum(counted.values()) == calls(endpoint) > len(REGIONS) * len(CREATES)
    whole = "SELECT count(*), bool_and(reached = since), max(problem) FROM etl.caller_lookups"
    assert rows(home, whole) == [(4, True, None)]


def test_a_task_in_a_job_has_the_jobs_creator_and_its_own_caller_is_kept_apart(
    home: Path, endpoint: Emulator
) -> None:
    look_up(home)
    inside = rows(
        home,
        "SELECT caller, split_part(t.job_arn, '/', 2), t.created_by, j.created_by FROM quantum_tasks AS t "
        "JOIN record_callers ON record_arn = quantum_task_arn JOIN jobs AS j ON j.job_arn = t.job_arn",
    )
    assert inside
    assert {caller == job and who == whose != caller for caller, job, who, whose in inside} == {True}


def test_a_refusal_is_one_warning_that_names_the_permission(home: Path, endpoint: Emulator) -> None:
    endpoint.set_faults([{"kind": "access_denied", "operations": ["LookupEvents"]}])
    for _ in range(2):
        outcome = look_up(home)
        assert outcome.verdict == "warning"
        [warning] = outcome.warnings
        assert "cloudtrail:LookupEvents is not allowed in default/us-east-1 and 1 more" in warning
    assert calls(endpoint) == 2 * len(REGIONS)  # nobody insists
    refused = "SELECT count(*), count(problem), bool_and(reached = until) FROM etl.caller_lookups"
    assert rows(home, refused) == [(2, 2, True)]
    endpoint.set_faults([])
    assert look_up(home).verdict == "success"
    assert None not in named_by_now(home)


def test_where_it_is_throttled_it_waits_and_goes_on(home: Path, endpoint: Emulator, tmp_path: Path) -> None:
    endpoint.set_faults([{"kind": "throttle", "operations": ["LookupEvents"], "first_n": 3}])
    puller = replace(here(home), budgets=Budgets(Files(tmp_path / "budget"), 1.0))
    outcome = look_up_callers(puller, TARGETS, Naming())
    assert outcome.verdict == "success"
    assert sum(report.throttles for report in outcome.calls.values()) == 3
    assert None not in named_by_now(home)


def test_what_is_throttled_for_long_is_a_warning_and_gone_on_with(home: Path, endpoint: Emulator) -> None:
    expected = creators(home, endpoint)
    endpoint.set_faults([{"kind": "throttle", "operations": ["LookupEvents"], "after": 2, "first_n": 1_000}])
    outcome = look_up_callers(replace(here(home), patience=0.1), TARGETS, Naming())
    [warning] = outcome.warnings
    assert warning.startswith("CloudTrail could not be asked in default/us-")
    assert "throttled after" in warning
    assert outcome.verdict == "warning"
    assert 0 < outcome.counts["record_callers"].new < len(expected)
    endpoint.set_faults([])
    assert look_up(home).verdict == "success"
    assert everybody(home) == expected


def test_a_run_whose_time_is_up_is_gone_on_with(home: Path, endpoint: Emulator, tmp_path: Path) -> None:
    expected = creators(home, endpoint)
    shutil.copytree(home, tmp_path / "at once")
    look_up(tmp_path / "at once")
    at_once = calls(endpoint)
    endpoint.reset_stats()
    # the third page of each comes when the time is up
    endpoint.set_faults(
        [
            {"kind": "stall", "operations": ["LookupEvents"], "regions": [region], "after": 2, "seconds": 3}
            for region in REGIONS
        ]
    )
    outcome = look_up(home, seconds=1)
    assert (outcome.verdict, len(outcome.notes)) == ("success", 1)
    assert "the next run asks for what is older" in next(iter(outcome.notes))
    stored = rows(home, "SELECT count(*), count(DISTINCT record_arn) FROM record_callers")[0]
    assert 0 < stored[0] == stored[1] < len(expected)
    endpoint.set_faults([])
    assert look_up(home).notes == {}
    assert everybody(home) == expected
    assert calls(endpoint) <= at_once + 2 * len(REGIONS) * len(CREATES)  # nothing is begun anew


def test_a_lost_page_token_is_gone_on_without(home: Path, endpoint: Emulator) -> None:
    expected = creators(home, endpoint)
    endpoint.set_faults([{"kind": "expired_page_token", "operations": ["LookupEvents"], "first_n": 2}])
    assert look_up(home).verdict == "success"
    assert everybody(home) == expected


def test_a_page_that_comes_broken_is_asked_for_again(home: Path, endpoint: Emulator) -> None:
    expected = creators(home, endpoint)
    endpoint.set_faults(
        [
            {"kind": kind, "operations": ["LookupEvents"], "first_n": 2}
            for kind in ("truncated_body", "html_body", "empty_body", "internal_error", "reset_mid_body")
        ]
    )
    assert look_up(home).verdict == "success"
    assert everybody(home) == expected


def test_an_event_that_comes_late_is_found_by_the_next_run(home: Path, endpoint: Emulator) -> None:
    arn, created = rows(
        home,
        "SELECT quantum_task_arn, created_at FROM quantum_tasks WHERE job_arn IS NULL ORDER BY 2 DESC LIMIT 1",
    )[0]

    def who(after: timedelta) -> str | None:
        endpoint.set_clock(now=created + after)
        look_up(home, created + after)
        return everybody(home)[arn]

    assert who(timedelta(minutes=1)) is None
    assert who(timedelta(minutes=61)) is not None


def test_people_are_pseudonyms_where_that_is_wanted(home: Path, endpoint: Emulator) -> None:
    look_up(home)
    people = {who for who in everybody(home).values() if who}
    by_name = everybody(home)
    key = naming("pseudonym", home)
    assert key is not None
    outcome = look_up(home, name=key)  # who was stored by name gets one too
    assert outcome.counts["record_callers"].new == 0
    assert everybody(home) == {arn: who and key.pseudonym(who) for arn, who in by_name.items()}
    kept = rows(home, "SELECT DISTINCT unnest([caller, caller_arn]) FROM record_callers")
    assert not people & {text for (text,) in kept}
    assert {text for (text,) in kept if text and not text.startswith("person-")} == set()
    assert stat.S_IMODE((home / "created_by.key").stat().st_mode) == 0o600
    assert naming("pseudonym", home) == key
    assert naming("off", home) is None


def test_a_bill_names_whom_cloudtrail_does_not(home: Path, endpoint: Emulator) -> None:
    first, second = rows(
        home,
        "SELECT quantum_task_arn, account_id FROM quantum_tasks WHERE job_arn IS NULL ORDER BY 1 LIMIT 2",
    )
    people = {first[0]: "arn:aws:iam::1:user/lab/ada", second[0]: "arn:aws:sts::1:assumed-role/Lab/grace"}
    with here(home).warehouse.writing("a bill") as connection:
        for arn, principal in {**people, "arn:aws:s3:::bucket": "arn:aws:iam::1:user/eve"}.items():
            connection.execute(
                "INSERT INTO billed_line_items BY NAME SELECT 'cur2' AS source_format, ? AS line_item_id, ? AS resource_id, "
                "? AS line_item_iam_principal, now() AS billing_period_start, now() AS usage_start, 'usage' AS charge_kind, "
                "1 AS billed_usd, 'x' AS source_file, now() AS imported_at",
                [arn, arn, principal],
            )
    endpoint.set_faults([{"kind": "access_denied", "operations": ["LookupEvents"]}])
    assert look_up(home).counts["record_callers"].new == 2
    named = rows(
        home,
        "SELECT quantum_task_arn, created_by, created_by_kind FROM quantum_tasks WHERE created_by IS NOT NULL ORDER BY 1",
    )
    assert named == [(first[0], "ada", "user"), (second[0], "grace", "session")]
    key = Naming("a key that nobody else has")
    assert key.principal(people[first[0]]) == key.pseudonym("ada") == key.pseudonym(key.pseudonym("ada"))


def test_a_sync_names_people_after_the_pull_and_warns_where_it_may_not(
    pulled: Program, emulator: Emulator
) -> None:
    pulled.env |= {"BRAKET_ETL_CREATED_BY": "name", "BRAKET_ETL_QUOTA_SHARE": "1"}
    emulator.set_faults([{"kind": "access_denied", "operations": ["LookupEvents"], "regions": ["us-east-1"]}])
    done = pulled.run("sync")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cloudtrail:LookupEvents is not allowed in default/us-east-1,") == 1
    named = "SELECT region, count(created_by) > 0 FROM quantum_tasks GROUP BY region ORDER BY region"
    assert dict(pulled.rows(named)) == {
        region: region != "us-east-1"
        for (region,) in pulled.rows("SELECT DISTINCT region FROM quantum_tasks")
    }
    summary = json.loads(pulled.one("SELECT summary FROM etl.runs ORDER BY started_at DESC LIMIT 1"))
    asked = {place: counts["calls"] for place, counts in summary["caller_lookups"]["calls"].items()}
    assert sum(asked.values()) == calls(emulator)
    assert asked["default/us-east-1/LookupEvents"] == 1
    emulator.set_faults([])
