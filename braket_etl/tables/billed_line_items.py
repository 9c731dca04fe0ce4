"""`billed_line_items`: what AWS billed for Braket, from exports of CUR and FOCUS, in one form."""

from __future__ import annotations

from braket_etl.tables.declaration import MONEY, Column, Table, instant, money, string_map, text

BILLED_LINE_ITEMS = Table(
    name="billed_line_items",
    description=(
        "One row a line item for Amazon Braket in an imported export of CUR 2.0, legacy CUR or FOCUS. An import replaces "
        "what was stored of the same paying accounts and billing periods in the same format, so a corrected bill takes "
        "the place of the earlier one, also where it has no line of Braket any more."
    ),
    key=("source_format", "line_item_id"),
    columns=(
        text("source_format", "cur2, cur1 (legacy CUR) or focus", required=True),
        text(
            "line_item_id",
            "The export's own id of the line, or a hash of the line and its occurrence",
            required=True,
        ),
        text("payer_account_id", "Account that pays the bill"),
        text("account_id", "Account that used the service"),
        text("region", "Region of the usage"),
        instant("billing_period_start", "Begin of the billing period", required=True),
        instant("usage_start", "Begin of the usage", required=True),
        instant("usage_end", "End of the usage"),
        text(
            "charge_kind",
            "usage, credit, discount, tax, fee, refund or other: the export's own kinds, put in these",
            required=True,
        ),
        text("charge_kind_raw", "The kind as the export spells it"),
        text("bill_type", "Type of the bill in CUR (Anniversary, Purchase, Refund), ChargeClass in FOCUS"),
        text("invoice_id", "Invoice, where the export tells it"),
        text(
            "neighbour",
            "Service of a line that is of another one, for a resource with Braket's name (notebooks of SageMaker, "
            "buckets, logs); NULL for Braket's own lines",
        ),
        text("usage_type", "Usage type: in FOCUS 1.2 of AWS it is SkuMeter"),
        text("operation", "Operation"),
        text(
            "product_family",
            "Product family: as the export tells it, else the price list by SKU or usage type, else read off the usage type",
        ),
        text("device_name", "Device: told as product_family is"),
        text("device_key", "Device as models match it"),
        text("sku", "SKU in the price list"),
        text(
            "resource_id",
            "Resource, where the export tells it; whether Braket's are task ARNs is not documented",
        ),
        text("line_item_iam_principal", "Who called, where CUR 2.0 tells it"),
        Column("quantity", MONEY, "Quantity in `unit`"),
        text("unit", "Unit of the quantity"),
        Column(
            "base_quantity",
            MONEY,
            "Quantity in tasks, shots, seconds or GB-seconds (a month is 30 days); NULL for an unknown unit",
        ),
        money("list_usd", "Cost at list price; NULL where the export does not tell it"),
        money("billed_usd", "Cost as billed: negative for credits and discounts", required=True),
        string_map(
            "tags",
            "Tags activated for cost allocation, by the keys that the resources have; keys of AWS keep aws:",
        ),
        text("description", "What the export says about the line", wide=True),
        text("source_file", "File that it was read from", required=True),
        instant("imported_at", "When it was read", required=True),
    ),
)
