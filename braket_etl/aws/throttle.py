"""How often Braket may be asked: a budget within the documented quotas, which all who ask share.

Belongs here: counting requests and telling how long to wait before the next one.
Does not belong here: sending requests and judging their answers (see call.py).

Each (account, Region) has one small state: a file that the processes of a machine share, or a key in Redis that
several machines do (shared_budget.py). A request takes the next free slot while nobody else can and then sleeps
until the slot comes (a token bucket that may owe), so that waiting threads do not spin.
When Braket throttles all the same, other programs are using the quota: the rate is cut at once and grows back
slowly, for all threads, processes and machines, because the cut is in the state too.

A file's time is the machine's monotonic clock, which all its processes share and nobody can set: a corrected
wall clock neither stops the budget nor opens it. It starts again at boot; then the file's content counts as old.
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
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from braket_etl import holdups
from braket_etl.aws.operations import BY_NAME, QUOTA_FOR_ALL
from braket_etl.private_files import private_folder

T = TypeVar("T")


ALL_OPERATIONS = "*"
QUOTAS = {ALL_OPERATIONS: QUOTA_FOR_ALL} | {each.name: each.quota for each in BY_NAME.values() if each.quota}
#: What does not count against the quota for all of Braket's.
_OF_OTHERS = frozenset(each.name for each in BY_NAME.values() if each.service != "braket")

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
    """The budget of one operation; instants are seconds of the clock that goes with the state.

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

    def note(self, now: float, wait: float) -> None:
        """Count a request that is sent after so many seconds."""
        if not self.calls:
            self.first = now
        self.calls += 1
        self.waited += wait
        self.last = now + wait


class State(Protocol):
    """What is left of one account's budget in one Region, kept where all who share it reach it."""

    def change(self, step: Callable[[float, bytes], tuple[bytes, T]]) -> T:
        """Replace the content by what `step` makes of the present instant (seconds) and the content.

        Nobody changes it meanwhile, or `step` is called again with what they left. Gives the other thing that
        `step` gives. Called by one thread at a time.
        """

    def close(self) -> None:
        """Let go of what is open; the next use opens it again."""


class Place(Protocol):
    """Where the states of budgets are kept."""

    def state(self, account: str, region: str) -> State:
        """The state of an account, by its name, in a Region."""


@dataclass(frozen=True, slots=True)
class Files:
    """States in small locked files of one folder: for the processes of one machine."""

    directory: Path
    clock: Callable[[], float] = time.monotonic

    def state(self, account: str, region: str) -> FileState:
        """The file of an account in a Region; raises OSError where it cannot be made."""
        private_folder(self.directory)
        return FileState(self.directory / f"{state_name(account, region)}.budget", self.clock)


class FileState:
    """A state in a file, changed under the file's lock."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self.path = path
        self._clock = clock
        self._descriptor, self._process = -1, 0
        self._open()

    def change(self, step: Callable[[float, bytes], tuple[bytes, T]]) -> T:
        """See State. flock excludes other processes, not threads on the same descriptor."""
        self._open()
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            content, given = step(self._clock(), os.pread(self._descriptor, _SIZE, 0))
            os.pwrite(self._descriptor, content, 0)
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return given

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0 and self._process == os.getpid():
            os.close(self._descriptor)
        self._descriptor = -1

    def _open(self) -> None:
        # A forked child shares the parent's lock with its descriptor, so it needs one of its own.
        if self._descriptor < 0 or self._process != os.getpid():
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor, self._process = os.open(self.path, flags, 0o600), os.getpid()


class Budget:
    """The requests that one account may send in one Region, shared by all that have the same place.

    `share` is the part of the documented rates and bursts to use, above 0 and at most 1. Thread-safe.
    Raises ValueError for another share, and what the place raises.
    """

    def __init__(self, place: Place, account: str, region: str, share: float) -> None:
        if not 0.0 < share <= 1.0:
            raise ValueError(f"the quota share must be above 0 and at most 1, not {share}")
        self.account = account
        self.region = region
        self.share = share
        self._state = place.state(account, region)
        self._lock = threading.Lock()
        self._counters: dict[str, _Counters] = {}

    def acquire(self, operation: str, stop: threading.Event | None = None) -> float:
        """Wait until one request may be sent; gives the seconds waited.

        Raises Stopped as soon as `stop` is set.
        """

        def slot(now: float, buckets: dict[str, Bucket]) -> tuple[float, float]:
            return now, max(self._take(buckets, name, now) for name in self._names(operation))

        with self._lock:
            now, wait = self._changed(slot)
            self._count(operation).note(now, wait)
        if wait > 0.0:
            with holdups.held_up(
                holdups.By.BUDGET, lambda: f"waiting for the request budget of {self._place(operation)}"
            ):
                pause(wait, stop)
        return wait

    def throttled(self, operation: str) -> None:
        """Braket refused a request for coming too fast: slow down, here and everywhere else."""
        name = operation if operation in QUOTAS else ALL_OPERATIONS
        rate, burst = self._limits(name)
        with self._lock:
            self._changed(lambda now, buckets: buckets[name].cut(now, rate, burst))
            self._count(operation).throttles += 1

    def retried(self, operation: str) -> None:
        """Count a request that had to be repeated."""
        with self._lock:
            self._count(operation).retries += 1

    def backing_off(self, operation: str) -> AbstractContextManager[None]:
        """While the block runs, a thread waits since Braket said that it comes too fast."""
        return holdups.held_up(
            holdups.By.THROTTLE, lambda: f"throttled by {_by(operation)}: {self._place(operation)}"
        )

    def report(self) -> list[OperationReport]:
        """What this process asked so far, one entry an operation."""
        with self._lock:
            return [self._report(name, count) for name, count in sorted(self._counters.items())]

    def close(self) -> None:
        """Let go of what is open; the next use opens it again."""
        with self._lock:
            self._state.close()

    def _place(self, operation: str) -> str:
        return f"{operation} in {self.account}/{self.region}"

    def _changed(self, change: Callable[[float, dict[str, Bucket]], T]) -> T:
        """What `change` gives, after it changed the buckets of the state."""

        def step(now: float, content: bytes) -> tuple[bytes, T]:
            buckets = _unpacked(content, now)
            given = change(now, buckets)
            return _packed(buckets, now), given

        return self._state.change(step)

    def _names(self, operation: str) -> tuple[str, ...]:
        if operation in _OF_OTHERS:
            return (operation,)
        return (operation, ALL_OPERATIONS) if operation in QUOTAS else (ALL_OPERATIONS,)

    def _limits(self, name: str) -> tuple[float, float]:
        quota = QUOTAS[name]
        return quota.rate * self.share, max(1.0, quota.burst * self.share * _BURST_USED)

    def _take(self, buckets: dict[str, Bucket], name: str, now: float) -> float:
        rate, burst = self._limits(name)
        return buckets[name].take(now, rate, burst)

    def _count(self, operation: str) -> _Counters:
        return self._counters.setdefault(operation, _Counters())

    def _report(self, operation: str, count: _Counters) -> OperationReport:
        rate, burst = self._limits(operation if operation in QUOTAS else ALL_OPERATIONS)
        seconds = max(0.0, count.last - count.first)
        used = count.calls / (burst + rate * seconds)
        return OperationReport(
            operation, count.calls, count.throttles, count.retries, count.waited, seconds, used
        )


class Budgets:
    """The budgets of one run, made when first asked for; thread-safe.

    `place` and `share` are those of Budget.
    """

    def __init__(self, place: Place, share: float) -> None:
        self._place = place
        self._share = share
        self._lock = threading.Lock()
        self._budgets: dict[tuple[str, str], Budget] = {}

    def budget(self, account: str, region: str) -> Budget:
        """The budget of an account (by its name) in a Region. Raises what Budget raises."""
        with self._lock:
            key = (account, region)
            if key not in self._budgets:
                self._budgets[key] = Budget(self._place, account, region, self._share)
            return self._budgets[key]

    def report(self) -> dict[tuple[str, str], list[OperationReport]]:
        """What this process asked so far, by (account, Region)."""
        with self._lock:
            return {key: budget.report() for key, budget in self._budgets.items()}


def _by(operation: str) -> str:
    return "CloudTrail" if operation in _OF_OTHERS else "Braket"


def pause(seconds: float, stop: threading.Event | None) -> None:
    """Sleep, unless `stop` is or becomes set: then raise Stopped."""
    if stop is None:
        time.sleep(seconds)
    elif stop.wait(seconds):
        raise Stopped


def state_name(account: str, region: str) -> str:
    """A name for a state that no account name can lead elsewhere, and that two accounts never share."""
    readable = re.sub(r"[^A-Za-z0-9-]", "_", f"{account}-{region}")[:60]
    digest = hashlib.sha256(f"{account}\0{region}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{readable}-{digest}"


def _unpacked(content: bytes, now: float) -> dict[str, Bucket]:
    """The buckets of a state's content; full ones where it is new, damaged, or of a clock that went back."""
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
