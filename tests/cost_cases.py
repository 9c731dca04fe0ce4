"""Tasks, jobs and price lists for the tests of costs, made as the API and AWS's offer file write them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa

from braket_etl.costs.load import store_publication
from braket_etl.costs.price_list import parse
from braket_etl.pull.results import result_row
from braket_etl.tables import JOB_OBSERVATIONS, JOBS, QUANTUM_TASKS, TASK_OBSERVATIONS, TASK_RESULTS
from braket_etl.tables.normalize import normalize
from braket_etl.tables.observations import with_position
from braket_etl.warehouse.connection import configured
from braket_etl.warehouse.statements import transaction
from braket_etl.warehouse.upsert import extend_observations, replace_rows, upsert
from tests.warehouses import empty_file

ACCOUNT = "123456789012"
START = datetime(2026, 9, 1, 12, tzinfo=UTC)
FORTE = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"
GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
COLUMNS = (
    "SKU",
    "OfferTermCode",
    "RateCode",
    "TermType",
    "PriceDescription",
    "EffectiveDate",
    "StartingRange",
    "EndingRange",
    "Unit",
    "PricePerUnit",
    "Currency",
    "Product Family",
    "serviceCode",
    "usageType",
    "operation",
    "Device Name",
    "DeviceName",
    "Instance Type",
    "Region Code",
    "Version",
)


@dataclass(frozen=True)
class Response:
    """A response body with what was asked for."""

    operation: str
    arn: str
    body: dict[str, Any]
    fetched_at: datetime = START + timedelta(days=30)


@dataclass(frozen=True)
class Result:
    """What a results.json says."""

    arn: str
    execution_duration_ms: int | None = None
    successful_shots: int | None = None


@contextmanager
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty warehouse with all models."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "warehouse.duckdb"
        file.write_bytes(empty_file())
        # the rows of a case are few: a second thread would cost more of the processor than it saves
        with duckdb.connect(str(file), config={"threads": 1}) as connection:
            yield configured(connection)


def task(n: int = 1, device: str = GARNET, region: str | None = None, **members: Any) -> dict[str, Any]:
    """A GetQuantumTask body: completed, 100 shots, unless told otherwise; None leaves a member out."""
    region = region or device.split(":")[3] or "us-east-1"
    body = {
        "quantumTaskArn": f"arn:aws:braket:{region}:{ACCOUNT}:quantum-task/{n}",
        "status": "COMPLETED",
        "deviceArn": device,
        "deviceParameters": "{}",
        "shots": 100,
        "outputS3Bucket": "bucket",
        "outputS3Directory": f"tasks/{n}",
        "createdAt": START.isoformat(),
        "endedAt": (START + timedelta(minutes=5)).isoformat(),
        **members,
    }
    return {name: value for name, value in body.items() if value is not None}


def reserved(
    reservation: str = "arn:aws:braket:us-east-1:123456789012:reservation/1",
) -> list[dict[str, str]]:
    """The association of a task that runs in a reservation."""
    return [{"arn": reservation, "type": "RESERVATION_TIME_WINDOW_ARN"}]


def job(n: int = 1, **members: Any) -> dict[str, Any]:
    """A GetJob body: completed after an hour on one ml.m5.large with 30 GB, unless told otherwise."""
    body = {
        "jobArn": f"arn:aws:braket:us-east-1:{ACCOUNT}:job/{n}",
        "jobName": f"job-{n}",
        "status": "COMPLETED",
        "roleArn": "arn:aws:iam::123456789012:role/r",
        "outputDataConfig": {"s3Path": "s3://bucket/out"},
        "algorithmSpecification": {"scriptModeConfig": {"entryPoint": "a:b", "s3Uri": "s3://bucket/a"}},
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 30, "instanceCount": 1},
        "deviceConfig": {"device": SV1},
        "createdAt": START.isoformat(),
        "startedAt": (START + timedelta(minutes=5)).isoformat(),
        "endedAt": (START + timedelta(minutes=65)).isoformat(),
        "billableDuration": 3600,
        **members,
    }
    return {name: value for name, value in body.items() if value is not None}


def store(
    connection: duckdb.DuckDBPyConnection,
    *bodies: dict[str, Any],
    fetched_at: datetime = START + timedelta(days=30),
) -> None:
    """Store GetQuantumTask and GetJob bodies as a pull would that asked at `fetched_at`."""
    tasks = [
        Response("GetQuantumTask", body["quantumTaskArn"], body, fetched_at)
        for body in bodies
        if "quantumTaskArn" in body
    ]
    jobs = [
        Response("GetJob", body["jobArn"], body, fetched_at)
        for body in bodies
        if "quantumTaskArn" not in body
    ]
    with transaction(connection):
        for table, records in ((QUANTUM_TASKS, tasks), (JOBS, jobs)):
            rows = normalize(table, records, bookkeeping={"origin": "api"})
            assert not rows.rejects
            upsert(connection, table, rows.rows)


def see(connection: duckdb.DuckDBPyConnection, *bodies: dict[str, Any], at: datetime) -> None:
    """Store what a poll of open records sees."""
    for table, arn, operation in (
        (TASK_OBSERVATIONS, "quantumTaskArn", "GetQuantumTask"),
        (JOB_OBSERVATIONS, "jobArn", "GetJob"),
    ):
        polls = [
            Response(operation, body[arn], body, at)
            for body in bodies
            if (arn in body) and ("quantumTaskArn" in body) == (operation == "GetQuantumTask")
        ]
        if polls:
            with transaction(connection):
                extend_observations(connection, table, normalize(table, polls, finish=with_position).rows)


def store_results(connection: duckdb.DuckDBPyConnection, *results: Result) -> None:
    """Store what results.json files say."""
    rows = [result_row(result, START) for result in results]
    replace_rows(connection, TASK_RESULTS, pa.concat_tables(rows).combine_chunks())


def price(family: str, usd: str, unit: str = "quantum-task", **columns: str) -> dict[str, str]:
    """One row of an offer file; `device` goes to the column that AWS uses for the family."""
    device = columns.pop("device", "")
    in_job = "Managed Jobs" in family
    place = "Version" if "Simulator" in family else "Device Name" if in_job else "DeviceName"
    row = dict.fromkeys(COLUMNS, "") | {
        "TermType": "OnDemand",
        "EffectiveDate": "2026-08-01",
        "Unit": unit,
        "PricePerUnit": usd,
        "Currency": "USD",
        "Product Family": family,
        "serviceCode": "AmazonBraket",
        "Region Code": "us-east-1",
        "operation": ("Managed-Jobs" if in_job else "CompleteTask") if "Simulator" in family else "",
        **columns,
    }
    if device:
        row[place] = device
    sku = (
        columns.get("SKU")
        or f"{family}|{device}|{row['Region Code']}|{row['Instance Type']}|{row['operation']}"
    )
    return row | {"SKU": sku, "RateCode": columns.get("RateCode") or f"{sku}.A.B"}


def qpu(
    device: str, fee: str, shot: str, region: str, *, in_job: bool = False, **columns: str
) -> list[dict[str, str]]:
    """The two rows of a QPU, by itself or in jobs."""
    families = (
        ("Braket Managed Jobs QPU Task", "Braket Managed Jobs QPU Task Shot")
        if in_job
        else ("Quantum Task", "Quantum Task-Shot")
    )
    place = {"Region Code": region, **columns}
    return [
        price(families[0], fee, "quantum-task", device=device, **place),
        price(families[1], shot, "quantum-shot", device=device, **place),
    ]


def instance_and_volume(hourly: str = "0.12", month: str = "0.14", **columns: str) -> list[dict[str, str]]:
    """The rows of an ml.m5.large and of the volumes of jobs."""
    return [
        price("Braket Managed Jobs Instance", hourly, "hours", **{"Instance Type": "ml.m5.large"}, **columns),
        price("Braket Managed Jobs Volume", month, "GB-Mo", **columns),
    ]


#: What most tests of costs need; what runs in jobs is priced by each of them.
TASK_PRICES = [
    *qpu("Garnet", "0.30", "0.00145", "eu-north-1"),
    *qpu("Forte-1", "0.30", "0.08", "us-east-1"),
    price("Simulator Task", "0.075", "minutes", device="SV1"),
]


#: Of tasks, alone and in jobs, of reservations and of jobs: an hour of an instance is 0.12 USD, one of its 30 GB 0.03 USD.
PRICES = [
    *TASK_PRICES,
    *qpu("Garnet", "0.30", "0.001", "eu-north-1", in_job=True),
    price("Braket Managed Jobs Simulator Task", "0.06", "minutes", device="SV1"),
    price("Quantum Reservation", "7000", "hours", device="Forte-1"),
    *instance_and_volume(hourly="0.12", month="0.72"),
]


def offer(rows: list[dict[str, str]], published: str = "2026-09-11T00:00:00Z", **head: str) -> bytes:
    """An offer file in AWS's form: five lines, the header, a price a line."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows(
        {
            "FormatVersion": "v1.0",
            "Disclaimer": "written for a test",
            "Publication Date": published,
            "Version": "1",
            "OfferCode": "AmazonBraket",
            **head,
        }.items()
    )
    writer.writerow(COLUMNS)
    writer.writerows([row[column] for column in COLUMNS] for row in rows)
    return text.getvalue().encode()


def load(
    connection: duckdb.DuckDBPyConnection, rows: list[dict[str, str]], published: str = "2026-09-11"
) -> None:
    """Load an offer file with these prices."""
    with transaction(connection):
        (publication,) = parse(offer(rows, f"{published}T00:00:00Z"))
        store_publication(connection, publication, f"offer of {published}")


def one(connection: duckdb.DuckDBPyConnection, query: str, *values: Any) -> dict[str, Any]:
    """The only row of a query, by column."""
    found = connection.execute(query, list(values))
    names = [column[0] for column in found.description or ()]
    rows = found.fetchall()
    assert len(rows) == 1, rows
    return dict(zip(names, rows[0], strict=True))


def usd(text: str) -> Decimal:
    """An amount, to compare with."""
    return Decimal(text)
