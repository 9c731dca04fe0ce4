#!/bin/sh
# amazon-braket-schemas 1.25.0 to 1.32.1: the metadata of a cancelled executable of a program set, {"status": "CANCELLED"}, are
# read as those of one that succeeded, and the status is lost. `ProgramMetadata.executables` is a union of failure, result and
# cancellation in this order; pydantic takes the first that fits, and the result has no members, so that everything fits it.
# ProgramSetExecutableCancellationMetadata is never made. Whoever counts the executables of a set reads the JSON itself.
#
# Seen, for an executable that succeeded, one that failed and one that was cancelled:
#   amazon-braket-schemas 1.25.0: Result Failure Result, written again as [{}, {"failureReason": …}, {}]
#   amazon-braket-schemas 1.32.1.post0: Result Failure Result, written again as [{}, {"failureReason": …}, {}]
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import json
import sys
from importlib.metadata import version

from braket.task_result.program_set_task_metadata_v1 import ProgramMetadata

FAILED = {"failureReason": "The device stopped.", "retryable": True, "category": "DEVICE"}
read = ProgramMetadata.parse_raw(json.dumps({"executables": [{}, FAILED, {"status": "CANCELLED"}]}))
kinds = [type(each).__name__.removeprefix("ProgramSetExecutable").removesuffix("Metadata") for each in read.executables]
written = json.loads(read.json())["executables"]
print(f"amazon-braket-schemas {version('amazon-braket-schemas')}: {' '.join(kinds)}, written again as {json.dumps(written)}")
sys.exit(kinds != ["Result", "Failure", "Result"] or written != [{}, FAILED, {}])
PY
for version in 1.25.0 1.32.1.post0; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/python" -m pip install --quiet --disable-pip-version-check "amazon-braket-schemas==$version"
  "$folder/$version/bin/python" "$folder/run.py"
done
