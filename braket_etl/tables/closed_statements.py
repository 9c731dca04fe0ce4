"""`closed_statements` and `closed_statement_lines`: statements as they were when they were closed.

Here are the declarations; closing is the work of `braket_etl.warehouse.closed_statements`.
"""

from __future__ import annotations

import pyarrow as pa

from braket_etl.tables.declaration import Column, Table, day, instant, integer, money, text


def _dollars(name: str, description: str) -> Column:
    return Column(name, pa.float64(), description)


_WHICH: tuple[Column, ...] = (
    text("owner_key", "Key by which it is made: account, person, or the key of a tag", required=True),
    day("period_from", "First UTC day of the statement", required=True),
    day("period_to", "Last UTC day of the statement, in as well", required=True),
)

CLOSED_STATEMENTS = Table(
    name="closed_statements",
    description=(
        "Statements that were closed, one row an owner: what @statement_owners said then, at the prices that were known "
        "then. Of an earlier closed statement a row holds what this one corrects; such a row has why."
    ),
    key=("owner_key", "period_from", "period_to", "charged_from", "charged_to", "owner"),
    columns=(
        *_WHICH,
        day(
            "charged_from",
            "First day that is charged: its own, or that of the statement it corrects",
            required=True,
        ),
        day("charged_to", "Last day that is charged, likewise", required=True),
        text("owner", "Who it is for; (unallocated) for what no rule gives to anyone", required=True),
        instant("closed_at", "When it was closed", required=True),
        money(
            "amount_usd",
            "Spent, less agreed discounts; of a correction, what is more or less than closed",
            required=True,
        ),
        text("why", "What has changed since, of a correction; NULL of its own days"),
        money("accrued_usd", "What ran had cost so far, at list price"),
        money("committed_usd", "What was open or to come, at list price"),
        integer("n_jobs", "Hybrid jobs"),
        integer("n_tasks", "Tasks that had a cost"),
        integer("n_shots", "Their shots"),
        _dollars("a_task_usd", "Cost of a task"),
        _dollars("a_thousand_shots_usd", "Cost of a thousand shots that were requested"),
        _dollars(
            "a_thousand_successful_shots_usd",
            "Cost of a thousand successful shots, where Braket told them for all",
        ),
        _dollars("a_circuit_usd", "Cost of a circuit"),
    ),
    only_grows=True,
)

CLOSED_STATEMENT_LINES = Table(
    name="closed_statement_lines",
    description="The lines of statements that were closed, as @statement gave them then. closed_statements has their sums.",
    key=("owner_key", "period_from", "period_to", "owner", "account_id", "kind", "device", "job_arn", "rule"),
    columns=(
        *_WHICH,
        instant("closed_at", "When it was closed", required=True),
        text("owner", "Who it is for", required=True),
        text("account_id", "Account that pays", required=True),
        text("kind", "task, job or reservation", required=True),
        text("device", "Last part of the device ARN, or (no device)", required=True),
        text("job", "Name of the job; empty where there is none", required=True),
        text("rule", "What gave it to the owner, as in allocated_charges", required=True),
        integer("records", "Tasks, jobs or reservations", required=True),
        money("amount_usd", "Spent, less agreed discounts", required=True),
        money("accrued_usd", "What ran had cost so far, at list price", required=True),
        money("committed_usd", "What was open or to come, at list price", required=True),
        text(
            "prices",
            "Where its prices came from, as price_source of charges; of several the first and the last by name",
        ),
        text("job_arn", "The job; empty where there is none", required=True),
    ),
    only_grows=True,
)
