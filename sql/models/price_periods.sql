-- Which price counts when: one row for each thing priced, Region and span of time. For an instant it is the newest
-- publication among the prices effective then; a price of the seed only where no loaded one covers the instant. Two
-- different prices in one publication for the same thing, Region and date are a contradiction and no price. A publication
-- that was dated later than it was loaded counts only where no other list has a price.
--
-- group: costs
-- key: product_family, item, region, valid_from
-- meter: what is paid in that family, as price_rules says
-- product_family: product family of the price list
-- item: what is priced in it: the device key, the instance type, or empty for the volume of jobs
-- region: Region of the usage. A QPU listed in one Region only has that price in all: it stands in one. A price of the
--   seed holds in all
-- valid_from: first instant of the span
-- valid_to: first instant after it; the year 9999 where it is open
-- unit: unit as the price list writes it
-- price_usd: price of one unit; NULL for a contradiction
-- usd_per_billion: price of 10^9 base units (task, shot, second, GB-second); NULL for a contradiction
-- unit_size: how many base units one unit is
-- sku: SKU in the price list
-- rate_code: rate code in the price list
-- price_effective_from: date from which the price holds, as the price list says
-- published_at: publication that says it
-- price_source: where the price comes from: price_list with the day of its publication; or the seed with its day: (evidenced)
--   from the first day to the last on which a public source has it, (assumed) at any other time and for what is to be had
--   in several Regions, which no source tells apart; seed (assumed equal) of tasks in jobs, like those by themselves
-- is_seed: whether it is of the seed
-- is_contradictory: whether the publication gives two prices
WITH listed AS (
    SELECT
        p.*,
        r.meter,
        coalesce(r.device_type = 'QPU', r.kind = 'reservation') AS is_in_one_place,
        coalesce(p.device_key, p.instance_type, '') AS item
    FROM prices AS p
    JOIN price_rules AS r ON r.product_family = p.product_family
    WHERE p.is_used
),
regions AS (
    SELECT unnest(['us-east-1', 'us-west-1', 'us-west-2', 'eu-west-2', 'eu-north-1']) AS region
    UNION
    SELECT region FROM prices WHERE region IS NOT NULL
    UNION
    SELECT region FROM quantum_tasks GROUP BY region
    UNION
    SELECT region FROM jobs GROUP BY region
    UNION
    SELECT region FROM reservations
),
items AS (
    SELECT
        product_family,
        item,
        list(DISTINCT region) FILTER (region IS NOT NULL) AS listed_in
    FROM listed
    GROUP BY product_family, item
),
offers AS (
    SELECT
        l.meter,
        l.product_family,
        l.item,
        r.region,
        NOT l.is_seed AS is_loaded,
        -- a day, since clocks differ
        bool_and(epoch_us(l.published_at) - epoch_us(l.loaded_at) <= 86400000000) AS is_published,
        l.published_at,
        l.effective_from,
        min(l.unit) AS unit,
        CASE WHEN count(DISTINCT l.usd_per_billion) = 1 THEN min(l.price_usd) END AS price_usd,
        CASE WHEN count(DISTINCT l.usd_per_billion) = 1 THEN min(l.usd_per_billion) END AS usd_per_billion,
        min(l.unit_size) AS unit_size,
        min(l.sku) AS sku,
        min(l.rate_code) AS rate_code,
        min(l.source) AS price_source
    FROM listed AS l
    JOIN items AS i ON i.product_family = l.product_family AND i.item = l.item
    CROSS JOIN regions AS r
    WHERE l.region IS NULL OR l.region = r.region
        OR (l.is_in_one_place AND len(i.listed_in) = 1 AND l.region = i.listed_in[1])
    GROUP BY l.meter, l.product_family, l.item, r.region, l.is_seed, l.published_at, l.effective_from
),
-- A meter is one with its family, and stands before it so that a question about one meter sorts no other. At each date on
-- which any offer begins, the best of those that hold by then: loaded before seed, published before what is yet to come,
-- then the newest publication, then its newest date. A struct compares member by member, in this order.
best AS (
    SELECT DISTINCT
        meter,
        product_family,
        item,
        region,
        effective_from AS valid_from,
        max({
            'is_loaded': is_loaded,
            'is_published': is_published,
            'published_at': published_at,
            'effective_from': effective_from,
            'unit': unit,
            'price_usd': price_usd,
            'usd_per_billion': usd_per_billion,
            'unit_size': unit_size,
            'sku': sku,
            'rate_code': rate_code,
            'price_source': price_source
        }) OVER (
            PARTITION BY meter, product_family, item, region
            ORDER BY effective_from
            RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS offer
    FROM offers
)
SELECT
    meter,
    product_family,
    item,
    region,
    valid_from,
    coalesce(
        lead(valid_from) OVER (PARTITION BY meter, product_family, item, region ORDER BY valid_from),
        TIMESTAMPTZ '9999-12-31 00:00:00+00'
    ) AS valid_to,
    offer.unit AS unit,
    offer.price_usd AS price_usd,
    offer.usd_per_billion AS usd_per_billion,
    offer.unit_size AS unit_size,
    offer.sku AS sku,
    offer.rate_code AS rate_code,
    offer.effective_from AS price_effective_from,
    offer.published_at AS published_at,
    offer.price_source AS price_source,
    NOT offer.is_loaded AS is_seed,
    offer.price_usd IS NULL AS is_contradictory
FROM best
