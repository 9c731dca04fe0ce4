#!/bin/sh
# amazon-braket-sdk 1.127.5: of a program set whose results lie in several files (`s3Location` is told), the SDK takes whatever
# stands in the place of a name for a name. The schema allows for a program that stands in its result beside executables that
# lie in files of their own, and for task metadata that stand in results.json beside programs in files; the SDK then asks S3 for
# a key made of the text of a Python object, and ends in the client's error.
#
# Seen, with a stand-in for S3 that prints the keys it is asked for:
#   program inline: tasks/1/metadata.json, tasks/1/programs/0/results.json, tasks/1/programs/0/braketSchemaHeader=BraketSchemaHe…
#   metadata inline: tasks/1/braketSchemaHeader=BraketSchemaHe…
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import io
import json
import sys

import boto3
from braket.schema_common import BraketSchemaBase
from braket.tasks import ProgramSetQuantumTaskResult


def schema(name, **members):
    return {"braketSchemaHeader": {"name": f"braket.{name}", "version": "1"}, **members}


SET = schema(
    "task_result.program_set_task_metadata",
    id="1",
    deviceId="a device",
    requestedShots=1,
    successfulShots=1,
    programMetadata=[{"executables": [{}]}],
    totalFailedExecutables=0,
)
PROGRAM = schema("ir.openqasm.program", source="OPENQASM 3.0;", inputs={})
FILES = {
    "tasks/1/metadata.json": SET,
    "tasks/1/programs/0/results.json": schema(
        "task_result.program_result", executableResults=["executables/0.json"], source=PROGRAM, additionalMetadata={}
    ),
}


class S3:
    def __init__(self):
        self.asked = []

    def get_object(self, Bucket, Key):
        self.asked.append(Key if len(Key) < 40 else f"{Key[: Key.index('=') + 15]}…")
        return {"Body": io.BytesIO(json.dumps(FILES[Key]).encode())}


def asked_for(metadata):
    s3 = S3()
    boto3.client = lambda *_: s3
    root = schema(
        "task_result.program_set_task_result",
        programResults=["programs/0/results.json"],
        s3Location=["a-bucket", "tasks/1"],
        taskMetadata=metadata,
    )
    try:
        ProgramSetQuantumTaskResult.from_object(BraketSchemaBase.parse_raw_schema(json.dumps(root)))
    except KeyError:
        return s3.asked
    return []


seen = {"program inline": asked_for("metadata.json"), "metadata inline": asked_for(SET)}
for name, keys in seen.items():
    print(f"{name}: {', '.join(keys)}")
wrong = [bool(keys) and keys[-1].endswith("braketSchemaHeader=BraketSchemaHe…") for keys in seen.values()]
sys.exit(wrong != [True, True])
PY
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check amazon-braket-sdk==1.127.5
"$folder/venv/bin/python" "$folder/run.py"
