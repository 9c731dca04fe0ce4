"""What is new in Amazon Braket's API is found, and told rather than failed for."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import botocore
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from packaging.version import Version

from braket_emulator.service_model import completed
from braket_etl.tables import DEVICE_OBSERVATIONS, JOBS
from tests.api_news import HELD_AGAINST, installed, news

Shapes = dict[str, Any]


def test_our_model_has_all_that_the_installed_botocore_has() -> None:
    found = list(news(installed()))
    if Version(botocore.__version__) <= Version(HELD_AGAINST):
        assert found == []
    for line in found:
        warnings.warn(f"botocore {botocore.__version__}: {line}", stacklevel=1)


def test_our_model_has_what_other_versions_have() -> None:
    """Newer ones have more, and older ones types of instances that are gone."""
    model = completed(Loader().load_service_model("braket", "service-2"))
    assert list(news(ServiceModel(model, "braket"))) == []
    assert "ml.p3.2xlarge" in JOBS.by_name["instance_config_instance_type"].values
    assert "PAUSED" in DEVICE_OBSERVATIONS.by_name["device_status"].values


def _member(shapes: Shapes, shape: str, name: str) -> None:
    shapes[shape]["members"][name] = {"shape": "String"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda shapes: _member(shapes, "GetQuantumTaskResponse", "startedAt"),
            "GetQuantumTask: member startedAt is new",
        ),
        (
            lambda shapes: _member(shapes, "InstanceConfig", "spot"),
            "GetJob: member instanceConfig.spot is new",
        ),
        (lambda shapes: _member(shapes, "JobEventDetails", "cause"), "GetJob events: member cause is new"),
        (
            lambda shapes: _member(shapes, "Association", "until"),
            "GetQuantumTask: member associations[].until is new",
        ),
        (
            lambda shapes: _member(shapes, "SpendingLimitSummary", "name"),
            "SearchSpendingLimits: member name is new",
        ),
        (
            lambda shapes: shapes["QuantumTaskStatus"]["enum"].append("DREAMING"),
            "GetQuantumTask: status may be DREAMING, which is new",
        ),
        (
            lambda shapes: shapes["DeviceStatus"]["enum"].append("ASLEEP"),
            "GetDevice: deviceStatus may be ASLEEP, which is new",
        ),
        (
            lambda shapes: shapes["QueuePriority"]["enum"].append("Urgent"),
            "GetQuantumTask: queueInfo.queuePriority may be Urgent, which is new",
        ),
        (
            lambda shapes: shapes["InstanceType"]["enum"].append("ml.q1.huge"),
            "GetJob: instanceConfig.instanceType may be ml.q1.huge, which is new",
        ),
    ],
)
def test_what_is_new_is_told(change: Callable[[Shapes], None], told: str) -> None:
    model = deepcopy(Loader().load_service_model("braket", "service-2"))
    change(model["shapes"])
    assert told in list(news(ServiceModel(model, "braket")))


def test_a_new_operation_is_told() -> None:
    model = deepcopy(Loader().load_service_model("braket", "service-2"))
    model["operations"]["GetBill"] = {**model["operations"]["GetDevice"], "name": "GetBill"}
    assert "operation GetBill is new" in list(news(ServiceModel(model, "braket")))
