-- How many of the wanted days of each account and Region were seen whole?
SELECT account, region, table_name, count(*) AS days, count(*) FILTER (state = 'whole') AS whole
FROM day_coverage WHERE state <> 'not_wanted' GROUP BY ALL ORDER BY ALL;

-- Since which day is nothing missing, in any account and Region?
SELECT coalesce(max(day) FILTER (state IN ('not_searched', 'not_whole', 'lost')) + 1, min(day)) AS whole_since
FROM day_coverage WHERE state <> 'not_wanted';

-- Which Regions could not be searched at last, and why?
SELECT DISTINCT account, region, problem FROM day_coverage WHERE problem IS NOT NULL ORDER BY ALL;
