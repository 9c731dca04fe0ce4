"""`wait_forecast`: what the next task will wait, computed once a run by `braket_etl.analysis.forecast`."""

from __future__ import annotations

import pyarrow as pa

from braket_etl.tables.declaration import Column, Table, instant, integer, text
from braket_etl.tables.queue_wait_quantiles import INTERVALS, seconds

_DEPTH = (
    "device_observations.normal_tasks_queue_size",
    "device_observations.priority_tasks_queue_size",
)
_CLOSED = ("device_closures.closed_from", "device_closures.closed_to")
_POSITION = ("task_observations.position",)


def _wait(name: str, description: str) -> Column:
    return seconds(name, description, (*INTERVALS, *_POSITION, *_DEPTH, *_CLOSED))


def _share(name: str, description: str) -> Column:
    return Column(name, pa.float64(), description, reads=(*INTERVALS, *_POSITION))


def _loss(name: str, description: str) -> Column:
    return seconds(name, description, (*INTERVALS, *_POSITION, *_CLOSED))


WAIT_FORECAST = Table(
    name="wait_forecast",
    description=(
        "What the next task will wait: by device and hour of submission from the last weeks (method hour), and by "
        "device from the present queue depth (method depth). Each row carries its method's backtest on weeks that "
        "the forecast had not seen. The whole table is replaced each time."
    ),
    key=("device_arn", "method", "hour_utc"),
    columns=(
        text("device_arn", "The device", required=True, reads=("waits.device_arn",)),
        text(
            "method",
            "hour: tasks sent at that hour in the last weeks; depth: the queue as it is",
            required=True,
        ),
        integer(
            "hour_utc",
            "Hour of submission, UTC; -1 for method depth, which holds for the present",
            required=True,
        ),
        text(
            "status",
            "ok, not_enough_data, no_depth (none known, or a lower bound only), not_informative (run times hide the waits)",
            required=True,
            reads=(*INTERVALS, *_DEPTH),
        ),
        _wait("wait_p05_seconds", "Lower end of the 90 % interval"),
        _wait("wait_p25_seconds", "Lower end of the 50 % interval"),
        _wait("wait_p50_seconds", "Median"),
        _wait("wait_p75_seconds", "Upper end of the 50 % interval; NULL where the data do not bound it"),
        _wait("wait_p90_seconds", "Nine in ten wait no longer"),
        _wait("wait_p95_seconds", "Upper end of the 90 % interval; NULL where the data do not bound it"),
        integer("n", "Tasks that the forecast rests on", required=True, reads=INTERVALS),
        integer(
            "hours_pooled", "Hours of the day that it rests on: fewer tasks, more hours", reads=INTERVALS
        ),
        integer("depth", "Tasks ahead on the device, for method depth", reads=_DEPTH),
        instant("depth_at", "When the depth was seen", reads=("device_observations.last_observed_at",)),
        instant(
            "expected_back_at",
            "When Braket expects the device to take tasks again, for method depth, which forecasts no start before; NULL "
            "where it is ONLINE or Braket does not say",
            reads=("device_now.expected_back_at",),
        ),
        _share(
            "drain_rate_per_hour",
            "Tasks by which the queue ahead of an own task shrinks in an hour (median)",
        ),
        _share(
            "backtest_coverage_50", "Share of later waits inside their 50 % interval, in the held-out weeks"
        ),
        _share("backtest_coverage_90", "Share of later waits inside their 90 % interval"),
        integer(
            "backtest_n",
            "Held-out tasks; coverages are NULL where they are too few",
            required=True,
            reads=(*INTERVALS, *_POSITION),
        ),
        integer("backtest_weeks", "Held-out weeks", required=True, reads=("waits.created_at",)),
        _loss("loss_p50_seconds", "Mean pinball loss of p50 in the held-out weeks: half of the mean error"),
        _loss("loss_p90_seconds", "The same of p90: what is above it weighs nine times what is below"),
        _loss(
            "rival_loss_p50_seconds",
            "Loss on the same tasks of the week before's p50, by the clock on the wall",
        ),
        _loss("rival_loss_p90_seconds", "The same of its p90"),
        instant(
            "computed_at",
            "The instant as of which it was computed: the newest answer",
            required=True,
            reads=("quantum_tasks.fetched_at",),
        ),
    ),
)
