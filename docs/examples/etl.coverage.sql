-- Which days are not complete?
SELECT account, region, table_name, day, listed, stored, rejected
FROM etl.coverage
WHERE stored + rejected < listed
ORDER BY day DESC;
