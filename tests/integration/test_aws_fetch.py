"""Searching and fetching from the emulator: everything is found, once, whatever goes wrong on the way."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from braket_emulator import Emulator, running
from braket_etl.aws.errors import AccessDenied, BadConfiguration, ExpiredCredentials, SearchFailed
from braket_etl.aws.fetch import Failed, Fetched, Missing, Rejected, Request, fetch_all
from braket_etl.aws.operations import SEARCH_JOBS, SEARCH_TASKS
from braket_etl.aws.search import (
    Window,
    search_devices,
    search_pages,
    search_spending_limits,
)
from braket_etl.aws.sessions import Account, Sessions, Target, braket_regions
from braket_etl.aws.throttle import Budgets, Files, Stopped
from braket_etl.pull import puller as pulling
from braket_etl.pull.outcome import Outcome
from braket_etl.pull.plan import days_between
from braket_etl.pull.resources import TASKS
from tests.warehouses import empty_warehouse

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ACCOUNT = Account("lab")
EVERYTHING = Window(NOW - 60 * DAY, NOW + DAY)


def in_region(region: str) -> Target:
    return Target(ACCOUNT, region)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """An account of 9,000 tasks within 60 days, its clock standing still, that refuses nobody."""
    with running(tasks=9_000, jobs=40, days=60, now=NOW, frozen=True, quotas=False) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def environment(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in emulator.env().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def braket(emulator: Emulator) -> Iterator[Emulator]:
    emulator.set_faults([])
    emulator.reset_stats()
    yield emulator
    emulator.set_faults([])


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    """One for all tests; its clients are made when a test first asks, in that test's environment."""
    return Sessions([ACCOUNT])


@pytest.fixture(scope="module")
def arns(emulator: Emulator) -> dict[str, set[str]]:
    """The ARNs of all tasks, by Region, as the emulator itself knows them."""
    by_region: dict[str, set[str]] = {}
    for arn in emulator.truth():
        by_region.setdefault(arn.split(":")[3], set()).add(arn)
    return by_region


def requests_for(arns: dict[str, set[str]], region: str, count: int) -> list[Request]:
    return [Request(in_region(region), "GetQuantumTask", arn) for arn in sorted(arns[region])[:count]]


def found(sessions: Sessions, region: str, window: Window = EVERYTHING) -> list[str]:
    pages = search_pages(SEARCH_TASKS, sessions.braket(in_region(region)), None, window, account="lab")
    return [summary.arn for page in pages for summary in page.summaries]


def fewest(arns: dict[str, set[str]], *, more_than: int) -> tuple[str, set[str]]:
    """The Region with the fewest tasks of those with more than so many, and these tasks."""
    return min(
        ((region, known) for region, known in arns.items() if len(known) > more_than), key=lambda r: len(r[1])
    )


def pulled(sessions: Sessions, region: str, folder: Path) -> Outcome:
    """What a pull of all tasks of a Region did."""
    warehouse = empty_warehouse(folder)
    days = days_between(EVERYTHING.start.date(), NOW.date())
    puller = pulling.Puller(warehouse, sessions, None, "run")
    return puller.pull_days([in_region(region)], [TASKS], days, only_due=False)


def test_a_search_finds_every_task_once_in_every_region(
    braket: Emulator, sessions: Sessions, arns: dict[str, set[str]]
) -> None:
    for region in braket_regions():
        listed = found(sessions, region)
        assert len(listed) == len(set(listed))
        assert set(listed) == arns.get(region, set())


def test_a_long_search_is_split_at_the_price_of_a_few_pages(
    braket: Emulator,
    sessions: Sessions,
    arns: dict[str, set[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulling, "_PROBE_PAGES", 2)
    monkeypatch.setattr(pulling, "_SLICE_RECORDS", 100)
    region, known = fewest(arns, more_than=300)
    outcome = pulled(sessions, region, tmp_path)
    assert (outcome.verdict, outcome.listed["quantum_tasks"]) == ("success", len(known))
    pages = -(-len(known) // 100)
    # A slice ends within a page, and one that proves long is probed again.
    assert pages < braket.stats()["calls"]["SearchQuantumTasks"] <= 3 * pages + 2


def test_a_day_costs_exactly_its_pages(braket: Emulator, sessions: Sessions) -> None:
    client = sessions.braket(in_region("us-east-1"))
    day = Window(NOW.replace(hour=0) - 5 * DAY, NOW.replace(hour=0) - 4 * DAY)
    for search in (SEARCH_TASKS, SEARCH_JOBS):
        braket.reset_stats()
        count = sum(len(page.summaries) for page in search_pages(search, client, None, day))
        assert braket.stats()["calls"][search.name] == max(1, -(-count // 100))


def test_pages_tell_when_they_were_given_and_whether_more_follow(
    braket: Emulator, sessions: Sessions
) -> None:
    pages = list(search_pages(SEARCH_TASKS, sessions.braket(in_region("us-east-1")), None, EVERYTHING))
    assert [page.more for page in pages] == [True] * (len(pages) - 1) + [False]
    assert {page.stamp.at for page in pages} == {NOW}


def test_summaries_tell_when_what_and_tags(braket: Emulator, sessions: Sessions) -> None:
    pages = search_pages(SEARCH_TASKS, sessions.braket(in_region("us-east-1")), None, EVERYTHING)
    summaries = [summary for page in pages for summary in page.summaries]
    assert all(EVERYTHING.start <= summary.created_at < EVERYTHING.end for summary in summaries)
    assert {summary.created_at.utcoffset() for summary in summaries} == {timedelta(0)}
    assert any(summary.tags for summary in summaries)
    assert {"COMPLETED", "FAILED"} <= {summary.status for summary in summaries}


def test_a_record_that_comes_again_on_the_next_page_is_listed_and_fetched_once(
    braket: Emulator, sessions: Sessions, arns: dict[str, set[str]], tmp_path: Path
) -> None:
    braket.set_faults([{"kind": "duplicate_page", "probability": 1.0}])
    region, known = fewest(arns, more_than=300)
    assert set(found(sessions, region)) == known
    outcome = pulled(sessions, region, tmp_path)
    assert (outcome.verdict, outcome.listed["quantum_tasks"], outcome.fetched) == (
        "success",
        len(known),
        len(known),
    )
    assert braket.stats()["calls"]["GetQuantumTask"] == len(known)


@pytest.mark.parametrize(
    ("kind", "operation"),
    [("expired_page_token", "SearchQuantumTasks"), ("truncated_body", "SearchQuantumTasks")],
)
def test_a_search_that_cannot_be_finished_fails(
    braket: Emulator, sessions: Sessions, kind: str, operation: str
) -> None:
    braket.set_faults([{"kind": kind, "probability": 1.0, "operations": [operation]}])
    with pytest.raises(SearchFailed, match="lab/us-east-1"):
        found(sessions, "us-east-1")


def test_devices_and_spending_limits_are_listed(braket: Emulator, sessions: Sessions) -> None:
    devices = search_devices(sessions.braket(in_region("us-east-1")), None)
    assert all(device["deviceArn"] for device in devices)
    known = devices[0]["deviceArn"]
    asked = [Request(in_region("us-east-1"), "GetDevice", arn) for arn in (known, f"{known}-none")]
    got = {outcome.arn: outcome for outcome in fetch_all(sessions, None, asked)}
    assert isinstance(got[known], Fetched)
    assert got[known].body["deviceCapabilities"].startswith("{")
    assert isinstance(got[f"{known}-none"], Missing)
    limits = [limit for region in braket_regions() for limit in limits_in(sessions, region)]
    assert all(limit["spendingLimitArn"] for limit in limits)


def limits_in(sessions: Sessions, region: str) -> list[dict[str, object]]:
    return search_spending_limits(sessions.braket(in_region(region)), None)


def test_every_request_has_one_outcome_with_the_record_as_it_came(
    braket: Emulator, sessions: Sessions, arns: dict[str, set[str]], tmp_path: Path
) -> None:
    requests = [request for region in sorted(arns) for request in requests_for(arns, region, 100)]
    outcomes = list(fetch_all(sessions, Budgets(Files(tmp_path), 1.0), iter(requests)))
    assert {type(outcome) for outcome in outcomes} == {Fetched}
    assert sorted(outcome.arn for outcome in outcomes) == sorted(request.arn for request in requests)
    assert all(outcome.body["quantumTaskArn"] == outcome.arn for outcome in outcomes)
    assert all("queueInfo" in outcome.body for outcome in outcomes)
    assert {outcome.fetched_at for outcome in outcomes} == {NOW}


def test_nothing_is_lost_on_a_bad_day(
    braket: Emulator, sessions: Sessions, arns: dict[str, set[str]], tmp_path: Path
) -> None:
    kinds = ("throttle", "internal_error", "reset_before", "reset_mid_body", "truncated_body", "html_body")
    braket.set_faults([{"kind": kind, "probability": 0.03} for kind in kinds])
    requests = requests_for(arns, "us-east-1", 200)
    budgets = Budgets(Files(tmp_path), 1.0)
    outcomes = list(fetch_all(sessions, budgets, requests))
    assert Counter(type(outcome) for outcome in outcomes) == {Fetched: 200}
    (report,) = budgets.report()["lab", "us-east-1"]
    assert report.calls == braket.stats()["calls"]["GetQuantumTask"]
    assert report.throttles > 0


def test_what_cannot_become_a_row_is_rejected_with_its_payload(
    braket: Emulator, sessions: Sessions, arns: dict[str, set[str]]
) -> None:
    requests = requests_for(arns, "us-east-1", 5)
    spoiled = requests[2].arn
    braket.set_faults([{"kind": "wrong_type", "probability": 1.0, "arns": [spoiled]}])
    outcomes = {outcome.arn: outcome for outcome in fetch_all(sessions, None, requests)}
    rejected = outcomes.pop(spoiled)
    assert isinstance(rejected, Rejected)
    assert "a lot" in rejected.payload
    assert "shots" in rejected.error
    assert (rejected.operation, rejected.at) == ("GetQuantumTask", NOW)
    assert {type(outcome) for outcome in outcomes.values()} == {Fetched}


def test_unknown_members_and_values_come_through(
    braket: Emulator, sessions: Sessions, arns: dict[str, set[str]]
) -> None:
    kinds = ("unknown_member", "unknown_enum", "lone_surrogate", "wrong_content_type")
    braket.set_faults([{"kind": kind, "probability": 1.0} for kind in kinds])
    (outcome,) = fetch_all(sessions, None, requests_for(arns, "us-east-1", 1))
    assert isinstance(outcome, Fetched)
    assert outcome.body["status"] == "HIBERNATING"
    assert "carbonFootprint" in outcome.body
    assert "\ud800" in json.dumps(outcome.body, ensure_ascii=False)


def test_a_record_that_is_gone_is_missing_and_a_young_one_is_asked_for_again(
    braket: Emulator, sessions: Sessions, arns: dict[str, set[str]]
) -> None:
    arn = sorted(arns["us-east-1"])[0]
    target = in_region("us-east-1")
    braket.set_faults([{"kind": "vanish", "first_n": 2}])
    (old,) = fetch_all(sessions, None, [Request(target, "GetQuantumTask", arn, NOW - 80 * DAY)])
    assert (old.operation, old.arn, old.at) == ("GetQuantumTask", arn, NOW)
    (young,) = fetch_all(sessions, None, [Request(target, "GetQuantumTask", arn, datetime.now(UTC))])
    assert isinstance(young, Fetched)


def test_an_arn_that_braket_calls_invalid_is_rejected(braket: Emulator, sessions: Sessions) -> None:
    for arn in ("not an ARN at all", "\ud800"):
        (outcome,) = fetch_all(sessions, None, [Request(in_region("us-east-1"), "GetJob", arn)])
        assert isinstance(outcome, Rejected)


@pytest.mark.parametrize(
    ("kind", "problem"), [("access_denied", AccessDenied), ("expired_token", ExpiredCredentials)]
)
def test_a_region_that_refuses_is_asked_no_more_and_holds_no_other(
    braket: Emulator,
    sessions: Sessions,
    arns: dict[str, set[str]],
    kind: str,
    problem: type[Exception],
) -> None:
    braket.set_faults([{"kind": kind, "probability": 1.0, "regions": ["us-east-1"]}])
    requests = requests_for(arns, "us-east-1", 500) + requests_for(arns, "us-west-1", 50)
    outcomes = list(fetch_all(sessions, None, requests))
    refused = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert len(outcomes) == len(requests)
    assert len(refused) == 500
    assert all(isinstance(outcome.problem, problem) for outcome in refused)
    assert "lab/us-east-1" in str(refused[-1].problem)
    assert braket.stats()["by_region"]["us-east-1"] < 60


def test_a_few_records_that_a_policy_hides_do_not_close_their_region(
    braket: Emulator, sessions: Sessions, arns: dict[str, set[str]]
) -> None:
    requests = requests_for(arns, "us-east-1", 100)
    hidden = [request.arn for request in requests[:5]]
    braket.set_faults([{"kind": "access_denied", "probability": 1.0, "arns": hidden}])
    outcomes = fetch_all(sessions, None, requests, threads_per_target=1)
    assert Counter(type(outcome) for outcome in outcomes) == {Failed: 5, Fetched: 95}


def test_an_account_that_is_badly_configured_fails_alone(
    braket: Emulator, sessions: Sessions, arns: dict[str, set[str]]
) -> None:
    broken = Target(Account("prod", profile="no-such-profile"), "us-east-1")
    requests = [Request(broken, "GetQuantumTask", arn) for arn in sorted(arns["us-east-1"])[:50]]
    requests += requests_for(arns, "us-east-1", 50)
    outcomes = list(fetch_all(sessions, None, requests))
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert len(failed) == 50
    assert all(isinstance(outcome.problem, BadConfiguration) for outcome in failed)


def test_requests_are_taken_as_needed_and_never_all_at_once(
    braket: Emulator, sessions: Sessions, arns: dict[str, set[str]]
) -> None:
    arn = sorted(arns["us-east-1"])[0]
    taken = 0

    def endless() -> Iterator[Request]:
        nonlocal taken
        while True:
            taken += 1
            yield Request(in_region("us-east-1"), "GetQuantumTask", arn)

    before = threading.active_count()
    outcomes = fetch_all(sessions, None, endless())
    for _ in range(50):
        next(outcomes)
    assert taken <= 50 + 5_000
    outcomes.close()
    wait_until(lambda: threading.active_count() <= before)


def test_leaving_while_a_server_stalls_or_throttles_hangs_nobody(
    braket: Emulator, sessions: Sessions, arns: dict[str, set[str]], tmp_path: Path
) -> None:
    braket.set_faults([{"kind": "throttle", "probability": 1.0, "regions": ["us-east-1"]}])
    before = threading.active_count()
    requests = requests_for(arns, "us-east-1", 50) + requests_for(arns, "us-west-1", 5)
    outcomes = fetch_all(sessions, Budgets(Files(tmp_path), 0.1), requests)
    assert {type(next(outcomes)) for _ in range(5)} == {Fetched}
    outcomes.close()
    wait_until(lambda: threading.active_count() <= before)


def test_an_exception_of_the_callers_iterable_is_the_callers(
    braket: Emulator, sessions: Sessions, arns: dict[str, set[str]]
) -> None:
    def failing() -> Iterator[Request]:
        yield from requests_for(arns, "us-east-1", 3)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        list(fetch_all(sessions, None, failing()))


def test_the_quota_of_a_region_is_used_and_not_overrun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tasks=300, jobs=30, days=5, regions=["us-east-1"]) as emulator:
        for name, value in emulator.env().items():
            monkeypatch.setenv(name, value)
        jobs = Window(datetime.now(UTC) - 6 * DAY, datetime.now(UTC) + DAY)
        sessions, budgets, target = Sessions([ACCOUNT]), Budgets(Files(tmp_path), 1.0), in_region("us-east-1")
        budget = budgets.budget("lab", "us-east-1")
        pages = search_pages(SEARCH_JOBS, sessions.braket(target), budget, jobs)
        listed = [item for page in pages for item in page.summaries]
        requests = [Request(target, "GetJob", item.arn) for item in (listed * 5)[:30]]
        outcomes = list(fetch_all(sessions, budgets, requests))
        assert {type(outcome) for outcome in outcomes} == {Fetched}
        assert emulator.stats()["throttled"] == {}


def wait_until(holds: object) -> None:
    """Wait for something that other threads bring about; fails after ten seconds."""
    assert callable(holds)
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def test_records_throttled_for_ever_hold_no_other_up_and_are_named(
    braket: Emulator, arns: dict[str, set[str]], sessions: Sessions
) -> None:
    requests = requests_for(arns, "us-east-1", 300)
    bad = {request.arn for request in requests[:6]}  # more than there are threads
    braket.set_faults([{"kind": "throttle", "arns": sorted(bad)}])
    outcomes = list(fetch_all(sessions, None, requests, threads_per_target=4, patience=8.0))
    assert {outcome.arn for outcome in outcomes if isinstance(outcome, Fetched)} == {
        request.arn for request in requests[6:]
    }
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert failed == outcomes[-6:], "the others were kept waiting"
    assert {outcome.arn for outcome in failed} == bad
    for outcome in failed:
        assert outcome.arn in outcome.problem.message
        assert "while others were answered" in outcome.problem.message
        assert "the next sync asks again" in outcome.problem.message
        assert (outcome.problem.account, outcome.problem.region) == ("lab", "us-east-1")
    calls = braket.stats()["calls"]["GetQuantumTask"]
    assert calls < 300 + 6 * 12, "a record at the end of the line is asked for once a turn"


def test_what_is_throttled_altogether_is_given_up_as_a_whole(
    braket: Emulator, arns: dict[str, set[str]], sessions: Sessions
) -> None:
    requests = requests_for(arns, "us-east-1", 400)
    braket.set_faults([{"kind": "throttle"}])
    outcomes = list(fetch_all(sessions, None, requests, threads_per_target=4, patience=2.0))
    assert len(outcomes) == 400
    messages = [outcome.problem.message for outcome in outcomes if isinstance(outcome, Failed)]
    assert len(messages) == 400
    assert sum("everything was throttled" in message for message in messages) >= 390
    named = [message for message in messages if "as was all else" in message]
    assert named, "the first ones are named"
    assert all("quantum-task/" in message for message in named)
    assert braket.stats()["calls"]["GetQuantumTask"] < 400, "each one was waited for in turn"


def test_a_consumer_that_is_told_to_stop_waits_for_no_answer(
    braket: Emulator, arns: dict[str, set[str]], sessions: Sessions
) -> None:
    braket.set_faults([{"kind": "stall", "seconds": 3600}])
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(Stopped):
        list(fetch_all(sessions, None, requests_for(arns, "us-east-1", 50), stop=stop))
    braket.set_faults([])


def test_searches_that_are_throttled_for_ever_are_one_named_problem(
    braket: Emulator, sessions: Sessions, tmp_path: Path
) -> None:
    braket.set_faults([{"kind": "throttle", "operations": ["SearchQuantumTasks"]}])
    warehouse = empty_warehouse(tmp_path)
    puller = pulling.Puller(warehouse, sessions, None, "run", patience=1.0)
    today = NOW.date()
    apart = [today - timedelta(days=3), today]  # two windows
    outcome = puller.pull_days([in_region("us-east-1")], [TASKS], apart, only_due=False)
    [problem] = outcome.problems
    assert (problem.account, problem.region, problem.operation) == ("lab", "us-east-1", "SearchQuantumTasks")
    assert "still throttled after" in problem.message
    assert f"[{apart[0]}T00:00:00Z, {apart[1] + DAY}T00:00:00Z)" in problem.message
