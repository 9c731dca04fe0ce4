"""Devices and spending limits: small, asked for once a run, and never a reason to stop.

What cannot be had is a warning: no record of a task or job is missing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from braket_etl.aws import fetch, search
from braket_etl.aws.errors import AwsProblem
from braket_etl.aws.operations import GET_DEVICE, SEARCH_SPENDING_LIMITS
from braket_etl.aws.sessions import Target
from braket_etl.crew import Crew
from braket_etl.pull.merge import forget_healed, one_each, store_rejects
from braket_etl.pull.outcome import Outcome
from braket_etl.pull.puller import Puller
from braket_etl.tables import DEVICE_OBSERVATIONS, DEVICES, SPENDING_LIMITS
from braket_etl.tables.arns import region_of
from braket_etl.tables.devices import DEVICE_STATE, with_depths
from braket_etl.tables.normalize import Normalized, normalize
from braket_etl.warehouse.statements import transaction
from braket_etl.warehouse.upsert import extend_observations, replace_rows

#: Targets that are asked side by side, and seconds that they are asked while they throttle.
_THREADS = 8
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class _Limit:
    """One spending limit of a search, as a record for the flattener."""

    arn: str
    body: dict[str, Any]
    fetched_at: datetime
    operation: str = SEARCH_SPENDING_LIMITS.name


def pull_devices(puller: Puller, targets: Sequence[Target], *, only_in_use: bool = False) -> Outcome:
    """Fetch every device of the Regions and every device that a task names; `only_in_use` those of open tasks."""
    outcome = Outcome()
    arns = _used_devices(puller, only_open=only_in_use)
    if not only_in_use:
        for target, found in _each(search.search_devices, puller, _one_each_region(targets)):
            if isinstance(found, AwsProblem):
                outcome.warnings[f"devices of {target.label} cannot be listed: {found.message}"] += 1
            else:
                arns |= {str(device["deviceArn"]) for device in found}
    answers = [
        replace(answer, fetched_at=puller.clock.at(answer.stamp)) if answer.stamp else answer
        for answer in list(_device_answers(puller, targets, sorted(arns), outcome))
    ]
    rows = normalize(DEVICES, answers, bookkeeping={"origin": "api"})
    polls = _device_polls(answers)
    rejects = one_each([*rows.rejects, *polls.rejects])
    outcome.rejected += len(rejects)
    if answers:
        with puller.warehouse.writing("merging devices") as connection, transaction(connection):
            outcome.counts[DEVICES.name] = replace_rows(connection, DEVICES, rows.rows)
            forget_healed(connection, rejects, answers)
            store_rejects(connection, rejects, puller.run_id)
            outcome.counts[DEVICE_OBSERVATIONS.name] = extend_observations(
                connection, DEVICE_OBSERVATIONS, polls.rows, DEVICE_STATE
            )
    return outcome


def pull_spending_limits(puller: Puller, targets: Sequence[Target]) -> Outcome:
    """Fetch the spending limits of every account and Region; those that are gone stay stored."""
    outcome = Outcome()
    limits: list[_Limit] = []
    for target, found in _each(search.search_spending_limits, puller, targets):
        if isinstance(found, AwsProblem):
            outcome.warnings[f"spending limits of {target.label} cannot be listed: {found.message}"] += 1
            continue
        now = puller.clock.now().replace(microsecond=0)
        limits += [
            _Limit(str(limit.get("spendingLimitArn")), puller.redactor.body(limit), now) for limit in found
        ]
    rows = normalize(SPENDING_LIMITS, limits, bookkeeping={"origin": "api"})
    outcome.rejected += len(rows.rejects)
    if limits:
        with puller.warehouse.writing("merging spending limits") as connection, transaction(connection):
            outcome.counts[SPENDING_LIMITS.name] = replace_rows(connection, SPENDING_LIMITS, rows.rows)
            store_rejects(connection, rows.rejects, puller.run_id)
    return outcome


def _each(
    listed: Callable[..., list[dict[str, Any]]], puller: Puller, targets: Sequence[Target]
) -> Iterator[tuple[Target, list[dict[str, Any]] | AwsProblem]]:
    """What each target lists, or why it does not; asked side by side, so that one that hangs holds no other up."""

    def asked(target: Target) -> list[dict[str, Any]] | AwsProblem:
        try:
            return listed(puller.sessions.braket(target), puller.budget(target), patience=_PATIENCE)
        except AwsProblem as problem:
            return problem

    with Crew(_THREADS, "listing") as crew:
        answers = [crew.submit(asked, target) for target in targets]
        for target, answer in zip(targets, answers, strict=True):
            yield target, answer.result()


def _used_devices(puller: Puller, *, only_open: bool) -> set[str]:
    """ARNs of devices that stored tasks name: all that are not stored yet, or those of open tasks."""
    condition = "NOT is_terminal" if only_open else "device_arn NOT IN (SELECT device_arn FROM devices)"
    with puller.warehouse.writing("looking up devices") as connection:
        rows = connection.execute(
            f"SELECT DISTINCT device_arn FROM quantum_tasks WHERE {condition} AND device_arn LIKE 'arn:%'"
        ).fetchall()
    return {arn for (arn,) in rows}


def _device_answers(
    puller: Puller, targets: Sequence[Target], arns: Iterable[str], outcome: Outcome
) -> Iterable[fetch.Fetched]:
    """What Braket says of devices, asked in the device's own Region, or in any for a simulator."""
    by_region = {target.region: target for target in reversed(targets)}
    requests = [
        fetch.Request(target, GET_DEVICE.name, arn)
        for arn in arns
        if (target := _target_of(arn, by_region, targets[0])) is not None
    ]
    for answer in fetch.fetch_all(puller.sessions, puller.budgets, requests, patience=_PATIENCE):
        if isinstance(answer, fetch.Fetched):
            puller.clock.note(answer.stamp)
            yield replace(answer, body=puller.redactor.body(answer.body))
        elif isinstance(answer, fetch.Failed):
            outcome.warnings[f"{answer.operation}: {answer.problem.message}"] += 1
        elif isinstance(answer, fetch.Rejected):
            outcome.warnings[f"{answer.operation} {answer.arn}: {answer.error}"] += 1


def _target_of(arn: str, by_region: Mapping[str, Target], anywhere: Target) -> Target | None:
    """Where to ask for a device; None for a Region that is not pulled from, and for what is no ARN."""
    try:
        region = region_of(arn)
    except ValueError:
        return None
    return by_region.get(region) if region else anywhere


def _device_polls(answers: Sequence[fetch.Fetched]) -> Normalized:
    polls = normalize(DEVICE_OBSERVATIONS, answers, finish=with_depths)
    return polls if answers else Normalized(pa.Table.from_pylist([], schema=DEVICE_OBSERVATIONS.arrow_schema))


def _one_each_region(targets: Sequence[Target]) -> list[Target]:
    """The first target of each Region: devices are the same for every account."""
    return list({target.region: target for target in reversed(targets)}.values())
