-- title: The keys of tags
-- question: By which tag keys can spending be told apart, and which values do they have?
-- read: those that most tasks and jobs bear come first. share is of all tasks and jobs; example_values are up to five, the most
--   frequent first. Empty where nothing bears a tag. @cost_by_tag adds up by one of them.
-- columns: tag_key, n_records, share, n_values, example_values
-- chapter: What it cost, 26
WITH records AS (
    SELECT tags, count(*) AS n
    FROM (SELECT tags FROM quantum_tasks UNION ALL SELECT tags FROM jobs)
    GROUP BY tags
),
tagged AS (
    SELECT tag.key AS tag_key, tag.value AS tag_value, sum(n) AS n
    FROM (SELECT unnest(map_entries(tags)) AS tag, n FROM records)
    GROUP BY ALL
)
SELECT
    tag_key,
    sum(n)::BIGINT AS n_records,
    sum(n) / (SELECT sum(n) FROM records) AS share,
    count(*) AS n_values,
    array_to_string(list(tag_value ORDER BY n DESC, tag_value)[:5], ', ') AS example_values
FROM tagged
GROUP BY tag_key
ORDER BY n_records DESC, tag_key
