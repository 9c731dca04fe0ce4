"""`report`: one HTML file about costs and waits, from the published copy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from braket_etl.cli.output import say, warn
from braket_etl.report.filters import parsed_tag
from braket_etl.report.page import write_report
from braket_etl.runtime import Runtime
from braket_etl.settings import SettingsError
from braket_etl.warehouse.door import held_back, refusal


def run_report(
    output: Path,
    first: date | None,
    last: date | None,
    *,
    accounts: Sequence[str],
    regions: Sequence[str],
    devices: Sequence[str],
    tags: Sequence[str],
    person: str | None,
) -> int:
    """Write the report and say where it is."""
    asked = [parsed_tag(tag) for tag in tags]
    target = output.absolute()
    if not target.parent.is_dir():
        raise SettingsError(f"--output {output}: there is no folder {target.parent}")
    if target.is_dir():
        raise SettingsError(
            f"--output {output} is a folder; name a file in it, such as {output / 'report.html'}"
        )
    warehouse = Runtime().warehouse
    filters = write_report(
        warehouse,
        target,
        first=first,
        last=last,
        accounts=accounts,
        tags=asked,
        regions=regions,
        devices=devices,
        person=person,
    )
    if held := held_back(warehouse):
        warn(f"the report is not of all that is stored. {refusal(warehouse, held)}")
    say(f"wrote {output}: {filters.first} to {filters.last}, {target.stat().st_size / 1e3:,.0f} kB")
    return 0
