"""Request quotas as AWS documents them, per account and Region: token buckets on real time.

Source of the numbers: the quota table of the Amazon Braket developer guide (requests a second, and burst).
SearchSpendingLimits is not in that table and counts only against the rate of all requests together. LookupEvents is
CloudTrail's, whose reference tells two requests a second, and no burst.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Quota:
    """Requests a second in the long run, and how many at once."""

    rate: float
    burst: float


ALL_REQUESTS = Quota(140, 600)
QUOTAS = {
    "GetQuantumTask": Quota(100, 500),
    "SearchQuantumTasks": Quota(5, 50),
    "GetJob": Quota(5, 25),
    "SearchJobs": Quota(5, 50),
    "GetDevice": Quota(5, 50),
    "SearchDevices": Quota(5, 50),
    "CreateQuantumTask": Quota(20, 40),
    "CancelQuantumTask": Quota(2, 20),
    "CreateJob": Quota(1, 5),
    "CancelJob": Quota(2, 5),
    "LookupEvents": Quota(2, 2),
}
_OF_ANOTHER_SERVICE = frozenset({"LookupEvents"})


class Bucket:
    """A bucket of tokens that refills at the quota's rate and starts full."""

    def __init__(self, quota: Quota, at: float) -> None:
        self.quota = quota
        self.tokens = quota.burst
        self.filled_at = at

    def refill(self, at: float) -> None:
        """Add what came in since the last time."""
        self.tokens = min(self.quota.burst, self.tokens + (at - self.filled_at) * self.quota.rate)
        self.filled_at = at


@dataclass
class Quotas:
    """Whether one more request is within the quotas; a refused one takes no token."""

    enabled: bool = True
    seconds: Callable[[], float] = time.monotonic
    _buckets: dict[tuple[str, str, str], Bucket] = field(default_factory=dict)

    def admits(self, account: str, region: str, operation: str) -> bool:
        """Take a token of the operation and one of all requests together, if both are there."""
        if not self.enabled:
            return True
        at = self.seconds()
        is_counted = operation not in _OF_ANOTHER_SERVICE
        needed = [self._bucket(account, region, "", ALL_REQUESTS, at)] if is_counted else []
        if operation in QUOTAS:
            needed.append(self._bucket(account, region, operation, QUOTAS[operation], at))
        if any(bucket.tokens < 1 for bucket in needed):
            return False
        for bucket in needed:
            bucket.tokens -= 1
        return True

    def _bucket(self, account: str, region: str, operation: str, quota: Quota, at: float) -> Bucket:
        key = (account, region, operation)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(quota, at)
        bucket.refill(at)
        return bucket
