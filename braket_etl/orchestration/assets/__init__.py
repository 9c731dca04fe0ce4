"""The assets: each table and model of the warehouse under its own name, and the published copy.

What an asset does lies in `pull`, `warehouse`, `costs` and `analysis`; here is what Dagster needs to know of it.
"""

import dagster as dg

from braket_etl.orchestration.assets.external import EXTERNAL, from_its_origin
from braket_etl.orchestration.assets.models import build_models
from braket_etl.orchestration.assets.publish import PUBLISHED, published_warehouse
from braket_etl.orchestration.assets.reference import (
    caller_lookups,
    devices,
    prices,
    spending_limits,
    state_change_events,
)
from braket_etl.orchestration.assets.source import open_records, pull, task_results
from braket_etl.orchestration.assets.statements import STATEMENTS, statements
from braket_etl.orchestration.metadata import with_code_references
from braket_etl.orchestration.resources import OPEN_RECORDS

_MADE: list[dg.AssetsDefinition] = [
    pull,
    open_records,
    task_results,
    devices,
    spending_limits,
    state_change_events,
    caller_lookups,
    prices,
    build_models,
    published_warehouse,
    statements,
]

ASSETS: list[dg.AssetsDefinition | dg.AssetSpec] = [
    *with_code_references([asset.map_asset_specs(from_its_origin) for asset in _MADE]),
    *EXTERNAL,
]

__all__ = ["ASSETS", "OPEN_RECORDS", "PUBLISHED", "STATEMENTS"]
