"""Assets that no run makes: the operations of the Braket API that rows come from, and the tables that a person fills.

With them the graph begins where the data do.
"""

import dagster as dg

from braket_etl.aws.operations import OPERATIONS
from braket_etl.orchestration import metadata
from braket_etl.orchestration.assets.common import OWNERS
from braket_etl.tables import (
    ALLOCATIONS,
    BILLED_LINE_ITEMS,
    BUDGETS,
    CLOSED_STATEMENT_LINES,
    CLOSED_STATEMENTS,
    DISCOUNTS,
    MAIN,
    RESERVATIONS,
    USAGE_TYPES,
)
from braket_etl.tables.declaration import Table

_ORIGIN_OF = {table.name: table.operation for table in MAIN if table.operation}
#: Origin of rows → what it is, and the kinds of its asset.
_ORIGINS = {
    **{
        each.name: (f"Braket's answer about {each.about}.", {"aws"})
        for each in OPERATIONS
        if each.name in _ORIGIN_OF.values()
    },
    "StateChangeEvent": (
        "An EventBridge event about a task or job, where a feed is set.",
        {"aws", "eventbridge"},
    ),
    "CloudTrailEvent": (
        "A record of CloudTrail about a call that created a task or job, by LookupEvents or where a feed brings it.",
        {"aws", "cloudtrail"},
    ),
    "ResultsFile": ("The results.json of a quantum task, in the bucket that it names.", {"aws", "s3"}),
}
#: Tables that are filled from a file that somebody keeps, or when somebody closes a statement.
_BY_HAND = (
    RESERVATIONS,
    DISCOUNTS,
    USAGE_TYPES,
    ALLOCATIONS,
    BUDGETS,
    BILLED_LINE_ITEMS,
    CLOSED_STATEMENTS,
    CLOSED_STATEMENT_LINES,
)


def origin_spec(origin: str) -> dg.AssetSpec:
    """The asset of what answers or is read: an operation, an event, a file."""
    description, kinds = _ORIGINS[origin]
    return dg.AssetSpec(
        metadata.asset_key(origin),
        description=description,
        group_name="source",
        kinds=kinds,
        owners=OWNERS,
    )


def by_hand_spec(table: Table) -> dg.AssetSpec:
    """The asset of a table that `braket-etl prices`, `billing` and `statement --close` fill."""
    return dg.AssetSpec(
        table.name,
        description=table.description,
        group_name="reference",
        kinds={"duckdb", "file"},
        owners=OWNERS,
        metadata=metadata.table_metadata(table),
    )


def from_its_origin(spec: dg.AssetSpec) -> dg.AssetSpec:
    """The asset of a table, downstream of what its rows come from."""
    origin = _ORIGIN_OF.get(spec.key.path[-1])
    return spec.merge_attributes(deps=[metadata.asset_key(origin)]) if origin else spec


EXTERNAL = [*map(origin_spec, _ORIGINS), *map(by_hand_spec, _BY_HAND)]
