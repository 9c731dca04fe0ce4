"""`prices`, `estimate` and `billing`: their options, and what they print. The work lies in `costs`."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Optional, cast

import typer

from braket_etl.cli.output import as_json as to_json
from braket_etl.cli.output import duration, fail, out, say, show_table, warn
from braket_etl.cli.verb import Json, verb

if TYPE_CHECKING:
    from datetime import datetime

    from braket_etl.analysis.next_wait import Closed, NextWait
    from braket_etl.costs.close import ClosedBill
    from braket_etl.costs.estimate import Estimate
    from braket_etl.warehouse.connection import Connection, Warehouse


prices = typer.Typer(help="The AmazonBraket price list: load it, look at it.", no_args_is_help=True)
billing = typer.Typer(
    help="Bills, and files of reservations, discounts and usage types.", no_args_is_help=True
)


@prices.command()
@verb
def refresh(
    url: Annotated[
        Optional[str],
        typer.Option("--url", help="Address or path of index.csv or index.json; AWS's own otherwise."),
    ] = None,
) -> int:
    """Load the price list as AWS publishes it now; earlier publications stay."""
    return _load_prices(url)


@prices.command("import")
@verb
def import_prices(
    file: Annotated[
        str,
        typer.Argument(
            help="Price list: a local file, an address, or s3://bucket/key; also of one Region, what `aws pricing "
            "get-products` wrote, or an index of versions or Regions."
        ),
    ],
) -> int:
    """Load a price list from a file, also an older one: each price holds from its own date."""
    return _load_prices(file)


@prices.command("list")
@verb
def list_prices(
    device: Annotated[
        Optional[str], typer.Option("--device", help="Only this device or instance type.")
    ] = None,
    region: Annotated[Optional[str], typer.Option("--region", help="Only this Region.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every price ever loaded, not only those of now.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Show the prices that count now, with where they come from."""
    from braket_etl.tables.device_keys import device_key

    where, values = ["TRUE"], []
    if device:
        where.append("item = ?")
        values.append(device if device.startswith("ml.") else device_key(device.rsplit("/", 1)[-1]))
    if region:
        where.append("region = ?")
        values.append(region)
    if not every:
        where.append("valid_from <= now() AND valid_to > now()")
    columns = ("product_family", "item", "regions", "price_usd", "unit", "valid_from", "price_source")
    query = (
        "SELECT product_family, item, string_agg(region, ' ' ORDER BY region) AS regions, price_usd, unit, valid_from, "
        f"price_source FROM price_periods WHERE {' AND '.join(where)} "
        "GROUP BY product_family, item, price_usd, unit, valid_from, price_source ORDER BY ALL"
    )
    with _prices_readable() as connection:
        rows = connection.execute(query, values).fetchall()
    if as_json:
        print(to_json([dict(zip(columns, row, strict=True)) for row in rows], indent=2))
    else:
        show_table(
            "",
            columns,
            [_shown(row) for row in rows],
            "" if rows else "no price; run `braket-etl prices refresh`",
        )
    return 0


@verb
def estimate(
    shots: Annotated[int, typer.Option("--shots", min=0, help="Shots of each task.")],
    device: Annotated[
        Optional[str],
        typer.Option(
            "--device", help="ARN or name of a device: Garnet, Forte-1, sv1. Without it, all are compared."
        ),
    ] = None,
    tasks: Annotated[int, typer.Option("--tasks", min=1, help="Number of tasks.")] = 1,
    region: Annotated[
        Optional[str], typer.Option("--region", help="Region; of a QPU its own otherwise.")
    ] = None,
    seconds: Annotated[
        Optional[str],
        typer.Option("--seconds", help="Run time of one task in seconds, where that is paid: simulators."),
    ] = None,
    in_job: Annotated[bool, typer.Option("--in-job", help="As tasks inside a hybrid job.")] = False,
    retired: Annotated[bool, typer.Option("--retired", help="Also devices that are retired.")] = False,
    as_json: Json = False,
) -> int:
    """What the next run will cost, by the prices of now, how long it will wait, and when it will be back."""
    from braket_etl.settings import SettingsError
    from braket_etl.values import decimal

    try:
        run_time = None if seconds is None else decimal(seconds)
    except ValueError:
        raise SettingsError(f"--seconds: {seconds!r} is no number") from None
    if run_time is not None and run_time < 0:
        raise SettingsError(f"--seconds: {seconds!r} is no duration")
    asked = {"region": region, "seconds": run_time, "in_job": in_job}
    with _prices_readable() as connection:
        if device is None:
            return _compare(connection, shots, tasks, asked, retired, as_json)
        return _estimate_one(connection, device, shots, tasks, asked, retired, as_json)


def _estimate_one(
    connection: Connection,
    device: str,
    shots: int,
    tasks: int,
    asked: dict[str, Any],
    retired: bool,
    as_json: bool,
) -> int:
    from braket_etl.analysis.choices import choices
    from braket_etl.analysis.next_wait import closed_now, next_wait
    from braket_etl.costs.estimate import estimate as estimated
    from braket_etl.settings import SettingsError

    found = estimated(connection, device, shots, tasks, **asked)
    waits = next_wait(connection, found.device)
    closed = closed_now(connection, found.device)
    chosen = next(iter(choices(connection, shots, tasks, device=found.device)), None)
    if chosen and chosen.status == "RETIRED" and not retired:
        raise SettingsError(
            f"{chosen.device} is RETIRED and takes no tasks any more; --retired says what one would cost"
        )
    if as_json:
        told = {"wait": [asdict(wait) for wait in waits], "closed": asdict(closed) if closed else None}
        choice = asdict(chosen) if chosen else {}
        remarks = {"remarks": [*found.remarks, *choice.pop("remarks", ())]}
        print(to_json({**choice, **found.as_json(), **told, **remarks}, indent=2))
        return 0
    _show_estimate(found)
    if closed:
        _show_closed(found.device, closed)
    _show_waits(waits)
    if chosen:
        for name, at in (("half", chosen.back_p50_at), ("nine in ten", chosen.back_p90_at)):
            if at:
                say(f"back: {name} of such requests by {_at(at)}")
        for remark in chosen.remarks if not closed else chosen.remarks[1:]:
            say(remark)
    return 0


def _compare(
    connection: Connection,
    shots: int,
    tasks: int,
    asked: dict[str, Any],
    retired: bool,
    as_json: bool,
) -> int:
    """All devices side by side, the quickest first; those that were never looked at by their price alone."""
    from braket_etl.analysis.choices import Choice, choices
    from braket_etl.costs.errors import UnknownPriceError
    from braket_etl.costs.estimate import estimate as estimated
    from braket_etl.costs.estimate import priced_devices
    from braket_etl.facts import RETIRED
    from braket_etl.tables.device_keys import device_key

    found = choices(connection, shots, tasks) or [
        Choice("", name, None, None, remarks=("nobody has looked at it yet: run `braket-etl sync`",))
        for name in priced_devices(connection)
        if retired or device_key(name) not in RETIRED
    ]
    entries = []
    for choice in found:
        if choice.status == "RETIRED" and not retired:
            continue
        cost, remarks = None, list(choice.remarks)
        try:
            priced = estimated(connection, choice.device_arn or choice.device, shots, tasks, **asked)
            cost = priced.cost_usd
            remarks += ["cost: at least, its run time is not known"] if priced.is_minimum else []
        except UnknownPriceError as error:
            remarks.append(str(error).split(";")[0])
        entries.append({**asdict(choice), "cost_usd": cost, "remarks": remarks})
    entries.sort(key=lambda entry: _order(entry))
    if as_json:
        for entry in entries:
            cost = entry["cost_usd"]
            entry["cost_usd"] = None if cost is None else f"{cost.normalize():f}"
        print(to_json(entries, indent=2))
        return 0
    show_table(
        f"{tasks} x {shots} shots, on each device",
        ("device", "cost", "wait, half", "wait, nine in ten", "back, half", "back, nine in ten", "remarks"),
        [
            (
                entry["device"],
                "" if entry["cost_usd"] is None else f"${entry['cost_usd']:,.2f}",
                _wait(entry, "p50"),
                _wait(entry, "p90"),
                _at(entry["back_p50_at"]),
                _at(entry["back_p90_at"]),
                "; ".join(entry["remarks"]),
            )
            for entry in entries
        ],
    )
    say("at list price; waits are estimates, or what bounds them; --device shows one of them whole")
    return 0


def _order(entry: dict[str, Any]) -> tuple[bool, float, str]:
    wait = entry["wait_p50_seconds"]
    most = entry["wait_p50_at_most_seconds"] if wait is None else wait
    return entry["is_available"] is False, float("inf") if most is None else most, entry["device"]


def _wait(entry: dict[str, Any], level: str) -> str:
    wait, most = entry[f"wait_{level}_seconds"], entry[f"wait_{level}_at_most_seconds"]
    return duration(wait) if wait is not None else f"at most {duration(most)}" if most is not None else ""


def _at(instant: datetime | None) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if instant else ""


@billing.command("import")
@verb
def import_bill(
    path: Annotated[
        str,
        typer.Argument(
            help="File or folder of a CUR 2.0, legacy CUR or FOCUS export, local or s3://bucket/prefix."
        ),
    ],
    period: Annotated[
        Optional[list[str]],
        typer.Option(
            "--period",
            help="Only this month, such as 2026-09; replaced also where it has no line. May be repeated.",
        ),
    ] = None,
) -> int:
    """Load a bill; give the folder that holds all files of the export. A newer delivery of a month replaces it.

    Where AWS's manifest is in the folder, it says which files count.
    """
    from braket_etl.costs.bill_delivery import local_delivery
    from braket_etl.costs.billing import import_bill as imported
    from braket_etl.runtime import Runtime
    from braket_etl.tables.redact import Redactor

    months = [_month(text) for text in period or ()]
    warehouse, runtime = _warehouse(), Runtime()
    principal = runtime.naming.principal if runtime.naming is not None else str
    delivery = _s3_delivery(path) if path.startswith("s3://") else local_delivery(Path(path).expanduser())
    done = imported(warehouse, delivery, Redactor(runtime.settings.redact), months, principal)
    say(done.summary)
    for note in done.notes:
        warn(note)
    return _publish(warehouse)


def _month(text: str, where: str = "--period") -> str:
    from braket_etl.settings import SettingsError

    try:
        return f"{date.fromisoformat(f'{text}-01'):%Y-%m}"
    except ValueError:
        raise SettingsError(f"{where}: {text!r:.20} is no month; write it as 2026-09") from None


@billing.command()
@verb
def close(
    month: Annotated[str, typer.Argument(help="Month of the bill: 2026-09.")],
    format_: Annotated[
        Optional[str],
        typer.Option(
            "--format", help="cur2, cur1 or focus, where more than one is there; else the last one."
        ),
    ] = None,
    with_neighbours: Annotated[
        bool,
        typer.Option(
            "--with-neighbours", help="Also other services' lines for Braket's notebooks, buckets and logs."
        ),
    ] = False,
    as_json: Json = False,
) -> int:
    """Close a month's bill: what agrees with the records, what is explained, what is open, and what to do about it.

    Exit code 0 where nothing is open, 1 where something is.
    """
    from braket_etl.costs.close import closed

    month = _month(month, "MONTH")
    with _warehouse().reading() as connection:
        found = closed(connection, month, format_)
    if as_json:
        print(to_json(found.as_json(with_neighbours=with_neighbours), indent=2))
    else:
        _show_closed_bill(found, with_neighbours=with_neighbours)
    return 1 if found.open else 0


@billing.command()
@verb
def reservations(
    file: Annotated[Path, typer.Argument(help="CSV: reservation_arn, device_arn, start_at, end_at, …")],
) -> int:
    """Take over the file of reservations; docs/bills.md has its columns."""
    from braket_etl.costs.kept_files import import_reservations

    return _keep("reservations", import_reservations, file)


@billing.command()
@verb
def discounts(
    file: Annotated[Path, typer.Argument(help="CSV: product_family, percent, effective_from, …")],
) -> int:
    """Take over the file of agreed discounts; docs/bills.md has its columns."""
    from braket_etl.costs.kept_files import import_discounts

    return _keep("discounts", import_discounts, file)


@billing.command("usage-types")
@verb
def usage_types(
    file: Annotated[Path, typer.Argument(help="CSV: usage_type, product_family, device_name")],
) -> int:
    """Take over the file that says what usage types on the bill mean; docs/bills.md has its columns."""
    from braket_etl.costs.kept_files import import_usage_types

    return _keep("usage types", import_usage_types, file)


@billing.command()
@verb
def owners() -> int:
    """Take over allocations.toml and budgets.toml now, as each sync does; docs/budgets.md says what stands in them."""
    from braket_etl.costs.owner_files import take_over
    from braket_etl.runtime import Runtime

    runtime = Runtime()
    settings = runtime.settings
    with runtime.warehouse.writing("owner files") as connection:
        problems = take_over(connection, settings.allocations_file, settings.budgets_file)
        counts = [
            connection.execute(f"SELECT count(DISTINCT {key}) FROM {table}").fetchall()[0][0]
            for key, table in (("(owner_key, place)", "allocations"), ("budget", "budgets"))
        ]
    say(f"{counts[0]} rules in {settings.allocations_file}, {counts[1]} budgets in {settings.budgets_file}")
    for problem in problems:
        fail(problem)
    return _publish(runtime.warehouse) or (1 if problems else 0)


def _load_prices(source: str | None) -> int:
    from braket_etl.costs.load import refresh_prices

    warehouse = _warehouse()
    loaded = refresh_prices(warehouse, source, open_s3=_open_s3)
    say(loaded.summary)
    for remark in loaded.remarks:
        warn(remark)
    for problem in loaded.failed:
        fail(problem)
    return _publish(warehouse) or (1 if loaded.failed else 0)


def _keep(what: str, imported: Callable[[Warehouse, Path], int], file: Path) -> int:
    warehouse = _warehouse()
    say(f"{imported(warehouse, file)} {what}")
    return _publish(warehouse)


def _warehouse() -> Warehouse:
    from braket_etl.runtime import Runtime

    return Runtime().warehouse


@contextmanager
def _prices_readable() -> Iterator[Connection]:
    """The published warehouse; before there is one, the prices that ship with the program."""
    from braket_etl.costs.seed import seed_only
    from braket_etl.warehouse.errors import NotPublishedError

    with ExitStack() as stack:
        try:
            connection = stack.enter_context(_warehouse().reading())
        except NotPublishedError:
            say("there is no warehouse yet: these are the prices that ship with braket_etl")
            connection = stack.enter_context(seed_only())
        yield connection


def _publish(warehouse: Warehouse) -> int:
    """Show what was written to who reads the published copy."""
    from braket_etl.settings import load_settings
    from braket_etl.warehouse.publish import publish

    with warehouse.writing("publish") as connection:
        publish(warehouse, connection, group=load_settings().group)
    return 0


def _show_estimate(found: Estimate) -> None:
    show_table(
        f"{found.tasks} x {found.shots} shots on {found.device} in {found.region or 'any Region'}",
        ("for", "quantity", "unit", "price", "cost", "since", "source"),
        [
            (
                line.product_family,
                f"{line.quantity.normalize():f}",
                line.unit,
                f"${line.price_usd.normalize():f}",
                f"${line.cost_usd.normalize():f}",
                f"{line.price_effective_from:%Y-%m-%d}",
                line.price_source,
            )
            for line in found.lines
        ],
    )
    least = "at least " if found.is_minimum else ""
    out.print(f"{least}${found.cost_usd.normalize():f}", markup=False)
    for remark in found.remarks:
        say(remark)


def _show_closed_bill(found: ClosedBill, *, with_neighbours: bool) -> None:
    parts = [part for part in found.parts if with_neighbours or part.part != "neighbour"]
    show_table(
        f"Bill of {found.month} ({found.source_format})",
        ("part", "what", "amount_usd", "lines"),
        [(part.part, part.kind, part.amount_usd, part.n_lines) for part in parts],
    )
    if not found.open:
        say(f"the bill of {found.month} is closed: nothing is open", "green")
        return
    columns = ("charge_date", "product_family", "device_key", "cause", "amount_usd")
    show_table(
        "Open: above 0 billed and not expected, below 0 expected and not billed",
        ("record or SKU", *columns),
        [[line["record_arn"] or line["sku"], *(line[name] for name in columns)] for line in found.open],
        f"${found.open_usd.normalize():f} is open",
    )
    for do in dict.fromkeys(f"{line['cause']}: {line['do']}" for line in found.open):
        say(do, "yellow")


def _show_closed(device: str, closed: Closed) -> None:
    why = f" ({closed.status_reason.replace('_', ' ').lower()})" if closed.status_reason else ""
    since = f" since {closed.closed_since.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if closed.closed_since else ""
    back = closed.expected_back_at
    when = (
        f"expected back at {back.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        if back
        else "Braket does not say until when"
    )
    say(f"{device} is {closed.device_status}{why}{since}: {when}", "yellow")


def _show_waits(waits: Sequence[NextWait]) -> None:
    for wait in waits:
        if wait.status != "ok":
            say(f"wait ({wait.method}): {wait.status.replace('_', ' ')}")
            continue
        say(
            f"wait ({wait.method}, from {wait.n} tasks): about {duration(wait.p50)}; half of them {duration(wait.p25)} "
            f"to {duration(wait.p75) or 'unknown'}, nine in ten {duration(wait.p05)} to {duration(wait.p95) or 'unknown'}"
            + (f"; {wait.coverage_90:.0%} of later ones were inside" if wait.coverage_90 is not None else "")
        )


def _shown(row: tuple[Any, ...]) -> list[Any]:
    return [
        f"{v.normalize():f}" if isinstance(v, Decimal) else f"{v:%Y-%m-%d}" if hasattr(v, "year") else v
        for v in row
    ]


def _open_s3(url: str) -> BinaryIO:
    """The object behind s3://bucket/key, as a stream."""
    from braket_etl.aws.sessions import ambient_s3

    bucket, _, key = url.removeprefix("s3://").partition("/")
    return _read_s3(ambient_s3(), bucket, key)


def _read_s3(client: Any, bucket: str, key: str) -> BinaryIO:
    """The object whole, in a temporary file: a connection that breaks off is an error here and not later."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - who asked closes it
    try:
        with _s3_problems(client, "GetObject", f"s3:GetObject on arn:aws:s3:::{bucket}/{key}"):
            client.download_fileobj(bucket, key, copy)
    except BaseException:
        copy.close()
        raise
    copy.seek(0)
    return cast("BinaryIO", copy)


def _s3_delivery(url: str) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
    """The files of exports and their manifests in the folder s3://bucket/prefix, or the one object."""
    from braket_etl.aws.sessions import ambient_s3
    from braket_etl.costs.bill_delivery import is_part

    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    client = ambient_s3()
    with _s3_problems(client, "ListObjectsV2", f"s3:ListBucket on arn:aws:s3:::{bucket}"):
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", ()):
                key = str(entry["Key"])
                # as a folder: s3://bucket/cur is not s3://bucket/cur-old
                is_inside = not prefix or key == prefix or key.startswith(f"{prefix.removesuffix('/')}/")
                if is_inside and (is_part(key) or key == prefix):
                    yield f"s3://{bucket}/{key}", functools.partial(_read_s3, client, bucket, key)


@contextmanager
def _s3_problems(client: Any, operation: str, permission: str) -> Iterator[None]:
    """What goes wrong in S3 in the user's words; where it is refused, with the permission that it takes."""
    from botocore.exceptions import BotoCoreError, ClientError

    from braket_etl.aws.errors import AccessDenied, classify

    try:
        yield
    except (ClientError, BotoCoreError) as error:
        problem = classify(error, region=client.meta.region_name, operation=operation)
        if isinstance(problem, AccessDenied):
            problem.message += f"; it takes {permission}"
        raise problem from error
