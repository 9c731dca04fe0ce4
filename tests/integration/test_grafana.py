"""grafana/braket.json: each panel asks a question of the report, and its SQL answers as the question does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from braket_etl.report.sections import sections
from braket_etl.warehouse.queries import Query, assignments

FILE = Path(__file__).resolve().parents[2] / "grafana" / "braket.json"
#: What the data source puts in place of its macros, for the period of the small account.
PERIOD = {"first": "2026-11-09T00:00:00Z", "last": "2026-11-18T12:34:56Z"}


def panels() -> dict[str, dict[str, Any]]:
    found = json.loads(FILE.read_text("utf-8"))["panels"]
    assert len({panel["id"] for panel in found}) == len(found)
    return {panel["title"]: panel for panel in found if panel["type"] != "row"}


def asked(query: Query) -> tuple[str, str]:
    """The SQL of a question's panel, as the data source sends it, and the question itself with the same values."""
    [target] = panels()[query.title]["targets"]
    sent = target["rawSql"].replace("$__timeFrom()", f"'{PERIOD['first']}'")
    sent = sent.replace("$__timeTo()", f"'{PERIOD['last']}'")
    period = {name: value[:10] for name, value in PERIOD.items() if query.takes(name)}
    return sent, ";\n".join([*assignments({**query.page.values, **period}), query.statement])


@pytest.mark.slow
def test_every_panel_answers_as_its_question_does(pulled_home: Path) -> None:
    questions = [query for section in sections() for query in section.questions]
    assert {query.title for query in questions} == set(panels())
    answered = 0
    for query in questions:
        rows = []
        for sql in asked(query):
            assert "$__" not in sql
            with duckdb.connect(str(pulled_home / "warehouse.duckdb"), read_only=True) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                rows.append(connection.execute(sql).fetchall())
        assert rows[0] == rows[1], query.name
        answered += bool(rows[0])
    assert answered > 20
