"""`quantum_tasks`: one row a quantum task, as GetQuantumTask last showed it."""

from __future__ import annotations

import pyarrow as pa

from braket_etl.tables.arns import device_name_of, device_provider_of, device_type_of
from braket_etl.tables.declaration import Column, Table, day, instant, integer, string_map, text
from braket_etl.tables.shared_columns import (
    owner_columns,
    record_columns,
    reservation_arn_of,
    terminal_column,
)

STATUSES = ("CREATED", "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLING", "CANCELLED")
TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
QUEUE_INFO = ("queue", "queuePriority", "position", "message")
ASSOCIATIONS = pa.list_(pa.struct([("arn", pa.string()), ("type", pa.string())]))

QUANTUM_TASKS = Table(
    name="quantum_tasks",
    description=(
        "One row a quantum task, as GetQuantumTask last showed it. Kept after Braket forgets the task "
        "(90 days); its queue positions are in task_observations, its cost in task_costs."
    ),
    key=("quantum_task_arn",),
    immutable="created_at",
    operation="GetQuantumTask",
    only_grows=True,
    members_elsewhere=(("queueInfo", QUEUE_INFO),),
    terminal_statuses=TERMINAL,
    columns=(
        text("quantum_task_arn", "ARN of the task", "quantumTaskArn", required=True),
        *owner_columns("quantum_task_arn"),
        text("status", "Status at fetched_at", "status", values=STATUSES, required=True),
        terminal_column(TERMINAL),
        instant("created_at", "When the task was created", "createdAt", required=True),
        day(
            "created_date",
            "UTC day of created_at",
            derive=lambda row: row["created_at"].date(),
            required=True,
        ),
        instant("ended_at", "When the task ended; NULL while it has not", "endedAt"),
        text("device_arn", "ARN of the device", "deviceArn", required=True),
        text(
            "device_provider",
            "Last but one part of the device ARN, as written",
            derive=lambda row: device_provider_of(row["device_arn"]),
        ),
        text(
            "device_name",
            "Last part of the device ARN, as written",
            derive=lambda row: device_name_of(row["device_arn"]),
        ),
        text(
            "device_type",
            "QPU or SIMULATOR, from the device ARN",
            derive=lambda row: device_type_of(row["device_arn"]),
            values=("QPU", "SIMULATOR"),
        ),
        integer(
            "shots", "Shots requested; the total over all programs of a program set", "shots", required=True
        ),
        integer(
            "num_successful_shots",
            "Shots that succeeded; known once the task completed",
            "numSuccessfulShots",
        ),
        text("job_arn", "Hybrid job that created the task; NULL for a task of its own", "jobArn"),
        string_map("tags", "Tags of the task", "tags"),
        text("failure_reason", "Why the task failed", "failureReason", wide=True, side=True),
        Column(
            "associations",
            ASSOCIATIONS,
            "Resources associated with the task, such as a reservation",
            "associations",
        ),
        text(
            "reservation_arn",
            "Reservation in whose time window the task runs, from associations",
            derive=reservation_arn_of,
        ),
        text("action_metadata_action_type", "Kind of the program", "actionMetadata.actionType", side=True),
        integer(
            "action_metadata_program_count",
            "Programs in a program set",
            "actionMetadata.programCount",
            side=True,
        ),
        integer(
            "action_metadata_executable_count",
            "Executables in a program set",
            "actionMetadata.executableCount",
            side=True,
        ),
        text(
            "experimental_capabilities_enabled",
            "Whether experimental capabilities were enabled",
            "experimentalCapabilities.enabled",
            values=("ALL", "NONE"),
            side=True,
        ),
        text("output_s3_bucket", "Bucket of the results", "outputS3Bucket", required=True),
        text("output_s3_directory", "Key prefix of the results", "outputS3Directory", required=True),
        text(
            "device_parameters",
            "JSON text of the device parameters, as it came",
            "deviceParameters",
            wide=True,
            side=True,
        ),
        *record_columns(),
    ),
)
