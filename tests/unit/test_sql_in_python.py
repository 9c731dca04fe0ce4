"""SQL lies in sql/: what is left in Python is no question, or one of the machinery's own, and is listed here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import braket_etl

ROOT = Path(braket_etl.__file__).parent
#: Modules that hold statements, by why they do. A question that a person asks is a file in sql/questions instead.
ALLOWED = {
    "what an analysis computes from, or what it stores": (
        "analysis/choices.py analysis/forecast.py analysis/next_wait.py analysis/open_clock.py analysis/open_tasks.py "
        "analysis/stored.py analysis/wait_intervals.py costs/spend.py"
    ),
    "an estimate, prices and bills: values of one command are bound": (
        "cli/costs.py costs/billing.py costs/estimate.py costs/load.py costs/owner_files.py costs/seed.py "
        "warehouse/closed_statements.py"
    ),
    "which days, records and owners a pull has to ask for, and what it merged": (
        "pull/callers.py pull/day_counts.py pull/feed.py pull/merge.py pull/owners.py pull/plan.py pull/recover.py "
        "pull/reference.py pull/rejects.py pull/results.py pull/wanted.py warehouse/unsettled.py warehouse/upsert.py"
    ),
    "whether Dagster laid out its own files": "orchestration/storage.py",
    "Dagster's previews, due days and budgets": (
        "orchestration/assets/models.py orchestration/budget_alerts.py orchestration/quiet.py "
        "orchestration/schedules.py"
    ),
    "how things stand, for status and doctor": "health/here.py health/standing.py warehouse/coverage.py",
    "catalogue, storage, migration and repair of the warehouse": (
        "warehouse/catalog.py warehouse/compact.py warehouse/connection.py warehouse/export.py warehouse/file.py "
        "warehouse/future.py warehouse/query_errors.py warehouse/lake.py warehouse/listing.py warehouse/migrate.py "
        "warehouse/models.py warehouse/repair.py warehouse/restore.py warehouse/results.py warehouse/runs.py "
        "warehouse/settled.py warehouse/statements.py warehouse/storage.py"
    ),
    "an example for the user to run": "cli/demo.py",
    "the cells of a sheet, around the user's own query": "cli/query.py",
    "the order of a question's answer, by the column that was clicked": "serving/dashboard.py",
}
#: The report asks files; what is left says which accounts, tags and days there are, so that it can refuse others.
IN_THE_REPORT = {"report/page.py": 6}
_STATEMENT = re.compile(r"\s*(--[^\n]*\n\s*)*(SELECT|WITH\s+(RECURSIVE\s+)?\w+\s+AS|FROM)\s")


def statements(tree: ast.AST) -> Iterator[str]:
    """The texts that begin a query."""
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
            text = node.values[0].value
        elif isinstance(node, ast.Constant) and id(node) not in inside:
            text = node.value
        else:
            continue
        if isinstance(text, str) and _STATEMENT.match(text):
            yield text


def found() -> dict[str, int]:
    """How many statements each module holds, of those that hold any."""
    counted = {
        str(file.relative_to(ROOT)): len(list(statements(ast.parse(file.read_text("utf-8")))))
        for file in sorted(ROOT.rglob("*.py"))
    }
    return {module: n for module, n in counted.items() if n}


def test_statements_are_only_where_there_is_a_reason() -> None:
    allowed = {module for modules in ALLOWED.values() for module in modules.split()}
    assert found().keys() - IN_THE_REPORT.keys() == allowed


def test_the_report_asks_no_question_of_its_own() -> None:
    assert {module: n for module, n in found().items() if module.startswith("report/")} == IN_THE_REPORT


def test_a_statement_is_seen_in_whatever_text_it_begins() -> None:
    source = (
        'a = \'SELECT 1\'\nb = f\'SELECT {a}\'\nc = """\n-- why\nWITH x AS (SELECT 1) FROM x"""\n'
        "d = 'FROM t'\ne = 'From here on'\nf = 'without FROM t'\n"
    )
    assert len(list(statements(ast.parse(source)))) == 4
