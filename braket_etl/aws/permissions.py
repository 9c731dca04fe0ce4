"""The IAM actions that braket_etl uses, once: for the doctor, who tries them, and for the policy that grants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: Without one of these a Region or account cannot be pulled.
NEEDED = ("SearchQuantumTasks", "SearchJobs", "GetQuantumTask", "GetJob")
#: Without these a run goes on with a warning; what is missing then.
HELPFUL = {
    "SearchDevices": "devices that no task names are not stored",
    "GetDevice": "devices, their queue depths and opening hours are not stored",
    "SearchSpendingLimits": "spending limits are not stored",
}
#: The buckets that Braket's SDK makes.
DEFAULT_BUCKETS = ("amazon-braket-*",)
_RESOURCES = {"GetQuantumTask": "quantum-task/*", "GetJob": "job/*"}


def policy(buckets: Sequence[str] = DEFAULT_BUCKETS) -> dict[str, Any]:
    """The least that braket_etl needs as an IAM policy; results are read from buckets of these names."""
    statements = [
        _statement("FindRecords", [a for a in (*NEEDED, *HELPFUL) if a not in _RESOURCES], "*"),
        *(
            _statement(f"Read{action.removeprefix('Get')}s", [action], f"arn:aws:braket:*:*:{resource}")
            for action, resource in _RESOURCES.items()
        ),
    ]
    if buckets:
        results = [f"arn:aws:s3:::{bucket}/*" for bucket in buckets]
        statements.append(
            {
                "Sid": "OptionalReadResults",  # run times of simulators; everything else works without
                "Effect": "Allow",
                "Action": ["s3:GetObject"],
                "Resource": results,
            }
        )
    return {"Version": "2012-10-17", "Statement": statements}


def _statement(sid: str, actions: Sequence[str], resource: str) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": [f"braket:{action}" for action in actions],
        "Resource": resource,
    }
