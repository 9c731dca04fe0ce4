"""Steps on Celery workers, with Redis between: how they are handed out, and how a worker that died is noticed.

Needs the extra `cluster`; imported only where the settings choose Celery.

Celery's own way to repeat what a dead worker had (late acknowledgement) repeats with Redis after a fixed time, also
what is still at work. So a step is acknowledged when it begins, and the run asks the worker that has it whether it is
there. A step whose worker stays silent is handed out again; so is one whose process was killed. Should a worker that
was given up still be at work, both do the same to the warehouse, where merges take turns and repeat nothing.
"""

# mypy: disable-error-code="no-untyped-call,import-untyped"

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg
from celery import Celery
from celery.exceptions import DuplicateTaskNameWarning, WorkerLostError
from celery.result import AsyncResult
from dagster._core.execution.retries import RetryMode
from dagster_celery.core_execution_loop import core_celery_execution_loop
from dagster_celery.executor import CeleryExecutor, _submit_task
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_task

from braket_etl.orchestration.instance import process_tags
from braket_etl.settings import Settings, SettingsError

#: How often a run asks for the worker of a step, and how often that may be silent in a row (a machine is busy).
_LOOK_SECONDS = 10.0
_ANSWER_SECONDS = 5.0
_SILENT_LOOKS = 3
#: With so many workers lost the step itself may be what kills them: the run fails, as `run_retries` says for good or not.
_MOST_WORKERS = 3
#: A step that a worker took and died with before it began is handed out again after so long.
_HANDED_OUT_AGAIN_SECONDS = 60


def celery_options(settings: Settings) -> dict[str, Any]:
    """Broker, backend and configuration of Celery, the same for runs and workers. Raises SettingsError."""
    if settings.redis is None:
        raise SettingsError("steps are handed out to workers through Redis: set BRAKET_ETL_REDIS")
    address = settings.redis.get_secret_value()
    return {
        "broker": address,
        "backend": address,
        "config_source": {
            "task_default_queue": "dagster",
            "task_track_started": True,  # says which worker has a step
            "worker_prefetch_multiplier": 1,
            "worker_disable_prefetch": True,  # a step waits in the queue, not with a worker that is busy
            "worker_max_tasks_per_child": 1,  # as with multiprocess: a process a step, its memory given back
            "broker_connection_retry_on_startup": True,
            "broker_transport_options": {"visibility_timeout": _HANDED_OUT_AGAIN_SECONDS},
        },
    }


def worker_app(settings: Settings) -> Celery:
    """What `celery worker` runs: it does steps and nothing else. Raises SettingsError."""
    app: Celery = make_app(celery_options(settings))
    create_task(app)
    return app


def executor_by_workers(settings: Settings) -> dg.Executor:
    """The executor of a run whose steps workers do. Raises SettingsError."""
    return _ByWorkers(retries=RetryMode.DISABLED, **celery_options(settings))


class WorkerLost(Exception):  # noqa: N818 - named for what happened
    """The workers that had a step died, one after another."""


class _ByWorkers(CeleryExecutor):
    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        run = plan_context.dagster_run
        plan_context.instance.add_run_tags(run.run_id, process_tags(run.run_id))
        yield from core_celery_execution_loop(plan_context, execution_plan, step_execution_fn=_Watched)


class _Watched:
    """A step on a worker, as Dagster's loop asks for its result."""

    def __init__(self, app: Celery, plan_context: Any, step: Any, *how: Any) -> None:
        self._app = app
        self._plan_context = plan_context
        self._step = step
        self._how = how
        self._lost = 0
        self._hand_out()

    def ready(self) -> bool:
        """Whether there is an answer, or none to come. A step whose worker is gone is handed out again."""
        if not self._is_lost():
            return bool(self._result.ready())
        self._lost += 1
        if self._lost < _MOST_WORKERS:
            self._plan_context.instance.report_engine_event(
                f"{self._why}; the step is handed out again",
                self._plan_context.dagster_run,
                step_key=self._step.key,
            )
            self._hand_out()
        return self._lost >= _MOST_WORKERS

    def get(self) -> Any:
        """The events of the step. Raises WorkerLost, and what the step raised."""
        if self._lost >= _MOST_WORKERS:
            raise WorkerLost(f"{self._why}; {self._lost} workers were lost with the step {self._step.key}")
        return self._result.get()

    def revoke(self) -> None:
        """End the step, or take it from the queue; should its worker be lost now, it is not handed out again."""
        self._lost = _MOST_WORKERS - 1
        self._result.revoke(terminate=True, signal="SIGTERM")

    def _hand_out(self) -> None:
        with warnings.catch_warnings():  # it names Celery's task anew for each step
            warnings.simplefilter("ignore", DuplicateTaskNameWarning)
            self._result: AsyncResult = _submit_task(self._app, self._plan_context, self._step, *self._how)
        self._looked_at, self._silent, self._why = time.monotonic(), 0, ""

    def _is_lost(self) -> bool:
        """Whether the step's process was killed, or its worker does not answer any more."""
        now = self._result.backend.get_task_meta(self._result.id)  # both at once: it may end meanwhile
        state, told = now["status"], now["result"]
        if state == "FAILURE" and isinstance(told, WorkerLostError):
            self._why = "the process of the step was killed"
            return True
        if state != "STARTED" or time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return False
        worker = told["hostname"]
        answers = self._app.control.ping([worker], timeout=_ANSWER_SECONDS)
        self._silent = 0 if answers else self._silent + 1
        self._looked_at = time.monotonic()
        self._why = f"the worker {worker} does not answer any more"
        return self._silent >= _SILENT_LOOKS
