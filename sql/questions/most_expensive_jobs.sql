-- title: The most expensive hybrid jobs
-- question: Which jobs cost most, and why: their instances, their volumes, or the shots of their tasks?
-- read: jobs created in the period, at list price. why names the part that cost most and what it was: instances and hours, or
--   tasks and shots. A part that is not known is empty, and n_unknown counts the instances, volumes and tasks whose cost is not
--   known: with them the job cost more than is shown. @tasks_of_job lists the tasks.
-- limits: first, last, account, region, device, person, tag
-- param jobs (default 20): how many to show
-- param key (default team, of @tag_keys): the tag's key that says whose a job is
-- columns: job_name, known_usd, why, tag_value, n_unknown
-- chapter: What it cost, 58
WITH tasks AS (
    SELECT
        job_arn,
        count(*) AS n_tasks,
        sum(shots)::BIGINT AS n_shots,
        array_to_string(list_sort(list(DISTINCT device_name)), ', ') AS devices
    FROM quantum_tasks
    WHERE job_arn IS NOT NULL
    GROUP BY job_arn
),
parts AS (
    SELECT
        j.*,
        coalesce(c.instance_cost_usd, 0) + coalesce(c.volume_cost_usd, 0) + c.task_cost_usd AS known_usd,
        c.cost_status,
        c.instance_cost_usd,
        c.volume_cost_usd,
        c.task_cost_usd,
        c.billed_seconds,
        coalesce(t.n_tasks, 0) AS n_tasks,
        coalesce(t.n_shots, 0) AS n_shots,
        t.devices,
        c.n_unpriced_tasks
            + (c.instance_cost_status IN ('no_price', 'no_duration'))::INTEGER
            + (c.volume_cost_status IN ('no_price', 'no_duration'))::INTEGER AS n_unknown,
        CASE greatest(coalesce(c.instance_cost_usd, 0), coalesce(c.volume_cost_usd, 0), c.task_cost_usd)
            WHEN c.task_cost_usd THEN 'tasks'
            WHEN c.instance_cost_usd THEN 'instances'
            ELSE 'volumes'
        END AS largest_part
    FROM job_costs AS c
    JOIN jobs AS j ON j.job_arn = c.job_arn
    LEFT JOIN tasks AS t ON t.job_arn = c.job_arn
    WHERE (getvariable('first') IS NULL OR j.created_date >= getvariable('first')::DATE)
        AND (getvariable('last') IS NULL OR j.created_date <= getvariable('last')::DATE)
        AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), j.account_id))
        AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), j.region))
        AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), j.device_name))
        AND (getvariable('person') IS NULL OR j.created_by = getvariable('person')::VARCHAR)
        AND (getvariable('tag') IS NULL OR list_has_all(map_entries(j.tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
)
SELECT
    job_name,
    known_usd,
    CASE
        WHEN known_usd = 0 THEN 'nothing is known to have cost'
        WHEN largest_part = 'tasks' THEN format('{:d} tasks with {:d} shots on {}', n_tasks, n_shots, devices)
        WHEN largest_part = 'volumes'
            THEN format('{:d} GB of volume', instance_config_volume_size_in_gb * instance_config_instance_count)
        ELSE format('{:d} x {} for {:.1f} h', instance_config_instance_count, instance_config_instance_type, billed_seconds / 3600)
    END AS why,
    task_cost_usd,
    instance_cost_usd,
    volume_cost_usd,
    coalesce(tags[coalesce(getvariable('key'), 'team')], '(untagged)') AS tag_value,
    status,
    n_tasks,
    n_shots,
    instance_config_instance_count AS n_instances,
    instance_config_instance_type AS instance_type,
    billed_seconds,
    cost_status,
    n_unknown,
    created_at,
    job_arn
FROM parts
ORDER BY known_usd DESC, job_arn
LIMIT coalesce(getvariable('jobs')::BIGINT, 20)
