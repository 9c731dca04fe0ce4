"""Metadata as Dagster shows it: schemas from the declarations, counts from outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from braket_etl.pull.outcome import Outcome
from braket_etl.tables.declaration import Table, duckdb_type
from braket_etl.warehouse.models import Model
from braket_etl.warehouse.upsert import Counts


def table_metadata(table: Table) -> dict[str, Any]:
    """Name and columns of a declared table."""
    columns = [
        dg.TableColumn(
            column.name,
            duckdb_type(column.type),
            column.description,
            constraints=dg.TableColumnConstraints(nullable=not column.required),
        )
        for column in table.columns
    ]
    return {
        "dagster/table_name": f"warehouse.{table.schema}.{table.name}",
        "dagster/column_schema": dg.TableSchema(columns),
    }


def model_metadata(model: Model, types: Mapping[str, str]) -> dict[str, Any]:
    """Columns of a model, with the types that DuckDB gave its view."""
    columns = [dg.TableColumn(name, kind, model.columns.get(name)) for name, kind in types.items()]
    return {
        "dagster/table_name": f"warehouse.main.{model.name}",
        "dagster/column_schema": dg.TableSchema(columns),
    }


def count_metadata(counts: Counts, outcome: Outcome) -> dict[str, Any]:
    """What a step did with the rows of one table, as numbers that plot over runs."""
    calls = outcome.calls.values()
    return {
        "rows_new": counts.new,
        "rows_changed": counts.changed,
        "rows_unchanged": counts.unchanged,
        "records_rejected": outcome.rejected,
        "api_calls": sum(report.calls for report in calls),
        "api_throttles": sum(report.throttles for report in calls),
    }
