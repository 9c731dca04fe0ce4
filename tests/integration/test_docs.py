"""The documentation says what is so: generated pages are current, links lead somewhere, commands and SQL in it work."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from braket_etl.cli.app import app
from braket_etl.costs.owner_files import read_allocations, read_budgets
from braket_etl.settings import PREFIX, Settings, load_settings
from braket_etl.warehouse.checks import checks
from tests.conftest import Program

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "braket_emulator" / "README.md",
    *sorted(DOCS.glob("*.md")),
]
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

#: What troubleshooting quotes that is said by somebody else: AWS's SDK, DuckDB, the operating system.
FOREIGN = (
    "The config profile",
    "could not be found",
    "attached in read-only mode",
    "Permission denied",
    "SHOW TABLES",
    "Unrecognized operator type",
)


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    import build

    return build


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def verbs(command: Any, *path: str) -> Iterator[tuple[str, ...]]:
    """The path of every verb and group."""
    for name, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield (*path, name)
            yield from verbs(inner, *path, name)


def test_what_is_generated_is_current() -> None:
    done = subprocess.run(
        [sys.executable, "docs/build.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_page_that_is_not_current_is_named(build: ModuleType, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    shutil.copytree(DOCS, docs)
    for page, current in build.stale_pages(docs).items():
        page.write_text(current, "utf-8")
    commands = docs / "commands.md"
    commands.write_text(commands.read_text("utf-8").replace("--quota-share", "--quota"), "utf-8")
    (docs / "cookbook.md").unlink()
    assert {page.name for page in build.stale_pages(docs)} == {"commands.md", "cookbook.md"}


def test_every_verb_and_option_is_documented() -> None:
    sections = re.split(r"^## ", (DOCS / "commands.md").read_text("utf-8"), flags=re.MULTILINE)
    documented = {section.splitlines()[0]: section for section in sections}
    found = list(verbs(get_command(app)))
    assert len(found) > 20
    for path in found:
        shown = CliRunner().invoke(app, [*path, "--help"]).output
        for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", shown)) - {"--help"}:
            assert option in documented[f"braket-etl {' '.join(path)}"], f"{path} {option}"


def test_every_setting_and_variable_is_documented() -> None:
    operations = (DOCS / "operations.md").read_text("utf-8")
    read = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for source in (ROOT / "braket_etl").rglob("*.py"):
        read |= set(re.findall(r"\b(?:BRAKET_ETL|BRAKET)_[A-Z_]*[A-Z]\b", source.read_text("utf-8")))
    documented = operations + (DOCS / "cost-rules.md").read_text("utf-8")
    assert [name for name in sorted(read) if f"`{name}" not in documented] == []


@EVERY_PAGE
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    for target in targets:
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        lead_to = (page.parent / file) if file else page
        assert lead_to.exists(), target
        if anchor:
            assert anchor in anchors(lead_to), target


@cache
def anchors(page: Path) -> set[str]:
    """The places in a page that a link can name: its headings as GitHub spells them, and its own marks."""
    text = page.read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    marks = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    return marks | {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@EVERY_PAGE
def test_its_sql_runs(page: Path, demo_home: Path, tmp_path: Path) -> None:
    for sql in blocks(page, "sql"):
        if "lake" in sql or "GRANT" in sql:  # needs a PostgreSQL: see tests/lake
            continue
        with duckdb.connect() as connection:
            for name in re.findall(r"ATTACH '([\w.]+)'", sql) or ["warehouse.duckdb"]:
                shutil.copyfile(demo_home / "warehouse.duckdb", tmp_path / name)
            if "ATTACH" in sql:
                sql = sql.replace("ATTACH '", f"ATTACH '{tmp_path}/")
            else:
                connection.execute(f"ATTACH '{tmp_path}/warehouse.duckdb' AS w (READ_ONLY); USE w")
            assert connection.execute(sql).description


#: What a block of TOML is that is no settings.
KEPT_FILES = {"allocations": read_allocations, "budgets": read_budgets}


@EVERY_PAGE
def test_its_settings_are_accepted(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, text in enumerate(blocks(page, "toml")):
        file = tmp_path / f"{number}.toml"
        file.write_text(text, "utf-8")
        if kept := next((read for entry, read in KEPT_FILES.items() if f"[[{entry}]]" in text), None):
            assert kept(file)
            continue
        monkeypatch.setenv("BRAKET_ETL_CONFIG", str(file))
        settings = load_settings()
        assert all(getattr(settings, name) is not None for name in tomllib.loads(text))


@EVERY_PAGE
def test_its_commands_are_understood(page: Path) -> None:
    """Names of verbs and options, and their values, are checked; nothing is run."""
    text = page.read_text("utf-8")
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    lines += re.findall(r"(?<!`)`(braket-etl [^`\n]+)`(?!`)", text)
    for line in lines:
        if "braket-etl " in line and "|" not in line and "VERB" not in line and "…" not in line:
            understood(line[line.index("braket-etl ") :])


def understood(line: str) -> None:
    """Parse a command as the program would; raises what it would say."""
    _, *words = shlex.split(line.split(" > ")[0])
    example = {"DAY": "2026-11-20", "FIRST": "2026-11-01", "LAST": "2026-11-20", "N": "3"}
    command = get_command(app)
    context: Any = None
    words = [example.get(word, word) for word in words]
    while True:
        context = type(context or command.make_context("braket-etl", [], resilient_parsing=True))(
            command, parent=context, info_name=command.name
        )
        is_group = hasattr(command, "commands")
        if not is_group:
            # a verb that is only named needs none of its arguments
            context.resilient_parsing = not words
            command.parse_args(context, words)
            return
        while words and words[0].startswith("-"):
            words = words[2:] if words[0] == "--home" else words[1:]
        if not words:
            return
        assert words[0] in command.commands, f"{line}: there is no {words[0]}"
        command, words = command.commands[words[0]], words[1:]


def test_troubleshooting_quotes_what_is_said() -> None:
    source = " ".join(
        re.sub(r'"\s*\n\s*f?"', "", file.read_text("utf-8")) for file in (ROOT / "braket_etl").rglob("*.py")
    )
    source += " ".join(f"{check.table} {check.name}" for check in checks())  # what a finding names
    bold = re.findall(r"^\*\*(.+?)\*\*", (DOCS / "troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    quoted = [part for symptom in bold for part in re.findall(r"`([^`]+)`", symptom)]
    assert len(quoted) > 15
    for quote in quoted:
        for part in re.split(r"[…'()]+", quote):
            said = part.strip(" ,.")
            assert len(said) < 4 or said in source or said in FOREIGN, f"nobody says {said!r}"


def test_a_backup_is_restored_as_the_page_says(pulled: Program, tmp_path: Path) -> None:
    backup, restore = (
        block for block in blocks(DOCS / "operations.md", "console") if ".braket_etl/" in block
    )
    (tmp_path / ".braket_etl").symlink_to(pulled.home)
    ours = tmp_path / "bin" / "braket-etl"
    ours.parent.mkdir()
    ours.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m braket_etl "$@"\n')
    ours.chmod(0o755)
    environment = {**pulled.environment(), "PATH": f"{ours.parent}:{os.environ['PATH']}"}
    before = pulled.contents("last_observed_at", "n_polls")

    def shell(script: str) -> None:
        subprocess.run(["sh", "-e", "-c", script], cwd=tmp_path, env=environment, check=True, timeout=1200)

    shell(backup)
    pulled.writer.write_bytes(b"the disk lied" * 1000)
    assert "docs/operations.md" in pulled.run("sync").stderr
    pulled.published.unlink()
    shell(restore)
    assert pulled.contents("last_observed_at", "n_polls") == before
