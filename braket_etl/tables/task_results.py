"""`task_results`: what the results.json of a task says about it, without the results."""

from __future__ import annotations

from braket_etl.tables.declaration import Table, instant, integer, text
from braket_etl.tables.shared_columns import owner_columns

TASK_RESULTS = Table(
    name="task_results",
    description=(
        "Metadata of results.json, read from S3: the run time that a simulator bills, and what program sets "
        "say of their shots. The results themselves are not kept. A row with a problem says that there was nothing "
        "to read; it is tried again."
    ),
    key=("quantum_task_arn",),
    operation="ResultsFile",
    columns=(
        text("quantum_task_arn", "ARN of the task", required=True, reads=("taskMetadata.id",)),
        *owner_columns("quantum_task_arn"),
        text("device_arn", "ARN of the device", reads=("taskMetadata.deviceId",)),
        text("status", "Status in the file", reads=("taskMetadata.status",)),
        integer("shots", "Shots requested", reads=("taskMetadata.shots",)),
        instant(
            "created_at", "When the task was created, as the file says", reads=("taskMetadata.createdAt",)
        ),
        instant("ended_at", "When it ended, as the file says", reads=("taskMetadata.endedAt",)),
        text(
            "failure_reason",
            "Why it failed, as the file says",
            wide=True,
            reads=("taskMetadata.failureReason",),
        ),
        integer(
            "execution_duration_ms",
            "Run time of a simulator in milliseconds: what it bills",
            reads=("additionalMetadata.simulatorMetadata.executionDuration",),
        ),
        integer(
            "requested_shots",
            "Program sets: shots requested over all programs",
            reads=("taskMetadata.requestedShots",),
        ),
        integer(
            "successful_shots", "Program sets: shots that succeeded", reads=("taskMetadata.successfulShots",)
        ),
        integer(
            "failed_executables",
            "Program sets: executables that failed",
            reads=("taskMetadata.totalFailedExecutables",),
        ),
        integer("program_count", "Program sets: programs", reads=("taskMetadata.programMetadata",)),
        integer("executable_count", "Program sets: executables", reads=("taskMetadata.programMetadata",)),
        text("schema_name", "Name of the file's schema", reads=("braketSchemaHeader.name",)),
        text("schema_version", "Version of the file's schema", reads=("braketSchemaHeader.version",)),
        text("problem", "Why nothing could be read (no such file, damaged, of another task), else NULL"),
        integer("attempts", "How often the file was asked for by a pull; NULL where `recover` found it"),
        instant("fetched_at", "When the file was last read or asked for", required=True),
    ),
)
