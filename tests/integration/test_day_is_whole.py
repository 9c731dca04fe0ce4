"""When a day was seen whole: the pull, the report, the status and the cookbook go by one rule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from braket_etl.health.standing import standing
from braket_etl.packaged import packaged_sql
from braket_etl.pull.plan import DAY, due_days, midnight
from braket_etl.report.blocks import QUALITY, answer
from braket_etl.report.filters import Filters
from braket_etl.tables.bookkeeping import DAY_IS_WHOLE
from braket_etl.warehouse.connection import Connection, Warehouse
from braket_etl.warehouse.models import create_view, models

TODAY = datetime.now(UTC).date()
FORGOTTEN = TODAY - 100 * DAY
FIRST = TODAY - 9 * DAY
SETTLED = DAY + timedelta(hours=1)
#: How long after its midnight a day was searched; what was listed, stored and rejected.
SEEN = {
    FORGOTTEN: (timedelta(), 1, 1, 0),
    FIRST: (SETTLED, 5, 5, 0),
    FIRST + DAY: (SETTLED, 5, 3, 2),
    FIRST + 2 * DAY: (SETTLED, 5, 3, 1),
    FIRST + 3 * DAY: (SETTLED - timedelta(seconds=1), 5, 5, 0),
    TODAY: (timedelta(), 0, 0, 0),
}
NOT_WHOLE = [FORGOTTEN, FIRST + 2 * DAY, FIRST + 3 * DAY, TODAY]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    folder = tmp_path_factory.mktemp("seen")
    with Warehouse(folder / "writer", folder / "warehouse.duckdb").writing("testing") as opened:
        for day, (after, *counts) in SEEN.items():
            opened.execute(
                "INSERT INTO etl.coverage (account, region, table_name, run_id, day, searched_at, listed, stored, "
                "rejected) VALUES ('lab', 'us-east-1', 'quantum_tasks', 'run', ?, ?, ?, ?, ?)",
                [day, midnight(day) + after, *counts],
            )
        for model in models():
            create_view(opened, model)
        yield opened


def test_the_pull_asks_again_for_what_is_not_whole(connection: Connection) -> None:
    due = due_days(connection, "lab", "us-east-1", "quantum_tasks", [*SEEN], datetime.now(UTC), None)
    assert due == NOT_WHOLE


def test_the_report_misses_only_what_is_neither_stored_nor_rejected(connection: Connection) -> None:
    [block] = [block for block in QUALITY.blocks if block.key == "coverage"]
    [told] = answer(connection, block, Filters(FORGOTTEN, TODAY)).records()
    assert told["n_whole_days"] == len(SEEN) - len(NOT_WHOLE)
    assert told["n_partial_days"] == len(NOT_WHOLE)
    assert told["n_missing"] == 1


def test_the_status_counts_such_days_that_braket_remembers_but_today_and_yesterday(
    connection: Connection,
) -> None:
    assert standing(connection).days_not_whole == len(set(NOT_WHOLE) - {FORGOTTEN, TODAY})


def test_the_cookbook_goes_by_the_same_rule(connection: Connection) -> None:
    query = (packaged_sql("queries") / "days_not_whole.sql").read_text("utf-8")
    assert f"WHERE {DAY_IS_WHOLE} )" in " ".join(query.split())
    runs = connection.execute(f"SELECT first_day, last_day FROM ({query})").fetchall()
    whole = set(SEEN) - set(NOT_WHOLE)
    assert not [day for first, last in runs for day in whole if first <= day <= last]
    assert (FIRST + 2 * DAY, TODAY - 2 * DAY) in runs
