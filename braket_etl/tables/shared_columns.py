"""Columns that every table of API records carries, declared once."""

from __future__ import annotations

import json
from typing import Any

from braket_etl.tables.arns import account_id_of, region_of
from braket_etl.tables.declaration import Column, Row, flag, instant, integer, text


def owner_columns(arn_column: str) -> tuple[Column, ...]:
    """`account_id` and `region`, read from the record's own ARN."""
    return (
        text(
            "account_id",
            "Account that owns the record, from its ARN",
            derive=lambda row: account_id_of(row[arn_column]),
            required=True,
        ),
        text(
            "region",
            "Region in which the record lives, from its ARN",
            derive=lambda row: region_of(row[arn_column]),
            required=True,
        ),
    )


def fetched_column() -> Column:
    """`fetched_at`, the instant a response was given."""
    return instant(
        "fetched_at",
        "When Braket gave the response that this row shows (its Date header, whole seconds)",
        required=True,
        content=False,
    )


def record_columns() -> tuple[Column, ...]:
    """What the warehouse keeps about a mutable record besides its content."""
    return (
        fetched_column(),
        instant(
            "first_seen_at",
            "When this record was first stored; survives every later change of it",
            required=True,
            content=False,
        ),
        text("extra", "JSON object of response members that have no column here, else NULL", wide=True),
        text(
            "origin",
            "Where the row comes from: `api`, or `results_file` for a task that the API no longer knows",
            required=True,
            content=False,
        ),
        instant(
            "expired_at",
            "When Braket first answered that it no longer knows this record; NULL while it does",
            content=False,
        ),
        text(
            "created_by",
            "Who created it, as CloudTrail tells (record_callers); of a task in a job, who created the job. NULL where "
            "that is not known, or BRAKET_ETL_CREATED_BY is off",
            content=False,
        ),
        text(
            "created_by_kind",
            "What kind of caller created_by is, as in record_callers",
            content=False,
        ),
        integer(
            "row_hash",
            "Hash of the content; two fetches with the same hash are the same record",
            required=True,
            content=False,
        ),
    )


def terminal_column(statuses: frozenset[str]) -> Column:
    """`is_terminal`, whether the status can still change."""
    return flag(
        "is_terminal",
        f"Whether the status is final ({', '.join(sorted(statuses))}) and can no longer change",
        derive=lambda row: row["status"] in statuses,
        required=True,
    )


def reservation_arn_of(row: Row) -> str | None:
    """The ARN of the reservation a record ran in: its first association of that type."""
    for association in row.get("associations") or ():
        if association["type"] == "RESERVATION_TIME_WINDOW_ARN":
            return str(association["arn"])
    return None


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
