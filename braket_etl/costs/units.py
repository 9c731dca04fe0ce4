"""The units in which Braket's price list counts, and the one division of a price.

DuckDB makes a DOUBLE of a DECIMAL that is divided, so the models only multiply: what a unit costs is brought here,
in Python's decimals, to what 10^9 base units cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from braket_etl.values import rounded

#: A month of storage. AWS's EBS pricing page counts 30 days; for Braket's volumes it is not documented.
MONTH_SECONDS = 30 * 24 * 3600
BILLION = 10**9
#: No rate of Braket's is near this; a larger one is a mistake, and would overflow what is computed from it.
HIGHEST_PRICE = Decimal(10) ** 6

_SPELLINGS = {
    "task": ("task", 1),
    "quantum-task": ("task", 1),
    "shot": ("shot", 1),
    "quantum-shot": ("shot", 1),
    "second": ("second", 1),
    "sec": ("second", 1),
    "minute": ("second", 60),
    "min": ("second", 60),
    "hour": ("second", 3600),
    "hr": ("second", 3600),
    "gb-mo": ("gb_second", MONTH_SECONDS),
    "gb-month": ("gb_second", MONTH_SECONDS),
}


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of the price list: how many base units it is."""

    base: str
    size: int


def unit_of(spelling: str) -> Unit | None:
    """The unit behind a spelling (`minutes`, `Tasks`, `quantum-shot`, `GB-Mo`), or None for an unknown one."""
    name = spelling.strip().lower().rstrip(".").replace(" ", "-")
    found = _SPELLINGS.get(name) or _SPELLINGS.get(name.removesuffix("s"))
    return Unit(*found) if found else None


def usd_per_billion(price: Decimal, unit: Unit) -> Decimal:
    """What 10^9 base units cost, to 12 decimals.

    The 12th decimal of it is 5e-22 dollars a second: over the longest job (five days, 16 TB) below 1e-9.
    """
    with localcontext(prec=60, rounding=ROUND_HALF_EVEN):
        return rounded(price * BILLION / unit.size)
