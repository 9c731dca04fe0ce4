"""The rules of price of sql/models/price_rules.sql, for what prices without a warehouse: price lists, estimates, files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import duckdb

from braket_etl.package_files import packaged_sql


@dataclass(frozen=True, slots=True)
class PriceRule:
    """What is paid in one product family; the model says what each column means."""

    kind: str
    device_type: str | None
    is_in_job: bool
    meter: str
    product_family: str
    unit: str
    base_unit: str
    least_ms: int
    item: str


@cache
def price_rules() -> Mapping[str, PriceRule]:
    """Product family → its rule, in the model's order."""
    model = (packaged_sql("models") / "price_rules.sql").read_text("utf-8")
    with duckdb.connect(":memory:") as connection:
        rules = [PriceRule(*row) for row in connection.execute(model).fetchall()]
    return {rule.product_family: rule for rule in rules}


def family_in_job(family: str) -> str | None:
    """The family in which the same thing is paid inside a hybrid job; None where there is none or it is one itself."""
    rules = price_rules()
    alone = rules.get(family)
    if alone is None or alone.is_in_job:
        return None
    same = (r for r in rules.values() if r.is_in_job and (r.kind, r.meter) == (alone.kind, alone.meter))
    return next((rule.product_family for rule in same), None)
