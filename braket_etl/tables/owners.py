"""`allocations` and `budgets`: whose a cost is and how much may be spent, from the files that owners keep.

Here are the declarations; reading the files is the work of `braket_etl.costs.owner_files`.
"""

from __future__ import annotations

import pyarrow as pa

from braket_etl.tables.declaration import MONEY, Column, Table, day, instant, integer, money, text

ALLOCATIONS = Table(
    name="allocations",
    description=(
        "Rules that give an owner to what bears no tag, a row for each share, as allocations.toml had them when it was "
        "last read. allocated_charges applies them."
    ),
    key=("owner_key", "place", "owner"),
    columns=(
        text("owner_key", "Key of which it gives an owner: a tag, or person", required=True),
        integer("place", "Place among the rules of the key: the first that fits counts", required=True),
        text("rule", "Name of the rule", required=True),
        text("account", "Glob of account ids that it is for; NULL for any, as in the next ones"),
        text("device", "Glob of devices, by the last part of their ARN"),
        text("role", "Glob of the roles of jobs, by their ARN or the last part of it"),
        text("job_name", "Glob of names of jobs; a task has the name of its job"),
        text("person", "Glob of created_by"),
        text("reservation", "Glob of ARNs of reservations"),
        text("tag_key", "Key of the tag that it is for"),
        text("tag_value", "Glob of the value of that tag"),
        text("owner", "Who gets the share", required=True),
        Column("share_from", MONEY, "Shares that come before it, from 0 to 1", required=True),
        Column("share_to", MONEY, "The same with its own; 1 for the last one", required=True),
        instant("read_at", "When the file was read", required=True),
    ),
)

BUDGETS = Table(
    name="budgets",
    description=(
        "Budgets, as budgets.toml had them when it was last read. budget_status says how much of each is used."
    ),
    key=("budget",),
    columns=(
        text("budget", "Its name", required=True),
        money("amount_usd", "How much may be spent", required=True),
        day("first_day", "First day; NULL of one that holds for each calendar month"),
        day("last_day", "Last day, in as well; NULL of one by the month"),
        text("tag_key", "Key of the tag that it is for; NULL for any, as in the next ones"),
        text("tag_value", "Value of that tag"),
        text("account", "Account id"),
        text("device", "Device: its ARN or the last part of it"),
        text("person", "Person, as created_by names them"),
        Column(
            "thresholds",
            pa.list_(pa.float64()),
            "Shares of the amount of which people are told",
            required=True,
        ),
        instant("read_at", "When the file was read", required=True),
    ),
)
