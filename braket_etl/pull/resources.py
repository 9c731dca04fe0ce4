"""The two kinds of records that are pulled, and what belongs to each."""

from __future__ import annotations

from dataclasses import dataclass

from braket_etl.tables import JOB_OBSERVATIONS, JOBS, QUANTUM_TASKS, TASK_OBSERVATIONS
from braket_etl.tables.declaration import Table


@dataclass(frozen=True)
class Resource:
    """A kind of record: its table, the table of its observations, and the operations that list and get it."""

    table: Table
    observations: Table
    search: str
    get: str


TASKS = Resource(QUANTUM_TASKS, TASK_OBSERVATIONS, "SearchQuantumTasks", "GetQuantumTask")
HYBRID_JOBS = Resource(JOBS, JOB_OBSERVATIONS, "SearchJobs", "GetJob")
RESOURCES = (TASKS, HYBRID_JOBS)
BY_GET = {resource.get: resource for resource in RESOURCES}
