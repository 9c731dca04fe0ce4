"""`spending_limits`: one row a spending limit, as SearchSpendingLimits last showed it."""

from __future__ import annotations

from braket_etl.tables.arns import device_name_of, device_provider_of
from braket_etl.tables.declaration import Table, instant, money, string_map, text
from braket_etl.tables.shared_columns import fetched_column, owner_columns

SPENDING_LIMITS = Table(
    name="spending_limits",
    description=(
        "One row a spending limit on a device, as SearchSpendingLimits last showed it, with what AWS has counted "
        "against it. Limits cover tasks on QPUs, alone or in jobs; not simulators, instances or reservations. "
        "spend_against_limits sets our own count beside AWS's."
    ),
    key=("spending_limit_arn",),
    operation="SearchSpendingLimits",
    rows_in="spendingLimits",
    columns=(
        text("spending_limit_arn", "ARN of the spending limit", "spendingLimitArn", required=True),
        *owner_columns("spending_limit_arn"),
        text("device_arn", "ARN of the device it limits", "deviceArn", required=True),
        text(
            "device_provider",
            "Last but one part of the device ARN, as written",
            derive=lambda row: device_provider_of(row["device_arn"]),
        ),
        text(
            "device_name",
            "Last part of the device ARN, as written",
            derive=lambda row: device_name_of(row["device_arn"]),
        ),
        instant(
            "time_period_start_at", "Begin of the period in which tasks may be created", "timePeriod.startAt"
        ),
        instant("time_period_end_at", "End of that period", "timePeriod.endAt"),
        money("spending_limit", "The limit in US dollars", source="spendingLimit", required=True),
        money("queued_spend", "What AWS expects of tasks not yet ended, in US dollars", source="queuedSpend"),
        money("total_spend", "What AWS has counted of tasks that ended, in US dollars", source="totalSpend"),
        instant("created_at", "When the limit was created", "createdAt", required=True),
        instant("updated_at", "When it was last changed", "updatedAt"),
        string_map("tags", "Tags of the limit", "tags"),
        fetched_column(),
        instant("first_seen_at", "When this limit was first stored", required=True, content=False),
        text("extra", "JSON object of response members that have no column here, else NULL", wide=True),
        text("origin", "Where the row comes from: `api`", required=True, content=False),
    ),
)
