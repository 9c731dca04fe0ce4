-- Which accounts and Regions are wanted, and from which day on?
SELECT account, region, first_day, problem FROM etl.wanted WHERE until IS NULL ORDER BY account, region;
