-- One row a charge, in the columns of FOCUS 1.2 (finops.org), estimated at list price and agreed discounts: a task on a
-- QPU has two rows (task and shots), a simulator task one; on each UTC day on which they ran, a job two (instances and
-- volumes), a reservation one. What is not billed, not yet due or not known has no row: cost_status in charges says what and why.
-- `braket-etl export focus` writes it to a file.
--
-- group: costs
-- key: ResourceId, SkuMeter, ChargePeriodStart
-- BilledCost: estimate of what is billed: list price less agreed discounts; no credits, free tier or taxes
-- EffectiveCost: the same; nothing is paid upfront
-- ListCost: cost at list price
-- ContractedCost: cost at list price less agreed discounts
-- BillingCurrency: USD
-- BillingAccountId: the account itself; which account pays its bill is not known here
-- BillingAccountName: the account's id: its name is not known
-- BillingAccountType: Account
-- SubAccountId: account that used the service
-- SubAccountName: the account's id: its name is not known
-- SubAccountType: Account
-- BillingPeriodStart: first instant of the month in UTC
-- BillingPeriodEnd: first instant of the next month
-- ChargePeriodStart: first instant of the day of charge in UTC
-- ChargePeriodEnd: first instant of the next day
-- ChargeCategory: Usage, also of a reservation: it is paid for the hours it lasts
-- ChargeClass: NULL: no correction
-- ChargeDescription: what is charged for, in words
-- ChargeFrequency: Usage-Based
-- ConsumedQuantity: what was used, in ConsumedUnit
-- ConsumedUnit: its unit
-- ContractedUnitPrice: price of a PricingUnit less agreed discounts
-- InvoiceIssuerName: AWS
-- ListUnitPrice: list price of a PricingUnit; NULL where a reservation has an agreed price
-- PricingCategory: Standard
-- PricingCurrency: USD
-- PricingCurrencyContractedUnitPrice: the same as ContractedUnitPrice
-- PricingCurrencyEffectiveCost: the same as EffectiveCost
-- PricingCurrencyListUnitPrice: the same as ListUnitPrice
-- PricingQuantity: quantity in PricingUnit
-- PricingUnit: unit in which the price list counts, as FOCUS spells it
-- ProviderName: AWS
-- PublisherName: AWS
-- RegionId: Region
-- RegionName: Region
-- ResourceId: ARN of the task, job or reservation
-- ResourceName: last part of that ARN
-- ResourceType: Quantum Task, Hybrid Job or Reservation
-- ServiceCategory: Compute
-- ServiceName: Amazon Braket
-- ServiceSubcategory: Quantum Compute
-- SkuId: SKU in the price list
-- SkuMeter: what the SKU measures
-- SkuPriceId: rate code in the price list
-- SkuPriceDetails: JSON object: product family, and device or instance type
-- Tags: JSON object of the tags
-- InvoiceId: NULL: this is no invoice
-- x_BraketDeviceArn: device
-- x_BraketJobArn: job of the task
-- x_BraketReservationArn: reservation
-- x_BraketProductFamily: product family of the price list
-- x_BraketShots: shots requested
-- x_BraketStatus: status of the task or job
-- x_CostBasis: list_price_estimate
-- x_PriceSource: where the price comes from
-- x_ChargedAt: end of the task or job, begin of the reservation
-- x_CreatedAt: creation of the task or job
WITH due AS (
    SELECT
        *,
        -- instants in UTC without asking a calendar, which timezone() does for each row
        to_timestamp(epoch(charge_date::TIMESTAMP)) AS day_start,
        to_timestamp(epoch(charge_date::TIMESTAMP + INTERVAL 1 DAY)) AS day_end,
        to_timestamp(epoch(date_trunc('month', charge_date::TIMESTAMP))) AS month_start,
        to_timestamp(epoch(date_trunc('month', charge_date::TIMESTAMP) + INTERVAL 1 MONTH)) AS month_end,
        CASE meter WHEN 'reservation' THEN 3600 ELSE 1 END AS unit_seconds
    FROM charges
    WHERE cost_status = 'priced' AND cost_usd IS NOT NULL
),
priced AS (
    SELECT
        d.*,
        coalesce(p.sku, 'unknown') AS sku,
        coalesce(p.rate_code, 'unknown') AS rate_code,
        -- FOCUS has its own spelling of units
        CASE
            WHEN d.meter = 'task' THEN 'Tasks'
            WHEN d.meter = 'shot' THEN 'Shots'
            WHEN d.meter = 'volume' THEN 'GB-Months'
            WHEN coalesce(p.unit_size, d.unit_seconds) = 60 THEN 'Minutes'
            WHEN coalesce(p.unit_size, d.unit_seconds) = 3600 THEN 'Hours'
            ELSE 'Seconds'
        END AS list_unit,
        p.price_usd AS list_unit_price,
        -- a quantity is no money: as DOUBLE it may be divided
        (d.quantity::DOUBLE * d.unit_seconds / coalesce(p.unit_size, d.unit_seconds))::DECIMAL(38, 12)
            AS list_quantity,
        r.agreed_usd_per_hour
    FROM due AS d
    LEFT JOIN price_periods AS p
        ON p.product_family = d.product_family AND p.region = d.region
        AND p.item = CASE d.meter WHEN 'instance' THEN d.instance_type WHEN 'volume' THEN '' ELSE d.device_key END
        AND d.charged_at >= p.valid_from AND d.charged_at < p.valid_to
    LEFT JOIN reservations AS r ON d.price_source = 'agreed' AND r.reservation_arn = d.record_arn
),
costs AS (
    SELECT
        *,
        -- of an agreed price the list price is another: what the same hours cost without the agreement
        CASE WHEN price_source = 'agreed' AND list_unit_price IS NOT NULL
            THEN TRY((quantity * list_unit_price)::DECIMAL(38, 12)) ELSE cost_usd END AS list_cost,
        CASE WHEN price_source = 'agreed' THEN agreed_usd_per_hour
            WHEN discount_rate = 0 THEN list_unit_price
            ELSE list_unit_price - (list_unit_price * discount_rate)::DECIMAL(38, 12)
        END::DECIMAL(38, 12) AS contracted_unit_price
    FROM priced
)
SELECT
    net_usd AS "BilledCost",
    net_usd AS "EffectiveCost",
    list_cost::DECIMAL(38, 12) AS "ListCost",
    net_usd AS "ContractedCost",
    'USD' AS "BillingCurrency",
    account_id AS "BillingAccountId",
    account_id AS "BillingAccountName",
    'Account' AS "BillingAccountType",
    account_id AS "SubAccountId",
    account_id AS "SubAccountName",
    'Account' AS "SubAccountType",
    month_start AS "BillingPeriodStart",
    month_end AS "BillingPeriodEnd",
    day_start AS "ChargePeriodStart",
    day_end AS "ChargePeriodEnd",
    'Usage' AS "ChargeCategory",
    NULL::VARCHAR AS "ChargeClass",
    concat_ws(', ', product_family, coalesce(instance_type, device_name)) AS "ChargeDescription",
    'Usage-Based' AS "ChargeFrequency",
    quantity AS "ConsumedQuantity",
    CASE meter
        WHEN 'task' THEN 'Tasks'
        WHEN 'shot' THEN 'Shots'
        WHEN 'volume' THEN 'GB-Seconds'
        WHEN 'reservation' THEN 'Hours'
        ELSE 'Seconds'
    END AS "ConsumedUnit",
    contracted_unit_price AS "ContractedUnitPrice",
    'AWS' AS "InvoiceIssuerName",
    list_unit_price AS "ListUnitPrice",
    'Standard' AS "PricingCategory",
    'USD' AS "PricingCurrency",
    contracted_unit_price AS "PricingCurrencyContractedUnitPrice",
    net_usd AS "PricingCurrencyEffectiveCost",
    list_unit_price AS "PricingCurrencyListUnitPrice",
    list_quantity AS "PricingQuantity",
    list_unit AS "PricingUnit",
    'AWS' AS "ProviderName",
    'AWS' AS "PublisherName",
    region AS "RegionId",
    region AS "RegionName",
    record_arn AS "ResourceId",
    split_part(split_part(record_arn, '/', -1), ':', -1) AS "ResourceName",
    CASE record_kind WHEN 'task' THEN 'Quantum Task' WHEN 'job' THEN 'Hybrid Job' ELSE 'Reservation' END
        AS "ResourceType",
    'Compute' AS "ServiceCategory",
    'Amazon Braket' AS "ServiceName",
    'Quantum Compute' AS "ServiceSubcategory",
    sku AS "SkuId",
    meter AS "SkuMeter",
    rate_code AS "SkuPriceId",
    json_object('x_ProductFamily', product_family, 'x_Item', coalesce(instance_type, device_name, ''))::VARCHAR
        AS "SkuPriceDetails",
    coalesce(to_json(tags)::VARCHAR, '{}') AS "Tags",
    NULL::VARCHAR AS "InvoiceId",
    device_arn AS "x_BraketDeviceArn",
    job_arn AS "x_BraketJobArn",
    reservation_arn AS "x_BraketReservationArn",
    product_family AS "x_BraketProductFamily",
    shots AS "x_BraketShots",
    status AS "x_BraketStatus",
    'list_price_estimate' AS "x_CostBasis",
    price_source AS "x_PriceSource",
    charged_at AS "x_ChargedAt",
    began_at AS "x_CreatedAt"
FROM costs
