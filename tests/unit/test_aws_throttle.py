"""What the request budget does: it paces, is shared by processes, survives restarts, and yields to others."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from braket_etl.aws import throttle
from braket_etl.aws.operations import Quota
from braket_etl.aws.throttle import QUOTAS, Budget, Budgets, Files, Stopped
from tests.processes import begun_together


class Clock:
    """A monotonic clock that a test sets; pauses move it on instead of taking time."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()

    def passes(seconds: float, stop: threading.Event | None) -> None:
        clock.now += seconds

    monkeypatch.setattr(throttle, "pause", passes)
    return clock


def budget_at(directory: Path, clock: Clock, share: float = 1.0, account: str = "lab") -> Budget:
    return Budget(Files(directory, clock), account, "us-east-1", share)


def sent_within(budget: Budget, clock: Clock, operation: str, seconds: float) -> int:
    """How many requests one caller gets through in so many seconds."""
    end, sent = clock.now + seconds, 0
    while True:
        budget.acquire(operation)
        if clock.now > end:
            return sent
        sent += 1


@pytest.mark.parametrize("operation", ["GetQuantumTask", "GetJob", "SearchQuantumTasks"])
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_budget_gives_its_share_of_rate_and_burst_and_not_more(
    tmp_path: Path, clock: Clock, operation: str, share: float
) -> None:
    quota = QUOTAS[operation]
    allowed = share * (quota.burst + quota.rate * 60)
    sent = sent_within(budget_at(tmp_path, clock, share), clock, operation, 60)
    assert 0.97 * allowed <= sent <= allowed


def test_all_operations_together_stay_within_the_quota_for_all(tmp_path: Path, clock: Clock) -> None:
    budget = budget_at(tmp_path, clock)
    end, sent = clock.now + 30, 0
    while clock.now <= end:
        budget.acquire("GetQuantumTask")
        budget.acquire("ListTagsForResource")
        sent += 2
    assert sent <= 600 + 140 * 30 + 2


def test_an_operation_without_a_documented_quota_counts_against_the_total_only(
    tmp_path: Path, clock: Clock
) -> None:
    sent = sent_within(budget_at(tmp_path, clock), clock, "SearchSpendingLimits", 10)
    assert 0.97 * 2000 <= sent <= 2000


def test_two_budgets_on_one_directory_share_one_quota(tmp_path: Path, clock: Clock) -> None:
    first, second = budget_at(tmp_path, clock), budget_at(tmp_path, clock)
    for _ in range(20):
        first.acquire("GetJob")
    end, sent = clock.now + 10, 20
    while clock.now <= end:
        second.acquire("GetJob")
        sent += 1
    assert sent <= 25 + 5 * 10 + 1


def test_accounts_and_regions_have_budgets_of_their_own(tmp_path: Path, clock: Clock) -> None:
    budgets = [
        budget_at(tmp_path, clock),
        budget_at(tmp_path, clock, account="other"),
        Budget(Files(tmp_path, clock), "lab", "eu-north-1", 1.0),
    ]
    before = clock.now
    for budget in budgets:
        for _ in range(24):
            budget.acquire("GetJob")
    assert clock.now == before


def test_a_restarted_process_goes_on_with_the_budget_that_is_left(tmp_path: Path, clock: Clock) -> None:
    sent_within(budget_at(tmp_path, clock), clock, "GetJob", 0)
    assert budget_at(tmp_path, clock).acquire("GetJob") > 0


def test_a_reboot_starts_with_a_full_budget_and_no_waiting(tmp_path: Path, clock: Clock) -> None:
    budget = budget_at(tmp_path, clock)
    for _ in range(200):
        budget.acquire("GetJob")
    clock.now = 5.0  # the monotonic clock begins anew
    assert budget_at(tmp_path, clock).acquire("GetJob") == 0.0
    assert budget.acquire("GetJob") == 0.0


def test_the_wall_clock_plays_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budget = Budget(Files(tmp_path), "lab", "us-east-1", 1.0)
    for _ in range(24):
        budget.acquire("GetJob")
    for moment in (0.0, 4e9):
        monkeypatch.setattr(throttle.time, "time", lambda moment=moment: moment)
        assert 0.0 < budget.acquire("GetJob") < 1.0


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 4096, b"BETLQ002" + b"\xff" * 232])
def test_a_damaged_file_is_replaced(tmp_path: Path, clock: Clock, content: bytes) -> None:
    Files(tmp_path).state("lab", "us-east-1").path.write_bytes(content)
    budget = budget_at(tmp_path, clock)
    assert budget.acquire("GetJob") == 0.0
    for _ in range(30):
        budget.acquire("GetJob")
    assert clock.now > 1_000.0


def test_a_throttle_slows_every_user_of_the_file_and_the_rate_grows_back(
    tmp_path: Path, clock: Clock
) -> None:
    first, second = budget_at(tmp_path, clock), budget_at(tmp_path, clock)
    first.throttled("GetQuantumTask")
    slowed = sent_within(second, clock, "GetQuantumTask", 2)
    assert 150 <= slowed <= 175  # 80 % of 100 a second and growing, no burst
    clock.now += 60
    assert sent_within(second, clock, "GetQuantumTask", 10) >= 1_400


def test_throttles_that_answer_requests_sent_before_the_cut_do_not_cut_again(
    tmp_path: Path, clock: Clock
) -> None:
    budget = budget_at(tmp_path, clock)
    for _ in range(20):
        budget.throttled("GetQuantumTask")
    assert sent_within(budget, clock, "GetQuantumTask", 1) >= 75


def test_constant_throttling_never_stops_the_budget_altogether(tmp_path: Path, clock: Clock) -> None:
    budget = budget_at(tmp_path, clock)
    for _ in range(100):
        budget.throttled("GetJob")
        clock.now += 1
    assert budget.acquire("GetJob") <= 4.0


class Server:
    """Braket's side of a quota: a token bucket that refuses."""

    def __init__(self, quota: Quota, now: float) -> None:
        self.quota, self.tokens, self.at = quota, quota.burst, now

    def lets_through(self, now: float) -> bool:
        self.tokens = min(self.quota.burst, self.tokens + (now - self.at) * self.quota.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def test_beside_another_client_nearly_all_of_what_it_leaves_is_used(tmp_path: Path, clock: Clock) -> None:
    budget, server = budget_at(tmp_path, clock), Server(QUOTAS["GetQuantumTask"], clock.now)
    began = clock.now
    mine = theirs = refused = 0
    while clock.now < began + 120:
        budget.acquire("GetQuantumTask")
        while began + theirs / 50 < clock.now:  # the other one sends 50 a second, come what may
            server.lets_through(clock.now)
            theirs += 1
        if server.lets_through(clock.now):
            mine += 1
        else:
            refused += 1
            budget.throttled("GetQuantumTask")
    assert mine >= 0.9 * (500 + 50 * 120)
    assert refused <= 0.05 * mine


def test_the_report_tells_what_was_asked(tmp_path: Path, clock: Clock) -> None:
    budget = budget_at(tmp_path, clock)
    for _ in range(49):
        budget.acquire("GetJob")
    budget.throttled("GetJob")
    budget.retried("GetJob")
    (report,) = budget.report()
    assert (report.operation, report.calls, report.throttles, report.retries) == ("GetJob", 49, 1, 1)
    assert report.seconds_waited == pytest.approx(5.0)
    assert report.budget_used == pytest.approx(1.0)


def test_files_are_private_and_no_account_name_leads_elsewhere(tmp_path: Path) -> None:
    home = tmp_path / "home" / "quota"
    names = ["../../etc/passwd", "a/b", "a_b", "..", "", "nul\0byte", "ü" * 300, "\ud800", "A_b"]
    paths = {Files(home).state(name, "../x").path for name in names}
    for path in paths:
        assert path.parent == home
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(paths) == len(names)
    assert len(list(home.iterdir())) == len(names)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.parametrize("share", [0.0, -1.0, 1.01, float("nan")])
def test_a_share_outside_its_range_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        Budget(Files(tmp_path), "lab", "us-east-1", share)


def test_a_wait_ends_when_nobody_wants_the_answer_any_more(tmp_path: Path) -> None:
    budget, stop = Budget(Files(tmp_path), "lab", "us-east-1", 0.01), threading.Event()
    budget.acquire("GetJob")
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(Stopped):
        budget.acquire("GetJob", stop)  # its slot would come in 20 seconds


def test_budgets_are_made_once_an_account_and_region(tmp_path: Path) -> None:
    budgets = Budgets(Files(tmp_path), 0.5)
    assert budgets.budget("lab", "us-east-1") is budgets.budget("lab", "us-east-1")
    budgets.budget("lab", "us-east-1").acquire("GetJob")
    assert budgets.report()["lab", "us-east-1"][0].calls == 1


_OTHER_PROCESS = """
import sys
from pathlib import Path
from braket_etl.aws import throttle
throttle.pause = lambda seconds, stop: None
budget = throttle.Budget(throttle.Files(Path(sys.argv[1])), "lab", "us-east-1", 1.0)
print("ready", flush=True)
sys.stdin.readline()
print(sum(budget.acquire("GetQuantumTask") == 0.0 for _ in range(600)))
"""


def test_processes_side_by_side_share_one_burst(tmp_path: Path) -> None:
    said = begun_together(["-c", _OTHER_PROCESS, str(tmp_path)], [None] * 2)
    at_once = [int(requests) for requests in said]
    # 480 at once for both together, and what comes back while they ask; each alone would get 480.
    assert 480 <= sum(at_once) < 700
