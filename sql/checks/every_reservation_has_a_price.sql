-- of: reservation_costs
-- means: No price is known for reservations.
-- do: put agreed_usd into the file, or load a price list.
SELECT reservation_arn AS found, 1 AS records
FROM reservation_costs
WHERE cost_status = 'no_price'
ORDER BY found
