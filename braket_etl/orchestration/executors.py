"""Where the steps of a run are done: in its process, in a process each, or by Celery workers; and how it is stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster import ExecutorRequirement, multiple_process_executor_requirements
from dagster._core.definitions.executor_definition import IN_PROC_CONFIG, MULTI_PROC_CONFIG

from braket_etl import stopping
from braket_etl.orchestration.instance import report_canceling
from braket_etl.orchestration.outside_dagster import what_came
from braket_etl.runtime import Runtime
from braket_etl.settings import load_settings

_SCHEMAS = {"in_process": IN_PROC_CONFIG, "multiprocess": MULTI_PROC_CONFIG, "celery": dg.Field({})}


def _requirements(config: Mapping[str, object]) -> Sequence[ExecutorRequirement]:
    return [] if "in_process" in config else multiple_process_executor_requirements()


class _Stoppable(dg.Executor):
    """An executor whose run, when it is told to stop, publishes what had come and is Canceled, whoever told it."""

    def __init__(self, inner: dg.Executor) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # Celery's loop asks the run's executor for its broker

    @property
    def retries(self) -> dg.RetryMode:
        return self._inner.retries

    @property
    def step_dependency_config(self) -> Any:
        return self._inner.step_dependency_config

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """The events of the run."""
        try:
            yield from self._inner.execute(plan_context, execution_plan)
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            with stopping.ending():
                report_canceling(plan_context.instance, plan_context.run_id)
                _publish_what_came(plan_context)
            raise


def _publish_what_came(plan_context: Any) -> None:
    """Publish at the end of a run that was told to stop; what prevents that stands in the run's log."""
    instance, run = plan_context.instance, plan_context.dagster_run
    runtime = Runtime()
    told = what_came(runtime.warehouse, run.run_id, group=runtime.settings.group)
    instance.report_engine_event(f"The run was told to stop; {told}.", run)


@dg.executor(
    name="any_executor",
    config_schema=dg.Field(dg.Selector(_SCHEMAS)),  # type: ignore[no-untyped-call]
    requirements=_requirements,
)
def _any_executor(init_context: dg.InitExecutorContext) -> dg.Executor:
    if "celery" in init_context.executor_config:
        return _Stoppable(_by_workers())
    create = dg.multi_or_in_process_executor.executor_creation_fn
    assert create is not None  # noqa: S101 - Dagster's own has one
    return _Stoppable(create(init_context))


def _by_workers() -> dg.Executor:
    try:
        from braket_etl.orchestration.workers import executor_by_workers
    except ImportError:
        raise dg.Failure(
            "BRAKET_ETL_EXECUTOR=celery needs packages that are not installed: pip install 'braket-etl[cluster]'",
            allow_retries=False,
        ) from None
    return executor_by_workers(load_settings())


#: As the run config says (`execution: config: multiprocess:`), else as the settings do when the run begins.
EXECUTOR = _any_executor.configured(
    lambda config: config or {load_settings().executor: {}},
    name="as_the_settings_say",
    config_schema=dg.Field(
        dg.Selector(dict.fromkeys(_SCHEMAS, dict)),  # type: ignore[no-untyped-call]
        is_required=False,
    ),
)
#: For what is one step and needs no other place.
IN_PROCESS = _any_executor.configured({"in_process": {}}, name="in_this_process")
