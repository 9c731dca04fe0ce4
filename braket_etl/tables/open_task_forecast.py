"""`open_task_forecast`: what each open task has still to wait, computed once a run by `braket_etl.analysis.open_tasks`."""

from __future__ import annotations

import pyarrow as pa

from braket_etl.tables.declaration import Column, Table, instant, integer, text
from braket_etl.tables.queue_wait_quantiles import INTERVALS, seconds

_POSITION = ("task_observations.position",)
_CLOSED = ("device_closures.closed_from", "device_closures.closed_to")
_READS = (*INTERVALS, *_POSITION, *_CLOSED)


def _share(name: str, description: str) -> Column:
    return Column(name, pa.float64(), description, reads=_READS)


OPEN_TASK_FORECAST = Table(
    name="open_task_forecast",
    description=(
        "How long each task that waits has still to wait, by its place in the queue or by how long it has waited, and by "
        "the device's windows. The whole table is replaced each time."
    ),
    key=("quantum_task_arn",),
    columns=(
        text("quantum_task_arn", "The task", required=True, reads=("waits.record_arn",)),
        text("device_arn", "The device", required=True, reads=("waits.device_arn",)),
        seconds("waited_seconds", "It had waited so long by computed_at, or longer", ("waits.created_at",)),
        integer(
            "position", "Its place in the queue as last seen; NULL where Braket showed none", reads=_POSITION
        ),
        seconds(
            "remaining_p50_seconds",
            "Half of such tasks start within so many seconds of computed_at; NULL where that is not known",
            _READS,
        ),
        seconds("remaining_p90_seconds", "Nine in ten do; NULL where that is not known", _READS),
        text(
            "basis",
            "position (its place, and how fast places went), history (what tasks that had waited as long went on to wait), "
            "or not_known (too few tasks)",
            required=True,
            reads=_READS,
        ),
        _share(
            "backtest_below_p50", "Share of held-out tasks that started within their p50: near 0.5 is right"
        ),
        _share("backtest_below_p90", "Share that started within their p90"),
        integer(
            "backtest_n",
            "Held-out tasks; the shares are NULL where they are under 50",
            required=True,
            reads=_READS,
        ),
        instant(
            "computed_at",
            "The instant as of which it was computed: the newest answer",
            required=True,
            reads=("quantum_tasks.fetched_at",),
        ),
    ),
)
