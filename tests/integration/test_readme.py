"""README and "get started": what they tell to paste works as it is pasted, and what is shown is what one sees."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from braket_emulator import Emulator
from tests.conftest import Program

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
COMMANDS = [
    line for language, block in BLOCKS if language == "console" for line in block.splitlines() if line
]
GET_STARTED = (ROOT / "docs" / "get-started.md").read_text("utf-8")
#: What serves, what changes the machine, and what finds that the emulator's clock is another than this machine's.
NOT_TO_RUN = re.compile(r"^make |^docker |^  --| (?:ui|dashboard|service install|service status|doctor)$")


@pytest.fixture
def shell(tmp_path: Path, demo_home: Path, emulator: Emulator) -> dict[str, str]:
    """The environment of a folder in which the demo was made, and in which an account called your-profile can be had."""
    config = tmp_path / "aws.config"
    config.write_text(
        "[profile your-profile]\naws_access_key_id = AKIAEXAMPLEEXAMPLE00\naws_secret_access_key = not-a-secret\n"
    )
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "braket-etl").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m braket_etl "$@"\n')
    (binaries / "braket-etl").chmod(0o755)
    (tmp_path / ".braket_etl-demo").symlink_to(demo_home)
    (tmp_path / "sql").symlink_to(ROOT / "sql")
    endpoint = {name: value for name, value in emulator.env().items() if "ENDPOINT" in name}
    return {
        **Program(tmp_path / ".braket_etl").environment(endpoint),
        "AWS_CONFIG_FILE": str(config),
        "BRAKET_ETL_START_DATE": "2026-11-18",
        "PYTHONPATH": str(ROOT),
        "PATH": f"{binaries}:{os.environ['PATH']}",
    }


def test_every_block_is_to_paste_or_to_look_at() -> None:
    assert {language for language, _ in BLOCKS} <= {"console", "text", "sql", "toml", "python", "mermaid"}
    assert len(COMMANDS) >= 5


def test_the_commands_run_one_after_the_other(tmp_path: Path, shell: dict[str, str]) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```", GET_STARTED, re.DOTALL | re.MULTILINE)
    consoles = re.findall(r"^```console\n(.*?)^```", GET_STARTED, re.DOTALL | re.MULTILINE)
    lines = [*COMMANDS, *(line for block in consoles for line in block.splitlines())]
    lines = [line for line in lines if not NOT_TO_RUN.search(line)]
    assert len(lines) > 12
    for line in [*lines, f"{sys.executable} -c {shlex.quote(program)}"]:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=shell,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        assert done.stdout or done.stderr or " > " in line, f"{line} shows nothing"


def test_its_make_targets_exist() -> None:
    for target in set(re.findall(r"(?:`|^)make ([a-z0-9-]+)", README, re.MULTILINE)):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, target
        assert target != "demo" or "braket-etl demo" in done.stdout


def test_the_demo_looks_as_it_is_shown(demo_home: Path) -> None:
    """The tables' headings: the figures in them are those of one day."""
    seen = demo_home.parent.with_name("demo.done").read_text("utf-8")
    shown = next(block for language, block in BLOCKS if language == "text" and "$ make demo" in block)
    headings = [line for line in shown.splitlines() if line.startswith("┃") or line.endswith(")")]
    assert len(headings) >= 4
    for heading in headings:
        for cell in heading.strip("┃").split("┃"):
            assert cell.strip() in " ".join(seen.split()) or cell.strip() in seen, cell


def test_it_counts_the_ready_questions_right() -> None:
    told = int(re.search(r"(\d+) ready questions", README)[1])  # type: ignore[index]
    assert told == len(list((ROOT / "sql" / "questions").glob("*.sql")))
