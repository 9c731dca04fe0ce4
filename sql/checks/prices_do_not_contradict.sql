-- of: price_periods
-- severity: error
-- means: A publication of the price list gives two prices for the same thing, Region and date.
-- do: ask AWS which is right; `braket-etl prices import` loads a corrected list.
SELECT
    concat_ws(' ', product_family, item, 'in', region, 'from', valid_from::DATE, price_source) AS found,
    1 AS records
FROM price_periods
WHERE is_contradictory AND valid_to > valid_from
ORDER BY found
