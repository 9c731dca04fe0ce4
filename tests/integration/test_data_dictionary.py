"""The data dictionary: current, complete, and its questions answered by a real warehouse."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import duckdb
import pytest

from braket_etl.tables import ALL, MAIN
from braket_etl.warehouse.models import Model, models

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "data-dictionary.md").read_text("utf-8")
EXAMPLES = sorted(path.stem for path in (DOCS / "examples").glob("*.sql"))
NAMES = [t.name if t.schema == "main" else f"{t.schema}.{t.name}" for t in ALL] + [m.name for m in models()]
#: Those that nobody asks a question: others read them, or a person has just written them.
NOT_ASKED = {
    "device_keys",
    "device_open_hours",
    "allocations",
    "budget_charges",
    "budget_periods",
    "budgets",
    "charge_sums",
    "closed_statement_lines",
    "discounts",
    "job_duration_unit",
    "job_meters",
    "job_timelines",
    "priced_tasks",
    "reservation_costs",
    "reservations",
    "usage_types",
    "window_openings",
}


@pytest.fixture(scope="module")
def dictionary() -> Iterator[ModuleType]:
    sys.path.insert(0, str(DOCS))
    yield importlib.import_module("data_dictionary")
    sys.path.remove(str(DOCS))


def section(name: str) -> str:
    return PAGE.split(f"\n### {name}\n", 1)[1].split("\n### ", 1)[0].split("\n## ", 1)[0]


def test_the_page_is_current(dictionary: ModuleType) -> None:
    assert dictionary.data_dictionary() == PAGE, "run `python docs/build.py`"


def test_a_page_that_is_not_current_is_told(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for path in (*DOCS.glob("*.py"), *DOCS.glob("*.md")):
        shutil.copyfile(path, docs / path.name)
    page = docs / "data-dictionary.md"
    page.write_text("old", "utf-8")
    done = subprocess.run(
        [sys.executable, docs / "build.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "data-dictionary.md is not current: run `python docs/build.py`\n" in done.stdout
    assert page.read_text("utf-8") == "old"


@pytest.mark.parametrize("name", NAMES)
def test_every_table_and_model_has_its_section(name: str) -> None:
    assert f"(#{name.replace('.', '')})" in PAGE
    assert re.search(r"^Key: `", section(name), re.MULTILINE)
    assert "| column | type | meaning | from |" in section(name)


def test_columns_show_type_meaning_and_origin() -> None:
    assert "| `shots` | `BIGINT`, never NULL | Shots requested" in section("quantum_tasks")
    assert "| `GetQuantumTask.shots` |" in section("quantum_tasks")
    assert "| `cost_usd` | `DECIMAL(38, 12)` | at list price" in section("daily_costs")
    assert "(`cost_usd`, `meter`)" in section("daily_costs")


def test_the_main_ones_have_three_questions_or_more(dictionary: ModuleType) -> None:
    asked = {name for name, questions in dictionary.examples().items() if len(questions) >= 3}
    assert {table.name for table in MAIN} | {model.name for model in models()} == asked | NOT_ASKED


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_question_is_answered(
    dictionary: ModuleType, demo: duckdb.DuckDBPyConnection, name: str
) -> None:
    assert name in NAMES
    for statement in dictionary.examples()[name]:
        assert re.match(r"-- .*[?.]\n", statement)
        assert name in statement.split("\n", 1)[1]
        demo.execute(statement).fetchall()


@pytest.mark.parametrize("model", models(), ids=lambda model: model.name)
def test_no_two_rows_of_a_model_have_the_same_key(model: Model, demo: duckdb.DuckDBPyConnection) -> None:
    assert model.key
    key = ", ".join(f'"{column}"' for column in model.key)
    doubled = demo.execute(f'SELECT {key} FROM "{model.name}" GROUP BY ALL HAVING count(*) > 1').fetchall()
    assert doubled == []
