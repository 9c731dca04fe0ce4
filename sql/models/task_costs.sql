-- One row a quantum task: what it costs at list price, by which price and which rule. A cost that is not known is
-- NULL, and cost_status says why; it is never a silent 0. Prices are those valid when the task ended; of a task that
-- has not, those valid when it was last seen.
--
-- group: costs
-- key: quantum_task_arn
-- quantum_task_arn: the task
-- cost_usd: what it costs: task_fee_usd + shot_fee_usd + run_fee_usd; 0 for not_billed and reservation, else NULL
-- cost_status: priced; not_billed (failed, cancelled); reservation (paid by the hour); pending (not ended);
--   no_price (none known, or contradictory ones, or a count that cannot be priced); no_duration (run time not known)
-- committed_usd: pending where shots are paid: what it will cost if all of them succeed
-- task_fee_usd: fee for the task, where there is one
-- shot_fee_usd: fee for its shots, where they are paid
-- billed_shots: shots that are paid: those that succeeded, else those requested
-- billed_seconds: run time that is paid, where it is paid by time (simulators: at least 3 s), to the millisecond
-- price_effective_from: date from which its price holds (the later one, if those of task and shot differ)
-- price_source: where its price comes from: price_list with its day; seed, (evidenced) where a dated
--   source attests the price at that time, else (assumed) or (assumed equal), as price_periods says
-- run_fee_usd: fee for the run time, where it is paid
-- cost_usd_lower: the least that it costs, where that is known
-- cost_usd_upper: the most that it costs, where that is known
-- cost_rule: the rule that was applied, in words
-- charged_at: the instant whose prices count
-- accrued_usd: of an open task, what its run has cost so far: on a simulator, from its first to its last sight in RUNNING,
--   the least that is paid included; 0 where it has not begun or costs nothing before it completes; NULL of ended ones
--   and where the price is not known
-- committed_at_most_usd: of an open task, the most that it will cost: all its shots, on a simulator the longest run that
--   Braket allows; NULL of ended ones and where it is not known
SELECT
    quantum_task_arn,
    cost_usd,
    cost_status,
    committed_usd,
    task_fee_usd,
    shot_fee_usd,
    billed_shots,
    billed_seconds,
    price_effective_from,
    price_source,
    run_fee_usd,
    cost_usd_lower,
    cost_usd_upper,
    cost_rule,
    charged_at,
    accrued_usd,
    committed_at_most_usd
FROM priced_tasks
