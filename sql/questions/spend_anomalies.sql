-- title: Days that cost far more than such days do
-- question: On which days was far more spent than that weekday had cost before, on which device, by which project?
-- read: spent beside what such a day costs as a rule, and the most that would not have been listed; score is how far off it was, in
--   standard deviations of the logarithm. docs/budgets.md says how it is told and how often a quiet day is listed. Days are
--   compared by price and amount alone: that it was meant to be so, nobody can see. Empty where no day stood out, and
--   before 14 days of spending are known.
-- limits: first, last
-- param rows (default 20): how many of the newest
-- chapter: What it will cost, 42
-- report: Spending, 45
-- empty: No day of the period stood out.
SELECT
    charge_date,
    name AS what,
    spent_usd,
    expected_usd,
    most_usd,
    score
FROM spend_anomalies
WHERE (getvariable('first') IS NULL OR charge_date >= getvariable('first')::DATE)
    AND (getvariable('last') IS NULL OR charge_date <= getvariable('last')::DATE)
ORDER BY charge_date DESC, spent_usd DESC, name
LIMIT coalesce(getvariable('rows'), 20)::BIGINT
