"""`prices`: one row a price of AWS's AmazonBraket price list, every publication kept, and the seed beside it."""

from __future__ import annotations

from braket_etl.tables.declaration import Table, flag, instant, integer, money, text

PRICES = Table(
    name="prices",
    description=(
        "Every price in every publication of the AmazonBraket price list that was loaded, and the dated seed. "
        "For an instant, the newest publication among the rows effective then counts; the seed only where no "
        "loaded price covers the instant. price_periods says which price counts when."
    ),
    key=("sku", "rate_code", "effective_from", "published_at"),
    columns=(
        text("sku", "SKU in the price list; `seed:…` for the seed", required=True),
        text("rate_code", "Rate code in the price list", required=True),
        instant("effective_from", "From when the price holds", required=True),
        instant(
            "published_at",
            "When the price list was published; of the seed, when it was put together",
            required=True,
        ),
        text(
            "product_family",
            "Product family as the price list writes it; empty where it writes none",
            required=True,
        ),
        text("region", "Region in which the usage happens; NULL where the price holds in all"),
        text("device_name", "Device as the price list spells it"),
        text(
            "device_key", "Device as models match it: lower case, generations folded (Aspen-M-3 is aspen-m)"
        ),
        text("instance_type", "Instance type, for prices of job instances"),
        text("operation", "Operation in the price list"),
        text("usage_type", "Usage type in the price list"),
        text("unit", "Unit as the price list writes it", required=True),
        money("price_usd", "Price of one unit in US dollars, as listed", required=True),
        text(
            "base_unit",
            "What the unit counts: task, shot, second or gb_second; NULL for families of no use here",
        ),
        integer("unit_size", "How many base units one unit is: 60 seconds of a minute; a month is 30 days"),
        money(
            "usd_per_billion",
            "Price of 10^9 base units in US dollars. Divided once, at loading: so large that what is lost after "
            "the 12th digit is far below 1e-9 dollars for any duration",
        ),
        text("begin_range", "First unit for which the price holds, as the price list writes it"),
        flag(
            "is_used",
            "Whether models use the row; not those of unknown families or of failed tasks, nor odd ones",
            required=True,
        ),
        text("why_not_used", "Why models do not use the row, in words; NULL where they do"),
        flag("is_seed", "Whether the row is of the seed that comes with the program", required=True),
        text(
            "description",
            "Description in the price list; of the seed, its source and how certain it is",
            wide=True,
        ),
        text("source", "Where the price comes from, as task_costs.price_source shows it", required=True),
        text("loaded_from", "File or address the publication was read from", content=False),
        instant("loaded_at", "When it was loaded", required=True, content=False),
    ),
)
