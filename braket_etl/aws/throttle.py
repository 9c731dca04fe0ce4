"""How often Braket may be asked: the documented quotas, and a budget that a machine's processes share.

Belongs here: counting requests and telling how long to wait before the next one.
Does not belong here: sending requests and judging their answers (see call.py).

Each (account, Region) has one small file. A request takes the next free slot under the file's lock and sleeps
outside of it until the slot comes (a token bucket that may owe), so that waiting threads do not spin.
When Braket throttles all the same, other programs are using the quota: the rate is cut at once and grows back
slowly, for all threads and processes, because the cut is in the file too.

Time is the machine's monotonic clock, which all its processes share and nobody can set: a corrected wall
clock neither stops the budget nor opens it. It starts again at boot; then the file's content counts as old.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import re
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from braket_etl.private import private_folder


@dataclass(frozen=True, slots=True)
class Quota:
    """What Braket documents for an operation: requests a second, and how many may come at once."""

    rate: float
    burst: float


QUOTA_SOURCE = "https://docs.aws.amazon.com/braket/latest/developerguide/braket-quotas.html"
ALL_OPERATIONS = "*"
# An account may have been granted up to twice these rates, which no API tells; throttling is always obeyed.
QUOTAS: dict[str, Quota] = {
    ALL_OPERATIONS: Quota(140, 600),
    "GetQuantumTask": Quota(100, 500),
    "SearchQuantumTasks": Quota(5, 50),
    "GetJob": Quota(5, 25),
    "SearchJobs": Quota(5, 50),
    "GetDevice": Quota(5, 50),
    "SearchDevices": Quota(5, 50),
}

# Slots are spaced by our clock, yet requests come a little earlier or later: the rest of the burst is never
# taken, so that a request that overtakes another still finds a token.
_BURST_USED = 0.96
_CUT = 0.8  # the rate after a throttle, as a part of the rate before it
_CUT_EVERY = 0.75  # seconds; answers to requests sent before a cut say nothing about the rate after it
_RECOVERY = 0.02  # of the full rate, each second
_LOWEST = 0.05  # of the full rate

_MAGIC = b"BETLQ002"
_HEADER = struct.Struct("<8sd")  # magic, newest instant seen
_SLOT = struct.Struct("<dddd")  # the members of a Bucket
_NAMES = tuple(QUOTAS)
_SIZE = _HEADER.size + _SLOT.size * len(_NAMES)
_CLOCK_TOLERANCE = 1.0  # seconds
_MOST_OWED = 10_000.0  # tokens; more than that is damage, not a queue


class Stopped(Exception):  # noqa: N818 - no error: the consumer has left
    """The wait for a slot was ended because nobody wants the answer any more."""


@dataclass(slots=True)
class Bucket:
    """The state of one operation's budget; instants are seconds of the machine's monotonic clock.

    `tokens` may be negative: that many requests have been promised a slot that is still to come. The part of
    the rate that is allowed, `factor` at `changed_at`, grows back with time.
    """

    tokens: float
    counted_at: float
    factor: float
    changed_at: float

    def allowed(self, now: float) -> float:
        """The part of the rate that is allowed now: what the last cut left, and what grew back since."""
        return min(1.0, self.factor + _RECOVERY * max(0.0, now - self.changed_at))

    def take(self, now: float, rate: float, burst: float) -> float:
        """Take the next slot; gives the seconds until it comes."""
        self._refill(now, rate, burst)
        self.tokens -= 1.0
        return max(0.0, -self.tokens) / (rate * self.allowed(now))

    def cut(self, now: float, rate: float, burst: float) -> None:
        """Lower the rate and give up what seemed left of the burst: Braket has just shown there is none."""
        self._refill(now, rate, burst)
        self.tokens = min(self.tokens, 0.0)
        if now - self.changed_at >= _CUT_EVERY or self.factor >= 1.0:
            self.factor, self.changed_at = max(_LOWEST, self.allowed(now) * _CUT), now

    def _refill(self, now: float, rate: float, burst: float) -> None:
        passed = max(0.0, now - self.counted_at)
        mean_factor = (self.allowed(self.counted_at) + self.allowed(now)) / 2.0
        self.tokens = min(burst, self.tokens + passed * rate * mean_factor)
        self.counted_at = now


@dataclass(frozen=True, slots=True)
class OperationReport:
    """What one operation asked of its budget in this process; `seconds` from the first request to the last.

    `budget_used` is the requests sent as a part of those that this budget would have let through between the
    first and the last of them (burst and rate, at its share, counting no other process).
    """

    operation: str
    calls: int
    throttles: int
    retries: int
    seconds_waited: float
    seconds: float
    budget_used: float


@dataclass(slots=True)
class _Counters:
    calls: int = 0
    throttles: int = 0
    retries: int = 0
    waited: float = 0.0
    first: float = 0.0
    last: float = 0.0


class Budget:
    """The requests that one account may send in one Region, shared by all processes that use `directory`.

    `share` is the part of the documented rates and bursts to use, above 0 and at most 1. Thread-safe.
    Raises ValueError for another share, OSError where the file cannot be made.
    """

    def __init__(
        self,
        directory: Path,
        account: str,
        region: str,
        share: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0.0 < share <= 1.0:
            raise ValueError(f"the quota share must be above 0 and at most 1, not {share}")
        self.account = account
        self.region = region
        self.share = share
        self.path = directory / _file_name(account, region)
        self._clock = clock
        self._lock = threading.Lock()  # flock excludes other processes, not threads on the same descriptor
        self._counters: dict[str, _Counters] = {}
        self._descriptor, self._process = -1, 0
        private_folder(directory)
        with self._lock:
            self._open()

    def acquire(self, operation: str, stop: threading.Event | None = None) -> float:
        """Wait until one request may be sent; gives the seconds waited.

        Raises Stopped as soon as `stop` is set.
        """
        with self._state() as (now, buckets):
            wait = max(self._take(buckets, name, now) for name in self._names(operation))
            count = self._count(operation, now)
            count.calls += 1
            count.waited += wait
            count.last = now + wait
        if wait > 0.0:
            pause(wait, stop)
        return wait

    def throttled(self, operation: str) -> None:
        """Braket refused a request for coming too fast: slow down, here and in every other process."""
        name = operation if operation in QUOTAS else ALL_OPERATIONS
        with self._state() as (now, buckets):
            rate, burst = self._limits(name)
            buckets[name].cut(now, rate, burst)
            self._count(operation, now).throttles += 1

    def retried(self, operation: str) -> None:
        """Count a request that had to be repeated."""
        with self._lock:
            self._count(operation, self._clock()).retries += 1

    def report(self) -> list[OperationReport]:
        """What this process asked so far, one entry an operation."""
        with self._lock:
            return [self._report(name, count) for name, count in sorted(self._counters.items())]

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._descriptor >= 0 and self._process == os.getpid():
                os.close(self._descriptor)
            self._descriptor = -1

    def _names(self, operation: str) -> tuple[str, ...]:
        return (operation, ALL_OPERATIONS) if operation in QUOTAS else (ALL_OPERATIONS,)

    def _limits(self, name: str) -> tuple[float, float]:
        quota = QUOTAS[name]
        return quota.rate * self.share, max(1.0, quota.burst * self.share * _BURST_USED)

    def _take(self, buckets: dict[str, Bucket], name: str, now: float) -> float:
        rate, burst = self._limits(name)
        return buckets[name].take(now, rate, burst)

    def _count(self, operation: str, now: float) -> _Counters:
        count = self._counters.get(operation)
        if count is None:
            count = self._counters[operation] = _Counters(first=now, last=now)
        return count

    def _report(self, operation: str, count: _Counters) -> OperationReport:
        rate, burst = self._limits(operation if operation in QUOTAS else ALL_OPERATIONS)
        seconds = max(0.0, count.last - count.first)
        used = count.calls / (burst + rate * seconds)
        return OperationReport(
            operation, count.calls, count.throttles, count.retries, count.waited, seconds, used
        )

    @contextmanager
    def _state(self) -> Iterator[tuple[float, dict[str, Bucket]]]:
        """The time and the buckets under both locks; the buckets are written back at the end."""
        with self._lock:
            self._open()
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                now = self._clock()
                buckets = _unpacked(os.pread(self._descriptor, _SIZE, 0), now)
                yield now, buckets
                os.pwrite(self._descriptor, _packed(buckets, now), 0)
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _open(self) -> None:
        # A forked child shares the parent's lock with its descriptor, so it needs one of its own.
        if self._descriptor < 0 or self._process != os.getpid():
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor, self._process = os.open(self.path, flags, 0o600), os.getpid()


class Budgets:
    """The budgets of one run, made when first asked for; thread-safe.

    `directory` and `share` are those of Budget.
    """

    def __init__(self, directory: Path, share: float) -> None:
        self._directory = directory
        self._share = share
        self._lock = threading.Lock()
        self._budgets: dict[tuple[str, str], Budget] = {}

    def budget(self, account: str, region: str) -> Budget:
        """The budget of an account (by its name) in a Region. Raises what Budget raises."""
        with self._lock:
            key = (account, region)
            if key not in self._budgets:
                self._budgets[key] = Budget(self._directory, account, region, self._share)
            return self._budgets[key]

    def report(self) -> dict[tuple[str, str], list[OperationReport]]:
        """What this process asked so far, by (account, Region)."""
        with self._lock:
            return {key: budget.report() for key, budget in self._budgets.items()}


def pause(seconds: float, stop: threading.Event | None) -> None:
    """Sleep, unless `stop` is or becomes set: then raise Stopped."""
    if stop is None:
        time.sleep(seconds)
    elif stop.wait(seconds):
        raise Stopped


def _file_name(account: str, region: str) -> str:
    """A file name that no account name can lead elsewhere, and that two accounts never share."""
    readable = re.sub(r"[^A-Za-z0-9-]", "_", f"{account}-{region}")[:60]
    digest = hashlib.sha256(f"{account}\0{region}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{readable}-{digest}.budget"


def _unpacked(content: bytes, now: float) -> dict[str, Bucket]:
    """The buckets of a file's content; full ones where it is new, damaged, or from before the last boot."""
    if len(content) != _SIZE:
        return _full_buckets(now)
    magic, newest = _HEADER.unpack_from(content)
    if magic != _MAGIC or not newest <= now + _CLOCK_TOLERANCE:
        return _full_buckets(now)
    slots = _SLOT.iter_unpack(content[_HEADER.size :])
    buckets = {name: Bucket(*slot) for name, slot in zip(_NAMES, slots, strict=True)}
    return {name: bucket if _is_sound(bucket, now) else _full(name, now) for name, bucket in buckets.items()}


def _full_buckets(now: float) -> dict[str, Bucket]:
    return {name: _full(name, now) for name in _NAMES}


def _full(name: str, now: float) -> Bucket:
    return Bucket(QUOTAS[name].burst, now, 1.0, now)  # a budget with a smaller share takes no more


def _is_sound(bucket: Bucket, now: float) -> bool:
    latest = now + _CLOCK_TOLERANCE
    return (
        all(math.isfinite(number) for number in _members(bucket))
        and bucket.tokens >= -_MOST_OWED
        and _LOWEST <= bucket.factor <= 1.0
        and bucket.counted_at <= latest
        and bucket.changed_at <= latest
    )


def _packed(buckets: dict[str, Bucket], now: float) -> bytes:
    slots = (buckets[name] for name in _NAMES)
    return _HEADER.pack(_MAGIC, now) + b"".join(_SLOT.pack(*_members(slot)) for slot in slots)


def _members(bucket: Bucket) -> tuple[float, float, float, float]:
    return bucket.tokens, bucket.counted_at, bucket.factor, bucket.changed_at
