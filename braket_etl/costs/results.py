"""Metadata of results.json as rows of `task_results`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa

from braket_etl.tables.arns import account_id_of, region_of
from braket_etl.tables.task_results import TASK_RESULTS


class ResultMetadata(Protocol):
    """What reading a results.json yields, by attributes of these names."""

    @property
    def arn(self) -> str: ...  # noqa: D102


def result_rows(results: Iterable[tuple[ResultMetadata, datetime]]) -> pa.Table:
    """Rows of `task_results` from (metadata, when it was read); attributes that the metadata lack are NULL.

    Raises ValueError where an ARN is none.
    """
    return pa.Table.from_pylist([_row(*result) for result in results], schema=TASK_RESULTS.arrow_schema)


def _row(metadata: ResultMetadata, read_at: datetime) -> dict[str, Any]:
    row = {column.name: getattr(metadata, column.name, None) for column in TASK_RESULTS.columns}
    return row | {
        "quantum_task_arn": metadata.arn,
        "account_id": account_id_of(metadata.arn),
        "region": region_of(metadata.arn),
        "fetched_at": read_at,
    }
