"""What `deviceCapabilities` says of a device: enough for Braket's SDK to load it, and for a pipeline to read.

Shapes are those of Braket's device schemas. What describes the physics of a device is made up and says nothing
of the real one.
"""

from __future__ import annotations

import json
from typing import Any

from braket_emulator.devices import Device
from braket_emulator.instants import DAY, HOUR, iso

_GATES = ["x", "y", "z", "h", "s", "t", "v", "rx", "ry", "rz", "cnot", "cz", "swap"]
_NATIVE_GATES = {
    "ionq": ["GPI", "GPI2", "ZZ"],
    "iqm": ["cz", "prx"],
    "rigetti": ["rx", "rz", "iswap"],
    "aqt": ["prx", "rz", "xx"],
    "oqc": ["ecr", "rz", "v", "x"],
    "made-up": ["rx", "rz", "cz"],
}
_MOST_EXECUTABLES, _MOST_SHOTS_OF_A_SET = 100, 200_000


def capabilities(device: Device, now: int) -> str:
    """The JSON text of `deviceCapabilities`; `updatedAt` moves once a day."""
    updated = _schema_time(now - now % DAY + 3 * HOUR)
    told = {
        **_header(device.schema),
        "service": _service(device, updated),
        "action": _actions(device),
        "deviceParameters": {},
        "paradigm": _paradigm(device),
    }
    if device.provider == "aqt":  # the one whose schema requires them
        told |= {"provider": _aqt_properties(updated), "standardized": _standardized(updated)}
    return json.dumps(told)


def _service(device: Device, updated: str) -> dict[str, Any]:
    cost = {"price": float(device.per_shot), "unit": "shot"}
    if device.is_paid_by_time:
        cost = {"price": float(device.per_minute), "unit": "minute"}
    return {
        **_header("braket.device_schema.device_service_properties"),
        "executionWindows": [window.as_json() for window in device.windows],
        "shotsRange": list(device.shots),
        "deviceCost": cost,
        "deviceDocumentation": {
            "imageUrl": "",
            "summary": device.summary,
            "externalDocumentationUrl": "https://docs.aws.amazon.com/braket/",
        },
        "deviceLocation": device.location,
        "updatedAt": updated,
    }


def _actions(device: Device) -> dict[str, Any]:
    action: dict[str, Any] = {"actionType": device.action, "version": ["1"]}
    if device.action == "braket.ir.openqasm.program":
        action |= {
            "supportedOperations": _GATES,
            "supportedResultTypes": [
                {"name": "Probability", "observables": None, "minShots": 1, "maxShots": 0}
            ],
            "supportPhysicalQubits": device.is_qpu,
            "disabledQubitRewiringSupported": device.is_qpu,
        }
    told = {device.action: action}
    if device.program_sets:
        name = "braket.ir.openqasm.program_set"
        told[name] = {
            "actionType": name,
            "version": ["1"],
            "maximumExecutables": _MOST_EXECUTABLES,
            "maximumTotalShots": _MOST_SHOTS_OF_A_SET,
        }
    return told


def _paradigm(device: Device) -> dict[str, Any]:
    if device.provider == "quera":
        return _neutral_atoms(device.qubits)
    if not device.is_qpu:
        name = "braket.device_schema.simulators.gate_model_simulator_paradigm_properties"
        return {**_header(name), "qubitCount": device.qubits}
    return {
        **_header("braket.device_schema.gate_model_qpu_paradigm_properties"),
        "qubitCount": device.qubits,
        "connectivity": {"fullyConnected": True, "connectivityGraph": {}},
        "nativeGateSet": _NATIVE_GATES[device.provider],
    }


def _neutral_atoms(qubits: int) -> dict[str, Any]:
    """The paradigm of an analog device. Units are SI, as in the schema; numbers are made up."""
    drive = {
        "rabiFrequencyRange": [0.0, 1.5e7],
        "rabiFrequencyResolution": 400.0,
        "rabiFrequencySlewRateMax": 2.5e14,
        "detuningRange": [-1e8, 1e8],
        "detuningResolution": 0.2,
        "detuningSlewRateMax": 2.5e15,
        "phaseRange": [-99.0, 99.0],
        "phaseResolution": 5e-7,
        "timeResolution": 1e-9,
        "timeDeltaMin": 5e-8,
        "timeMin": 0.0,
        "timeMax": 4e-6,
    }
    return {
        **_header("braket.device_schema.quera.quera_ahs_paradigm_properties"),
        "qubitCount": qubits,
        "lattice": {
            "area": {"width": 7.5e-5, "height": 7.5e-5},
            "geometry": {
                "spacingRadialMin": 4e-6,
                "spacingVerticalMin": 4e-6,
                "positionResolution": 1e-7,
                "numberSitesMax": qubits,
            },
        },
        "rydberg": {"c6Coefficient": 5.42e-24, "rydbergGlobal": drive},
        "performance": {
            "lattice": dict.fromkeys(_LATTICE_ERRORS, 0.01),
            "rydberg": {
                "rydbergGlobal": {
                    **dict.fromkeys(_RYDBERG_ERRORS, 0.01),
                    "rabiAmplitudeRampCorrection": [{"rampTime": 5e-8, "rabiCorrection": 0.9}],
                }
            },
        },
    }


_LATTICE_ERRORS = (
    "positionErrorAbs",
    "sitePositionError",
    "atomPositionError",
    "fillingErrorTypical",
    "fillingErrorWorst",
    "vacancyErrorTypical",
    "vacancyErrorWorst",
    "atomLossProbabilityTypical",
    "atomLossProbabilityWorst",
    "atomCaptureProbabilityTypical",
    "atomCaptureProbabilityWorst",
    "atomDetectionErrorFalsePositiveTypical",
    "atomDetectionErrorFalsePositiveWorst",
    "atomDetectionErrorFalseNegativeTypical",
    "atomDetectionErrorFalseNegativeWorst",
)
_RYDBERG_ERRORS = (
    "rabiFrequencyErrorRel",
    "rabiFrequencyGlobalErrorRel",
    "rabiFrequencyInhomogeneityRel",
    "groundDetectionError",
    "rydbergDetectionError",
    "groundPrepError",
    "rydbergPrepErrorBest",
    "rydbergPrepErrorWorst",
    "T1Single",
    "T1Ensemble",
    "T2StarSingle",
    "T2StarEnsemble",
    "T2EchoSingle",
    "T2EchoEnsemble",
    "T2RabiSingle",
    "T2RabiEnsemble",
    "T2BlockadedRabiSingle",
    "T2BlockadedRabiEnsemble",
    "detuningError",
    "detuningInhomogeneity",
)


def _aqt_properties(updated: str) -> dict[str, Any]:
    fidelity = {"value": 99.0, "uncertainty": 0.5}
    return {
        **_header("braket.device_schema.aqt.aqt_provider_properties"),
        "properties": {
            "single_qubit_gate_fidelity": {"0": fidelity},
            "mean_two_qubit_gate_fidelity": fidelity,
            "spam_fidelity_lower_bound": 99.0,
            "t2_coherence_time_s": {"value": 0.1, "uncertainty": 0.01},
            "t1_s": {"value": 1.0, "uncertainty": 0.1},
            "readout_time_micros": 1_000.0,
            "single_qubit_gate_duration_micros": 10.0,
            "two_qubit_gate_duration_micros": 200.0,
            "updated_at": updated,
        },
    }


def _standardized(updated: str) -> dict[str, Any]:
    name = "braket.device_schema.standardized_gate_model_qpu_device_properties"
    return {**_header(name, version="3"), "updatedAt": updated}


def _header(name: str, version: str = "1") -> dict[str, Any]:
    return {"braketSchemaHeader": {"name": name, "version": version}}


def _schema_time(ms: int) -> str:
    """A time as device schemas write it: with an offset, not with Z."""
    return iso(ms).replace("Z", "+00:00")
