"""What the next run will cost: the prices of now, times what is asked for. Exact decimals, no history.

How long it will wait is no question of price and does not belong here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from braket_etl.costs.errors import UnknownPriceError
from braket_etl.costs.rules import PriceRule, price_rules
from braket_etl.costs.units import BILLION
from braket_etl.tables.arns import device_name_of
from braket_etl.tables.device_keys import device_key
from braket_etl.values import rounded
from braket_etl.warehouse.connection import Connection


@dataclass(frozen=True, slots=True)
class Line:
    """One part of an estimate: `quantity` units at `price_usd` each make `cost_usd`."""

    product_family: str
    quantity: Decimal
    unit: str
    price_usd: Decimal
    cost_usd: Decimal
    price_effective_from: datetime
    price_source: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """What `tasks` tasks of `shots` shots each will cost.

    `region` is None where the price is the same in all and none was named; `is_minimum`: what is paid by run time, which
    is not known before.
    """

    device: str
    region: str | None
    shots: int
    tasks: int
    cost_usd: Decimal
    cost_usd_per_task: Decimal
    is_minimum: bool
    lines: tuple[Line, ...]
    remarks: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values; money as text, so that no digit is lost."""
        return {name: _plain(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class _Price:
    rule: PriceRule
    region: str
    price_usd: Decimal | None
    usd_per_billion: Decimal | None
    effective_from: datetime
    source: str
    since: datetime
    """Begin of the first price in its family."""


def estimate(
    connection: Connection,
    device: str,
    shots: int,
    tasks: int = 1,
    *,
    region: str | None = None,
    seconds: Decimal | None = None,
    in_job: bool = False,
    at: datetime | None = None,
) -> Estimate:
    """What the next run costs by the prices valid `at` (now).

    `device` is an ARN or its last part, however it is spelled. `seconds` is the run time of one task where that is paid,
    as on simulators; without it the estimate is the least that is paid. Raises UnknownPriceError, and ValueError for
    negative numbers.
    """
    if shots < 0 or tasks < 1 or (seconds is not None and seconds < 0):
        raise ValueError("shots must be 0 or more, tasks 1 or more, seconds 0 or more")
    key = device_key(device_name_of(device) if "/" in device else device) or ""
    prices = _prices(connection, key, at or datetime.now(UTC))
    of_tasks = [p for p in prices if p.rule.device_type and p.rule.is_in_job == in_job]
    regions = [region] if region else _regions(connection, device, key, of_tasks)
    paid = _of_one_kind([p for p in of_tasks if p.region == regions[0]])
    if not paid:
        raise UnknownPriceError(_not_known(connection, device, region))
    lines = [_line(price, *_quantity(price.rule, shots, tasks, seconds)) for price in paid]
    return _estimate(device, regions[0] if len(regions) == 1 else None, shots, tasks, seconds, lines, paid)


def _of_one_kind(prices: Sequence[_Price]) -> list[_Price]:
    """The prices of the kind that holds: of those that are priced whole the one that began last, as in priced_tasks."""
    by_kind: dict[str, list[_Price]] = {}
    for price in prices:
        by_kind.setdefault(price.rule.kind, []).append(price)
    whole = [found for found in by_kind.values() if len(found) == _meters_of(found[0].rule)]
    return max(whole, key=lambda found: (max(p.since for p in found), found[0].rule.kind), default=[])


def _meters_of(rule: PriceRule) -> int:
    return sum(
        (other.kind, other.is_in_job) == (rule.kind, rule.is_in_job) for other in price_rules().values()
    )


def _quantity(rule: PriceRule, shots: int, tasks: int, seconds: Decimal | None) -> tuple[Decimal, Decimal]:
    """What is paid for in one meter, in its unit and in base units."""
    if rule.meter == "run_time":
        milliseconds = max(rule.least_ms, round((seconds or Decimal(0)) * 1000))
        paid = Decimal(milliseconds * tasks) / 1000
    else:
        paid = Decimal(tasks if rule.meter == "task" else shots * tasks)
    return paid, paid


def _estimate(
    device: str,
    region: str | None,
    shots: int,
    tasks: int,
    seconds: Decimal | None,
    lines: Sequence[Line],
    paid: Sequence[_Price],
) -> Estimate:
    total = sum((line.cost_usd for line in lines), Decimal(0))
    by_time = next((p.rule for p in paid if p.rule.meter == "run_time"), None)
    remarks = []
    if by_time is None:
        remarks.append(
            "a task that fails or is cancelled costs nothing; of one that succeeds in part, the successful shots count"
        )
    elif seconds is None:
        least = f", {by_time.least_ms // 1000} s a task" if by_time.least_ms else ""
        remarks.append(f"the run time is not known before: this is the least{least}; give --seconds")
    return Estimate(
        device,
        region,
        shots,
        tasks,
        total,
        rounded(total / tasks),
        by_time is not None and seconds is None,
        tuple(lines),
        (*remarks, "at list price: no credits, free tier, discounts or taxes; storage in S3 is extra"),
    )


def _line(price: _Price, quantity: Decimal, base_units: Decimal) -> Line:
    family = price.rule.product_family
    if price.price_usd is None or price.usd_per_billion is None:
        raise UnknownPriceError(
            f"the price list gives two prices for {family} in {price.region}; `braket-etl prices list` shows them"
        )
    cost = rounded(base_units * price.usd_per_billion / BILLION)
    per_unit = cost / quantity if quantity else price.price_usd
    return Line(
        family,
        quantity,
        price.rule.unit,
        rounded(per_unit),
        cost,
        price.effective_from,
        price.source,
    )


def _prices(connection: Connection, key: str, at: datetime) -> list[_Price]:
    rows = connection.execute(
        "SELECT product_family, region, price_usd, usd_per_billion, price_effective_from, price_source, "
        "min(valid_from) OVER (PARTITION BY product_family, region) FROM price_periods WHERE item = ? "
        "QUALIFY valid_from <= ? AND valid_to > ? ORDER BY region, product_family",
        [key, at, at],
    ).fetchall()
    return [_Price(price_rules()[family], *row) for family, *row in rows]


def _regions(connection: Connection, device: str, key: str, prices: list[_Price]) -> list[str]:
    """The Regions whose price it is, where none was named: that of the device's ARN, else all that agree."""
    parts = device.split(":")
    if len(parts) > 3 and parts[3]:
        return [parts[3]]
    listed = connection.execute(
        "SELECT DISTINCT region FROM prices WHERE device_key = ? AND is_used AND region IS NOT NULL ORDER BY region",
        [key],
    ).fetchall()
    regions: list[str] = [region for (region,) in listed] or sorted({price.region for price in prices})
    if not regions:
        raise UnknownPriceError(_not_known(connection, device, None))
    rates = {(p.rule.product_family, p.usd_per_billion) for p in prices if p.region in regions}
    if len(rates) > len({family for family, _ in rates}):
        raise UnknownPriceError(f"{device} has different prices by Region; name one: {', '.join(regions)}")
    return regions


def _not_known(connection: Connection, device: str, region: str | None) -> str:
    names = connection.execute(
        "SELECT DISTINCT device_name FROM prices WHERE is_used AND device_name IS NOT NULL ORDER BY 1"
    ).fetchall()
    where = f" in {region}" if region else ""
    known = ", ".join(name for (name,) in names) or "no device at all; run `braket-etl prices refresh`"
    near = get_close_matches(device.rsplit("/", 1)[-1].lower(), [name.lower() for (name,) in names], 1)
    meant = next((f"; did you mean {name}?" for (name,) in names if near and name.lower() == near[0]), "")
    return f"no price of {device}{where} is known now{meant}; known are {known}"


def priced_devices(connection: Connection) -> list[str]:
    """The names of all devices that tasks can be priced on now, as written in the newest price of each."""
    rows = connection.execute(
        "SELECT arg_max(device_name, effective_from) FROM prices WHERE is_used AND device_name IS NOT NULL "
        "GROUP BY device_key ORDER BY 1"
    ).fetchall()
    return [name for (name,) in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value.isoformat() if isinstance(value, datetime) else value
