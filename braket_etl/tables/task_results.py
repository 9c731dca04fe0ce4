"""`task_results`: what the results.json of a task says about it, without the results."""

from __future__ import annotations

import pyarrow as pa

from braket_etl.tables.declaration import Column, Table, instant, integer, text
from braket_etl.tables.shared_columns import owner_columns

EXECUTABLES = pa.list_(
    pa.struct(
        [
            ("program_index", pa.int64()),
            ("executable_index", pa.int64()),
            ("outcome", pa.string()),
            ("failure_category", pa.string()),
            ("failure_reason", pa.string()),
            ("is_retryable", pa.bool_()),
        ]
    )
)

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
            "successful_shots",
            "Program sets and analog simulation: shots that succeeded",
            reads=("taskMetadata.successfulShots", "additionalMetadata.queraMetadata.numSuccessfulShots"),
        ),
        integer(
            "failed_executables",
            "Program sets: executables that failed",
            reads=("taskMetadata.totalFailedExecutables",),
        ),
        integer("program_count", "Program sets: programs", reads=("taskMetadata.programMetadata",)),
        integer("executable_count", "Program sets: executables", reads=("taskMetadata.programMetadata",)),
        Column(
            "executables",
            EXECUTABLES,
            "Program sets: what became of each executable (`succeeded`, `failed`, `cancelled`), why, and whether it may be "
            "tried again; how many of its shots succeeded is told of all together only",
            reads=("taskMetadata.programMetadata",),
        ),
        text(
            "action_hash",
            "Hash of the program with its inputs, as the file has it: equal hashes are the same program. NULL where the "
            "file tells none, of program sets, and of files that an earlier version read; device parameters tell no program",
            reads=("additionalMetadata.action",),
        ),
        text("schema_name", "Name of the file's schema", reads=("braketSchemaHeader.name",)),
        text("schema_version", "Version of the file's schema", reads=("braketSchemaHeader.version",)),
        text("problem", "Why nothing could be read (no such file, damaged, of another task), else NULL"),
        integer("attempts", "How often the file was asked for by a pull; NULL where `recover` found it"),
        instant("fetched_at", "When the file was last read or asked for", required=True),
    ),
)
