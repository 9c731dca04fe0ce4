"""The documentation says what is so: generated pages are current, links lead somewhere, what is named exists, commands
and SQL in it work."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
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
from braket_etl.tables import BOOKKEEPING, MAIN
from braket_etl.warehouse.checks import checks
from braket_etl.warehouse.models import models
from braket_etl.warehouse.queries import queries
from tests.conftest import Program

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *ROOT.glob("*/*.md"))
    if not page.relative_to(ROOT).parts[0].startswith(".")
)
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

#: What a newcomer reads, and how long a page of it may be; a newcomer needs no other.
FIVE = [
    "README.md",
    "docs/first-questions.md",
    "docs/get-started.md",
    "docs/cost.md",
    "docs/queue-latency.md",
]
MOST_WORDS = 1300

#: Pages whose every name has to be one of now: the changelog also tells of what there was.
OF_NOW = pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != "CHANGELOG.md"],
    ids=lambda page: str(page.relative_to(ROOT)),
)

#: Where the program is, and what is said of it.
SOURCES = ("braket_etl", "braket_emulator", "sql", "tests", "bench", "deploy", "notebooks", "docs", "grafana")

#: Names in the docs that are of others, or made up for an example.
OF_OTHERS = {
    "NO_PROXY", "max_runtime_seconds", "pg_dump", "x_CostCategories", "x_Discounts", "qpuRuntimeEstimation",
    "old_name", "db_secret",
}  # fmt: skip
FILES_OF_OTHERS = {"profiles.yml", "metadata.json", "defs/braket/defs.yaml", "hf.token"}

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
    prose = without_blocks(text)
    targets = re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r'(?:src|srcset|href)="([^"]+)"', prose)
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
    marks = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    seen: Counter[str] = Counter()
    for heading in re.findall(r"^#+ (.+)$", without_blocks(text), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        marks.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return marks


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def spans(page: Path) -> list[str]:
    """What stands in backticks in a line."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", without_blocks(page.read_text("utf-8")))


@cache
def sources() -> dict[Path, str]:
    """Every file of text of the program, by where it is."""
    found = [ROOT / "Makefile", ROOT / "pyproject.toml", ROOT / "workspace.yaml"]
    found += [file for folder in SOURCES for file in (ROOT / folder).rglob("*") if file.is_file()]
    return {
        file: file.read_text("utf-8")
        for file in found
        if file.suffix not in (".png", ".zip", ".pyc") and "__pycache__" not in file.parts
    }


@cache
def words_of_the_program() -> set[str]:
    """Every word that stands in code or SQL; pages are no witness of what they say."""
    code = (text for file, text in sources().items() if file.suffix != ".md" and file.parent != DOCS)
    return {word for text in code for word in re.findall(r"\w+", text)} | {
        f"{PREFIX}{name.upper()}" for name in Settings.model_fields
    }


@cache
def columns() -> dict[str, set[str]]:
    """The columns of every table and model, those of bookkeeping with their schema."""
    of_tables = {
        table.name if table.schema == "main" else f"{table.schema}.{table.name}": {
            c.name for c in table.columns
        }
        for table in (*MAIN, *BOOKKEEPING)
    }
    return of_tables | {model.name: set(model.columns) for model in models()}


def test_a_newcomer_needs_five_short_pages() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    five, others = re.split(
        "^To look things up:$", readme.split("\nFive pages to read:\n")[1], maxsplit=1, flags=re.MULTILINE
    )
    assert len(re.findall(r"^\d\. ", five, re.MULTILINE)) == len(FIVE)
    assert ["README.md", *re.findall(r"\]\(([^)#]+)\)", five)] == FIVE
    assert {
        page: n for page in FIVE if (n := len((ROOT / page).read_text("utf-8").split())) > MOST_WORDS
    } == {}
    to_look_up = set(re.findall(r"\]\(([^)#]+)\)", others.split("\n## ")[0]))
    assert to_look_up == {str(page.relative_to(ROOT)) for page in PAGES} - set(FIVE)


def test_pages_that_the_program_names_exist() -> None:
    named = {
        (name, file)
        for file, text in sources().items()
        for name in re.findall(r"\bdocs/[\w/-]+\.(?:md|ya?ml|json|py)(?:#[\w-]+)?", text)
    }
    assert len(named) > 20
    for name, file in named:
        path, _, anchor = name.partition("#")
        assert (ROOT / path).exists(), f"{file} names {name}"
        assert not anchor or anchor in anchors(ROOT / path), f"{file} names {name}"


@OF_NOW
def test_the_questions_it_names_exist(page: Path) -> None:
    known = {name for query in queries().values() for name in (query.name, *query.also)}
    told = [*spans(page), *blocks(page, "console")]
    asked = {name for text in told for name in re.findall(r"(?:^|(?<= ))@([a-z]\w*)", text)}
    assert asked - known == set()


@EVERY_PAGE
def test_the_make_targets_it_names_exist(page: Path) -> None:
    there = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    told = [*spans(page), *blocks(page, "console")]
    named = {
        name for text in told for name in re.findall(r"^(?:\w+=\S+ )*make ([a-z][a-z-]*)", text, re.MULTILINE)
    }
    assert named - there == set()


@OF_NOW
def test_the_names_in_it_are_the_programs(page: Path) -> None:
    """Settings, tables, columns, checks, schedules, members of the API: a name that no code knows is one of the past."""
    named = {
        word
        for text in spans(page)
        for word in re.findall(r"(?<![\w/.@-])(?:[A-Za-z]+_\w*[A-Za-z0-9]|[a-z]+[A-Z]\w+)(?![\w*…])", text)
    }
    named |= set(re.findall(r"\b(?:BRAKET_ETL|BRAKET)_[A-Z_]*[A-Z]\b", page.read_text("utf-8")))
    known = words_of_the_program() | OF_OTHERS
    assert {name for name in named if not {name, name.removeprefix("braket_etl_")} & known} == set()


@OF_NOW
def test_the_columns_it_names_exist(page: Path) -> None:
    for name in {span for span in spans(page) if re.fullmatch(r"(?:etl\.)?[a-z_]+\.[a-z_]+", span)}:
        table, _, column = name.rpartition(".")
        if table in columns() and column != "toml":
            assert column in columns()[table], f"{table} has no column {column}"
        assert table != "etl" or name in columns(), f"there is no table {name}"


@OF_NOW
def test_the_files_it_names_exist(page: Path) -> None:
    endings = r"\.(?:py|sql|sh|md|ya?ml|lock|txt)"
    folders = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != ".")
    for name in spans(page):
        if re.fullmatch(rf"[\w./*-]+{endings}|(?:{folders})/[\w./*-]*", name) and "NAME" not in name:
            assert name in FILES_OF_OTHERS or is_a_file(name, page), name


def is_a_file(name: str, page: Path) -> bool:
    """Whether a file or folder of the repository, beside the page or in the package is meant; or one by its name alone."""
    if any(next(folder.glob(name), None) for folder in (ROOT, ROOT / "braket_etl", page.parent)):
        return True
    return "/" not in name and any(file.name == name for file in sources())


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
    lines += [span for span in spans(page) if "braket-etl " in span]
    verb = re.compile(f"(?:{'|'.join(get_command(app).commands)}) ")
    lines += [f"braket-etl {span}" for span in spans(page) if verb.match(span)]
    assert set(re.findall(r"^```(\w+)", text, re.MULTILINE)) <= {
        "console", "text", "sql", "toml", "python", "yaml", "json", "mermaid",
    }  # fmt: skip
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
            # a verb or an option that is only named needs none of its values
            valued = {
                name for each in command.params if not getattr(each, "is_flag", False) for name in each.opts
            }
            words = words[:-1] if words and words[-1] in valued else words
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
