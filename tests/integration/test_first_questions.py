"""Each of the ten first questions of the docs is one command that answers."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import Program

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "first-questions.md").read_text("utf-8")
COMMANDS = re.findall(r"^\| [^|]+ \| `braket-etl ([^`]+)` \|$", PAGE, flags=re.MULTILINE)


def test_there_are_ten() -> None:
    assert len(COMMANDS) == 10


@pytest.mark.parametrize("command", COMMANDS)
def test_it_answers(command: str, demo_home: Path) -> None:
    answer = Program(demo_home).ok(*shlex.split(command))
    needs_a_file = command in ("sql @budgets", "sql @bill_differences")  # budgets.toml, a bill
    assert len(answer.splitlines()) > (0 if needs_a_file else 1)
