"""The assets that give records their context: devices, spending limits, state changes, prices."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from braket_etl.costs.errors import CostError
from braket_etl.costs.load import install_seed, is_fresh, refresh_prices
from braket_etl.orchestration import metadata
from braket_etl.orchestration.assets.common import OWNERS, note, reference_spec, result_of, under_own_keys
from braket_etl.orchestration.instance import refuse_another_home
from braket_etl.orchestration.resources import CALLER_LOOKUPS, OPEN_RECORDS, RuntimeResource
from braket_etl.pull.callers import SECONDS, look_up_callers
from braket_etl.pull.feed import read_feed
from braket_etl.pull.outcome import Outcome
from braket_etl.pull.reference import pull_devices, pull_spending_limits
from braket_etl.tables import (
    DEVICE_OBSERVATIONS,
    DEVICES,
    PRICES,
    QUANTUM_TASKS,
    RECORD_CALLERS,
    SPENDING_LIMITS,
    STATE_CHANGE_EVENTS,
)
from braket_etl.tables.redact import Redactor
from braket_etl.warehouse.upsert import Counts


class DevicesConfig(dg.Config):
    """Which devices to ask for."""

    only_in_use: bool = False
    """Only those for which a task is open."""


@dg.multi_asset(
    name="pull_devices",
    specs=[reference_spec(table, [QUANTUM_TASKS.name]) for table in (DEVICES, DEVICE_OBSERVATIONS)],
)
@under_own_keys
def devices(
    context: dg.AssetExecutionContext, config: DevicesConfig, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult]:
    """Status, queue depths, execution windows; what cannot be had is a warning."""
    outcome = pull_devices(runtime.puller(context.run_id), runtime.targets(), only_in_use=config.only_in_use)
    note(context, runtime, "devices", outcome)
    for table in (DEVICES, DEVICE_OBSERVATIONS):
        yield result_of(table, outcome)


@dg.multi_asset(name="pull_spending_limits", specs=[reference_spec(SPENDING_LIMITS)])
@under_own_keys
def spending_limits(
    context: dg.AssetExecutionContext, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult]:
    """What AWS counts against each limit; what cannot be had is a warning."""
    refuse_another_home(context.run, runtime.settings)
    outcome = pull_spending_limits(runtime.puller(context.run_id), runtime.targets())
    note(context, runtime, "spending_limits", outcome)
    yield result_of(SPENDING_LIMITS, outcome)


@dg.multi_asset(
    name="read_state_change_events",
    specs=[reference_spec(table) for table in (STATE_CHANGE_EVENTS, RECORD_CALLERS)],
)
@under_own_keys
def state_change_events(
    context: dg.AssetExecutionContext, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult]:
    """Read the EventBridge feed, where one is set; one that is out of reach is a warning."""
    refuse_another_home(context.run, runtime.settings)
    outcome = Outcome()
    if feed := runtime.settings.events:
        outcome = read_feed(
            runtime.warehouse,
            runtime.sessions,
            runtime.accounts[0],
            feed,
            context.run_id,
            naming=runtime.naming,
            redactor=Redactor(runtime.settings.redact),
        )
    note(context, runtime, "state_change_events", outcome)
    for table in (STATE_CHANGE_EVENTS, RECORD_CALLERS):
        yield result_of(table, outcome)


class LookUpConfig(dg.Config):
    """Whom to ask, and for how long; left out means everything that the settings name."""

    accounts: list[str] = Field(default_factory=list)
    regions: list[str] = Field(default_factory=list)
    seconds: float = SECONDS
    """How long CloudTrail is asked at most; the next run goes on."""


@dg.multi_asset(
    name="look_up_callers",
    specs=[
        dg.AssetSpec(
            CALLER_LOOKUPS,
            description=(
                "Who created tasks and jobs, as far as CloudTrail's LookupEvents was asked: it adds rows to record_callers, "
                "and names to quantum_tasks and jobs. Nobody is asked unless BRAKET_ETL_CREATED_BY says so."
            ),
            group_name="reference",
            kinds={"aws", "cloudtrail", "duckdb"},
            owners=OWNERS,
            deps=[metadata.asset_key(RECORD_CALLERS.operation or ""), RECORD_CALLERS.name, OPEN_RECORDS],
        )
    ],
)
@under_own_keys
def caller_lookups(
    context: dg.AssetExecutionContext, config: LookUpConfig, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult]:
    """Ask CloudTrail for a while, after everything of Braket's was pulled; whatever it refuses is a warning."""
    refuse_another_home(context.run, runtime.settings)
    outcome = Outcome()
    if (naming := runtime.naming) is not None:
        targets = runtime.targets(config.accounts, config.regions)
        outcome = look_up_callers(runtime.puller(context.run_id), targets, naming, seconds=config.seconds)
    note(context, runtime, CALLER_LOOKUPS, outcome)
    counts = outcome.counts.get(RECORD_CALLERS.name, Counts())
    yield dg.MaterializeResult(asset_key=CALLER_LOOKUPS, metadata=metadata.count_metadata(counts, outcome))


@dg.asset(
    name=PRICES.name,
    description=PRICES.description,
    group_name="reference",
    kinds={"aws", "duckdb"},
    owners=OWNERS,
    metadata=metadata.table_metadata(PRICES),
)
def prices(context: dg.AssetExecutionContext, runtime: RuntimeResource) -> dg.MaterializeResult:
    """Lay the seed, and load the price list once a day; one that is out of reach is a warning."""
    refuse_another_home(context.run, runtime.settings)
    outcome = Outcome()
    install_seed(runtime.warehouse)
    source = runtime.settings.price_list
    if source != "off" and not is_fresh(runtime.warehouse):
        try:
            loaded = refresh_prices(runtime.warehouse, None if source == "auto" else source)
            outcome.counts[PRICES.name] = Counts(new=loaded.new, unchanged=loaded.known)
            context.log.info("\n".join([loaded.summary, *loaded.remarks]))
            outcome.warnings.update(f"prices: {problem}" for problem in loaded.failed)
        except CostError as error:
            outcome.warnings[f"prices: {error}"] += 1
    note(context, runtime, "prices", outcome)
    counts = outcome.counts.get(PRICES.name, Counts())
    return dg.MaterializeResult(metadata=metadata.count_metadata(counts, outcome))
