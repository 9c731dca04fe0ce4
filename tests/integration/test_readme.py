"""The README's commands, pasted one by one, and its links."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from braket_etl.settings import PREFIX, Settings
from tests.conftest import Program

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def commands() -> list[str]:
    """Every line of the README's console blocks."""
    blocks = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.fixture(scope="module")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make demo` makes, smaller and elsewhere."""
    program = Program(tmp_path_factory.mktemp("readme") / "home")
    program.ok("demo", "--tasks", "200", "--jobs", "5", "--days", "5")
    return program.home.with_name("home-demo")


def test_the_commands_run(demo_home: Path) -> None:
    pasted = [line for line in commands() if not line.startswith("make ")]
    assert len(pasted) >= 3
    program = Program(demo_home)
    for line in pasted:
        name, *arguments = shlex.split(line.replace(".braket_etl-demo", str(demo_home)))
        assert name == ".venv/bin/braket-etl"
        assert program.ok(*arguments, cwd=ROOT), line


def test_the_targets_exist() -> None:
    for line in commands():
        if line.startswith("make "):
            done = subprocess.run(
                ["make", "-n", *shlex.split(line)[1:]], cwd=ROOT, capture_output=True, check=False
            )
            assert done.returncode == 0, line


def test_every_ready_query_answers_on_the_demo(demo_home: Path) -> None:
    queries = sorted((ROOT / "sql" / "queries").glob("*.sql"))
    assert len(queries) >= 20
    for query in queries:
        Program(demo_home).ok("sql", "--file", str(query))


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_setting_is_documented() -> None:
    operations = (ROOT / "docs" / "operations.md").read_text("utf-8")
    for name in Settings.model_fields:
        assert f"`{PREFIX}{name.upper()}`" in operations
