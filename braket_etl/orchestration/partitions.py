"""The partitions: UTC days of creation, from Braket's launch on."""

from __future__ import annotations

import dagster as dg

#: General availability of Amazon Braket. A constant start keeps the definition, and what is green, the same.
LAUNCH = "2020-08-13"

#: `end_offset=1` makes today a partition too.
CREATION_DAYS = dg.DailyPartitionsDefinition(start_date=LAUNCH, timezone="UTC", end_offset=1)
