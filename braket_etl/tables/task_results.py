"""`task_results`: what the results.json of a task says about it, without the results."""

from __future__ import annotations

from braket_etl.tables.common import owner_columns
from braket_etl.tables.declaration import Table, instant, integer, text

TASK_RESULTS = Table(
    name="task_results",
    description=(
        "Metadata of results.json, read from S3: the run time that a simulator bills, and what program sets "
        "say of their shots. The results themselves are not kept. A row with a problem says that there was nothing "
        "to read; it is tried again."
    ),
    key=("quantum_task_arn",),
    columns=(
        text("quantum_task_arn", "ARN of the task", required=True),
        *owner_columns("quantum_task_arn"),
        text("device_arn", "ARN of the device"),
        text("status", "Status in the file"),
        integer("shots", "Shots requested"),
        instant("created_at", "When the task was created, as the file says"),
        instant("ended_at", "When it ended, as the file says"),
        text("failure_reason", "Why it failed, as the file says", wide=True),
        integer("execution_duration_ms", "Run time of a simulator in milliseconds: what it bills"),
        integer("requested_shots", "Program sets: shots requested over all programs"),
        integer("successful_shots", "Program sets: shots that succeeded"),
        integer("failed_executables", "Program sets: executables that failed"),
        integer("program_count", "Program sets: programs"),
        integer("executable_count", "Program sets: executables"),
        text("schema_name", "Name of the file's schema"),
        text("schema_version", "Version of the file's schema"),
        text("problem", "Why nothing could be read (no such file, damaged, of another task), else NULL"),
        integer("attempts", "How often the file was asked for by a pull; NULL where `recover` found it"),
        instant("fetched_at", "When the file was last read or asked for", required=True),
    ),
)
