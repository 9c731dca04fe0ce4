"""The rules of price of sql/models/price_rules.sql, for what prices without a warehouse: price lists, estimates, files."""

from __future__ import annotations

import re
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
    most_ms: int | None


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


#: What a usage type says, such as USE1-Task-Shot-IonQ-Forte-1; the first that is found counts.
_METERS = (
    (re.compile(r"(?i)reservation"), "reservation"),
    (re.compile(r"(?i)volume"), "volume"),
    (re.compile(r"(?i)ml\.[a-z0-9-]+\."), "instance"),
    (re.compile(r"(?i)executionduration|simulator"), "run_time"),
    (re.compile(r"(?i)shot"), "shot"),
    (re.compile(r"(?i)task"), "task"),
)


def family_of_usage(usage_type: str | None, operation: str | None, unit: str | None) -> str | None:
    """The product family of what is billed, from its usage type, else from its unit; None where neither tells.

    Third-party copies of price lists have these usage types; AWS documents none.
    """
    told = usage_type or unit or ""
    meter = next((meter for pattern, meter in _METERS if pattern.search(told)), None)
    is_in_job = re.search(r"(?i)managed|job", f"{usage_type or ''} {operation or ''}") is not None
    of_meter = [rule for rule in price_rules().values() if rule.meter == meter]
    same = (rule.product_family for rule in of_meter if rule.is_in_job == is_in_job or len(of_meter) == 1)
    return next(same, None)
