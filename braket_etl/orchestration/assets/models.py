"""The assets of sql/models and of the statistics: made from what is stored, all in one step."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import dagster as dg
import pyarrow as pa

from braket_etl.analysis import forecast, wait_quantiles
from braket_etl.analysis.stored import replace_table
from braket_etl.orchestration import metadata
from braket_etl.orchestration.assets.common import OPEN_RECORDS, OWNERS
from braket_etl.orchestration.resources import RuntimeResource
from braket_etl.report.pictures import pictures_of
from braket_etl.tables import JOB_EVENTS, JOBS, QUANTUM_TASKS, QUEUE_WAIT_QUANTILES, WAIT_FORECAST
from braket_etl.tables.declaration import Table
from braket_etl.warehouse.connection import Connection, transaction
from braket_etl.warehouse.lineage import column_lineage
from braket_etl.warehouse.models import Model, create_view, models

#: Tables that a function computes as a whole.
STATISTICS: dict[str, tuple[Table, Callable[[Connection], pa.Table]]] = {
    QUEUE_WAIT_QUANTILES.name: (QUEUE_WAIT_QUANTILES, lambda c: wait_quantiles.compute(c, now=as_of(c))),
    WAIT_FORECAST.name: (WAIT_FORECAST, lambda c: forecast.compute(c, now=as_of(c))),
}


def as_of(connection: Connection) -> datetime | None:
    """The instant of the newest answer: a statistic is of what is stored, whenever it is computed."""
    newest: datetime | None = connection.execute("SELECT max(fetched_at) FROM quantum_tasks").fetchall()[0][0]
    return newest


def upstream_of(model: Model) -> set[str]:
    """The assets that a model's data comes from; whatever shows records also depends on their refresh."""
    deps = {name for name in model.reads if "." not in name}
    return deps | {OPEN_RECORDS} if deps & {QUANTUM_TASKS.name, JOBS.name, JOB_EVENTS.name} else deps


def model_spec(model: Model) -> dg.AssetSpec:
    """The asset of one model."""
    return dg.AssetSpec(
        model.name,
        description=model.description,
        group_name=model.group,
        kinds={"duckdb", "sql"},
        owners=OWNERS,
        deps=sorted(upstream_of(model)),
        metadata=metadata.model_metadata(model),
    )


def statistic_spec(name: str) -> dg.AssetSpec:
    """The asset of one computed table."""
    table, _ = STATISTICS[name]
    return dg.AssetSpec(
        name,
        description=table.description,
        group_name="latency",
        kinds={"python", "duckdb"},
        owners=OWNERS,
        deps=sorted({upstream.table for made_of in column_lineage()[name].values() for upstream in made_of}),
        metadata=metadata.table_metadata(table),
    )


def computes_check(name: str) -> dg.AssetCheckSpec:
    """The check that is red when a model or statistic could not be computed."""
    return dg.AssetCheckSpec("computes", asset=name, description="It can be computed from the data there is")


_MODELS = {model.name: model for model in models()}


@dg.multi_asset(
    name="build_models",
    specs=[*map(model_spec, _MODELS.values()), *map(statistic_spec, STATISTICS)],
    check_specs=[computes_check(name) for name in (*_MODELS, *STATISTICS)],
    can_subset=True,
)
def build_models(
    context: dg.AssetExecutionContext, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult]:
    """Make views anew and look at them, compute statistics; one that fails is red and stops nothing.

    What arrived must be published, whatever is wrong with one model.
    """
    selected = {key.path[-1] for key in context.selected_asset_keys}
    with runtime.warehouse.writing("building models") as connection:
        for name in [name for name in (*_MODELS, *STATISTICS) if name in selected]:
            try:
                described = (
                    _computed(connection, name) if name in STATISTICS else _viewed(connection, _MODELS[name])
                )
            except Exception as error:  # noqa: BLE001 - of any kind: see above
                context.log.error(f"{name} cannot be computed: {error}")
                yield _result(name, {}, error)
            else:
                yield _result(name, {**described, **_pictures(context, connection, name)})


def _viewed(connection: Connection, model: Model) -> dict[str, Any]:
    create_view(connection, model)
    rows = connection.execute(f'SELECT count(*) FROM main."{model.name}"').fetchall()[0][0]
    types = dict(
        connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = 'main' "
            "AND table_name = ? AND database_name = current_database() ORDER BY column_index",
            [model.name],
        ).fetchall()
    )
    return {"dagster/row_count": rows, **metadata.model_schema(model, types)}


def _computed(connection: Connection, name: str) -> dict[str, Any]:
    table, compute = STATISTICS[name]
    rows = compute(connection)
    with transaction(connection):
        replace_table(connection, table, rows)
    return {"dagster/row_count": rows.num_rows}


def _pictures(context: dg.AssetExecutionContext, connection: Connection, name: str) -> dict[str, Any]:
    """What people would rather look at than rows; a chart that cannot be drawn is no fault of the data."""
    try:
        pictures = pictures_of(connection, name, as_of(connection))
    except Exception as error:  # noqa: BLE001 - of any kind: see above
        context.log.warning(f"the chart of {name} cannot be drawn: {error}")
        return {}
    return {title: dg.MetadataValue.md(picture) for title, picture in pictures.items()}


def _result(name: str, described: dict[str, Any], error: Exception | None = None) -> dg.MaterializeResult:
    check = dg.AssetCheckResult(
        asset_key=name,
        check_name="computes",
        passed=error is None,
        metadata={"error": str(error)} if error else {},
    )
    return dg.MaterializeResult(asset_key=name, metadata=described, check_results=[check])
