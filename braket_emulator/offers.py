"""The price list of the emulator, in the format of AWS's offer files for AmazonBraket.

Rates of QPUs and of SV1 are those that AWS published in 2026 as far as they are publicly quoted; all others
(DM1, TN1, job instances and volumes, Lucy) are made up, and say so in their description. Never a source of
prices for real accounts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2s
from typing import Any

from braket_emulator.devices import DEVICES, REGIONS, Device, display_name

PUBLISHED = "2026-09-11T00:00:00Z"
EFFECTIVE = "2026-08-01"
DISCLAIMER = (
    "Synthetic price list of a local emulator. Rates marked (made-up rate) are made up. Not from AWS."
)
_VERSION = "20260911000000"
_TERM = "JRTCKXETXF"  # AWS's code of the on-demand term, the same in all its price lists
_DIMENSION = "6YS6EN2CT7"
_MADE_UP_DEVICES = frozenset({"dm1", "tn1", "Lucy", "Minute"})
_MADE_UP = " (made-up rate)"
_LOCATIONS = {
    "us-east-1": ("US East (N. Virginia)", "USE1"),
    "us-west-1": ("US West (N. California)", "USW1"),
    "us-west-2": ("US West (Oregon)", "USW2"),
    "eu-west-2": ("Europe (London)", "EUW2"),
    "eu-north-1": ("Europe (Stockholm)", "EUN1"),
}
# US dollars an hour: all made up
_INSTANCES = {
    "ml.t3.large": "0.10",
    "ml.m5.large": "0.115",
    "ml.m5.xlarge": "0.23",
    "ml.m5.2xlarge": "0.461",
    "ml.m5.4xlarge": "0.922",
    "ml.c5.xlarge": "0.204",
    "ml.c5.2xlarge": "0.408",
    "ml.p3.2xlarge": "3.825",
    "ml.g4dn.xlarge": "0.736",
    "ml.g6.xlarge": "1.01",
}
_VOLUME_GB_MONTH = Decimal("0.14")

# The spelling of the columns is AWS's: DeviceName on tasks by themselves, Device Name on those of jobs.
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
    "Location",
    "Location Type",
    "usageType",
    "operation",
    "Device Name",
    "Device Provider",
    "DeviceName",
    "Instance Type",
    "Provider",
    "Region Code",
    "serviceName",
    "Version",
)
_JSON_NAMES = {
    "Location": "location",
    "Location Type": "locationType",
    "usageType": "usagetype",
    "operation": "operation",
    "Device Name": "deviceName",
    "Device Provider": "deviceProvider",
    "DeviceName": "devicename",
    "Instance Type": "instanceType",
    "Provider": "provider",
    "Region Code": "regionCode",
    "serviceCode": "servicecode",
    "serviceName": "servicename",
    "Version": "version",
}


@dataclass(frozen=True, slots=True)
class Price:
    """One price: what is sold, where, a unit of what, for how much."""

    family: str
    region: str
    unit: str
    usd: Decimal
    description: str
    usage: str
    columns: tuple[tuple[str, str], ...] = ()

    @property
    def sku(self) -> str:
        """A stock-keeping unit as AWS forms them: sixteen letters and digits, here from the content."""
        named = f"{self.family}|{self.region}|{self.columns}"
        return blake2s(named.encode(), digest_size=8).hexdigest().upper()

    @property
    def rate_code(self) -> str:
        """The code of the price within its SKU and term."""
        return f"{self.sku}.{_TERM}.{_DIMENSION}"

    def row(self) -> dict[str, str]:
        """The price as a row of the CSV file."""
        location, short = _LOCATIONS[self.region]
        return dict.fromkeys(COLUMNS, "") | {
            "SKU": self.sku,
            "OfferTermCode": _TERM,
            "RateCode": self.rate_code,
            "TermType": "OnDemand",
            "PriceDescription": self.description,
            "EffectiveDate": EFFECTIVE,
            "StartingRange": "0",
            "EndingRange": "Inf",
            "Unit": self.unit,
            "PricePerUnit": f"{self.usd:.10f}",
            "Currency": "USD",
            "Product Family": self.family,
            "serviceCode": "AmazonBraket",
            "Location": location,
            "Location Type": "AWS Region",
            "usageType": f"{short}-{self.usage}",
            "Region Code": self.region,
            "serviceName": "Amazon Braket",
            **dict(self.columns),
        }


@lru_cache(maxsize=2)
def prices(devices: Sequence[Device] = DEVICES) -> tuple[Price, ...]:
    """All prices of the list, of these devices."""
    return (
        *(price for device in devices if device.is_qpu for price in _qpu(device)),
        *(price for device in devices if not device.is_qpu for price in _simulator(device)),
        *(price for region in REGIONS for price in _jobs(region)),
    )


def _qpu(device: Device) -> Iterator[Price]:
    alone = (("DeviceName", device.offer_name), ("Provider", device.provider_name))
    in_job = (("Device Name", device.offer_name), ("Device Provider", device.provider_name))
    label = f"{device.provider_name} {device.offer_name}"
    note = _MADE_UP if device.name in _MADE_UP_DEVICES else ""
    for family, usage, unit, usd, columns in (
        ("Quantum Task", "Task", "quantum-task", device.per_task, alone),
        ("Quantum Task-Shot", "Task-Shot", "quantum-shot", device.per_shot, alone),
        ("Braket Managed Jobs QPU Task", "Jobs-Task", "quantum-task", device.per_task, in_job),
        ("Braket Managed Jobs QPU Task Shot", "Jobs-Task-Shot", "quantum-shot", device.per_shot, in_job),
        ("Quantum Reservation", "Reservation", "hours", device.per_hour_reserved, alone),
        ("Made-up QPU Time", "Time", "minutes", device.per_minute, alone),
        ("Made-up Jobs QPU Time", "Jobs-Time", "minutes", device.per_minute, in_job),
    ):
        if usd:
            described = f"${usd} per {unit.rstrip('s')} on {label}, {family}{note}"
            yield Price(family, device.region, unit, usd, described, f"{device.name}-{usage}", columns)


def _simulator(device: Device) -> Iterator[Price]:
    version = display_name(device)
    note = _MADE_UP if device.name in _MADE_UP_DEVICES else ""
    for region in device.called_from:
        for family, operation, usage in (
            ("Simulator Task", "CompleteTask", "Completed-Task-ExecutionDuration"),
            ("Braket Managed Jobs Simulator Task", "Managed-Jobs", "Jobs-Completed-Task-ExecutionDuration"),
        ):
            yield Price(
                family,
                region,
                "minutes",
                device.per_minute,
                f"${device.per_minute} per minute of {version}, {family}{note}",
                f"{version}-{usage}",
                (("Version", version), ("operation", operation)),
            )


def _jobs(region: str) -> Iterator[Price]:
    for instance, hourly in _INSTANCES.items():
        rate = Decimal(hourly) / 60
        yield Price(
            "Braket Managed Jobs Instance",
            region,
            "minutes",
            rate,
            f"${rate:.10f} per minute of {instance}, hybrid job instance{_MADE_UP}",
            f"Jobs-Instance:{instance}",
            (("Instance Type", instance), ("operation", "Managed-Jobs")),
        )
    yield Price(
        "Braket Managed Jobs Volume",
        region,
        "GB-Mo",
        _VOLUME_GB_MONTH,
        f"${_VOLUME_GB_MONTH} per GB-month of hybrid job volume{_MADE_UP}",
        "Jobs-VolumeUsage",
        (("operation", "Managed-Jobs"),),
    )


@lru_cache(maxsize=2)
def as_csv(devices: Sequence[Device] = DEVICES) -> str:
    """The list as `index.csv`: five lines about the file, the header on the sixth, a price a line."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(("FormatVersion", "v1.0"))
    writer.writerow(("Disclaimer", DISCLAIMER))
    writer.writerow(("Publication Date", PUBLISHED))
    writer.writerow(("Version", _VERSION))
    writer.writerow(("OfferCode", "AmazonBraket"))
    writer.writerow(COLUMNS)
    writer.writerows(price.row().values() for price in prices(devices))
    return text.getvalue()


@lru_cache(maxsize=2)
def as_json(devices: Sequence[Device] = DEVICES) -> dict[str, Any]:
    """The list as `index.json`."""
    return {
        "formatVersion": "v1.0",
        "disclaimer": DISCLAIMER,
        "offerCode": "AmazonBraket",
        "version": _VERSION,
        "publicationDate": PUBLISHED,
        "products": {price.sku: _product(price) for price in prices(devices)},
        "terms": {
            "OnDemand": {price.sku: {f"{price.sku}.{_TERM}": _term(price)} for price in prices(devices)}
        },
    }


def _product(price: Price) -> dict[str, Any]:
    row = price.row()
    attributes = {name: row[column] for column, name in _JSON_NAMES.items() if row[column]}
    return {"sku": price.sku, "productFamily": price.family, "attributes": attributes}


def _term(price: Price) -> dict[str, Any]:
    dimension = {
        "rateCode": price.rate_code,
        "description": price.description,
        "beginRange": "0",
        "endRange": "Inf",
        "unit": price.unit,
        "pricePerUnit": {"USD": f"{price.usd:.10f}"},
        "appliesTo": [],
    }
    return {
        "offerTermCode": _TERM,
        "sku": price.sku,
        "effectiveDate": f"{EFFECTIVE}T00:00:00Z",
        "priceDimensions": {price.rate_code: dimension},
        "termAttributes": {},
    }
