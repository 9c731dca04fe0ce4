"""Where Dagster's schedules stand: whether a daemon lives, which schedules are on, and what came of their last ticks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from braket_etl.settings import Settings

#: A Dagster home may hold those of others too.
OURS = ("hourly_sync", "observe_open_records", "nightly_maintenance", "monthly_statements")


@dataclass(frozen=True)
class Schedule:
    """A schedule: whether it is on, its last tick (UTC) and what came of it: success, skipped or failure."""

    name: str
    is_on: bool
    last_tick_at: datetime | None
    last_tick: str


@dataclass(frozen=True)
class Schedules:
    """All that this home's daemon has seen; `daemon_at` is when it was last alive (UTC), None where none ever was."""

    daemon_is_alive: bool
    daemon_at: datetime | None
    schedules: Sequence[Schedule]


def schedules(settings: Settings) -> Schedules:
    """Where they stand in the Dagster home of these settings, which is only read; none are found where none is laid out."""
    from braket_etl.orchestration import instance as ours

    home = ours.dagster_home(settings)
    if not ours.is_laid_out(home):
        return Schedules(False, None, ())
    with ours.instance_in(home) as instance:
        found = []
        for state in instance.all_instigator_state():
            if state.instigator_name not in OURS:
                continue
            last = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
            at = datetime.fromtimestamp(last[0].timestamp, UTC) if last else None
            found.append(
                Schedule(
                    state.instigator_name, state.is_running, at, last[0].status.value.lower() if last else ""
                )
            )
        return Schedules(
            ours.daemon_is_alive(instance),
            ours.daemon_last_alive(instance),
            sorted(found, key=lambda each: each.name),
        )
