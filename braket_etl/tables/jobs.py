"""`jobs`: one row a hybrid job, as GetJob last showed it."""

from __future__ import annotations

import pyarrow as pa

from braket_etl.tables.arns import device_name_of, device_provider_of, device_type_of
from braket_etl.tables.declaration import Column, Table, day, instant, integer, string_map, text
from braket_etl.tables.quantum_tasks import ASSOCIATIONS, QUEUE_INFO
from braket_etl.tables.shared_columns import (
    owner_columns,
    record_columns,
    reservation_arn_of,
    terminal_column,
)

STATUSES = ("QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLING", "CANCELLED")
TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
#: Types of instances: those of today, and those that AWS has taken from its list, which older jobs still name.
_SIZES = {
    "t3": "large xlarge 2xlarge",
    "m4": "xlarge 2xlarge 4xlarge 10xlarge 16xlarge",
    "m5": "large xlarge 2xlarge 4xlarge 12xlarge 24xlarge",
    "c4": "xlarge 2xlarge 4xlarge 8xlarge",
    "c5": "xlarge 2xlarge 4xlarge 9xlarge 18xlarge",
    "c5n": "xlarge 2xlarge 4xlarge 9xlarge 18xlarge",
    "p2": "xlarge 8xlarge 16xlarge",  # gone since botocore 1.44.6, as p3 and p3dn are
    "p3": "2xlarge 8xlarge 16xlarge",
    "p3dn": "24xlarge",
    "p4d": "24xlarge",
    "g4dn": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "g6": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "g6e": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
}
INSTANCE_TYPES = tuple(f"ml.{family}.{size}" for family, sizes in _SIZES.items() for size in sizes.split())
_INPUT_DATA = pa.list_(
    pa.struct(
        [
            ("channel_name", pa.string()),
            ("content_type", pa.string()),
            ("data_source", pa.struct([("s3_data_source", pa.struct([("s3_uri", pa.string())]))])),
        ]
    )
)

JOBS = Table(
    name="jobs",
    description=(
        "One row a hybrid job, as GetJob last showed it. Its events are in job_events, its queue positions "
        "in job_observations, its tasks in quantum_tasks by job_arn."
    ),
    key=("job_arn",),
    immutable="created_at",
    operation="GetJob",
    only_grows=True,
    members_elsewhere=(("queueInfo", QUEUE_INFO), ("events", None)),
    lists_elsewhere=("events",),
    terminal_statuses=TERMINAL,
    columns=(
        text("job_arn", "ARN of the job", "jobArn", required=True),
        *owner_columns("job_arn"),
        text("job_name", "Name of the job", "jobName", required=True),
        text("status", "Status at fetched_at", "status", values=STATUSES, required=True),
        terminal_column(TERMINAL),
        instant("created_at", "When the job was created", "createdAt", required=True),
        day(
            "created_date",
            "UTC day of created_at",
            derive=lambda row: row["created_at"].date(),
            required=True,
        ),
        instant("started_at", "When the job started to run", "startedAt"),
        instant("ended_at", "When the job ended", "endedAt"),
        integer(
            "billable_duration",
            "Billable duration as the API gives it; its unit is not documented, job_costs says what was inferred",
            "billableDuration",
        ),
        text(
            "device_config_device",
            "Device with priority access, or local:provider/simulator",
            "deviceConfig.device",
            side=True,
        ),
        text(
            "device_provider",
            "Last but one part of device_config_device, as written",
            derive=lambda row: device_provider_of(row["device_config_device"]),
        ),
        text(
            "device_name",
            "Last part of device_config_device, as written",
            derive=lambda row: device_name_of(row["device_config_device"]),
        ),
        text(
            "device_type",
            "QPU or SIMULATOR, from device_config_device; NULL for an embedded simulator",
            derive=lambda row: device_type_of(row["device_config_device"]),
            values=("QPU", "SIMULATOR"),
        ),
        text(
            "instance_config_instance_type",
            "Type of the instances",
            "instanceConfig.instanceType",
            values=INSTANCE_TYPES,
            required=True,
        ),
        integer(
            "instance_config_volume_size_in_gb",
            "Storage volume in GB",
            "instanceConfig.volumeSizeInGb",
            required=True,
        ),
        integer("instance_config_instance_count", "Number of instances", "instanceConfig.instanceCount"),
        string_map("tags", "Tags of the job", "tags"),
        string_map("hyper_parameters", "Hyperparameters of the algorithm", "hyperParameters", side=True),
        text("failure_reason", "Why the job failed", "failureReason", wide=True, side=True),
        Column("associations", ASSOCIATIONS, "Resources associated with the job", "associations"),
        text(
            "reservation_arn",
            "Reservation in whose time window the job runs, from associations",
            derive=reservation_arn_of,
        ),
        text("role_arn", "Role that the job runs with", "roleArn", required=True),
        text(
            "algorithm_specification_script_mode_config_entry_point",
            "Entry point of the script",
            "algorithmSpecification.scriptModeConfig.entryPoint",
            side=True,
        ),
        text(
            "algorithm_specification_script_mode_config_s3_uri",
            "Where the script lies",
            "algorithmSpecification.scriptModeConfig.s3Uri",
            side=True,
        ),
        text(
            "algorithm_specification_script_mode_config_compression_type",
            "Compression of the script",
            "algorithmSpecification.scriptModeConfig.compressionType",
            values=("NONE", "GZIP"),
            side=True,
        ),
        text(
            "algorithm_specification_container_image_uri",
            "Container image",
            "algorithmSpecification.containerImage.uri",
            side=True,
        ),
        Column("input_data_config", _INPUT_DATA, "Input channels", "inputDataConfig", side=True),
        text(
            "output_data_config_s3_path",
            "Where results go",
            "outputDataConfig.s3Path",
            required=True,
            side=True,
        ),
        text(
            "output_data_config_kms_key_id",
            "Key that encrypts results",
            "outputDataConfig.kmsKeyId",
            side=True,
        ),
        text("checkpoint_config_s3_uri", "Where checkpoints go", "checkpointConfig.s3Uri", side=True),
        text(
            "checkpoint_config_local_path",
            "Folder of checkpoints in the container",
            "checkpointConfig.localPath",
            side=True,
        ),
        integer(
            "stopping_condition_max_runtime_in_seconds",
            "Longest run time allowed, in seconds",
            "stoppingCondition.maxRuntimeInSeconds",
            side=True,
        ),
        *record_columns(),
    ),
)
