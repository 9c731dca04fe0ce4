"""`reservations`, `discounts` and `usage_types`: what only the account's owner knows, from files they keep.

Here are the declarations; reading the files is the work of `braket_etl.costs`.
"""

from __future__ import annotations

from braket_etl.tables.arns import device_name_of
from braket_etl.tables.declaration import MONEY, Column, Table, instant, integer, money, text

RESERVATIONS = Table(
    name="reservations",
    description=(
        "Reserved device time, from the file that `braket-etl billing reservations` read last. Tasks in a "
        "reservation cost nothing themselves; the reservation does, by the hour."
    ),
    key=("reservation_arn",),
    columns=(
        text("reservation_arn", "ARN of the reservation, as tasks name it in associations", required=True),
        text("account_id", "Account that pays for it", required=True),
        text("region", "Region of the device", required=True),
        text("device_arn", "ARN of the device", required=True),
        text(
            "device_name",
            "Last part of the device ARN, as written",
            derive=lambda row: device_name_of(row["device_arn"]),
        ),
        instant("start_at", "Begin of the window", required=True),
        instant("end_at", "End of the window", required=True),
        integer("hours", "Hours of the window, each begun hour counted whole", required=True),
        instant("cancelled_at", "When it was cancelled; free of charge up to 48 hours before start_at"),
        money("agreed_usd", "Agreed price of the whole reservation; NULL where the list price holds"),
        money("agreed_usd_per_hour", "The agreed price divided by the hours"),
        text("note", "Remark of the owner of the file"),
        instant("read_at", "When the file was read", required=True),
    ),
)

DISCOUNTS = Table(
    name="discounts",
    description=(
        "Agreed discounts by product family, from the file that `braket-etl billing discounts` read last. List "
        "prices stay visible beside them."
    ),
    key=("product_family", "effective_from"),
    columns=(
        text("product_family", "Product family of the price list", required=True),
        instant("effective_from", "First instant at which the discount holds", required=True),
        instant("effective_to", "First instant at which it no longer holds; NULL while it does"),
        Column("rate", MONEY, "Share of the list price that is taken off, from 0 to 1", required=True),
        text("note", "Remark of the owner of the file"),
        instant("read_at", "When the file was read", required=True),
    ),
)

USAGE_TYPES = Table(
    name="usage_types",
    description=(
        "What usage types on the bill mean, where the bill and the price list do not say, from the file that "
        "`braket-etl billing usage-types` read last. It goes before what the bill says."
    ),
    key=("usage_type",),
    columns=(
        text("usage_type", "Usage type as billed", required=True),
        text("product_family", "Product family that it stands for", required=True),
        text("device_name", "Device that it stands for; NULL where it is none"),
        text("device_key", "Device as models match it"),
        instant("read_at", "When the file was read", required=True),
    ),
)
