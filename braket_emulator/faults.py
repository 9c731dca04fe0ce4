"""Faults on request: what a service, a network or a hostile account may do to an answer.

Each fault is decided from (seed, number of the call, place in the list), so that the same sequential calls
meet the same faults; calls side by side may arrive in another order and then meet others. `vanish` is decided
from the ARN instead, as what is gone stays gone. Sending the damage is `app.py`'s part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from braket_emulator.service_model import Operation

# Faults that replace the whole answer by an error of the API, with the code they use.
ERRORS = {
    "throttle": "ThrottlingException",
    "internal_error": "InternalServiceException",
    "access_denied": "AccessDeniedException",
    "expired_token": "ExpiredTokenException",
    "vanish": "ResourceNotFoundException",
}
# Faults of the connection or of HTTP.
WIRE = frozenset(
    {
        "reset_before",
        "reset_mid_body",
        "truncated_body",
        "empty_body",
        "html_body",
        "wrong_content_type",
        "stall",
    }
)
# Faults in the way a search pages.
PAGING = frozenset({"expired_page_token", "duplicate_page"})
# Faults in the records of an answer.
CONTENT = frozenset(
    {"unknown_member", "unknown_enum", "wrong_type", "missing_required", "lone_surrogate", "hostile_text"}
)
# Faults of S3, which concern no operation of Braket.
STORAGE = frozenset({"bucket_denied"})
KINDS = frozenset(ERRORS) | WIRE | PAGING | CONTENT | STORAGE

HOSTILE = (
    "'; DROP TABLE quantum_tasks; --<script>alert(1)</script>\x00\x1b[31m\u202e{{7*7}}${HOME}"
    "=cmd|' /C calc'!A0"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault to inject.

    Fires with `probability`, or, with `first_n`, on the first so many calls that it concerns; with `after`, the
    first so many are spared. `operations`, `regions`, `accounts` and `arns` narrow it down; empty means all.
    `seconds` is how long a stall lasts, `member` which required member goes missing; `buckets` (globs) which
    buckets refuse, all where it is empty.
    """

    kind: str
    probability: float = 1.0
    first_n: int | None = None
    after: int = 0
    operations: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    arns: tuple[str, ...] = ()
    seconds: float = 5.0
    member: str | None = None
    buckets: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: Any) -> Fault:
        """A fault as a client describes it; ValueError where it makes no sense."""
        if not isinstance(value, dict):
            raise ValueError("a fault is a JSON object")
        unknown = sorted(set(value) - {each.name for each in fields(cls)})
        if unknown:
            raise ValueError(f"a fault has no {', '.join(unknown)}")
        given: dict[str, Any] = {
            name: tuple(each) if isinstance(each, list) else each for name, each in value.items()
        }
        fault = cls(**given)
        if fault.kind not in KINDS:
            raise ValueError(f"no fault {fault.kind!r}; there are {', '.join(sorted(KINDS))}")
        if not 0 <= fault.probability <= 1:
            raise ValueError("probability must be between 0 and 1")
        return fault


@dataclass(frozen=True, slots=True)
class Target:
    """The call that a fault may concern."""

    number: int
    operation: Operation
    account: str
    region: str
    arn: str
    has_page_token: bool


@dataclass
class Faults:
    """The faults that are set, and how often each fired."""

    seed: int = 0
    faults: list[Fault] = field(default_factory=list)
    fired: Counter[str] = field(default_factory=Counter)
    _concerned: Counter[int] = field(default_factory=Counter)

    def set(self, faults: Iterable[Fault]) -> None:
        """Replace all faults."""
        self.faults = list(faults)
        self.fired.clear()
        self._concerned.clear()

    def for_call(self, target: Target) -> list[Fault]:
        """The faults that this call meets, in the order in which they were set."""
        met = [
            fault
            for place, fault in enumerate(self.faults)
            if _concerns(fault, target) and self._fires(place, fault, target)
        ]
        self.fired.update(fault.kind for fault in met)
        return met

    def denies_bucket(self, bucket: str) -> bool:
        """Whether S3 is to answer a request to this bucket with 403."""
        for place, fault in enumerate(self.faults):
            if fault.kind in STORAGE and (not fault.buckets or _is_any_of(bucket, fault.buckets)):
                self._concerned[place] += 1
                if fault.first_n is None or self._concerned[place] <= fault.first_n:
                    self.fired[fault.kind] += 1
                    return True
        return False

    def _fires(self, place: int, fault: Fault, target: Target) -> bool:
        self._concerned[place] += 1
        met = self._concerned[place] - fault.after
        if fault.first_n is not None or met <= 0:
            return 0 < met <= (fault.first_n or 0)
        if fault.probability >= 1:
            return True
        chance = target.arn if fault.kind == "vanish" else target.number
        return Random(f"{self.seed}/{place}/{chance}").random() < fault.probability  # noqa: S311


def _concerns(fault: Fault, target: Target) -> bool:
    is_search = target.operation.result_list is not None
    return (
        fault.kind not in STORAGE
        and (not fault.operations or target.operation.name in fault.operations)
        and (not fault.regions or target.region in fault.regions)
        and (not fault.accounts or target.account in fault.accounts)
        # in a search the ARNs are those of the records on the page, which `spoil` picks
        and (not fault.arns or target.arn in fault.arns or (is_search and fault.kind in CONTENT))
        and (fault.kind not in PAGING or target.has_page_token)
        and (fault.kind != "vanish" or target.operation.label is not None)
    )


def _is_any_of(bucket: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(bucket, glob) for glob in globs)


def spoil(fault: Fault, operation: Operation, body: dict[str, Any], number: int) -> None:
    """Apply a fault of the content to an answer, in place; on a page, all records of its `arns`."""
    records = [body]
    if operation.result_list is not None:
        records = [each for each in body[operation.result_list] if _picks(fault, each)]
    if fault.kind == "missing_required":
        _remove_required(fault, operation, body, records, number)
        return
    for record in records:
        _SPOILERS[fault.kind](record)


def _picks(fault: Fault, record: dict[str, Any]) -> bool:
    return not fault.arns or any(value in fault.arns for value in record.values() if isinstance(value, str))


def _remove_required(
    fault: Fault, operation: Operation, body: dict[str, Any], records: list[dict[str, Any]], number: int
) -> None:
    if operation.result_list and fault.member in (None, operation.result_list):
        del body[operation.result_list]
        return
    required = sorted(operation.record.required_members)
    member = fault.member or required[number % len(required)]
    for record in records:
        record.pop(member, None)


def _add_unknown_member(record: dict[str, Any]) -> None:
    record["carbonFootprint"] = {"grams": 12.5, "method": "guess", "parts": [{"name": "fridge", "grams": 12}]}


def _use_unknown_enum(record: dict[str, Any]) -> None:
    for member in ("status", "deviceStatus"):
        if member in record:
            record[member] = "HIBERNATING"


def _use_wrong_type(record: dict[str, Any]) -> None:
    for member, wrong in (
        ("shots", "a lot"),
        ("instanceConfig", "a big one"),
        ("device", {"arn": "local"}),
        ("deviceQueueInfo", "long"),
        ("timePeriod", "this month"),
        ("deviceName", ["Garnet"]),
    ):
        if member in record:
            record[member] = wrong
            return


def _put_text(text: str) -> Callable[[dict[str, Any]], None]:
    def spoil_texts(record: dict[str, Any]) -> None:
        for member in ("jobName", "deviceName", "outputS3Directory"):
            if member in record:
                record[member] = text
        if "deviceName" not in record:
            record["tags"] = {**record.get("tags", {}), text: text}
        if "failureReason" in record or "queueInfo" in record:
            record["failureReason"] = text

    return spoil_texts


_SPOILERS: dict[str, Callable[[dict[str, Any]], None]] = {
    "unknown_member": _add_unknown_member,
    "unknown_enum": _use_unknown_enum,
    "wrong_type": _use_wrong_type,
    "lone_surrogate": _put_text("half a pair: \ud800"),
    "hostile_text": _put_text(HOSTILE),
}
