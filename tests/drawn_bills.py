"""Drawn months of work and the bills that AWS could write of them, to see whether they close.

    make bills ARGS="[MONTHS] [FIRST_SEED]"

What everything costs is computed here, by hand and in decimals, and by no model. Each month has tasks on two QPUs and a
simulator, jobs of hours and of five days, jobs over its begin and its end; how the bill counts them, in which format it is
written, what is taken off and what is wrong with it is drawn. The table says how much of the bill's money agrees or is
explained, and whether each error was found.
"""

from __future__ import annotations

import csv
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from braket_etl.costs.bill_delivery import local_delivery
from braket_etl.costs.billing import import_bill
from braket_etl.costs.close import ClosedBill, closed
from braket_etl.warehouse.connection import Warehouse
from tests.cost_cases import ACCOUNT, FORTE, GARNET, SV1, Result, job, load, price, store, store_results, task
from tests.warehouses import empty_warehouse

PAYER, STRANGER = "999999999999", "444455556666"
FORMATS = ("cur2", "cur1", "focus 1.0", "focus 1.2")
DISCOUNTS = ("EdpDiscount", "PrivateRateDiscount", "BundledDiscount", "RiVolumeDiscount", "SppDiscount")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Sku:
    """What is paid: its price for a unit of so many seconds, tasks or shots."""

    family: str
    usage_type: str
    usd: Decimal
    unit: str
    size: int
    region: str
    device: str = ""

    @property
    def id(self) -> str:
        """Its SKU in the price list."""
        return f"SKU-{self.usage_type}"

    def listed(self) -> dict[str, str]:
        """Its row in the price list."""
        place = {"Instance Type": "ml.m5.large"} if self.family.endswith("Instance") else {}
        more = {
            "SKU": self.id,
            "usageType": self.usage_type,
            "Region Code": self.region,
            "EffectiveDate": "2025-01-01",
        }
        return price(self.family, str(self.usd), self.unit, device=self.device, **place, **more)


def _qpu(
    device: str, region: str, task_usd: str, shot_usd: str, code: str, *, in_job: bool = False
) -> dict[str, Sku]:
    families = (
        ("Braket Managed Jobs QPU Task", "Braket Managed Jobs QPU Task Shot")
        if in_job
        else ("Quantum Task", "Quantum Task-Shot")
    )
    kind = f"{code}-{'Jobs-' if in_job else ''}Task"
    return {
        "task": Sku(families[0], f"{kind}-{device}", Decimal(task_usd), "quantum-task", 1, region, device),
        "shot": Sku(
            families[1], f"{kind}-Shot-{device}", Decimal(shot_usd), "quantum-shot", 1, region, device
        ),
    }


QPUS = {
    GARNET: _qpu("Garnet", "eu-north-1", "0.30", "0.00145", "EUN1"),
    FORTE: _qpu("Forte-1", "us-east-1", "0.30", "0.08", "USE1"),
}
IN_JOB = _qpu("Forte-1", "us-east-1", "0.30", "0.07", "USE1", in_job=True)
SIMULATOR = Sku(
    "Simulator Task",
    "USE1-Completed-Task-ExecutionDuration-SV1",
    Decimal("0.075"),
    "minutes",
    60,
    "us-east-1",
    "SV1",
)
INSTANCE = Sku(
    "Braket Managed Jobs Instance", "USE1-Jobs-ml.m5.large", Decimal("0.12"), "hours", 3600, "us-east-1"
)
VOLUME = Sku(
    "Braket Managed Jobs Volume", "USE1-Jobs-Volume", Decimal("0.14"), "GB-Mo", 2_592_000, "us-east-1"
)
SKUS = [*(sku for qpu in (*QPUS.values(), IN_JOB) for sku in qpu.values()), SIMULATOR, INSTANCE, VOLUME]


@dataclass(frozen=True)
class Use:
    """So much of a SKU, used by a record from one instant to another."""

    sku: Sku
    quantity: Decimal
    arn: str
    begin: datetime
    end: datetime


@dataclass
class Line:
    """A line of the bill."""

    month: str
    start: datetime
    end: datetime
    sku: Sku | None
    arn: str
    quantity: Decimal
    list_usd: Decimal | None
    billed_usd: Decimal
    kind: str = "Usage"
    account: str = ACCOUNT
    description: str = ""


@dataclass(frozen=True)
class Error:
    """What is wrong with the bill, or with what is known here; above 0 it is billed and not expected."""

    what: str
    causes: frozenset[str]
    sku: Sku | None
    arn: str
    day: date
    usd: Decimal


@dataclass
class Drawn:
    """A month, its bill, and what is true of it."""

    seed: int
    month: date
    form: str
    arns: str
    metering: str
    grain: str
    shift: str
    discount: str
    has_neighbours: bool
    bodies: list[dict[str, Any]] = field(default_factory=list)
    durations: list[Result] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    errors: list[Error] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The month as a bill is called."""
        return f"{self.month:%Y-%m}"

    @property
    def billed(self) -> list[Line]:
        """The lines of this month's bill."""
        return [line for line in self.lines if line.month == self.name]

    def told(self) -> str:
        """How it was drawn."""
        ids = {"all": "ARNs", "jobs": "ARNs of jobs", "none": "no ARNs"}[self.arns]
        beside = "with the months beside it" if self.has_neighbours else "alone"
        taken = self.discount or "no discount"
        return f"{self.form}, {ids}, jobs {self.metering}, {self.grain}, {self.shift}, {taken}, {beside}"


def _cents(amount: Decimal) -> Decimal:
    """An amount as exports write it: ten decimals."""
    return amount.quantize(Decimal("1e-10"), ROUND_HALF_EVEN)


def _next(month: date, n: int = 1) -> date:
    return date(month.year + (month.month - 1 + n) // 12, (month.month - 1 + n) % 12 + 1, 1)


def drawn(seed: int) -> Drawn:
    """A month by its number: formats, ARNs and meterings take turns, everything else is drawn."""
    rng = random.Random(seed)
    made = Drawn(
        seed=seed,
        month=date(2025, rng.randint(3, 12), 1),
        form=FORMATS[seed % 4],
        arns=("none", "all", "jobs")[seed // 2 % 3],
        metering=("by the hour", "at their end")[seed // 3 % 2],
        grain=rng.choice(["hourly", "daily"]) if seed % 7 != 6 else "monthly",
        shift=("on its day", "late hours a day later", "all a day later")[seed % 3],
        discount=DISCOUNTS[seed // 2 % 5] if seed % 2 else "",
        has_neighbours=rng.random() < 0.7,
    )
    if made.grain == "monthly":  # what is shifted over the end of such a month cannot be told from an error
        made.arns, made.shift = "none", "on its day"
    _work(made, rng)
    _count(made, rng)
    _plant(made, rng)
    _own_lines(made, rng)
    return made


def _work(made: Drawn, rng: random.Random) -> None:
    """Tasks on every day, jobs of hours and of days, also over the begin and the end of the month."""
    first, after = (datetime(m.year, m.month, 1, tzinfo=UTC) for m in (made.month, _next(made.month)))
    days = (after - first).days
    for n in range(rng.randint(60, 120)):
        end = first + timedelta(
            seconds=rng.randrange(-DAY.days * 86400, int((after - first + DAY).total_seconds()))
        )
        _task(made, rng, n, end, rng.choice([GARNET, FORTE, SV1, SV1]))
    starts = [(rng.uniform(2, days - 8), rng.choice([119.0, 120.0])) for _ in range(2)]  # of five days
    starts += [(rng.uniform(1, days - 2), rng.uniform(0.2, 30)) for _ in range(rng.randint(2, 6))]
    starts += [(days - rng.uniform(1, 3), 96.0), (-rng.uniform(1, 3), 100.0)]  # over the end and the begin
    for n, (at, hours) in enumerate(starts):
        start = first + timedelta(seconds=int(at * 86400))
        seconds = int(hours * 3600)
        body = job(
            n,
            jobArn=f"arn:aws:braket:us-east-1:{ACCOUNT}:job/{made.seed}-{n}",
            createdAt=(start - timedelta(minutes=9)).isoformat(),
            startedAt=start.isoformat(),
            endedAt=(start + timedelta(seconds=seconds)).isoformat(),
            billableDuration=seconds,
        )
        made.bodies.append(body)
        ran = (body["jobArn"], start, start + timedelta(seconds=seconds))
        made.uses.append(Use(INSTANCE, Decimal(seconds) / 3600, *ran))
        made.uses.append(Use(VOLUME, Decimal(seconds) * 30 / 2_592_000, *ran))
        for k in range(rng.randint(0, 2)):
            _task(made, rng, 1000 + 10 * n + k, ran[2] - HOUR / 9, FORTE, ran[0])


def _task(
    made: Drawn, rng: random.Random, n: int, end: datetime, device: str, of_job: str | None = None
) -> None:
    shots = rng.choice([100, 1000, 777])
    status = rng.choices(["COMPLETED", "FAILED", "CANCELLED"], [18, 1, 1])[0]
    came = shots if rng.random() < 0.8 else rng.randrange(1, shots)
    members = {"associations": [{"arn": of_job, "type": "JOB"}], "jobArn": of_job} if of_job else {}
    region = "us-east-1" if device == SV1 else device.split(":")[3]
    body = task(
        n,
        device,
        region,
        quantumTaskArn=f"arn:aws:braket:{region}:{ACCOUNT}:quantum-task/{made.seed}-{n}",
        status=status,
        shots=shots,
        numSuccessfulShots=came if device != SV1 and status == "COMPLETED" else None,
        createdAt=(end - timedelta(minutes=rng.randint(1, 300))).isoformat(),
        endedAt=end.isoformat(),
        **members,
    )
    made.bodies.append(body)
    arn = body["quantumTaskArn"]
    milliseconds = rng.randrange(10, 900_000)
    if device == SV1 and status == "COMPLETED":
        made.durations.append(Result(arn, milliseconds))
    if status != "COMPLETED":
        return
    if device == SV1:
        made.uses.append(Use(SIMULATOR, Decimal(max(milliseconds, 3000)) / 60_000, arn, end, end))
    else:
        sku = IN_JOB if of_job else QPUS[device]
        made.uses.append(Use(sku["task"], Decimal(1), arn, end, end))
        made.uses.append(Use(sku["shot"], Decimal(came), arn, end, end))


def _metered(made: Drawn, use: Use) -> Iterator[tuple[datetime, Decimal]]:
    """Hours in which a use is counted, and how much of it."""
    if use.begin < use.end and made.metering == "by the hour":
        hour, left = use.begin.replace(minute=0, second=0), use.quantity
        while hour < use.end:
            inside = min(hour + HOUR, use.end) - max(hour, use.begin)
            part = use.quantity * int(inside.total_seconds()) / int((use.end - use.begin).total_seconds())
            last = hour + HOUR >= use.end
            yield hour, left if last else _cents(part)
            left -= _cents(part)
            hour += HOUR
        return
    at = (use.end - timedelta(seconds=1 if use.begin < use.end else 0)).replace(minute=0, second=0)
    is_late = made.shift == "all a day later" or (made.shift == "late hours a day later" and at.hour >= 18)
    yield (at + DAY if is_late else at), use.quantity


def _begin(made: Drawn, hour: datetime) -> datetime:
    """Begin of the line that an hour is counted on."""
    if made.grain == "hourly":
        return hour
    return hour.replace(hour=0, day=1) if made.grain == "monthly" else hour.replace(hour=0)


def _count(made: Drawn, rng: random.Random) -> None:
    """The lines of usage: of each hour, day or month and SKU, and of each record where the bill names it."""
    counted: dict[tuple[str, datetime, Sku, str], Decimal] = defaultdict(Decimal)
    for use in made.uses:
        is_named = made.arns == "all" or (made.arns == "jobs" and ":job/" in use.arn)
        for hour, quantity in _metered(made, use):
            month = f"{hour:%Y-%m}"
            start = _begin(made, hour)
            counted[month, start, use.sku, use.arn if is_named else ""] += quantity
    length = {"hourly": HOUR, "daily": DAY, "monthly": timedelta(days=28)}[made.grain]
    free_minutes = Decimal(rng.choice([0, 0, 60]))
    for (month, start, sku, arn), quantity in sorted(
        counted.items(), key=lambda item: (*item[0][:2], item[0][2].id, item[0][3])
    ):
        if sku is SIMULATOR and month == made.name and free_minutes > 0:
            free = min(free_minutes, quantity)
            free_minutes -= free
            listed = _cents(free * sku.usd) if made.seed % 2 == 0 else Decimal(0)
            made.lines.append(
                Line(
                    month, start, start + length, sku, arn, free, listed, Decimal(0), description="free tier"
                )
            )
            quantity -= free
        if quantity:
            usd = _cents(quantity * sku.usd)
            made.lines.append(Line(month, start, start + length, sku, arn, quantity, usd, usd))


def _plant(made: Drawn, rng: random.Random) -> None:
    """Put errors into every second month: a wrong rate, a task that is not here, one that is not billed, strange lines."""
    if made.seed % 2 == 0:
        return
    planted = {
        ("rate", "missing", "foreign")[made.seed // 2 % 3],
        rng.choice(["rate", "missing", "unbilled", "product"]),
    }
    if "rate" in planted:
        is_month = made.grain == "monthly"
        lines = [
            each
            for each in made.billed
            if each.sku and each.sku.device and each.billed_usd > 1 and (is_month or 5 < each.start.day < 24)
        ]
        line = rng.choice(lines)
        more = _cents(line.billed_usd / 2)
        line.billed_usd += more
        line.list_usd = line.billed_usd
        made.errors.append(
            Error(
                "wrong rate",
                frozenset({"rate", "amount", "not_in_warehouse"}),
                line.sku,
                line.arn,
                line.start.date(),
                more,
            )
        )
    tasks = [
        u
        for u in made.uses
        if u.sku is QPUS[FORTE]["shot"] and f"{u.end:%Y-%m}" == made.name and 6 < u.end.day < 24
    ]
    for what in ("missing", "unbilled"):
        if what in planted and tasks:
            use = tasks.pop(rng.randrange(len(tasks)))
            _forget(made, use.arn) if what == "missing" else _unbill(made, use)
    day = datetime(made.month.year, made.month.month, rng.randint(6, 22), 12, tzinfo=UTC)
    if "foreign" in planted:
        sku = QPUS[GARNET]["task"]
        made.lines.append(
            Line(
                made.name,
                day,
                day + HOUR,
                sku,
                "",
                Decimal(9),
                Decimal("2.7"),
                Decimal("2.7"),
                account=STRANGER,
            )
        )
        made.errors.append(
            Error("foreign account", frozenset({"foreign_account"}), sku, "", day.date(), Decimal("2.7"))
        )
    if "product" in planted:
        sku = Sku("", "USE1-Odd", Decimal(1), "odd", 1, "us-east-1")
        made.lines.append(Line(made.name, day, day + HOUR, sku, "", Decimal(4), Decimal(4), Decimal(4)))
        made.errors.append(
            Error("unknown product", frozenset({"unknown_product"}), sku, "", day.date(), Decimal(4))
        )


def _forget(made: Drawn, arn: str) -> None:
    """The task is billed, and not in the warehouse."""
    made.bodies = [body for body in made.bodies if body.get("quantumTaskArn") != arn]
    for use in made.uses:
        if use.arn == arn:
            usd = _cents(use.quantity * use.sku.usd)
            causes = frozenset({"not_in_warehouse", "amount"})
            named = arn if made.arns == "all" else ""
            made.errors.append(Error("missing task", causes, use.sku, named, use.end.date(), usd))


def _unbill(made: Drawn, use: Use) -> None:
    """The shots of a task are in the warehouse, and not on the bill."""
    ((hour, quantity),) = _metered(made, use)
    start = _begin(made, hour)
    named = use.arn if made.arns == "all" else ""
    line = next(
        each
        for each in made.lines
        if (each.start, each.sku, each.arn) == (start, use.sku, named) and each.billed_usd
    )
    usd = _cents(quantity * use.sku.usd)
    line.quantity -= quantity
    line.billed_usd -= usd
    line.list_usd = line.billed_usd
    if not line.quantity:
        made.lines.remove(line)
    # where the bill names the fee alone, the shots are compared by day
    made.errors.append(
        Error("not billed", frozenset({"not_on_bill", "amount"}), use.sku, "", use.end.date(), -usd)
    )


def _own_lines(made: Drawn, rng: random.Random) -> None:
    """What a bill has beside usage: discounts, credits, a refund, support, tax."""
    at = datetime(made.month.year, made.month.month, 1, tzinfo=UTC)
    usage: Counter[Sku] = Counter()
    for line in made.billed:
        if line.sku and line.account == ACCOUNT and line.sku.family:
            usage[line.sku] += line.billed_usd  # type: ignore[assignment]
    if made.discount and made.form.startswith("focus"):
        for line in made.billed:
            if line.account == ACCOUNT and line.sku and line.sku.family:
                line.billed_usd = _cents(line.billed_usd * Decimal("0.9"))
    elif made.discount:
        for sku, usd in usage.items():
            off = -_cents(Decimal(usd) / 10)
            made.lines.append(
                Line(made.name, at, at + 27 * DAY, sku, "", Decimal(0), None, off, made.discount)
            )
    if rng.random() < 0.5:
        made.lines.append(
            Line(made.name, at, at + HOUR, None, "", Decimal(0), None, Decimal("-25.5"), "Credit")
        )
    if rng.random() < 0.5:
        sku = QPUS[FORTE]["shot"]
        made.lines.append(
            Line(made.name, at - 3 * DAY, at - 2 * DAY, sku, "", Decimal(-100), None, Decimal("-8"), "Refund")
        )
    if rng.random() < 0.5:
        made.lines.append(
            Line(
                made.name,
                at,
                at + HOUR,
                None,
                "",
                Decimal(0),
                None,
                Decimal("12.34"),
                "Fee",
                description="AWS Support (Business)",
            )
        )
    if rng.random() < 0.7:
        sums = sum((line.billed_usd for line in made.billed if line.kind != "Tax"), Decimal())
        made.lines.append(
            Line(made.name, at, at + 27 * DAY, None, "", Decimal(0), None, _cents(sums / 5), "Tax")
        )


def _cur(made: Drawn, line: Line, n: int, *, is_final: bool) -> dict[str, str]:
    sku = line.sku
    told = {
        "identity_line_item_id": f"{made.seed}-{n}",
        "bill_billing_period_start_date": f"{line.month}-01T00:00:00.000Z",
        "bill_payer_account_id": PAYER,
        "bill_invoice_id": f"{line.month}-1" if is_final else "",
        "line_item_usage_account_id": line.account,
        "line_item_product_code": "AmazonBraket",
        "line_item_line_item_type": line.kind,
        "line_item_usage_start_date": f"{line.start:%Y-%m-%dT%H:%M:%SZ}",
        "line_item_usage_end_date": f"{line.end:%Y-%m-%dT%H:%M:%SZ}",
        "line_item_usage_type": sku.usage_type if sku else "",
        "line_item_operation": "",
        "line_item_resource_id": line.arn,
        "line_item_usage_amount": f"{line.quantity:f}",
        "line_item_unblended_cost": f"{line.billed_usd:f}",
        "line_item_currency_code": "USD",
        "line_item_line_item_description": line.description,
        "pricing_unit": sku.unit if sku else "",
        "pricing_public_on_demand_cost": "" if line.list_usd is None else f"{line.list_usd:f}",
        "product_sku": sku.id if sku else "",
        "product_region_code": sku.region if sku else "",
    }
    if made.form == "cur2":
        return told | {"product_product_family": sku.family if sku else "", "product": "{}"}
    return {
        _legacy(name): value for name, value in (told | {"product_product_name": "Amazon Braket"}).items()
    }


def _legacy(name: str) -> str:
    """A column as legacy CUR spells it: lineItem/UsageType, product/sku."""
    head = next(h for h in ("identity", "bill", "line_item", "pricing", "product") if name.startswith(h))
    rest = "".join(map(str.capitalize, name.removeprefix(f"{head}_").split("_")))
    if head == "product":
        return f"product/{rest[0].lower()}{rest[1:]}"
    return f"{'lineItem' if head == 'line_item' else head}/{rest}"


_CATEGORIES = {"Usage": "Usage", "Credit": "Credit", "Refund": "Usage", "Fee": "Purchase", "Tax": "Tax"}


def _focus(made: Drawn, line: Line, *, is_final: bool) -> dict[str, str]:
    sku = line.sku
    usage = sku.usage_type if sku else ""
    told = {
        "BillingAccountId": PAYER,
        "BillingCurrency": "USD",
        "BillingPeriodStart": f"{line.month}-01T00:00:00Z",
        "ChargeCategory": _CATEGORIES[line.kind],
        "ChargeClass": "Correction" if line.kind == "Refund" else "",
        "ChargePeriodStart": f"{line.start:%Y-%m-%dT%H:%M:%SZ}",
        "ChargePeriodEnd": f"{line.end:%Y-%m-%dT%H:%M:%SZ}",
        "ChargeDescription": line.description,
        "BilledCost": f"{line.billed_usd:f}",
        "ListCost": "" if line.list_usd is None else f"{line.list_usd:f}",
        "PricingQuantity": f"{line.quantity:f}",
        "PricingUnit": sku.unit if sku else "",
        "RegionId": sku.region if sku else "",
        "ResourceId": line.arn,
        "ServiceName": "Amazon Braket",
        "SubAccountId": line.account,
        "Tags": "{}",
        "SkuPriceDetails": "",
        "x_ServiceCode": "AmazonBraket",
    }
    if made.form == "focus 1.0":
        return told | {"SkuId": sku.id if sku else "", "x_UsageType": usage}
    return told | {"SkuId": "", "SkuMeter": usage, "InvoiceId": f"{line.month}-1" if is_final else ""}


def write_bill(
    made: Drawn, folder: Path, month: str, *, is_final: bool = True, factor: Decimal = Decimal(1)
) -> Path | None:
    """One month's bill as a file; `factor` makes a wrong one, to be restated."""
    lines = [line for line in made.lines if line.month == month]
    rows = [
        _focus(made, line, is_final=is_final)
        if made.form.startswith("focus")
        else _cur(made, line, n, is_final=is_final)
        for n, line in enumerate(lines)
    ]
    for row in rows:
        for name in row:
            if name in ("BilledCost", "line_item_unblended_cost", "lineItem/UnblendedCost"):
                row[name] = f"{Decimal(row[name]) * factor:f}"
    if not rows:
        return None
    file = folder / f"{month}-{factor}.csv"
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return file


def closed_bill(made: Drawn, folder: Path) -> ClosedBill:
    """Store the work and the bills of a month, and close it."""
    place: Warehouse = empty_warehouse(folder)
    with place.writing("test") as connection:
        load(connection, [sku.listed() for sku in SKUS], "2025-01-01")
        store(connection, *made.bodies)
        store_results(connection, *made.durations)
    months = [f"{_next(made.month, n):%Y-%m}" for n in ((-1, 0, 1) if made.has_neighbours else (0,))]
    for month in months:
        if made.seed % 3 == 0 and month == made.name:  # restated, and delivered twice
            for factor in (Decimal("1.7"), Decimal(1)):
                if file := write_bill(made, folder, month, factor=factor):
                    import_bill(place, local_delivery(file))
        if file := write_bill(made, folder, month, is_final=month <= made.name):
            import_bill(place, local_delivery(file))
    with place.writing("test") as connection:
        return closed(connection, made.name)


@dataclass(frozen=True)
class Judged:
    """How a month came out; money in dollars, of the lines of the bill without their signs."""

    made: Drawn
    money_usd: Decimal
    wrong_usd: Decimal
    unfound: tuple[str, ...]
    is_sum: bool

    @property
    def share(self) -> Decimal:
        """The share of the money that is matched, rightly explained, or rightly open."""
        return 1 - self.wrong_usd / self.money_usd


def judged(made: Drawn, found: ClosedBill) -> Judged:
    """Hold what was found against what is true."""
    told = found.as_json()
    truth = _explained(made)
    is_sum = abs(told["billed_usd"] - sum(line.billed_usd for line in made.billed)) < Decimal("0.001")
    wrong = sum(
        (
            abs(told["explained"].get(kind, Decimal()) - truth.get(kind, Decimal()))
            for kind in {*truth, *told["explained"]}
        ),
        Decimal(),
    )
    by_sku: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for line in found.open:
        by_sku[line["account_id"], line["product_family"], line["device_key"]] += line["amount_usd"]
    for error in made.errors:
        by_sku[_key(error)] -= error.usd
    wrong += sum(map(abs, by_sku.values()), Decimal())
    unfound = tuple(
        error.what for error in made.errors if not any(_is_named(error, line) for line in found.open)
    )
    money = sum((abs(line.billed_usd) for line in made.billed), Decimal())
    return Judged(made, money, wrong, unfound, is_sum)


def _key(error: Error) -> tuple[str, str, str]:
    assert error.sku
    account = STRANGER if error.what == "foreign account" else ACCOUNT
    return account, error.sku.family or "(unknown)", error.sku.device.lower()


def _is_named(error: Error, line: dict[str, Any]) -> bool:
    """Whether a line that is open is the error: its record or SKU, its day or those beside it, its kind, what to do."""
    key = (line["account_id"], line["product_family"], line["device_key"])
    is_near = abs((line["charge_date"] - error.day).days) <= 31
    return (
        key == _key(error)
        and (line["record_arn"] == error.arn if error.arn else bool(line["sku"] or line["record_arn"]))
        and is_near
        and line["cause"] in error.causes
        and (line["amount_usd"] > 0) == (error.usd > 0)
        and bool(line["do"])
    )


def _explained(made: Drawn) -> dict[str, Decimal]:
    """What is rightly explained, by kind."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    kinds = {"Credit": "credit", "Refund": "refund", "Tax": "tax", "Fee": "support"}
    for line in made.billed:
        if line.kind in kinds:
            found[kinds[line.kind]] += line.billed_usd
        elif line.kind in DISCOUNTS:
            found["discount"] += line.billed_usd
        elif line.description == "free tier":
            found["free_tier"] -= _cents(line.quantity * SIMULATOR.usd)
        elif line.list_usd is not None:
            found["discount"] += line.billed_usd - line.list_usd
    return found


def judge(seed: int) -> Judged:
    """Draw a month, close it, judge it."""
    made = drawn(seed)
    with TemporaryDirectory() as folder:
        return judged(made, closed_bill(made, Path(folder)))


def main(seeds: Iterable[int]) -> int:
    """Print a line a month; 1 where one does not close as it should."""
    n_bad, money, wrong = 0, Decimal(), Decimal()
    print("| month | drawn | bill | right | planted | not found |\n|---|---|---:|---:|---|---|")
    for seed in seeds:
        found = judge(seed)
        made, planted = found.made, ", ".join(error.what for error in found.made.errors)
        money, wrong = money + found.money_usd, wrong + found.wrong_usd
        is_good = found.share >= Decimal("0.995") and not found.unfound and found.is_sum
        n_bad += not is_good
        mark = "" if is_good else " **"
        print(
            f"| {seed}: {made.name} | {made.told()} | {found.money_usd:.2f} | {found.share:.4%}{mark} | {planted} "
            f"| {', '.join(found.unfound)} |",
            flush=True,
        )
    print(
        f"\n{1 - wrong / money:.4%} of {money:.2f} USD is matched, rightly explained or rightly open; "
        f"{n_bad} months are not as they should"
    )
    return 1 if n_bad else 0


if __name__ == "__main__":
    N = int(sys.argv[1]) if sys.argv[1:] else 20
    FIRST = int(sys.argv[2]) if sys.argv[2:] else 0
    sys.exit(main(range(FIRST, FIRST + N)))
