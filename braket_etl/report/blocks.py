"""What the report asks: each block is its title, what it tells, its SQL and how it is shown.

In the SQL `{filter}` stands for what the report is limited to, applied to the columns of the block's scope; `{first}`
and `{last}` for the days of the period, `{step}` for day, week or month, whichever suits its length. A column's name
says how its values are shown (`values.cell`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from braket_etl.report import charts
from braket_etl.report.filters import Filters, Scope
from braket_etl.warehouse.connection import Connection


@dataclass(frozen=True)
class Answer:
    """The rows of a query, under the names of its columns."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def records(self) -> list[dict[str, Any]]:
        """The rows as dictionaries."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


Draw = Callable[[list[dict[str, Any]]], str | None]


@dataclass(frozen=True)
class Block:
    """One question of the report and its answer's form: figures (of one row), a table, or a chart with its table."""

    key: str
    title: str
    tells: str
    sql: str
    scope: Scope
    chart: Draw | None = None
    as_figures: bool = False
    is_wide: bool = False
    empty: str = "Nothing to show."

    def query(self, filters: Filters) -> str:
        """The SQL with everything filled in: copied into `braket-etl sql`, it gives the same numbers."""
        return (
            self.sql.strip()
            .replace("{step}", step(filters))
            .replace("{first}", str(filters.first))
            .replace("{last}", str(filters.last))
            .replace("{filter}", self.scope.condition(filters))
        )


@dataclass(frozen=True)
class Section:
    """Blocks under a heading."""

    key: str
    title: str
    blocks: tuple[Block, ...]


def answer(connection: Connection, block: Block, filters: Filters) -> Answer:
    """The rows of one block."""
    cursor = connection.execute(block.query(filters))
    return Answer([column[0] for column in cursor.description or ()], cursor.fetchall())


def step(filters: Filters) -> str:
    """The stretch that one bar of a chart over time covers, so that there are at most some dozens."""
    length = filters.last - filters.first
    return "day" if length <= timedelta(days=45) else "week" if length <= timedelta(days=400) else "month"


#: What has not ended, said of a bare column: by `cost_status = 'pending'` alone, what has ended would be priced first.
NOT_ENDED = "coalesce(status, '') NOT IN ('COMPLETED', 'FAILED', 'CANCELLED')"

_CHARGES = Scope(day="charge_date", account="account_id", tags="tags")
_OPEN_CHARGES = Scope(account="account_id", tags="tags", always=NOT_ENDED)
_TASKS = Scope(day="t.created_date", account="t.account_id", tags="t.tags")
_WAITS = Scope(instant="w.created_at", account="w.account_id", tags="w.tags")
_OPEN_WAITS = Scope(account="w.account_id", tags="w.tags")
_JOBS = Scope(day="j.created_date", account="j.account_id", tags="j.tags")
_JOB_WAITS = Scope(instant="l.created_at", account="j.account_id", tags="j.tags")

AT_A_GLANCE = Section(
    "glance",
    "At a glance",
    (
        Block(
            "spent",
            "Spent in the period",
            "Estimates at list price, on the UTC day a task ended or a job ran; credits, taxes, free tier are not known.",
            """
SELECT
    coalesce(sum(cost_usd), 0) AS cost_usd,
    coalesce(sum(net_usd), 0) AS after_discounts_usd,
    count(*) FILTER (is_record AND record_kind = 'task' AND cost_status <> 'pending') AS n_tasks_ended,
    count(*) FILTER (is_record AND record_kind = 'job' AND cost_status <> 'pending') AS n_jobs_ended,
    count(DISTINCT record_arn) FILTER (cost_status IN ('no_price', 'no_duration')) AS n_without_a_known_cost
FROM charges
WHERE {filter}
""",
            _CHARGES,
            as_figures=True,
        ),
        Block(
            "open",
            "Open now",
            "What has not ended when the newest answer came, and what it will cost if all its shots succeed.",
            """
SELECT
    coalesce(sum(committed_usd), 0) AS committed_usd,
    count(*) FILTER (is_record AND record_kind = 'task') AS n_open_tasks,
    count(*) FILTER (is_record AND record_kind = 'job') AS n_open_jobs
FROM charges
WHERE cost_status = 'pending' AND {filter}
""",
            _OPEN_CHARGES,
            as_figures=True,
        ),
        Block(
            "outcomes",
            "Tasks created in the period",
            "How they ended; a failed or cancelled task is not billed.",
            """
SELECT
    count(*) AS n_created,
    count(*) FILTER (status = 'COMPLETED') AS n_completed,
    count(*) FILTER (status = 'FAILED') AS n_failed,
    count(*) FILTER (status = 'CANCELLED') AS n_cancelled,
    count(*) FILTER (status = 'FAILED') / nullif(count(*) FILTER (is_terminal), 0) AS failed_of_ended_share
FROM quantum_tasks AS t
WHERE {filter}
""",
            _TASKS,
            as_figures=True,
        ),
    ),
)

SPENDING = Section(
    "spending",
    "Spending",
    (
        Block(
            "cost_over_time",
            "Spending over time, by device",
            "Dollars at list price by UTC {step}; the seven devices that cost most, and all others together.",
            """
WITH by_device AS (
    SELECT date_trunc('{step}', charge_date)::DATE AS since, coalesce(device_name, '(no device)') AS device,
        sum(cost_usd) AS cost_usd
    FROM charges
    WHERE cost_usd > 0 AND {filter}
    GROUP BY ALL
),
ranked AS (
    SELECT device, row_number() OVER (ORDER BY sum(cost_usd) DESC, device) AS place FROM by_device GROUP BY device
)
SELECT
    since,
    CASE WHEN place <= 7 THEN device ELSE 'all others' END AS device,
    sum(cost_usd) AS cost_usd
FROM by_device JOIN ranked USING (device)
GROUP BY 1, 2
ORDER BY since, min(place)
""",
            _CHARGES,
            chart=charts.cost_over_time,
            empty="Nothing was spent in the period, as far as costs are known.",
        ),
        Block(
            "cost_by_device",
            "Spending by device",
            "What is paid for on each device. Jobs on an embedded simulator stand under its name.",
            """
SELECT
    coalesce(device_name, '(no device)') AS device,
    coalesce(sum(cost_usd), 0) AS cost_usd,
    coalesce(sum(cost_usd) FILTER (meter IN ('task', 'shot')), 0) AS tasks_and_shots_usd,
    coalesce(sum(cost_usd) FILTER (meter = 'run_time'), 0) AS run_time_usd,
    coalesce(sum(cost_usd) FILTER (meter IN ('instance', 'volume')), 0) AS job_instances_usd,
    coalesce(sum(cost_usd) FILTER (meter = 'reservation'), 0) AS reservations_usd,
    count(*) FILTER (is_record AND record_kind = 'task') AS n_tasks,
    count(*) FILTER (is_record AND record_kind = 'job') AS n_jobs,
    count(DISTINCT record_arn) FILTER (cost_status IN ('no_price', 'no_duration')) AS n_unknown
FROM charges
WHERE {filter}
GROUP BY device
ORDER BY cost_usd DESC, device
""",
            _CHARGES,
            chart=charts.cost_by_device,
            empty="No task, job or reservation was charged in the period.",
        ),
        Block(
            "cost_by_tag",
            "Spending by tag",
            "The six tag keys that cover most money, up to eight values each. Every key adds up to the same total: "
            "(untagged) does not bear it. The chart shows the first key.",
            """
WITH by_tags AS (
    SELECT tags, sum(cost_usd) AS cost_usd, count(*) FILTER (is_record AND record_kind = 'task') AS n_tasks,
        count(*) FILTER (is_record AND record_kind = 'job') AS n_jobs
    FROM charges
    WHERE {filter}
    GROUP BY tags
),
tagged AS (
    SELECT tag.key AS tag_key, tag.value AS tag_value, sum(cost_usd) AS cost_usd, sum(n_tasks) AS n_tasks,
        sum(n_jobs) AS n_jobs
    FROM (SELECT unnest(map_entries(tags)) AS tag, * EXCLUDE (tags) FROM by_tags)
    GROUP BY ALL
),
keys AS (
    SELECT tag_key, sum(cost_usd) AS cost_usd, sum(n_tasks) AS n_tasks, sum(n_jobs) AS n_jobs,
        row_number() OVER (ORDER BY sum(cost_usd) DESC NULLS LAST, tag_key) AS key_place
    FROM tagged
    GROUP BY tag_key
    QUALIFY key_place <= 6
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY tag_key ORDER BY cost_usd DESC NULLS LAST, tag_value) AS place
    FROM tagged
),
rows AS (
    SELECT key_place, least(place, 9) AS place, tag_key,
        CASE WHEN place <= 8 THEN tag_value ELSE '(all other values)' END AS tag_value,
        sum(r.cost_usd) AS cost_usd, sum(r.n_tasks) AS n_tasks, sum(r.n_jobs) AS n_jobs
    FROM ranked AS r JOIN keys USING (tag_key)
    GROUP BY ALL
    UNION ALL
    SELECT key_place, 10, tag_key, '(untagged)', coalesce(t.cost_usd, 0) - coalesce(k.cost_usd, 0),
        t.n_tasks - k.n_tasks, t.n_jobs - k.n_jobs
    FROM keys AS k
    CROSS JOIN (SELECT sum(cost_usd) AS cost_usd, sum(n_tasks) AS n_tasks, sum(n_jobs) AS n_jobs FROM by_tags) AS t
)
SELECT tag_key, tag_value, cost_usd::DECIMAL(38, 12) AS cost_usd, n_tasks::BIGINT AS n_tasks, n_jobs::BIGINT AS n_jobs
FROM rows
ORDER BY key_place, place
""",
            _CHARGES,
            chart=charts.cost_by_tag,
            empty="No task or job bears a tag.",
        ),
        Block(
            "cost_by_meter",
            "What is paid for",
            "The parts of the bill: fees of tasks, shots, simulators by run time, instances and volumes of jobs.",
            """
SELECT meter, unit, sum(cost_usd) AS cost_usd, sum(quantity) AS quantity,
    -- of a meter a task has one row, others one a day
    count(*) FILTER (record_kind = 'task') + count(DISTINCT record_arn) FILTER (record_kind <> 'task') AS n_records
FROM charges
WHERE cost_usd > 0 AND {filter}
GROUP BY meter, unit
ORDER BY cost_usd DESC, meter
""",
            _CHARGES,
            chart=charts.cost_by_meter,
            empty="Nothing was spent in the period, as far as costs are known.",
        ),
        Block(
            "top_tasks",
            "Tasks that cost most",
            "The fifteen most expensive tasks that ended in the period.",
            """
SELECT c.record_arn AS task_arn, sum(c.cost_usd) AS cost_usd, any_value(c.device_name) AS device,
    any_value(c.began_at) AS created_at, any_value(c.status) AS status, max(c.shots) AS n_shots,
    coalesce(any_value(c.tags)::VARCHAR, '') AS tags
FROM charges AS c
WHERE record_kind = 'task' AND {filter}
GROUP BY c.record_arn
HAVING sum(c.cost_usd) > 0
ORDER BY cost_usd DESC, task_arn
LIMIT 15
""",
            _CHARGES,
            is_wide=True,
            empty="No task of a known cost ended in the period.",
        ),
        Block(
            "top_jobs",
            "Jobs that cost most",
            "The fifteen most expensive hybrid jobs created in the period, with the tasks that they created. "
            "A job's cost is not known (—) unless every part of it is.",
            """
SELECT j.job_name AS name, c.cost_usd, j.device_name AS device, j.status, j.instance_config_instance_type AS instance,
    c.billed_seconds, c.instance_cost_usd + c.volume_cost_usd AS instances_usd, c.task_cost_usd AS tasks_usd,
    c.n_tasks, c.job_arn
FROM job_costs AS c JOIN jobs AS j ON j.job_arn = c.job_arn
WHERE {filter}
ORDER BY coalesce(c.cost_usd, c.task_cost_usd) DESC, c.job_arn
LIMIT 15
""",
            _JOBS,
            is_wide=True,
            empty="No job was created in the period.",
        ),
    ),
)

COMMITMENTS = Section(
    "commitments",
    "Commitments and limits",
    (
        Block(
            "pending",
            "Pending commitments",
            "Open tasks, open jobs and reservations to come. An open job or simulator task has no price before it ends (—).",
            """
SELECT coalesce(device_name, '(no device)') AS device, record_kind AS kind, count(DISTINCT record_arn) AS n_open,
    sum(committed_usd) AS committed_usd, sum(shots) AS n_shots, min(began_at) AS oldest_at
FROM charges
WHERE cost_status = 'pending' AND {filter}
GROUP BY kind, device
ORDER BY committed_usd DESC NULLS LAST, kind, device
""",
            _OPEN_CHARGES,
            empty="Nothing is open.",
        ),
        Block(
            "limits",
            "Spending against limits",
            "What AWS has counted against each spending limit and what it expects of queued tasks; ours is our own "
            "count of the same.",
            """
SELECT device_name AS device, period_end AS ends_at, spending_limit_usd AS limit_usd, aws_total_usd AS spent_usd,
    aws_queued_usd AS queued_usd, used_share, our_total_usd + our_committed_usd AS ours_usd, is_active
FROM spend_against_limits
WHERE {filter}
ORDER BY used_share DESC NULLS LAST, spending_limit_arn
LIMIT 20
""",
            Scope(account="account_id"),
            chart=charts.limits,
            empty="No spending limit is set.",
        ),
    ),
)

WAITS = Section(
    "waits",
    "Waits",
    (
        Block(
            "waits_by_device",
            "How long tasks waited, for certain",
            "Half of a device's tasks waited within the upper bar, nine tenths within the lower one. Braket tells "
            "no start time: the bars span what is possible. A task seen only after its end waited between 0 and its "
            "whole turnaround.",
            """
SELECT
    w.device_name AS device,
    count(*) AS n_tasks,
    count(*) FILTER (w.certainty = 'censored') AS n_still_waiting_or_cancelled,
    quantile_disc(w.wait_seconds_lower, 0.5) AS median_at_least_seconds,
    nullif(quantile_disc(w.wait_seconds_at_most, 0.5), 'infinity'::DOUBLE) AS median_at_most_seconds,
    quantile_disc(w.wait_seconds_lower, 0.9) AS p90_at_least_seconds,
    nullif(quantile_disc(w.wait_seconds_at_most, 0.9), 'infinity'::DOUBLE) AS p90_at_most_seconds
FROM waits AS w
WHERE w.record_kind = 'task' AND w.is_counted AND {filter}
GROUP BY w.device_name
ORDER BY median_at_most_seconds DESC NULLS FIRST, device
""",
            _WAITS,
            chart=charts.wait_bounds,
            empty="No task of the period says anything about its wait.",
        ),
        Block(
            "wait_heatmap",
            "When to submit",
            "Median wait at most, by weekday and hour (UTC) of submission, on the four QPUs with most tasks. A dot: "
            "tasks, but fewer than five. Grey: the device is closed. Hours without tasks on an open device are not "
            "in the table.",
            """
WITH counted AS (
    SELECT w.device_arn, isodow(w.created_at AT TIME ZONE 'UTC') AS weekday,
        hour(w.created_at AT TIME ZONE 'UTC') AS hour_utc,
        count(*) AS n,
        quantile_disc(w.wait_seconds_at_most, 0.5) AS at_most
    FROM waits AS w
    WHERE w.record_kind = 'task' AND w.is_counted AND w.device_type = 'QPU' AND {filter}
    GROUP BY ALL
),
busiest AS (
    SELECT device_arn, row_number() OVER (ORDER BY sum(n) DESC, device_arn) AS place
    FROM counted
    GROUP BY device_arn
    QUALIFY place <= 4
)
SELECT regexp_extract(device_arn, '[^/]*$') AS device, weekday, hour_utc, coalesce(c.n, 0) AS n_tasks,
    CASE WHEN c.n >= 5 THEN c.at_most < 'infinity'::DOUBLE END AS has_bound,
    CASE WHEN c.n >= 5 AND c.at_most < 'infinity'::DOUBLE THEN c.at_most END AS median_at_most_seconds,
    o.open_share
FROM counted AS c
FULL JOIN device_open_week AS o USING (device_arn, weekday, hour_utc)
JOIN busiest AS b USING (device_arn)
WHERE c.n > 0 OR o.open_share < 1
ORDER BY b.place, weekday, hour_utc
""",
            _WAITS,
            chart=charts.wait_heatmap,
            empty="No task was sent to a QPU in the period.",
        ),
        Block(
            "wait_estimates",
            "How long tasks wait, estimated",
            "Median and 90th percentile with their 90 % confidence intervals, tasks still waiting counted right; none "
            "is given for fewer than 20 tasks that were watched while they waited.",
            """
SELECT regexp_extract(device_arn, '[^/]*$') AS device, quantile, wait_seconds, ci_lower_seconds AS from_seconds,
    ci_upper_seconds AS to_seconds, n AS n_tasks, n_censored, status
FROM queue_wait_quantiles
WHERE scope = 'device' AND quantile IN (0.5, 0.9) AND {filter}
ORDER BY max(wait_seconds) OVER (PARTITION BY device_arn) DESC NULLS LAST, device_arn, quantile
""",
            Scope(),
            chart=charts.wait_estimates,
            empty="No estimate was computed yet.",
        ),
        Block(
            "closed_devices",
            "Devices that are closed",
            "As polls last saw them. When they are expected back is Braket's own estimate; empty where it gives none.",
            """
SELECT device_name AS device, device_status AS status, status_reason AS reason, closed_since,
    expected_back_at, seen_at
FROM device_now
WHERE device_status NOT IN ('ONLINE', 'RETIRED') AND {filter}
ORDER BY expected_back_at NULLS LAST, device
""",
            Scope(),
            empty="None was closed when it was last looked at.",
        ),
        Block(
            "waiting_now",
            "Waiting now",
            "The ten open tasks that have waited longest, up to the last time they were seen.",
            """
SELECT w.record_arn AS task_arn, w.wait_seconds_lower AS waited_at_least_seconds,
    CASE WHEN d.is_capped THEN 'more than ' ELSE '' END || d.ahead AS ahead, w.device_name AS device, c.committed_usd,
    w.created_at
FROM waits AS w
LEFT JOIN charges AS c ON c.record_arn = w.record_arn AND c.meter <> 'task'
    AND c.status NOT IN ('COMPLETED', 'FAILED', 'CANCELLED')
LEFT JOIN (
    SELECT * FROM queue_depth
    WHERE record_arn IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY record_arn ORDER BY observed_at DESC) = 1
) AS d ON d.record_arn = w.record_arn
WHERE w.record_kind = 'task' AND w.is_waiting AND {filter}
ORDER BY waited_at_least_seconds DESC, task_arn
LIMIT 10
""",
            _OPEN_WAITS,
            empty="No task waits.",
        ),
    ),
)

JOBS = Section(
    "jobs",
    "Hybrid jobs",
    (
        Block(
            "job_stages",
            "Where jobs spend their time",
            "Exact times from the jobs' events: waiting for the device, starting up, running, "
            "running without priority, uploading.",
            """
SELECT coalesce(device_name, '(no device)') AS device, s.phase, count(DISTINCT job_arn) AS n_jobs,
    round(sum(s.seconds), 3) AS total_seconds,
    round(sum(s.seconds) / nullif(sum(sum(s.seconds)) OVER (PARTITION BY device_name), 0), 6) AS time_share
FROM (
    SELECT l.job_arn, j.device_name, unnest(l.stages) AS s
    FROM job_timelines AS l JOIN jobs AS j ON j.job_arn = l.job_arn
    WHERE {filter}
)
WHERE s.seconds > 0
GROUP BY device_name, s.phase
ORDER BY round(sum(sum(s.seconds)) OVER (PARTITION BY device_name), 3) DESC, device, s.phase
LIMIT 100
""",
            _JOB_WAITS,
            chart=charts.job_stages,
            empty="No job was created in the period.",
        ),
        Block(
            "job_waits",
            "How long jobs took",
            "Medians over the jobs created in the period, exact: in the queue and starting up, of those that "
            "started; running; in all. Jobs in a reservation are not counted.",
            """
SELECT coalesce(w.device_name, '(no device)') AS device, count(*) AS n_jobs,
    quantile_disc(w.queue_seconds, 0.5) FILTER (w.certainty <> 'censored') AS queue_seconds,
    quantile_disc(w.startup_seconds, 0.5) FILTER (w.certainty <> 'censored') AS startup_seconds,
    quantile_disc(w.run_seconds_upper, 0.5) AS run_seconds, quantile_disc(w.turnaround_seconds, 0.5) AS in_all_seconds
FROM waits AS w
WHERE w.record_kind = 'job' AND w.is_counted AND {filter}
GROUP BY device
ORDER BY n_jobs DESC, device
LIMIT 20
""",
            _WAITS,
            empty="No job was created in the period.",
        ),
    ),
)

FAILURES = Section(
    "failures",
    "Failures",
    (
        Block(
            "failures_by_device",
            "Failed and cancelled tasks, by device",
            "Tasks created in the period, by how they ended; shares are of those that have ended.",
            """
SELECT
    coalesce(t.device_name, '(no device)') AS device,
    count(*) AS n_tasks,
    count(*) FILTER (t.is_terminal) AS n_ended,
    count(*) FILTER (t.status = 'FAILED') AS n_failed,
    count(*) FILTER (t.status = 'CANCELLED') AS n_cancelled,
    count(*) FILTER (t.status = 'FAILED') / nullif(count(*) FILTER (t.is_terminal), 0) AS failed_share,
    count(*) FILTER (t.status = 'CANCELLED') / nullif(count(*) FILTER (t.is_terminal), 0) AS cancelled_share
FROM quantum_tasks AS t
WHERE {filter}
GROUP BY device
ORDER BY failed_share + cancelled_share DESC NULLS LAST, device
""",
            _TASKS,
            chart=charts.failures,
            empty="No task was created in the period.",
        ),
        Block(
            "failure_reasons",
            "Why tasks and jobs failed",
            "The ten reasons that came most often, as Braket gives them.",
            """
SELECT kind, reason, count(*) AS n_failed, string_agg(DISTINCT device, ', ' ORDER BY device) AS devices,
    max(failed_at) AS last_at
FROM (
    SELECT 'task' AS kind, device_name AS device, failure_reason AS reason, ended_at AS failed_at, status,
        created_date, account_id, tags
    FROM quantum_tasks
    UNION ALL
    SELECT 'job', device_name, failure_reason, ended_at, status, created_date, account_id, tags
    FROM jobs
)
WHERE status = 'FAILED' AND {filter}
GROUP BY kind, reason
ORDER BY n_failed DESC, kind, reason
LIMIT 10
""",
            Scope(day="created_date", account="account_id", tags="tags"),
            empty="Nothing failed in the period.",
        ),
    ),
)

QUALITY = Section(
    "quality",
    "What these numbers leave out",
    (
        Block(
            "unpriced",
            "Without a known cost",
            "no_price: no price list covers it; no_duration: the run time is not known. Their cost is in no total.",
            """
SELECT cost_status AS why, record_kind AS kind, coalesce(device_name, '(no device)') AS device,
    count(DISTINCT record_arn) AS n_records, min(charge_date) AS first_day, max(charge_date) AS last_day
FROM charges
WHERE cost_status IN ('no_price', 'no_duration') AND {filter}
GROUP BY ALL
ORDER BY n_records DESC, why, kind, device
LIMIT 15
""",
            _CHARGES,
            empty="Every ended task, job and reservation of the period has a cost.",
        ),
        Block(
            "price_sources",
            "Where the prices come from",
            "A seed is the price list that came with this version; it may be out of date.",
            """
SELECT price_source, sum(cost_usd) AS cost_usd,
    count(*) FILTER (is_record AND record_kind = 'task')
        + count(DISTINCT record_arn) FILTER (record_kind <> 'task') AS n_records
FROM charges
WHERE cost_usd > 0 AND {filter}
GROUP BY price_source
ORDER BY cost_usd DESC, price_source
LIMIT 15
""",
            _CHARGES,
            empty="Nothing was priced.",
        ),
        Block(
            "rejected",
            "Rejected answers",
            "Responses that could not become a row; braket-etl rejects shows them and asks again.",
            """
SELECT operation, region, left(error, 200) AS error, count(*) AS n_records, max(last_seen_at) AS last_seen_at
FROM etl.rejected_records
WHERE {filter}
GROUP BY ALL
ORDER BY n_records DESC, operation, region, error
LIMIT 15
""",
            Scope(account="account_id"),
            empty="None.",
        ),
        Block(
            "drift",
            "What Braket said that is new or not believed",
            "Members and values that this version does not know, stored all the same; dates that no clock bears out; "
            "times of creation that moved.",
            """
SELECT table_name AS kind, kind AS what, path, value, first_seen_at
FROM etl.schema_drift
WHERE {filter}
ORDER BY first_seen_at DESC, kind, path, value
LIMIT 15
""",
            Scope(),
            empty="None.",
        ),
        Block(
            "coverage",
            "Days that were searched",
            "A day is whole when it was searched at least an hour after its end and all that was listed is "
            "stored or rejected. So far: not over for an hour yet. A lost day is one that Braket forgot before it "
            "was whole.",
            """
SELECT
    account, region, table_name AS kind,
    count(*) FILTER (state = 'whole') AS n_whole_days,
    count(*) FILTER (state IN ('not_searched', 'not_whole')) AS n_not_whole,
    count(*) FILTER (state = 'so_far') AS n_so_far,
    count(*) FILTER (state = 'lost') AS n_lost,
    coalesce(sum(listed), 0)::BIGINT AS n_listed,
    coalesce(sum(listed - stored - rejected), 0)::BIGINT AS n_missing,
    max(searched_at) AS last_searched_at
FROM day_coverage
WHERE {filter}
GROUP BY ALL
ORDER BY account, region, kind
LIMIT 100
""",
            Scope(day="day", account="account_id"),
            is_wide=True,
            empty="No day of the period was searched.",
        ),
        Block(
            "freshness",
            "Records and how fresh they are",
            "Records in the warehouse, and when Braket last answered about them.",
            """
SELECT * FROM (
    SELECT 'tasks' AS kind, account_id AS account, region, count(*) AS n_records, min(created_at) AS oldest_at,
        max(fetched_at) AS fetched_at
    FROM quantum_tasks
    WHERE {filter}
    GROUP BY account_id, region
    UNION ALL
    SELECT 'jobs', account_id, region, count(*), min(created_at), max(fetched_at)
    FROM jobs
    WHERE {filter}
    GROUP BY account_id, region
)
ORDER BY account, region, kind
LIMIT 100
""",
            Scope(account="account_id", tags="tags"),
            is_wide=True,
            empty="There is no record yet.",
        ),
        Block(
            "runs",
            "Latest runs",
            "warning: rejects, unknown members, S3 or the price list out of reach; failure: a Region or account could "
            "not be searched.",
            """
SELECT kind, started_at, epoch(ended_at) - epoch(started_at) AS took_seconds, outcome, version
FROM etl.runs
WHERE {filter}
ORDER BY started_at DESC, run_id
LIMIT 8
""",
            Scope(),
            is_wide=True,
            empty="None.",
        ),
    ),
)

SECTIONS = (AT_A_GLANCE, SPENDING, COMMITMENTS, WAITS, JOBS, FAILURES, QUALITY)
