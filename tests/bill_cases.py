"""Bills for tests, as AWS and programs write them: one task of 100 shots on Forte-1, 0.30 and 8.00, and a machine of EC2."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PAYER = "111122223333"
MONTH = "2026-09"
TASK, SHOTS = "USE1-Task-IonQ-Forte-1", "USE1-Task-Shot-IonQ-Forte-1"
Line = dict[str, Any]


def cur2(day: int = 5, *, prefix: str = "li", **columns: Any) -> list[Line]:
    """Lines of CUR 2.0: a task, its shots, and EC2; a column that is None is left out."""
    common = {
        "bill_payer_account_id": PAYER,
        "bill_billing_period_start_date": "2026-09-01T00:00:00.000Z",
        "bill_bill_type": "Anniversary",
        "line_item_usage_account_id": PAYER,
        "line_item_line_item_type": "Usage",
        "line_item_usage_start_date": f"2026-09-{day:02d}T00:00:00.000Z",
        "line_item_usage_end_date": f"2026-09-{day + 1:02d}T00:00:00.000Z",
        "line_item_currency_code": "USD",
        "product_region_code": "us-east-1",
        "product": {"devicename": "Forte-1"},
        "resource_tags": {"user_project": "alpha"},
    }
    told = [
        ("AmazonBraket", TASK, 1, "0.30", "Quantum-Task", "Quantum Task"),
        ("AmazonBraket", SHOTS, 100, "8.00", "Quantum-Shot", "Quantum Task-Shot"),
        ("AmazonEC2", "BoxUsage", 1, "55", "Hrs", "Compute"),
    ]
    lines = []
    for n, (code, usage, quantity, usd, unit, family) in enumerate(told):
        line = common | {
            "identity_line_item_id": f"{prefix}{day}-{n}",
            "line_item_product_code": code,
            "line_item_usage_type": usage,
            "line_item_usage_amount": str(quantity),
            "line_item_unblended_cost": usd,
            "pricing_public_on_demand_cost": usd,
            "pricing_unit": unit,
            "product_product_family": family,
            **columns,
        }
        lines.append({name: value for name, value in line.items() if value is not None})
    return lines


def focus(*, prefix: str = "", **columns: Any) -> list[Line]:
    """Lines of FOCUS 1.2 with AWS's columns: the usage type is SkuMeter, there is no SkuId."""
    common = {
        "BillingAccountId": PAYER,
        "BillingCurrency": "USD",
        "BillingPeriodStart": "2026-09-01T00:00:00.000Z",
        "ChargeCategory": "Usage",
        "ChargePeriodStart": "2026-09-05T00:00:00.000Z",
        "ChargePeriodEnd": "2026-09-06T00:00:00.000Z",
        "ListCost": "NULL",
        "RegionId": "us-east-1",
        "ServiceName": "Amazon Braket",
        "SkuId": "NULL",
        "SkuPriceDetails": "",
        "SubAccountId": PAYER,
        "Tags": {"user_project": "alpha"},
        "x_Operation": "CompleteTask",
        "x_ServiceCode": "AmazonBraket",
    }
    lines = [
        common
        | {
            "BilledCost": usd,
            "ConsumedQuantity": quantity,
            "ConsumedUnit": unit,
            "SkuMeter": usage,
            **columns,
        }
        for usd, quantity, unit, usage in (
            ("0.30", "1", "Quantum-Task", TASK),
            ("8.00", "100", "Quantum-Shot", SHOTS),
        )
    ]
    return [{name: value for name, value in line.items() if value is not None} for line in lines]


def text_of(lines: Iterable[Line], header: Iterable[str] = ()) -> bytes:
    """The lines as AWS writes CSV, maps as JSON."""
    rows = [{k: json.dumps(v) if isinstance(v, Mapping) else v for k, v in line.items()} for line in lines]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(header) or list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def written(file: Path, lines: Iterable[Line], header: Iterable[str] = ()) -> Path:
    """A file of lines: CSV, packed where its name says so."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = text_of(lines, header)
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    return file


def manifest(file: Path, *data: str, **content: Any) -> Path:
    """A manifest of Data Exports, or, with reportKeys, of legacy CUR."""
    file.parent.mkdir(parents=True, exist_ok=True)
    names = {} if "reportKeys" in content else {"dataFiles": [f"s3://bucket/exports/{name}" for name in data]}
    file.write_text(json.dumps({"executionId": "e", **names, **content}))
    return file
