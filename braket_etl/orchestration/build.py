"""The one seam: the definitions, with other resources where a test or the command line needs them."""

from __future__ import annotations

import dagster as dg

from braket_etl.orchestration.assets import ASSETS
from braket_etl.orchestration.checks import CHECKS
from braket_etl.orchestration.jobs import JOBS
from braket_etl.orchestration.schedules import SCHEDULES
from braket_etl.orchestration.sensors import SENSORS
from braket_etl.runtime import Runtime


def build_defs(*, runtime: Runtime | None = None) -> dg.Definitions:
    """All definitions; `runtime` replaces the one that the settings make."""
    return dg.Definitions(
        assets=ASSETS,
        asset_checks=CHECKS,
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources={"runtime": runtime or Runtime()},
    )
