"""What the people of the synthetic account write: teams, tags, names, failure reasons, parameters.

Some of it is odd on purpose (quotes, markup, other scripts, empty values): whoever reads an account's data
meets such things. Drawing only; no times.
"""

from __future__ import annotations

import json
from random import Random

_PROJECTS = {
    "chemistry": ("h2-ground-state", "lih-dissociation", "hubbard-2x4"),
    "optimisation": ("maxcut-64", "fleet-routing", "mis-unit-disk"),
    "error-mitigation": ("zne-study", "readout-calibration"),
    "education": ("qc101-spring", "summer-school"),
    "finance": ("amplitude-estimation", "portfolio-qaoa"),
}
_OWNERS = ("ana", "bo", "chidi", "dagny", "emeka", "fatima", "goran")
_ODD_TAGS: tuple[dict[str, str], ...] = (
    {"team": "chemistry", "note": "Ann's \"quick\" test, 50% done; don't touch"},
    {"project": "Ångström-Δt", "équipe": "Chimie quantique", "状态": "进行中"},
    {"team": "<b>optimisation</b>", "project": "maxcut & friends"},
    {"team": "education", "project": ""},
    {"Cost Center": "4711/0815", "aws:createdBy": "Root:anonymous", "path": "a\\b\\c"},
    {"team": "finance", "comment": "=1+1; two\nlines\tand a tab"},
    {"🚀": "launch ✨", "emoji-owner": "👩🏽\u200d🔬"},
)
_TASK_FAILURES = (
    "Device was unable to complete the task: calibration in progress. Please retry.",
    "ValidationException: qubit 17 is not available on the device.",
    "The program exceeds the maximum of 950 gates after compilation.",
    "Internal service error on the device provider's side.",
    "Shot count 25000 exceeds the device's limit.",
    'Unsupported gate "cphaseshift" in <verbatim> box; see line 12: it\'s not native.',
)
_JOB_FAILURES = (
    "AlgorithmError: KeyError: 'theta'. See CloudWatch logs for details.",
    "AlgorithmError: Exit code 137: out of memory.",
    "ClientError: Could not download s3 input data: access denied.",
    "InternalServerError: We encountered an internal error. Please try again.",
)
INSTANCE_TYPES = (
    ("ml.m5.large", 0.5),
    ("ml.m5.xlarge", 0.15),
    ("ml.m5.4xlarge", 0.1),
    ("ml.c5.2xlarge", 0.1),
    ("ml.p3.2xlarge", 0.05),
    ("ml.g4dn.xlarge", 0.1),
)
EMBEDDED_SIMULATORS = ("local:pennylane/lightning.qubit", "local:braket/default")
_JOB_STEMS = ("vqe", "qaoa", "qsvm", "zne", "braket-job-default", "tune")
_ANALOG_PARAMETERS = (
    '{"braketSchemaHeader":{"name":"braket.device_schema.quera.quera_device_parameters","version":"1"}}'
)
_GATE_PARAMETERS = '{"braketSchemaHeader":{"name":"%s","version":"1"},"paradigmParameters":%s}'
_SETTINGS = '{"braketSchemaHeader":{"name":"braket.device_schema.gate_model_parameters","version":"1"},%s}'


def identifier(rng: Random) -> str:
    """A version-4 UUID drawn from `rng`."""
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def tag_pool(rng: Random) -> list[dict[str, str] | None]:
    """What records of an account are tagged with; drawn from with equal weight. None is no tags at all."""
    pool: list[dict[str, str] | None] = [None] * 12 + [{}] * 4 + list(_ODD_TAGS)
    for team, projects in _PROJECTS.items():
        for project in projects:
            for owner in rng.sample(_OWNERS, 4):
                stage = rng.choice(("dev", "prod"))
                pool.append({"team": team, "project": project, "owner": owner, "stage": stage})
    return pool


def task_failure(rng: Random) -> str:
    """A reason why a task failed."""
    return rng.choice(_TASK_FAILURES)


def job_failure(rng: Random) -> str:
    """A reason why a job failed."""
    return rng.choice(_JOB_FAILURES)


def job_name(rng: Random) -> str:
    """A name of a job: 1 to 50 letters, digits and inner hyphens."""
    return f"{rng.choice(_JOB_STEMS)}-{rng.randrange(10**9, 10**10)}"


def hyper_parameters(rng: Random) -> dict[str, str]:
    """Hyperparameters of a job; empty for some."""
    if rng.random() < 0.15:
        return {}
    drawn = {
        "shots": str(rng.choice((100, 500, 1000))),
        "n_layers": str(rng.randint(1, 8)),
        "learning_rate": f"{10 ** rng.uniform(-3, -0.5):.5f}",
        "optimizer": rng.choice(("adam", "spsa", "cobyla")),
    }
    if rng.random() < 0.1:
        drawn["graph"] = json.dumps({"edges": [[0, 1], [1, 2]], "label": 'it\'s "weighted"'})
    return drawn


def task_parameters(provider: str, qubits: int, rng: Random) -> str:
    """The JSON text in a task's `deviceParameters`."""
    if provider == "quera":
        return _ANALOG_PARAMETERS
    if rng.random() < 0.1:
        return "{}"
    name = {"ionq": "braket.device_schema.ionq.ionq_device_parameters"}.get(
        provider, "braket.device_schema.simulators.gate_model_simulator_device_parameters"
    )
    rewiring = "true" if rng.random() < 0.2 else "false"
    settings = f'"qubitCount":{rng.randint(2, max(2, qubits))},"disableQubitRewiring":{rewiring}'
    return _GATE_PARAMETERS % (name, _SETTINGS % settings)
