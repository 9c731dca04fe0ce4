"""Writing the model focus_costs to a file: Parquet, which keeps the types, or CSV."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from braket_etl.costs.errors import CostError
from braket_etl.tables.declaration import quoted
from braket_etl.warehouse.connection import Connection, first_line

_FORMATS = {
    ".parquet": "FORMAT parquet, COMPRESSION zstd",
    # FOCUS writes instants as ISO-8601 in UTC; connections of ours are in UTC
    ".csv": "FORMAT csv, HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ'",
}


def export_focus(connection: Connection, output: Path) -> int:
    """Write focus_costs to a .parquet or .csv file; how many rows it has.

    A reader sees the old file or the whole new one. Raises CostError.
    """
    options = _FORMATS.get(output.suffix.lower())
    if options is None:
        raise CostError(f"{output}: FOCUS is written as .parquet or .csv")
    draft = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        written = connection.execute(
            f'COPY (SELECT * FROM focus_costs ORDER BY "ChargePeriodStart", "ResourceId", "SkuMeter") '
            f"TO {quoted(str(draft))} ({options})"
        ).fetchall()
        draft.replace(output)
    except (duckdb.Error, OSError) as error:
        raise CostError(f"{output} cannot be written: {first_line(error)}") from None
    finally:
        draft.unlink(missing_ok=True)
    return int(written[0][0])
