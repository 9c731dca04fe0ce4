"""Where the steps of a run are done: in its process, in a process each, or by Celery workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg
from dagster import ExecutorRequirement, multiple_process_executor_requirements
from dagster._core.definitions.executor_definition import IN_PROC_CONFIG, MULTI_PROC_CONFIG

from braket_etl.settings import load_settings

_SCHEMAS = {"in_process": IN_PROC_CONFIG, "multiprocess": MULTI_PROC_CONFIG, "celery": dg.Field({})}


def _requirements(config: Mapping[str, object]) -> Sequence[ExecutorRequirement]:
    return [] if "in_process" in config else multiple_process_executor_requirements()


@dg.executor(
    name="any_executor",
    config_schema=dg.Field(dg.Selector(_SCHEMAS)),  # type: ignore[no-untyped-call]
    requirements=_requirements,
)
def _any_executor(init_context: dg.InitExecutorContext) -> dg.Executor:
    if "celery" in init_context.executor_config:
        return _by_workers()
    create = dg.multi_or_in_process_executor.executor_creation_fn
    assert create is not None  # noqa: S101 - Dagster's own has one
    return create(init_context)


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
