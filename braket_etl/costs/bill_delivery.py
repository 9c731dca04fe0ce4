"""Which files of a folder are a bill: what a manifest of AWS names, or all, where there is none.

AWS Data Exports (CUR 2.0, FOCUS) and legacy CUR leave each refresh beside the last, where the user wants it so. The manifest
in the folder of the billing period always is that of the newest refresh; one a folder deeper is that of its own refresh.
https://docs.aws.amazon.com/cur/latest/userguide/dataexports-export-delivery.html
https://docs.aws.amazon.com/cur/latest/userguide/understanding-report-versions.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO

from braket_etl.costs.errors import BillingFileError
from braket_etl.display import printable
from braket_etl.json_text import read_json

Opened = Callable[[], BinaryIO]
#: All files of a place: path or address, and how to open each.
Delivery = Iterable[tuple[str, Opened]]

SUFFIXES = (".parquet", ".csv", ".csv.gz", ".csv.zip")
#: Also in packings that are not read, so that such a file is refused and not passed over unseen.
_DATA = re.compile(r"(?i)\.(parquet|csv)(\.(gz|gzip|zip|bz2|xz|zst|zstd|lz4|snappy))?$")
_STATUS = "cost_and_usage_data_status"
_MOST_MANIFEST_BYTES = 64 * 1024 * 1024
_MONTH = re.compile(r"(?i)billing_period=(\d{4})-(\d\d)(-\d\d)?")
_DAYS = re.compile(r"(\d{4})(\d\d)\d\d-\d{8}")
_YEAR, _OF_YEAR = re.compile(r"(?i)year=(\d{4})"), re.compile(r"(?i)month=(\d\d?)")


@dataclass(frozen=True, slots=True)
class BillFile:
    """A file that counts. `unit` is what delivered it: a manifest, or, where there is none, a folder."""

    name: str
    open: Opened
    unit: str
    is_named: bool
    month: str | None
    payer: str | None = None


@dataclass(frozen=True)
class _Place:
    """A path or address, and what its folders say."""

    name: str

    @cached_property
    def parts(self) -> list[str]:
        return self.name.replace("\\", "/").split("/")

    @cached_property
    def period(self) -> tuple[int, int, str] | None:
        """First and last folder of the billing period, and its month, as 2026-09."""
        for place, part in enumerate(self.parts[:-1]):
            if found := _MONTH.fullmatch(part) or _DAYS.fullmatch(part):
                return place, place, f"{found[1]}-{found[2]}"
            if (year := _YEAR.fullmatch(part)) and (month := _OF_YEAR.fullmatch(self.parts[place + 1])):
                return place, place + 1, f"{year[1]}-{int(month[1]):02d}"
        return None

    @property
    def is_data(self) -> bool:
        return not is_manifest(self.parts[-1]) and not any(
            part.startswith(_STATUS) for part in self.parts[-2:]
        )

    @property
    def month(self) -> str | None:
        return self.period[2] if self.period else None

    @property
    def of_period(self) -> list[str]:
        """The path from the folder of the billing period on; the name alone where no folder tells it."""
        return self.parts[self.period[0] :] if self.period else self.parts[-1:]

    @property
    def export(self) -> str:
        """The folder of the export, below which lie those of its periods."""
        return "/".join(self.parts[: self.period[0]] if self.period else self.parts[:-1])

    @property
    def folder(self) -> str:
        """The folder but for those that partition, such as day=5: files that were written together lie in one."""
        return "/".join(part for part in self.parts[:-1] if "=" not in part)

    @property
    def is_of_period(self) -> bool:
        """Whether it lies in the folder of the period itself, not in that of one refresh."""
        return self.period is None or self.period[1] == len(self.parts) - 2

    @property
    def period_folder(self) -> str:
        return "/".join(self.parts[: self.period[1] + 1] if self.period else self.parts[:-1])


@dataclass(frozen=True, slots=True)
class _Manifest:
    place: _Place
    month: str | None
    payer: str | None
    files: tuple[str, ...]


def local_delivery(path: Path) -> Iterator[tuple[str, Opened]]:
    """The files of exports and their manifests under a folder, or the one file; raises BillingFileError for nothing."""
    if not path.exists():
        raise BillingFileError(f"there is no file or folder {path}")
    files = (
        [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and is_part(p.name))
    )
    if not files:
        raise BillingFileError(f"{path} holds no export file ({', '.join(SUFFIXES)})")
    for file in files:
        yield str(file), lambda file=file: file.open("rb")  # type: ignore[misc]


def is_part(name: str) -> bool:
    """Whether a file name may be one of an export or of its manifest; hidden ones are no files of AWS."""
    return is_manifest(name) or (not name.startswith((".", "_")) and _DATA.search(name) is not None)


def is_manifest(name: str) -> bool:
    """Whether a file name is that of a manifest; Redshift's, which AWS delivers as well, is another thing."""
    return name.lower().endswith("manifest.json") and not name.lower().endswith("redshiftmanifest.json")


def bill_files(delivery: Delivery, months: Collection[str] = ()) -> tuple[list[BillFile], list[str]]:
    """The files that count, and those that a manifest passes over; of `months` alone, where there are any.

    Raises BillingFileError where a manifest cannot be read or names a file that is not here.
    """
    places = {_Place(printable(name)): opened for name, opened in delivery}
    told = [_manifest(place, opened) for place, opened in places.items() if is_manifest(place.parts[-1])]
    manifests = _newest([found for found in told if found and _is_of(found.month, months)])
    data = {
        place: opened for place, opened in places.items() if place.is_data and _is_of(place.month, months)
    }
    named: dict[_Place, BillFile] = {}
    for manifest in manifests:
        for place in _named(manifest, data):
            month, unit = manifest.month or place.month, manifest.place.name
            named.setdefault(place, BillFile(place.name, data[place], unit, True, month, manifest.payer))
    # the manifest of one refresh does not say that it is the newest: what else is there of its month is not passed over
    covered = {manifest.month for manifest in manifests if manifest.place.is_of_period}
    alone = [place for place in data if place not in named]
    exports = {place.export for place in named}
    passed = [
        place
        for place in alone
        if covered
        and (None in covered or place.month in {None, *covered})
        and (place.period is None or place.export in exports)
    ]
    counted = [*named.values()] + [
        BillFile(place.name, data[place], place.folder, False, place.month)
        for place in alone
        if place not in passed
    ]
    if not counted:
        of_months = f" of {', '.join(sorted(months))}" if months else ""
        raise BillingFileError(
            f"there are no files{of_months} to import ({', '.join(SUFFIXES)}; {_STATUS} of a legacy CUR is no bill)"
        )
    return counted, [place.name for place in passed]


def _is_of(month: str | None, months: Collection[str]) -> bool:
    """Whether something of a month, or of one that is not told, may be of one of these; all are, where there are none."""
    return not months or month is None or month in months


def _newest(manifests: list[_Manifest]) -> list[_Manifest]:
    """Of each period the manifests in its own folder; raises BillingFileError where only those of refreshes are there."""
    by_period: dict[str, list[_Manifest]] = {}
    for manifest in manifests:
        by_period.setdefault(manifest.place.period_folder, []).append(manifest)
    newest = []
    for found in by_period.values():
        of_period = [manifest for manifest in found if manifest.place.is_of_period]
        if not of_period and len(found) > 1:
            raise BillingFileError(
                f"several refreshes of {found[0].month} are here, and nothing says which counts: "
                f"{_listed(m.place.name for m in found)}. Give the folder with the manifest of the period, or one refresh."
            )
        newest += of_period or found
    return newest


def _manifest(place: _Place, opened: Opened) -> _Manifest | None:
    """What a manifest says; None for a JSON file that names no files of a bill."""
    try:
        with opened() as stream:
            content = read_json(stream.read(_MOST_MANIFEST_BYTES).decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise BillingFileError(f"{place.name} cannot be read: {error}") from None
    files = content.get("dataFiles", content.get("reportKeys")) if isinstance(content, Mapping) else None
    if files is None:
        return None
    if not isinstance(files, list) or not all(isinstance(file, str) for file in files):
        raise BillingFileError(
            f"{place.name} cannot be read: its list of files is in a form that is not known"
        )
    return _Manifest(
        place, _manifest_month(content) or place.month, _payer(content), tuple(dict.fromkeys(files))
    )


def _manifest_month(content: Mapping[str, Any]) -> str | None:
    """The month of a legacy CUR's billingPeriod: {start: 20260901T000000.000Z, …}."""
    period = content.get("billingPeriod")
    start = str(period.get("start", "")) if isinstance(period, Mapping) else ""
    found = re.match(r"(\d{4})-?(\d\d)-?\d\d", start)
    return f"{found[1]}-{found[2]}" if found else None


def _payer(content: Mapping[str, Any]) -> str | None:
    """The account that has the export: its bill is that of this account."""
    owner = re.search(r"\d{12}", f"{content.get('account') or ''} {content.get('exportArn') or ''}")
    return owner[0] if owner else None


def _named(manifest: _Manifest, data: Mapping[_Place, Opened]) -> Iterator[_Place]:
    if not manifest.files:
        raise BillingFileError(f"{manifest.place.name} names no file; give a delivery that is whole")
    for file in manifest.files:
        wanted = _Place(file).parts
        found = [place for place in data if wanted[-len(place.of_period) :] == place.of_period]
        # two accounts may have exports of one name: then the file in the tree of the manifest is meant
        alike = [
            (_n_common(place.parts[::-1], wanted[::-1]), _n_common(place.parts, manifest.place.parts))
            for place in found
        ]
        nearest = [place for place, n in zip(found, alike, strict=True) if n == max(alike)]
        if len(nearest) != 1:
            is_here = "is here more than once" if nearest else "is not here"
            raise BillingFileError(
                f"{manifest.place.name} names {file}, which {is_here}. Give the folder with the whole delivery."
            )
        yield nearest[0]


def _n_common(one: list[str], other: list[str]) -> int:
    """With how many of the same both begin."""
    alike = (a == b for a, b in zip(one, other, strict=False))
    return sum(1 for _ in takewhile(bool, alike))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
