"""The two kinds of records that are pulled, and what belongs to each."""

from __future__ import annotations

from dataclasses import dataclass

from braket_etl.aws.operations import GET_JOB, GET_TASK, SEARCH_JOBS, SEARCH_TASKS, Get, Search
from braket_etl.tables import JOB_OBSERVATIONS, JOBS, QUANTUM_TASKS, TASK_OBSERVATIONS
from braket_etl.tables.declaration import Table


@dataclass(frozen=True)
class Resource:
    """A kind of record: its table, the table of its observations, and the operations that list and get it."""

    table: Table
    observations: Table
    search: Search
    get: Get


TASKS = Resource(QUANTUM_TASKS, TASK_OBSERVATIONS, SEARCH_TASKS, GET_TASK)
HYBRID_JOBS = Resource(JOBS, JOB_OBSERVATIONS, SEARCH_JOBS, GET_JOB)
RESOURCES = (TASKS, HYBRID_JOBS)
BY_GET = {resource.get.name: resource for resource in RESOURCES}
