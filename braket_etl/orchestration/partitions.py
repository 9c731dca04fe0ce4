"""The partitions: UTC days of creation, and months, from Braket's launch on."""

from __future__ import annotations

import dagster as dg

from braket_etl.facts import LAUNCH

#: A constant start keeps the definition, and what is green, the same; `end_offset=1` makes today a partition too.
CREATION_DAYS = dg.DailyPartitionsDefinition(start_date=LAUNCH.isoformat(), timezone="UTC", end_offset=1)

#: Months that have ended.
MONTHS = dg.MonthlyPartitionsDefinition(start_date=LAUNCH.replace(day=1).isoformat(), timezone="UTC")
