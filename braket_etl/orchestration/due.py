"""Which range of days a run should be given, from what the published copy knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import duckdb

from braket_etl.aws.sessions import Target
from braket_etl.facts import LAUNCH
from braket_etl.pull.plan import DAY, days_between, due_days
from braket_etl.pull.resources import RESOURCES
from braket_etl.runtime import Runtime
from braket_etl.warehouse.errors import DamagedError, NotPublishedError


def first_wanted_day(runtime: Runtime) -> date:
    """The first UTC day that the settings want: no later than today, no earlier than Braket's launch."""
    settings = runtime.settings
    return max(min(settings.first_day, settings.today), LAUNCH)


def due_range(runtime: Runtime, targets: Sequence[Target]) -> tuple[date, date]:
    """The first day that is not complete for every target, and today; at least yesterday and today."""
    now = datetime.now(UTC)
    today = now.date()
    first = first_wanted_day(runtime)
    wanted = days_between(first, today)
    try:
        with runtime.warehouse.reading() as connection:
            due = [
                day
                for target in targets
                for resource in RESOURCES
                for day in due_days(
                    connection,
                    target.account.name,
                    target.region,
                    resource.table.name,
                    wanted,
                    now,
                    runtime.sessions.principal(target.account),
                )[:1]
            ]
    except (NotPublishedError, DamagedError, duckdb.Error):
        return first, today  # nothing is known, or what is published is older than the model that we ask
    return min([*due, max(first, today - DAY)]), today
