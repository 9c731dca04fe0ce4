"""The component by which a `dg` project has these assets beside its own: `type: braket_etl.BraketPipeline` in a defs.yaml.

Its steps are done by the project's executor, its runs lie in the project's instance, and nothing of that is forgotten or
told of: runs and messages are the project's own affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from braket_etl.orchestration.assets import ASSETS, STATEMENTS
from braket_etl.orchestration.checks import CHECKS
from braket_etl.orchestration.jobs import OBSERVE_CONFIG, OBSERVED
from braket_etl.orchestration.maintenance import compact_warehouse
from braket_etl.orchestration.partitions import CREATION_DAYS
from braket_etl.orchestration.resources import ROUTINE_TAG
from braket_etl.orchestration.schedules import nothing_to_observe, open_records, unless_running
from braket_etl.runtime import Runtime

_LINEAGE = "dagster/column_lineage"


class BraketPipeline(dg.Component, dg.Model, dg.Resolvable):
    """What Amazon Braket tasks and jobs cost and how long they waited, in DuckDB: assets, checks, jobs, schedules."""

    home: str | None = None
    """Where the warehouse lies; a relative path is below the project. Without it, that of BRAKET_ETL_HOME."""
    accounts: list[dict[str, str]] | None = None
    """Accounts to pull from, each with `name` and `profile`, or `role_arn` and `external_id`."""
    regions: list[str] | None = None
    """Regions to pull from: names, globs such as us-*, or all."""
    start_date: str | None = None
    """First UTC day that the sync asks for."""
    settings: dict[str, Any] | None = None
    """Any other setting of braket_etl, such as `quota_share`."""
    key_prefix: list[str] | None = None
    """What stands before the names of the assets."""
    group_name: str | None = None
    """The group of all assets; without it, those that they have: source, reference, costs and so on."""
    schedules: bool = True
    """Whether the schedules are on from the beginning."""

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The definitions; raises SettingsError where the settings cannot be used."""
        given = {name: getattr(self, name) for name in ("accounts", "regions", "start_date")}
        home = {"home": str(context.project_root / self.home)} if self.home else {}
        runtime = Runtime({**(self.settings or {}), **given, **home})
        runtime.settings  # noqa: B018 - what is wrong with them is told when the project is loaded
        bound = {"runtime": dg.ResourceDefinition.hardcoded_resource(runtime)}
        assets = [self._named(each) for each in ASSETS]
        made = [each for each in assets if isinstance(each, dg.AssetsDefinition)]
        external = [each for each in assets if isinstance(each, dg.AssetSpec)]
        pulled = {key for each in made for key in each.keys} - {self._key(dg.AssetKey(STATEMENTS))}
        jobs = self._jobs(dg.AssetSelection.assets(*pulled), bound)
        return dg.Definitions(
            assets=[*dg.with_resources(made, bound), *external],
            asset_checks=dg.with_resources([self._keyed(each) for each in CHECKS], bound),
            jobs=jobs,
            schedules=self._schedules(runtime, *jobs),
        )

    def _key(self, key: dg.AssetKey) -> dg.AssetKey:
        return key.with_prefix(self.key_prefix) if self.key_prefix else key

    def _spec(self, spec: dg.AssetSpec) -> dg.AssetSpec:
        """The asset in the project's group; its lineage by column names the project's keys."""
        metadata = dict(spec.metadata)
        if lineage := metadata.get(_LINEAGE):
            metadata[_LINEAGE] = dg.TableColumnLineage(
                {
                    column: [dg.TableColumnDep(self._key(dep.asset_key), dep.column_name) for dep in deps]
                    for column, deps in lineage.deps_by_column.items()
                }
            )
        return spec.replace_attributes(group_name=self.group_name or spec.group_name, metadata=metadata)

    def _named(self, asset: dg.AssetsDefinition | dg.AssetSpec) -> dg.AssetsDefinition | dg.AssetSpec:
        if isinstance(asset, dg.AssetSpec):
            return self._spec(asset).replace_attributes(key=self._key(asset.key))
        return self._keyed(asset).map_asset_specs(self._spec)

    def _keyed(self, asset: dg.AssetsDefinition) -> dg.AssetsDefinition:
        """The assets or checks of a step with the prefix before their names and before those that they depend on."""
        keys = {spec.asset_key for spec in asset.check_specs} | {*asset.keys}
        keys |= {dep.asset_key for spec in asset.specs for dep in spec.deps}
        keys |= {dep.asset_key for spec in asset.check_specs for dep in spec.additional_deps}
        return asset.with_attributes(asset_key_replacements={key: self._key(key) for key in keys})

    def _jobs(
        self, ours: dg.AssetSelection, bound: dict[str, dg.ResourceDefinition]
    ) -> list[UnresolvedAssetJobDefinition | dg.JobDefinition]:
        routine = {ROUTINE_TAG: "yes"}
        observed = dg.AssetSelection.assets(*(self._key(dg.AssetKey(name)) for name in OBSERVED))

        @dg.job(
            name="braket_maintain",
            resource_defs=bound,
            executor_def=dg.in_process_executor,
            description="Look over all keys, compact the warehouse where it is bloated.",
        )
        def maintain() -> None:
            compact_warehouse()

        return [
            dg.define_asset_job(
                "braket_sync",
                ours,
                partitions_def=CREATION_DAYS,
                tags=routine,
                config={"ops": {"pull": {"config": {"only_due": True}}}},
                description="Pull the days that are due and every open record, compute the models, publish.",
            ),
            dg.define_asset_job(
                "braket_backfill",
                ours,
                partitions_def=CREATION_DAYS,
                description="Search the chosen days again, whatever is known of them.",
            ),
            dg.define_asset_job(
                "braket_observe",
                observed,
                tags=routine,
                config=OBSERVE_CONFIG,
                description="Poll the open records, publish.",
            ),
            maintain,
        ]

    def _schedules(self, runtime: Runtime, *jobs: Any) -> Sequence[dg.ScheduleDefinition]:
        sync, _, observe, maintain = jobs
        status = dg.DefaultScheduleStatus.RUNNING if self.schedules else dg.DefaultScheduleStatus.STOPPED

        def scheduled(job: Any, cron: str) -> dg.ScheduleDefinition:
            def due(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
                nothing = nothing_to_observe(open_records(runtime)) if job is observe else None
                return nothing or unless_running(context, job.name)

            return dg.ScheduleDefinition(
                name=f"{job.name}_when_due",
                cron_schedule=cron,
                job=job,
                execution_fn=due,
                execution_timezone="UTC",
                default_status=status,
                description=job.description,
            )

        return [
            scheduled(sync, "7 * * * *"),
            scheduled(observe, "*/5 * * * *"),
            scheduled(maintain, "37 3 * * *"),
        ]
