"""Every table of the warehouse, declared: one module a table, and the registry of them all.

Declarations and the flattening of responses belong here; AWS calls, SQL and Dagster do not.
"""

from braket_etl.tables.billed_line_items import BILLED_LINE_ITEMS
from braket_etl.tables.bookkeeping import BOOKKEEPING
from braket_etl.tables.closed_statements import CLOSED_STATEMENT_LINES, CLOSED_STATEMENTS
from braket_etl.tables.devices import DEVICE_OBSERVATIONS, DEVICES
from braket_etl.tables.job_events import JOB_EVENTS
from braket_etl.tables.jobs import JOBS
from braket_etl.tables.observations import JOB_OBSERVATIONS, TASK_OBSERVATIONS
from braket_etl.tables.open_task_forecast import OPEN_TASK_FORECAST
from braket_etl.tables.owners import ALLOCATIONS, BUDGETS
from braket_etl.tables.prices import PRICES
from braket_etl.tables.quantum_tasks import QUANTUM_TASKS
from braket_etl.tables.queue_wait_quantiles import QUEUE_WAIT_QUANTILES
from braket_etl.tables.record_callers import RECORD_CALLERS
from braket_etl.tables.reservations import DISCOUNTS, RESERVATIONS, USAGE_TYPES
from braket_etl.tables.spending_limits import SPENDING_LIMITS
from braket_etl.tables.state_change_events import STATE_CHANGE_EVENTS
from braket_etl.tables.task_results import TASK_RESULTS
from braket_etl.tables.wait_forecast import WAIT_FORECAST

#: The tables of schema `main`, in the order in which the documentation shows them.
MAIN = (
    QUANTUM_TASKS,
    JOBS,
    JOB_EVENTS,
    TASK_OBSERVATIONS,
    JOB_OBSERVATIONS,
    DEVICES,
    DEVICE_OBSERVATIONS,
    STATE_CHANGE_EVENTS,
    RECORD_CALLERS,
    QUEUE_WAIT_QUANTILES,
    WAIT_FORECAST,
    OPEN_TASK_FORECAST,
    TASK_RESULTS,
    PRICES,
    SPENDING_LIMITS,
    RESERVATIONS,
    DISCOUNTS,
    USAGE_TYPES,
    ALLOCATIONS,
    BUDGETS,
    CLOSED_STATEMENTS,
    CLOSED_STATEMENT_LINES,
    BILLED_LINE_ITEMS,
)
ALL = (*MAIN, *BOOKKEEPING)
