"""The launcher of runs: Dagster's own, which can also stop the runs that a command does in its own process."""

from __future__ import annotations

from dagster import DefaultRunLauncher
from dagster._core.storage.tags import GRPC_INFO_TAG


class Launcher(DefaultRunLauncher):
    """Named in dagster.yaml. What it needs of ours is loaded when a run is stopped: the webserver loads this first."""

    def terminate(self, run_id: str) -> bool:
        """Ask a run to stop; whether it was asked. A command looks every few seconds whether its run shall stop."""
        from braket_etl.orchestration.instance import (
            close_dead_runs,
            report_canceling,
            runs_in_its_own_process,
        )

        run = self._instance.get_run_by_id(run_id) if self.has_instance else None
        if run is None or GRPC_INFO_TAG in run.tags or not runs_in_its_own_process(run):
            asked: bool = super().terminate(run_id)  # type: ignore[no-untyped-call]
            return asked
        if run.is_finished:
            return False
        report_canceling(self._instance, run_id)
        close_dead_runs(self._instance)  # what was killed looks at nothing
        return True
