-- title: Spending over time, by device
-- question: When was how much spent, and on which device?
-- read: dollars at list price by UTC day, or by the week or month that begins on it; the seven devices that cost most,
--   and all others together. @cost_by_month_and_device has every device, and what is open or not known.
-- limits: first, last, account, region, device, person, tag
-- param step (default day): day, week or month
-- chapter: What it cost, 12
-- report: Spending, 10
-- chart: cost_over_time
-- empty: Nothing was spent in the period, as far as costs are known.
WITH by_device AS (
    SELECT
        date_trunc(coalesce(getvariable('step'), 'day'), charge_date)::DATE AS since,
        coalesce(device_name, '(no device)') AS device,
        sum(cost_usd) AS cost_usd
    FROM charge_sums
    WHERE cost_usd > 0
        AND (getvariable('first') IS NULL OR charge_date >= getvariable('first')::DATE)
        AND (getvariable('last') IS NULL OR charge_date <= getvariable('last')::DATE)
        AND (getvariable('account') IS NULL OR list_contains(string_split(getvariable('account')::VARCHAR, ','), account_id))
        AND (getvariable('region') IS NULL OR list_contains(string_split(getvariable('region')::VARCHAR, ','), region))
        AND (getvariable('device') IS NULL OR list_contains(string_split(getvariable('device')::VARCHAR, ','), device_name))
        AND (getvariable('person') IS NULL OR created_by = getvariable('person')::VARCHAR)
        AND (getvariable('tag') IS NULL OR list_has_all(map_entries(tags), map_entries(getvariable('tag')::MAP(VARCHAR, VARCHAR))))
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
