"""The emulator's README: its blocks run as they are pasted, and its tables name what there is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from braket_emulator import Options
from braket_emulator.__main__ import main
from braket_emulator.faults import KINDS, Fault
from braket_emulator.intake import WISH, Wishes
from braket_emulator.quotas import ALL_REQUESTS, QUOTAS
from braket_emulator.service_model import OPERATIONS
from tests.emulator.test_command_line import SMALL, in_a_shell, said_by

README = (Path(__file__).parents[2] / "braket_emulator" / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
PYTHON = [block for language, block in BLOCKS if language == "python"]
COMMANDS = [
    line for language, block in BLOCKS if language == "console" for line in block.splitlines() if line
]
ADDRESS = "http://127.0.0.1:4600"


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """What an emulator said when it was ready, while it serves."""
    with said_by(tmp_path_factory.mktemp("served"), "braket_emulator", *SMALL) as told:
        yield told


def rows(heading: str) -> list[list[str]]:
    """The rows of the first table of a section, without its head; ticks and blanks are taken off."""
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def run(program: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-"], input=program, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def one(what: str) -> str:
    """The Python block in which this stands."""
    (found,) = [block for block in PYTHON if what in block]
    return found


def test_a_program_at_a_shell_polls_and_reads_its_results(lines: list[str]) -> None:
    assert "100 measurements in bell/" in in_a_shell(lines[1:], one("import boto3"))


@pytest.mark.parametrize("what", ["set_clock", "set_faults"])
def test_what_runs_an_emulator_runs(tmp_path: Path, what: str) -> None:
    said = run(one(what), tmp_path)
    assert ("2026-11-21T00:00" if what == "set_clock" else "calls") in said


def test_the_fixtures_make_a_test_a_client(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(one("pytest.fixture"), "utf-8")
    (tmp_path / "test_ours.py").write_text(
        "import boto3\n\ndef test_ours(at_the_emulator):\n"
        '    assert boto3.client("braket").search_devices(filters=[])["devices"]\n'
        '    assert not boto3.client("braket").search_quantum_tasks(filters=[])["quantumTasks"]\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout


@pytest.mark.parametrize(
    "command", [line for line in COMMANDS if not line.startswith("braket-etl")], ids=lambda line: line[:60]
)
def test_its_commands_run(lines: list[str], command: str) -> None:
    program, _, rest = command.partition(" ")
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed here")
    fails = "curl --fail" if program == "curl" else program
    script = "\n".join([*lines[1:], f"{fails} {rest.replace(ADDRESS, lines[0])}"])
    done = subprocess.run(["sh", "-e", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_block_is_run_or_to_look_at() -> None:
    assert {language for language, _ in BLOCKS} == {"python", "console", "text"}
    assert len(PYTHON) == 5, "the one with Amazon Braket's SDK is run in tests/sdk"


def test_what_it_says_when_ready_is_shown(lines: list[str]) -> None:
    (shown,) = [block for language, block in BLOCKS if language == "text"]
    said = "\n".join(lines).replace(lines[0], ADDRESS)
    assert re.sub(r"=AKIA\w+", "=AKIA…", said) == shown.strip()


def test_every_option_is_named_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    known = set(re.findall(r"^  (--[a-z0-9-]+)", capsys.readouterr().out, re.MULTILINE))
    told = {
        option: default
        for cell, _, defaults in rows("Options")
        for option, default in zip(named(cell), [*defaults.split(", "), "", ""], strict=False)
    }
    assert told.keys() == known
    for name in ("port", "seed", "tasks", "jobs", "days"):
        assert told[f"--{name}"] == str(getattr(Options(), name))


def test_every_tag_fault_and_operation_is_named() -> None:
    tags = {tag for cell, _ in rows("Tags that bend the fate of what clients create") for tag in named(cell)}
    assert tags == {f"{WISH}{each.name}" for each in fields(Wishes)}
    assert {kind for cell, _ in rows("Faults") for kind in named(cell)} == KINDS
    about_faults = README.split("## Faults\n")[1].split("\n## ")[0]
    assert [each.name for each in fields(Fault) if each.name not in about_faults] == []
    answers = README.split("## What it answers\n")[1].split(". Requests")[0]
    assert set(named(answers)) == set(OPERATIONS)


def test_the_quotas_are_those_that_are_enforced() -> None:
    told = {
        operation: (float(rate), float(burst))
        for cell, rate, burst in rows("Quotas")
        for operation in named(cell) or [cell]
    }
    enforced = {"all together": ALL_REQUESTS, **QUOTAS}
    assert told == {operation: (quota.rate, quota.burst) for operation, quota in enforced.items()}
