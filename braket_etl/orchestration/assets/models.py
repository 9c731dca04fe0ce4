"""The assets of sql/models and of the statistics: made from what is stored, all in one step."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from graphlib import TopologicalSorter
from typing import Any, TypeVar

import dagster as dg

from braket_etl import stopping
from braket_etl.analysis.stored import STATISTICS, as_of, compute_statistic
from braket_etl.costs.owner_files import take_over
from braket_etl.orchestration import metadata
from braket_etl.orchestration.assets.common import OWNERS, note_in, results_of, under_own_keys
from braket_etl.orchestration.resources import CALLER_LOOKUPS, OPEN_RECORDS, RuntimeResource
from braket_etl.pull.outcome import Outcome
from braket_etl.report.pictures import PICTURES, drawn, records_of
from braket_etl.tables import JOB_EVENTS, JOBS, QUANTUM_TASKS, WAIT_FORECAST
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.lineage import column_lineage
from braket_etl.warehouse.models import Model, create_view, models, views
from braket_etl.warehouse.results import Results, depths
from braket_etl.warehouse.settled import CHARGE_SUMS, settle

T = TypeVar("T")

_MODELS = {model.name: model for model in models()}
#: The assets whose step writes a table that is none itself.
_WRITTEN_WITH = {
    "etl.coverage": {QUANTUM_TASKS.name, JOBS.name},
    "etl.wanted": {QUANTUM_TASKS.name, JOBS.name},
}
#: Made of how long the queues of devices are, which changes from poll to poll.
_OF_DEPTHS = frozenset({"queue_depth", WAIT_FORECAST.name})


def _reads(name: str) -> frozenset[str]:
    """The tables and models that a model or statistic reads itself."""
    if name in _MODELS:
        return _MODELS[name].reads
    return frozenset(upstream.table for made_of in column_lineage()[name].values() for upstream in made_of)


def upstream_of(model: Model) -> set[str]:
    """The assets that a model's data comes from; whatever shows records also depends on their refresh.

    Whatever shows who created them depends on CloudTrail too.
    """
    deps = {name for name in model.reads if "." not in name}
    if deps & {QUANTUM_TASKS.name, JOBS.name, JOB_EVENTS.name}:
        deps |= {OPEN_RECORDS, *([CALLER_LOOKUPS] if "created_by" in model.sql else [])}
    return deps.union(*(_WRITTEN_WITH.get(name, ()) for name in model.reads))


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
        deps=sorted(_reads(name)),
        metadata=metadata.table_metadata(table),
    )


def computes_check(name: str) -> dg.AssetCheckSpec:
    """The check that is red when a model or statistic could not be computed."""
    return dg.AssetCheckSpec("computes", asset=name, description="It can be computed from the data there is")


@dg.multi_asset(
    name="build_models",
    specs=[*map(model_spec, _MODELS.values()), *map(statistic_spec, STATISTICS)],
    check_specs=[computes_check(name) for name in (*_MODELS, *STATISTICS)],
    can_subset=True,
)
@under_own_keys
def build_models(
    context: dg.AssetExecutionContext, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult]:
    """Look at the views, make those that are gone, compute statistics; one that fails is red and stops nothing.

    What arrived must be published, whatever is wrong with one model. What is made of tables that have not changed since
    the last sync is told as it was then; where many records are stored, views are counted once a UTC day.
    """
    selected = {key.path[-1] for key in context.selected_asset_keys}
    built: list[_Built] = []
    with runtime.warehouse.writing("building models") as connection:
        _take_over_owner_files(context, runtime, connection)
        results = results_of(context, connection, "build_models")
        there = views(connection)
        for name in [name for name in _in_order() if name in selected]:
            try:
                built.append(_last(results, name, there) or _made(context, results, name, there))
            except Exception as error:  # noqa: BLE001 - of any kind: see above
                if stop := stopping.hidden_in(error):
                    raise stop from None
                context.log.error(f"{name} cannot be computed: {error}")
                built.append(_Built(name, error=error))
    for made in built:  # drawn without the lock
        if made.is_new:
            made.described["pictures"] = (
                _pictured(context, made.name, partial(drawn, made.name, made.shown)) or {}
            )
            results.keep(made.name, made.made_of, made.described)
        yield _result(made)
    if any(made.is_new for made in built):
        with runtime.warehouse.writing("keeping results") as connection:
            results.save(connection)


def _take_over_owner_files(
    context: dg.AssetExecutionContext, runtime: RuntimeResource, connection: Connection
) -> None:
    """What allocations.toml and budgets.toml say by now; a file that cannot be used is a warning."""
    settings = runtime.settings
    problems = take_over(connection, settings.allocations_file, settings.budgets_file)
    if problems:
        outcome = Outcome()
        outcome.warnings.update(f"{problem}; what it said before still counts" for problem in problems)
        note_in(connection, context, runtime, "owner_files", outcome)


@dataclass
class _Built:
    """What became of a model or statistic: JSON that describes it and the records that its picture shows, or an error."""

    name: str
    made_of: str = ""
    described: dict[str, Any] = field(default_factory=dict)
    shown: list[dict[str, Any]] = field(default_factory=list)
    last_made: datetime | None = None
    """When it was made, where nothing behind it has changed since."""
    is_of_many: bool = False
    """Whether it is a view of so many records that they may have changed since that day's first count."""
    error: Exception | None = None

    @property
    def is_new(self) -> bool:
        """Whether this run made it."""
        return self.error is None and self.last_made is None


def _in_order() -> list[str]:
    """Every model and statistic after those that it reads."""
    reads = {**{name: model.reads for name, model in _MODELS.items()}, **{n: _reads(n) for n in STATISTICS}}
    order = TopologicalSorter({name: sorted(read & reads.keys()) for name, read in reads.items()})
    return list(order.static_order())


def _last(results: Results, name: str, there: frozenset[str]) -> _Built | None:
    """What was made of the same tables before, where that is still in the warehouse."""
    made_of = _made_of(results, name)
    kept = results.last(name, made_of)
    if kept is None:
        return None
    is_there = name in there if name in _MODELS else results.contents.of(name) == kept.value["content"]
    if not is_there:
        return None
    is_of_many = name in _MODELS and results.contents.has_many
    return _Built(name, made_of, kept.value, last_made=kept.made_at, is_of_many=is_of_many)


def _made_of(results: Results, name: str) -> str:
    """What changes when the model or statistic would: of the depths of queues, only where it is made of them.

    Of a view, its number of rows, for which all of it is computed.
    """
    question = f"{name} {depths(results.connection)}" if name in _OF_DEPTHS else name
    return results.contents.made_of(question, _reads(name), daily=name in _MODELS)


def _made(context: dg.AssetExecutionContext, results: Results, name: str, there: frozenset[str]) -> _Built:
    """A view or a statistic made anew, and what its picture shows."""
    connection, made_of = results.connection, _made_of(results, name)
    if name in _MODELS:
        described = _viewed(connection, _MODELS[name], name in there)
    else:
        described = {"rows": compute_statistic(connection, name)}
        results.contents.forget(name)
        described["content"] = results.contents.of(name)
    shown = _pictured(context, name, lambda: records_of(connection, name, as_of(connection)))
    return _Built(name, made_of, described, shown or [])


def _viewed(connection: Connection, model: Model, is_there: bool) -> dict[str, Any]:
    if not is_there:  # opening the warehouse made those that are declared otherwise by now
        create_view(connection, model)
    if model.name == CHARGE_SUMS:
        settle(connection)
    rows = connection.execute(f'SELECT count(*) FROM main."{model.name}"').fetchall()[0][0]
    # duckdb_columns() would look into every view to tell of one
    described = connection.execute(f'DESCRIBE main."{model.name}"').fetchall()
    types = {column: kind for column, kind, *_ in described}
    return {"rows": rows, "types": types}


def _pictured(context: dg.AssetExecutionContext, name: str, make: Callable[[], T]) -> T | None:
    """A step on the way to a picture; one that cannot be drawn is no fault of the data."""
    if name not in PICTURES:
        return None
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - of any kind: see above
        if stop := stopping.hidden_in(error):
            raise stop from None
        context.log.warning(f"the chart of {name} cannot be drawn: {error}")
        return None


def _result(built: _Built) -> dg.MaterializeResult:
    described = built.described
    shown: dict[str, Any] = {
        title: dg.MetadataValue.md(text) for title, text in described.get("pictures", {}).items()
    }
    if "rows" in described:
        shown["dagster/row_count"] = described["rows"]
    if "types" in described:
        shown |= metadata.model_schema(_MODELS[built.name], described["types"])
    if built.last_made:
        since = "counted_at" if built.is_of_many else "unchanged_since"
        shown[since] = dg.MetadataValue.timestamp(built.last_made)
    check = dg.AssetCheckResult(
        asset_key=built.name,
        check_name="computes",
        passed=built.error is None,
        metadata={"error": str(built.error)} if built.error else {},
    )
    return dg.MaterializeResult(asset_key=built.name, metadata=shown, check_results=[check])
