"""The emulator's README: what it shows with Amazon Braket's own SDK runs as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("braket.aws", reason="`make test-sdk` has amazon-braket-sdk in an environment of its own")

ROOT = Path(__file__).parents[2]


def test_a_task_is_submitted_polled_and_read(tmp_path: Path) -> None:
    text = (ROOT / "braket_emulator" / "README.md").read_text("utf-8")
    (program,) = [
        block
        for block in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        if "braket.aws" in block
    ]
    assert len([line for line in program.splitlines() if line.strip()]) <= 12
    done = subprocess.run(
        [sys.executable, "-"],
        input=program,
        cwd=tmp_path,
        env={**os.environ, "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.splitlines()
    assert first in ("CREATED", "QUEUED", "RUNNING", "COMPLETED")  # as fast as the machine is
    counts = re.fullmatch(r"COMPLETED Counter\((.*)\)", last)
    assert counts, last
    assert sum(map(int, re.findall(r": (\d+)", counts[1]))) == 100
