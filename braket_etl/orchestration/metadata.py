"""Metadata as Dagster shows it: schemas from the declarations, lineage of columns, counts from outcomes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, cast

import dagster as dg

from braket_etl.pull.outcome import Outcome
from braket_etl.tables import MAIN
from braket_etl.tables.declaration import Table, duckdb_type
from braket_etl.warehouse.lineage import column_lineage
from braket_etl.warehouse.models import Model, models
from braket_etl.warehouse.upsert import Counts
from braket_etl.warehouse.upstream import Lineage, Upstream

#: What is no table: operations of the Braket API, and the files and events that are read beside it.
ORIGINS = frozenset(table.operation for table in MAIN if table.operation)


def asset_key(table: str) -> dg.AssetKey:
    """The asset of a table or model, or of an operation that yields rows."""
    return dg.AssetKey(["braket", table] if table in ORIGINS else table)


def table_metadata(table: Table) -> dict[str, Any]:
    """Name, columns and lineage of a declared table."""
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
        **lineage_metadata(table.name, {column.name: column.description for column in table.columns}),
    }


def lineage_metadata(name: str, meanings: Mapping[str, str]) -> dict[str, Any]:
    """What the columns of a table or model are made of: for programs, and as a table to read.

    The open-source UI shows the former as JSON only. Empty for a model whose columns cannot be followed.
    """
    lineage = column_lineage().get(name)
    if not lineage:
        return {}
    return {
        "dagster/column_lineage": dg.TableColumnLineage(
            {column: _column_deps(upstreams) for column, upstreams in lineage.items()}
        ),
        "lineage": dg.MetadataValue.md(lineage_table(lineage, meanings)),
    }


def lineage_table(lineage: Lineage, meanings: Mapping[str, str]) -> str:
    """A Markdown table of columns, what each is made of and what it means."""
    rows = [
        (f"`{column}`", made_of_text(upstreams), meanings.get(column, ""))
        for column, upstreams in lineage.items()
    ]
    return markdown_table(("column", "from", "meaning"), rows)


def made_of_text(upstreams: Sequence[Upstream]) -> str:
    """Upstream columns as Markdown, those of one table together; empty for a column that is made of none."""
    texts = []
    for table, group in groupby(upstreams, key=lambda upstream: upstream.table):
        first, *rest = group
        inner = ", ".join(f"`{upstream.column}`" for upstream in (first, *rest))
        texts.append(f"`{table}` ({inner})" if rest else f"`{first}`")
    return ", ".join(texts)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells are Markdown, but cannot leave their cell nor hold HTML."""
    lines = [head, ["---"] * len(head), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _column_deps(upstreams: Sequence[Upstream]) -> list[dg.TableColumnDep]:
    return [
        dg.TableColumnDep(asset_key(upstream.table), upstream.column)
        for upstream in upstreams
        if upstream.column and "." not in upstream.table  # bookkeeping has no assets
    ]


def model_metadata(model: Model) -> dict[str, Any]:
    """Name, SELECT and lineage of a model: what is known of it without a database."""
    return {
        "dagster/table_name": f"warehouse.main.{model.name}",
        **lineage_metadata(model.name, model.columns),
        "sql": dg.MetadataValue.md(f"```sql\n{model.sql}\n```"),
    }


def model_schema(model: Model, types: Mapping[str, str]) -> dict[str, Any]:
    """Columns of a model, with the types that DuckDB gave its view."""
    columns = [dg.TableColumn(name, kind, model.columns.get(name)) for name, kind in types.items()]
    return {"dagster/column_schema": dg.TableSchema(columns)}


def with_code_references(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets with the places of their code: of a model its SELECT, of each the function that makes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        files = {dg.AssetKey(model.name): _file_reference(model) for model in models()}
        with_files = [
            asset.map_asset_specs(lambda spec: spec.merge_attributes(metadata=files.get(spec.key, {})))
            for asset in assets
        ]
        return cast("list[dg.AssetsDefinition]", dg.with_source_code_references(with_files))


def _file_reference(model: Model) -> dict[str, Any]:
    reference = dg.LocalFileCodeReference(
        file_path=str(model.file), line_number=1, label=f"sql/models/{model.file.name}"
    )
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}


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
        "api_seconds_waited": round(sum(report.seconds_waited for report in calls), 3),
    }
