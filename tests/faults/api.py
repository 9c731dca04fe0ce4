"""Faults of the API, as data, and how one is lived through.

Each is injected into a fifth of all calls that it concerns unless it says otherwise. `sync` is to bring the warehouse to
what it would be without, in the same run; where something cannot be had, it says so with exit code 1, keeps what came,
and the next run brings the rest.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from braket_emulator import Emulator, running
from braket_emulator.faults import WIRE
from tests.conftest import NOW
from tests.faults.outcome import Outcome
from tests.faults.program import (
    NOT_COMPARED,
    Contents,
    Forked,
    coverage_of,
    different_tables,
    records_of,
    same_records,
)

REGIONS = ("us-east-1", "eu-north-1")
ACCOUNT: dict[str, Any] = {
    "tasks": 320,
    "jobs": 10,
    "days": 6,
    "seed": 5,
    "regions": REGIONS,  # few, so that a listing has several pages
    "now": NOW,
    "frozen": True,
    "quotas": False,
}
SETTINGS = {
    "BRAKET_ETL_START_DATE": "2026-11-14",
    "BRAKET_ETL_REGIONS": ",".join(REGIONS),
    "BRAKET_ETL_QUOTA_SHARE": "1",
    "BRAKET_ETL_RESULTS": "off",
}

SEARCHES = ("SearchQuantumTasks", "SearchJobs")
GETS = ("GetQuantumTask", "GetJob")
SHARE = 0.2

Faults = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ApiFault:
    """A fault of the API; `still` are those that last while the next run repairs what this one could not have.

    Where one run is enough it may still list rejects, since five broken answers to one get make one, and a fifth of all
    answers being broken that happens to one record in three thousand.
    """

    name: str
    faults: Faults
    one_run_is_enough: bool = True
    says: str = ""
    """What the user reads where one run is not enough."""
    still: Faults = ()
    whole: Faults | None = None
    """The faults where `make faults` can wait for more of them than a short run."""


def _fault(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "probability": SHARE, "operations": GETS + SEARCHES, **more}


def _mixed(*kinds: str) -> list[dict[str, Any]]:
    return [_fault(kind, probability=SHARE / len(kinds), seconds=1.0) for kind in kinds]


_PASSING = _mixed("throttle", "internal_error", *sorted(WIRE))
_STALL = 31.0  # seconds; a second more than the client waits
_PAGES = {"operations": SEARCHES}
_DENIED = {"kind": "access_denied", "regions": REGIONS[1:]}
_EXPIRED = {"kind": "expired_token", "after": 100}

API_FAULTS = (
    ApiFault(
        "throttling storm: the first 30 calls, then 20 %",
        [_fault("throttle", first_n=30), _fault("throttle")],
    ),
    ApiFault("500 Internal Server Error", [_fault("internal_error")]),
    ApiFault("connection reset before the answer", [_fault("reset_before")]),
    ApiFault("connection reset in the middle of a body", [_fault("reset_mid_body")]),
    ApiFault("JSON cut short, under a length that fits", [_fault("truncated_body")]),
    ApiFault("an empty body", [_fault("empty_body")]),
    ApiFault("a hotel's login page in place of an answer", [_fault("html_body")]),
    ApiFault("wrong content type", [_fault("wrong_content_type")]),
    ApiFault(
        "no answer for 31 s",
        [_fault("stall", seconds=_STALL, first_n=2)],
        # the client gives up at the third in a row: more than all threads of both Regions can meet twice, but not thrice
        whole=[
            _fault("stall", seconds=_STALL, first_n=2, operations=SEARCHES),
            _fault("stall", seconds=_STALL, first_n=40, operations=GETS[:1]),
        ],
    ),
    ApiFault(
        "answers about jobs that stay broken: rejects, and `rejects retry`",
        [_fault("truncated_body", probability=1, operations=("GetJob",))],
    ),
    ApiFault("page token expired, twice in a search", [_fault("expired_page_token", first_n=2, **_PAGES)]),
    ApiFault(
        "the same records on two pages, every page", [_fault("duplicate_page", probability=1, **_PAGES)]
    ),
    ApiFault(
        "records that vanish between search and get",
        [_fault("vanish", operations=GETS)],
        one_run_is_enough=False,
        says="listed, but neither stored nor rejected",
    ),
    ApiFault("a Region that answers 403", [_DENIED], one_run_is_enough=False, says=REGIONS[1]),
    ApiFault("credentials that expire half-way", [_EXPIRED], one_run_is_enough=False, says="expired"),
    ApiFault(
        "all of these, 20 % of calls; 403 and expired credentials pass, the rest goes on",
        [*_PASSING, _fault("duplicate_page", **_PAGES), _fault("vanish", operations=GETS), _DENIED, _EXPIRED],
        one_run_is_enough=False,
        still=[*_PASSING, _fault("duplicate_page", **_PAGES)],
    ),
)


@dataclass(frozen=True)
class Undisturbed:
    """What a run without faults leaves, and how long it took."""

    contents: Contents
    coverage: list[tuple[Any, ...]]
    arns: set[str]
    seconds: float


@dataclass(frozen=True)
class Endpoint:
    """An account, and what it looks like in a warehouse when nothing goes wrong."""

    emulator: Emulator
    undisturbed: Undisturbed

    def program(self, folder: Path) -> Forked:
        """A fresh home that pulls from it."""
        folder.mkdir(parents=True)
        return Forked(folder / "home", {**self.emulator.env(), **SETTINGS})


@contextmanager
def endpoint(folder: Path) -> Iterator[Endpoint]:
    """The account, served, and pulled once without faults."""
    with running(**ACCOUNT) as emulator:
        folder.mkdir(parents=True, exist_ok=True)
        program = Forked(folder / "home", {**emulator.env(), **SETTINGS})
        program.ok("--version")  # the process that others are forked from takes seconds to start
        began = time.monotonic()
        program.ok("sync")
        seconds = time.monotonic() - began
        contents = program.contents(*NOT_COMPARED)
        yield Endpoint(emulator, Undisturbed(contents, coverage_of(program), _arns(program), seconds))


def _arns(program: Forked) -> set[str]:
    """The tasks and jobs that are stored."""
    query = "SELECT quantum_task_arn FROM quantum_tasks UNION ALL SELECT job_arn FROM jobs"
    return {arn for (arn,) in program.rows(query)}


def endured(fault: ApiFault, at: Endpoint, folder: Path, *, whole: bool = False) -> Outcome:
    """What is left after a fault; AssertionError where the program did not do what it promises."""
    program = at.program(folder)
    undisturbed = at.undisturbed
    faults = fault.whole if whole and fault.whole is not None else fault.faults
    done, seconds, injected = _synced(program, at.emulator, faults)
    runs = 1
    assert injected > 0, "no fault was injected, so this shows nothing"
    assert "Traceback" not in done.stderr
    if fault.one_run_is_enough:
        assert done.returncode == 0, done.stderr
        recovery = max(0.0, seconds - undisturbed.seconds)
    else:
        assert done.returncode == 1, "it must say that something is missing: " + done.stderr
        assert fault.says in done.stderr
        assert same_records(program.contents(*NOT_COMPARED), undisturbed.contents) > 0, "what came is kept"
        done, recovery, more = _synced(program, at.emulator, fault.still)
        injected += more
        runs += 1
        assert done.returncode == 0, done.stderr
    if rejected := {arn for (arn,) in program.rows("SELECT arn FROM etl.rejected_records")}:
        assert rejected == undisturbed.arns - _arns(program), "what is missing is listed, and nothing else"
        began = time.monotonic()
        program.ok("rejects", "retry")
        recovery += time.monotonic() - began
        runs += 1
    contents = program.contents(*NOT_COMPARED)
    assert different_tables(contents, undisturbed.contents) == []
    assert program.rows("FROM etl.rejected_records") == []
    if not rejected:
        assert coverage_of(program) == undisturbed.coverage
    return Outcome(
        fault.name,
        injected,
        runs,
        records_of(undisturbed.contents),
        same_records(contents, undisturbed.contents),
        (round(recovery, 1),),
    )


def _synced(program: Forked, emulator: Emulator, faults: Faults) -> tuple[Any, float, int]:
    """A sync under faults: how it ended, its seconds, and how often a fault fired."""
    emulator.set_faults([dict(fault) for fault in faults])
    began = time.monotonic()
    try:
        done = program.run("sync")
        fired = sum(emulator.stats()["faults"].values())
    finally:
        emulator.set_faults([])
    return done, time.monotonic() - began, fired
