"""When a day was seen whole: the pull, the report, the status, doctor, Dagster and the cookbook ask one model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from braket_etl.facts import REMEMBERED
from braket_etl.health.here import coverage_finding
from braket_etl.health.standing import standing
from braket_etl.pull.plan import DAY, days_between, due_days, midnight
from braket_etl.report.filters import Filters
from braket_etl.report.page import rendered
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.coverage import gaps, missing, places_not_whole
from braket_etl.warehouse.file import FileWarehouse
from braket_etl.warehouse.models import create_view, models
from braket_etl.warehouse.queries import answer, named_query

TODAY = datetime.now(UTC).date()
START = TODAY - 100 * DAY
FIRST = TODAY - 9 * DAY
LATE = TODAY - 95 * DAY
SETTLED = DAY + timedelta(hours=1)
#: How long after its midnight a day was searched; what was listed, stored and rejected; with whose credentials.
SEEN = {
    START: (timedelta(), 1, 1, 0, "P"),
    LATE: (95 * DAY, 0, 0, 0, "P"),
    FIRST: (SETTLED, 5, 5, 0, "P"),
    FIRST + DAY: (SETTLED, 5, 3, 2, "P"),
    FIRST + 2 * DAY: (SETTLED, 5, 3, 1, "P"),
    FIRST + 3 * DAY: (SETTLED - timedelta(seconds=1), 5, 5, 0, "P"),
    FIRST + 4 * DAY: (SETTLED, 5, 5, 0, "Q"),
    TODAY: (timedelta(), 0, 0, 0, "P"),
}
STATES = {
    START: "lost",
    LATE: "lost",
    FIRST: "whole",
    FIRST + DAY: "whole",
    FIRST + 2 * DAY: "not_whole",
    FIRST + 3 * DAY: "not_whole",
    FIRST + 4 * DAY: "not_whole",
    TODAY: "so_far",
}
REFUSED = "SearchQuantumTasks: access refused (AccessDeniedException: no)"


def never_searched(day: date) -> str:
    if (TODAY - day) > REMEMBERED:
        return "lost"
    return "so_far" if datetime.now(UTC) < midnight(day) + SETTLED else "not_searched"


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    folder = tmp_path_factory.mktemp("seen")
    with FileWarehouse(folder / "writer", folder / "warehouse.duckdb").writing("testing") as opened:
        for day, (after, *counts, principal) in SEEN.items():
            opened.execute(
                "INSERT INTO etl.coverage (account, region, table_name, run_id, day, searched_at, listed, stored, "
                "rejected, principal) VALUES ('lab', 'us-east-1', 'quantum_tasks', 'run', ?, ?, ?, ?, ?, ?)",
                [day, midnight(day) + after, *counts, principal],
            )
        opened.executemany(
            "INSERT INTO etl.wanted (account, region, first_day, until, principal, problem) VALUES ('lab', ?, ?, ?, ?, ?)",
            [
                ("us-east-1", START, None, "P", None),
                ("eu-north-1", TODAY - 3 * DAY, None, "P", REFUSED),
                ("us-west-1", TODAY - 5 * DAY, TODAY - 2 * DAY, "P", REFUSED),
            ],
        )
        for model in models():
            create_view(opened, model)
        yield opened


def states(connection: Connection, region: str, table: str = "quantum_tasks") -> dict[date, str]:
    return dict(
        connection.execute(
            "SELECT day, state FROM day_coverage WHERE account = 'lab' AND region = ? AND table_name = ?",
            [region, table],
        ).fetchall()
    )


def test_every_wanted_day_has_its_state(connection: Connection) -> None:
    expected = {day: STATES.get(day, never_searched(day)) for day in days_between(START, TODAY)}
    assert states(connection, "us-east-1") == expected
    assert states(connection, "us-east-1", "jobs") == {day: never_searched(day) for day in expected}


def test_a_region_that_was_never_reached_is_there_with_each_day(connection: Connection) -> None:
    assert states(connection, "eu-north-1") == {
        day: never_searched(day) for day in days_between(TODAY - 3 * DAY, TODAY)
    }


def test_a_region_that_the_settings_left_out_is_not_missed(connection: Connection) -> None:
    assert set(states(connection, "us-west-1").values()) == {"not_wanted"}
    assert not [gap for gap in gaps(connection) if gap.region == "us-west-1"]


def test_the_pull_asks_again_for_what_was_not_seen(connection: Connection) -> None:
    due = due_days(connection, "lab", "us-east-1", "quantum_tasks", [*SEEN], datetime.now(UTC), "P")
    assert due == [day for day in SEEN if STATES[day] != "whole" and day != LATE]
    of_another = due_days(connection, "lab", "us-east-1", "quantum_tasks", [*SEEN], datetime.now(UTC), "Q")
    assert of_another == [*SEEN]


def test_the_report_misses_only_what_is_neither_stored_nor_rejected(connection: Connection) -> None:
    query = named_query("days_searched")
    assert query.page.section
    told = {
        (row["region"], row["kind"]): row
        for row in answer(connection, query, Filters(START, TODAY).values_for(query)).records()
    }["us-east-1", "quantum_tasks"]
    counted = Counter(states(connection, "us-east-1").values())
    assert told["n_whole_days"] == counted["whole"] == 2
    assert told["n_not_whole"] == counted["not_whole"] + counted["not_searched"]
    assert told["n_so_far"] == counted["so_far"]
    assert told["n_lost"] == counted["lost"]
    assert told["n_missing"] == 1


def test_whoever_asks_gets_the_same_number(connection: Connection) -> None:
    every = Counter(state for (state,) in connection.execute("SELECT state FROM day_coverage").fetchall())
    days, lost = every["not_whole"] + every["not_searched"], every["lost"]
    asked = gaps(connection)
    assert sum(gap.days for gap in asked if gap.state != "lost") == days > 100
    assert sum(gap.days for gap in asked if gap.state == "lost") == lost == 20
    shown = standing(connection)
    assert (shown.days_not_whole, shown.days_lost) == (days, lost)
    assert coverage_finding(connection).what.startswith(f"{days} days not seen whole\n")
    page = rendered(connection, Filters(START, TODAY))
    assert f"{days} days not seen whole" in page
    assert f"{lost} days are lost" in page
    in_dagster = [
        place
        for table in ("quantum_tasks", "jobs")
        for day in days_between(START, TODAY)
        for place in places_not_whole(connection, table, day)
    ]
    assert len(in_dagster) == days + lost


def test_it_is_told_by_account_and_region_with_the_reason_and_the_setting(connection: Connection) -> None:
    never, partly = missing(connection).lines
    assert never == f"1 of 2 Regions of account lab were never searched whole: eu-north-1 ({REFUSED})"
    assert (
        partly.startswith("lab/us-east-1: 90 days of jobs and ") or "lab/us-east-1: 89 days of jobs" in partly
    )
    finding = coverage_finding(connection)
    assert finding.status == "warn"
    assert "BRAKET_ETL_REGIONS" in finding.remedy
    page = rendered(connection, Filters(START, TODAY))
    assert page.index("never searched whole") < page.index('<nav aria-label="Sections">')


def test_how_long_braket_remembers_is_said_once() -> None:
    [model] = [model for model in models() if model.name == "day_coverage"]
    numbers = set(re.findall(r"\b[89]\d\b", model.sql))
    assert numbers == {str(REMEMBERED.days)}
