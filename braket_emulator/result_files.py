"""What a task leaves in its output bucket, as Braket writes it, with random measurements.

That is results.json, and of a program set a folder: results.json names metadata.json and a results.json for each program,
and those a file for each executable and one for the program, each relative to the folder of the file that names it.

Pure functions of a task that has ended; where the file lies and who may read it belongs to `storage.py`.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from random import Random
from typing import Any
from zlib import crc32

from braket_emulator.instants import iso
from braket_emulator.records import Task

FILE_NAME = "results.json"
_METADATA = "metadata.json"
_OF_A_SET = re.compile(
    r"programs/(\d+)/(?:(results\.json)|(program\.json)|executables/(\d+)\.json)", re.ASCII
)
PROGRAM = "braket.ir.openqasm.program"
PROGRAM_SET = "braket.ir.openqasm.program_set"
ANALOG = "braket.ir.ahs.program"

_BLOCK = 4_096  # measurements drawn once and told again and again: large results cost a copy, not a draw
_BELL = {
    "braketSchemaHeader": {"name": PROGRAM, "version": "1"},
    "source": "OPENQASM 3.0;\nbit[2] b;\nqubit[2] q;\nh q[0];\ncnot q[0], q[1];\nb = measure q;\n",
    "inputs": {},
}
_EVOLUTION = {
    "braketSchemaHeader": {"name": ANALOG, "version": "1"},
    "setup": {"ahs_register": {"sites": [["0", "0"], ["0", "5.5e-6"]], "filling": [1, 1]}},
    "hamiltonian": {"drivingFields": [], "shiftingFields": []},
}


def has_results(task: Task) -> bool:
    """Whether the task leaves a file at its end: if it completed; a program set also if it ran and failed."""
    if task.outcome == "FAILED":
        return task.action == PROGRAM_SET and task.started is not None
    return task.outcome == "COMPLETED"


def file_names(task: Task) -> list[str]:
    """The files that the task leaves in its folder, in the order of a listing."""
    if task.action != PROGRAM_SET:
        return [FILE_NAME]
    names = [_METADATA, FILE_NAME]
    for program, size in enumerate(_program_sizes(task)):
        inside = ["results.json", "program.json", *(f"executables/{each}.json" for each in range(size))]
        names += [f"programs/{program}/{name}" for name in inside]
    return sorted(names)


def file_content(task: Task, name: str = FILE_NAME) -> bytes:
    """The content of one of the task's files; the same for the same task. Raises KeyError for a name that is none."""
    if task.action == PROGRAM_SET:
        return json.dumps(_file_of_a_set(task, name), separators=(",", ":")).encode()
    if name != FILE_NAME:
        raise KeyError(name)
    return (_analog_result(task) if task.action == ANALOG else _gate_model_result(task)).encode()


def program_count(action: dict[str, Any]) -> tuple[int, int]:
    """Programs of a program set, and executables: one for each set of inputs."""
    programs = action.get("programs") or []
    return len(programs), sum(_executables(program) for program in programs)


def _gate_model_result(task: Task) -> str:
    result = {
        **_header("braket.task_result.gate_model_task_result"),
        "measuredQubits": list(range(_qubits(task))),
        "resultTypes": [],
        "taskMetadata": _task_metadata(task),
        "additionalMetadata": _additional_metadata(task, task.source or _program(task)),
    }
    if not task.shots:
        del result["measuredQubits"]
    return _with_measurements(result, _rows(_qubits(task), task.successful, task.arn) if task.shots else None)


def _program(task: Task) -> dict[str, Any]:
    """What a drawn task ran: mostly a program of its own, one time in five one that others ran too."""
    chance = crc32(task.arn.encode())
    angle = chance % 7 if chance % 5 == 0 else chance
    return {**_BELL, "source": str(_BELL["source"]).replace("h q[0];", f"rx({angle / 1e9:.9f}) q[0];")}


def _analog_result(task: Task) -> str:
    result = {
        **_header("braket.task_result.analog_hamiltonian_simulation_task_result"),
        "taskMetadata": _task_metadata(task),
        "additionalMetadata": {
            **_additional_metadata(task, task.source or _EVOLUTION),
            "queraMetadata": {
                **_header("braket.task_result.quera_metadata"),
                "numSuccessfulShots": task.successful,
            },
        },
    }
    return _with_measurements(result, _shots_of_atoms(task.successful, task.arn))


def _file_of_a_set(task: Task, name: str) -> dict[str, Any]:
    shots = _shots_of_executables(task)
    if name == FILE_NAME:
        return {
            **_header("braket.task_result.program_set_task_result"),
            "programResults": [f"programs/{program}/{FILE_NAME}" for program in range(len(shots))],
            "s3Location": [task.output_bucket, task.directory],
            "taskMetadata": _METADATA,
        }
    if name == _METADATA:
        told = [{"executables": [{} if some else _FAILURE for some in each]} for each in shots]
        return {
            **_header("braket.task_result.program_set_task_metadata"),
            **_identity(task),
            "requestedShots": task.shots,
            "successfulShots": task.successful,
            "programMetadata": told,
            "totalFailedExecutables": sum(not some for each in shots for some in each),
        }
    if (found := _OF_A_SET.fullmatch(name)) is None or int(found[1]) >= len(shots):
        raise KeyError(name)
    program = int(found[1])
    source = _programs(task)[program]
    if found[3]:
        return source
    if found[2]:
        return {
            **_header("braket.task_result.program_result"),
            "executableResults": [f"executables/{index}.json" for index in range(len(shots[program]))],
            "source": "program.json",
            "additionalMetadata": _additional_metadata(task, source),
        }
    if int(found[4]) >= len(shots[program]):
        raise KeyError(name)
    return _executable(int(found[4]), shots[program][int(found[4])], task)


def _shots_of_executables(task: Task) -> list[list[int]]:
    """What succeeded fills one executable after the other, program by program; those that got nothing failed."""
    sizes = _program_sizes(task)
    shots, left = task.shots // max(1, sum(sizes)), task.successful
    filled = []
    for size in sizes:
        each = [min(shots, max(0, left - shots * index)) for index in range(size)]
        left -= sum(each)
        filled.append(each)
    return filled


def _programs(task: Task) -> list[dict[str, Any]]:
    return (task.source or {}).get("programs") or [_BELL] * len(_program_sizes(task))


_FAILURE = {"failureReason": "The device stopped.", "retryable": True, "category": "DEVICE"}


def _executable(index: int, shots: int, task: Task) -> dict[str, Any]:
    if not shots:
        header = _header("braket.task_result.program_set_executable_failure")
        return {**header, "inputsIndex": index, "failureMetadata": _FAILURE}
    return {
        **_header("braket.task_result.program_set_executable_result"),
        "inputsIndex": index,
        "measurements": json.loads(f"[{_rows(2, shots, f'{task.arn}/{index}')}]"),
        "measuredQubits": [0, 1],
    }


def _program_sizes(task: Task) -> list[int]:
    """Executables of each program."""
    if task.source:
        return [_executables(program) for program in task.source.get("programs") or []]
    programs, executables = task.programs or 1, task.executables or 1
    return [executables // programs] * programs


def _executables(program: dict[str, Any]) -> int:
    inputs = program.get("inputs") or {}
    return max((len(values) for values in inputs.values() if isinstance(values, list)), default=1)


def _task_metadata(task: Task) -> dict[str, Any]:
    return {
        **_header("braket.task_result.task_metadata"),
        **_identity(task),
        "shots": task.shots,
    }


def _identity(task: Task) -> dict[str, Any]:
    told = {
        "id": task.arn,
        "deviceId": task.device.arn,
        "status": task.outcome,
        "createdAt": iso(task.created),
        "endedAt": iso(task.ended),
    }
    parameters = json.loads(task.parameters)
    return {**told, "deviceParameters": parameters} if parameters else told


def _additional_metadata(task: Task, action: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"action": action}
    if task.device.is_paid_by_time:
        told["simulatorMetadata"] = {
            **_header("braket.task_result.simulator_metadata"),
            "executionDuration": task.run_time,
        }
    if task.device.provider == "iqm":
        told["iqmMetadata"] = {
            **_header("braket.task_result.iqm_metadata"),
            "compiledProgram": str(action.get("source", "")) or "OPENQASM 3.0;",
        }
    return told


def _header(name: str) -> dict[str, Any]:
    return {"braketSchemaHeader": {"name": name, "version": "1"}}


def _qubits(task: Task) -> int:
    return task.qubits or 2


def _with_measurements(result: dict[str, Any], rows: str | None) -> str:
    """The result as JSON, its measurements before its metadata, as Braket has it on most devices."""
    text = json.dumps(result, separators=(",", ":"))
    return text if rows is None else f'{{"measurements":[{rows}],{text[1:]}'


def _rows(qubits: int, count: int, seed: str) -> str:
    """So many random measurements, as the inside of a JSON list."""
    return _repeated(_block(qubits), 2 * qubits + 2, count, seed)


def _repeated(block: str, width: int, count: int, seed: str) -> str:
    """`count` entries of a block in which each takes `width` characters with its comma, from a random one on."""
    start = Random(seed).randrange(_BLOCK) * width  # noqa: S311 (made-up data)
    copies = (start + count * width) // len(block) + 1
    return (block * copies)[start : start + count * width].rstrip(",")


@lru_cache(maxsize=8)
def _block(qubits: int) -> str:
    rng = Random(qubits)  # noqa: S311
    rows = (format(rng.getrandbits(qubits), f"0{qubits}b") for _ in range(_BLOCK))
    return "".join(f"[{','.join(row)}]," for row in rows)


def _shots_of_atoms(count: int, seed: str) -> str:
    return _repeated(_atoms(), len(_atoms()) // _BLOCK, count, seed)


@lru_cache(maxsize=1)
def _atoms() -> str:
    rng = Random(2)  # noqa: S311
    return "".join(
        '{"shotMetadata":{"shotStatus":"Success"},"shotResult":{"preSequence":[1,1],'
        f'"postSequence":[{rng.randrange(2)},{rng.randrange(2)}]}}}},'
        for _ in range(_BLOCK)
    )
