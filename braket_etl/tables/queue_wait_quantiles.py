"""`queue_wait_quantiles`: quantiles of queue waits, computed once a run by `braket_etl.analysis.wait_quantiles`."""

from __future__ import annotations

import pyarrow as pa

from braket_etl.tables.declaration import Column, Table, day, instant, integer, text

#: What the estimates are made of.
TURNAROUNDS = ("waits.turnaround_seconds", "waits.shots", "waits.wait_seconds_lower")
INTERVALS = ("waits.stat_seconds_lower", "waits.stat_seconds_upper", *TURNAROUNDS)


def seconds(name: str, description: str, reads: tuple[str, ...] = INTERVALS) -> Column:
    """A DOUBLE column in seconds."""
    return Column(name, pa.float64(), description, reads=reads)


QUEUE_WAIT_QUANTILES = Table(
    name="queue_wait_quantiles",
    description=(
        "Quantiles of the time that tasks waited, by device and by device and week, from the non-parametric "
        "maximum-likelihood estimate for intervals (Turnbull); tasks that still wait or were cancelled waiting "
        "count as censored, reservations not at all. One row a quantile; the whole table is replaced each time."
    ),
    key=("scope", "device_arn", "week_start", "quantile"),
    columns=(
        text("scope", "device (all weeks) or device_week", required=True),
        text("device_arn", "The device", required=True, reads=("waits.device_arn",)),
        day(
            "week_start",
            "Monday of the UTC week in which the tasks were created; NULL for scope device",
            reads=("waits.created_at",),
        ),
        Column("quantile", pa.float64(), "0.5, 0.75, 0.9, 0.95 or 0.99", required=True),
        seconds("wait_seconds", "The quantile; NULL unless status is ok"),
        seconds(
            "wait_seconds_left", "Left end of the stretch in which the estimate is free to put the quantile"
        ),
        seconds(
            "ci_lower_seconds",
            "Lower end of its confidence interval as a quantile of the queue; where status is not_informative, made of the "
            "certain bounds of tasks alone; NULL if not enough data",
        ),
        seconds(
            "ci_upper_seconds",
            "Upper end; NULL where the data do not bound it",
            (*INTERVALS, "waits.wait_seconds_at_most"),
        ),
        Column("ci_level", pa.float64(), "Confidence level of the interval", required=True),
        text("ci_method", "How the interval is made; see docs/wait-method.md", required=True),
        seconds(
            "bound_lower_seconds",
            "Certain of the tasks that are counted: their own quantile is at least so much, that of wait_seconds_lower",
            reads=("waits.wait_seconds_lower",),
        ),
        seconds(
            "bound_upper_seconds",
            "Certain likewise: at most so much, that of wait_seconds_upper; NULL is no bound",
            reads=("waits.wait_seconds_at_most",),
        ),
        Column(
            "cancelled_in_queue_share",
            pa.float64(),
            "Share of tasks that were cancelled in the queue by wait_seconds (Aalen-Johansen)",
            reads=(*INTERVALS, "waits.end_kind"),
        ),
        integer("n", "Tasks in the estimate", required=True, reads=INTERVALS),
        integer(
            "n_censored",
            "Those of them whose wait is only known to exceed something",
            required=True,
            reads=("waits.stat_seconds_upper",),
        ),
        integer("n_exact", "Those of them whose wait is known to the second", required=True, reads=INTERVALS),
        Column(
            "n_effective",
            pa.float64(),
            "As many independent tasks would tell as much: tasks of one job, or sent within 30 seconds of one another, wait "
            "alike; NULL if not enough data",
            reads=(*INTERVALS, "waits.job_arn", "waits.created_at"),
        ),
        Column(
            "share_event",
            pa.float64(),
            "Share of n whose start an event told, or a simulator's duration",
            reads=("waits.basis",),
        ),
        Column("share_polls", pa.float64(), "Share of n that polls enclose", reads=("waits.basis",)),
        Column(
            "share_turnaround",
            pa.float64(),
            "Share of n that rest on turnaround and run time; see docs/wait-method.md",
            reads=TURNAROUNDS,
        ),
        integer(
            "n_bounds_only",
            "Further tasks of which nothing bounds the wait by less than a day; only in the certain bounds",
            required=True,
            reads=("waits.is_estimated_from",),
        ),
        seconds(
            "run_seconds_base",
            "Usual run of a task on the device, with what the service does around it: so many seconds, and as many a "
            "shot as run_seconds_per_shot says. Estimated; NULL for simulators and where nothing is known",
            TURNAROUNDS,
        ),
        Column("run_seconds_per_shot", pa.float64(), "See run_seconds_base", reads=TURNAROUNDS),
        text(
            "status",
            "ok; not_enough_data (under 20 tasks, under 10 independent ones, or too few of them above the quantile: "
            "3, or 5 batches of them); beyond_observed: too many were censored before the quantile; "
            "not_informative: the data leave it open by more than a quarter, or run times do by more than 35 %, or what "
            "is left of turnarounds depends on them, so that only the certain bounds are known",
            required=True,
            reads=INTERVALS,
        ),
        instant(
            "computed_at",
            "The instant as of which it was computed: the newest answer",
            required=True,
            reads=("quantum_tasks.fetched_at",),
        ),
    ),
)
