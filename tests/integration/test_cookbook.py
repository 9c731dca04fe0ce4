"""The ready questions of sql/questions: each says what it asks, runs anywhere, and does not take unknown for nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from braket_etl.warehouse.queries import LIMITS, Query, named_query, queries, set_variables, unknown_values
from braket_etl.warehouse.queries import answer as ask
from braket_etl.warehouse.settled import unsettle
from tests.conftest import Program, name_creators

QUERIES = queries()
EVERY = pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
#: Another value than the default, for each parameter by name.
OTHER = {
    "device": "Garnet",
    "key": "project",
    "budget": "none",
    "quantile": 0.9,
    "hours": 3,
    "tasks": 3,
    "rows": 3,
    "step": "week",
    "since": "2026-11-01",
    "months": 3,
    "first": date(2026, 11, 1),
    "before": date(2026, 11, 1),
    "last": "2026-11-10",
    "account": "123456789012,1",
    "month": "2026-10",
    "jobs": 3,
    "minutes": 5,
    "format": "focus",
    "region": "us-east-1,eu-north-1",
    "tags": 3,
    "people": 1,
    "person": "o'hara, <b>",
    "tag": {"team": "chemistry", "stage": "prod"},
}
#: The questions that there were when a file was named once and for all: an outside program may ask by these names.
FIRST_NAMES = frozenset(
    [
        "best_hours",
        "bill_differences",
        "cancelled_cost",
        "cancelled_in_queue",
        "cost_by_account",
        "cost_by_job",
        "cost_by_month_and_device",
        "cost_by_tag",
        "cost_by_task",
        "cost_elsewhere",
        "cost_not_known",
        "cost_per_shot",
        "days_not_whole",
        "dearest_hours",
        "dearest_tasks",
        "device_tradeoff",
        "failed_jobs",
        "failures",
        "how_well_watched",
        "job_overhead",
        "job_phases",
        "job_waits",
        "next_wait",
        "open_by_tag",
        "price_changes",
        "prices_now",
        "program_set_saving",
        "queue_depth_over_time",
        "queue_wait_bounds",
        "queue_wait_by_device",
        "queue_wait_by_week",
        "records_not_stored",
        "reservation_use",
        "simulator_overhead",
        "simulators_by_qubits",
        "slowdown",
        "small_tasks",
        "spend_forecast",
        "spending_limits",
        "untagged_spend",
        "wait_by_priority",
        "wait_inside_windows",
        "waiting_now",
        "week_over_week",
    ]
)

Row = dict[str, Any]
#: Who created most of the records in a copy of the demo; names of sessions may hold anything.
PEOPLE = ("ann@example.org", "o'hara, <b>")


@pytest.fixture(scope="module")
def named(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy in which two people created most tasks and jobs, and nobody is named for the others."""
    copy = tmp_path_factory.mktemp("named") / "warehouse.duckdb"
    shutil.copyfile(demo_home / "warehouse.duckdb", copy)
    with duckdb.connect(str(copy)) as connection:
        unsettle(connection)
        name_creators(connection, *PEOPLE)
        yield connection


@pytest.fixture
def damaged(demo_home: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy that a test may change."""
    copy = tmp_path / "warehouse.duckdb"
    shutil.copyfile(demo_home / "warehouse.duckdb", copy)
    with duckdb.connect(str(copy)) as connection:
        unsettle(connection)
        yield connection


def answer(
    connection: duckdb.DuckDBPyConnection, name: str, values: Mapping[str, Any] | None = None
) -> list[Row]:
    """The rows of a ready question, by column name, from a session of its own."""
    with connection.cursor() as session:
        set_variables(session, values or {})
        found = session.execute(QUERIES[name].sql)
        names = [column for column, *_ in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_there_are_enough_and_each_title_is_its_own() -> None:
    assert len(QUERIES) >= 25
    assert len({query.title for query in QUERIES.values()}) == len(QUERIES)


def test_each_has_a_place_of_its_own_in_a_chapter() -> None:
    places = {(query.chapter, query.place) for query in QUERIES.values()}
    assert len(places) == len(QUERIES)
    assert all(chapter and place for chapter, place in places)


@EVERY
def test_it_says_what_it_asks_and_how_to_read_the_answer(query: Query) -> None:
    head = query.sql.splitlines()
    assert [line.split(":")[0] for line in head[:2]] == ["-- title", "-- question"]
    assert query.question.endswith("?")
    assert len(query.read) > 40
    assert query.read.endswith(".")


@EVERY
def test_its_parameters_are_those_it_reads_with_the_defaults_it_tells(query: Query) -> None:
    used = re.findall(r"coalesce\(getvariable\('(\w+)'\)(?:::\w+)?, '?([^')]+)'?\)", query.sql)
    # what has no default is true of all, or no limit, until it is set
    optional = re.findall(r"\(getvariable\('(\w+)'\) IS NULL OR [^\n]*getvariable\('\1'\)::\w+", query.sql)
    unlimited = re.findall(r"LIMIT getvariable\('(\w+)'\)::BIGINT", query.sql)
    # NULL, and no error, until it is set
    told = re.findall(r"error\([^\n]* \|\| getvariable\('(\w+)'\)::VARCHAR", query.sql)
    assert query.sql.count("getvariable(") == len(used) + 2 * len(optional) + len(unlimited) + len(told)
    assert set(told) <= set(optional)
    expected = {*used, *((name, "") for name in (*optional, *unlimited))}
    assert {(param.name, param.default) for param in query.params} == expected
    assert all(param.meaning for param in query.params)


@EVERY
def test_it_is_limited_as_every_other(query: Query) -> None:
    known = [param for param in query.params if param.name in LIMITS and not param.default]
    assert all(param.meaning == LIMITS[param.name] for param in known)
    assert query.takes("first") == query.takes("last")
    assert query.takes("person") == query.takes("tag")
    for line in query.sql.splitlines():
        if "getvariable('account')" in line:
            assert re.search(
                r"list_contains\(string_split\(getvariable\('account'\)::VARCHAR, ','\), (\w\.)?account_id",
                line,
            )
        for name, column in (("region", "region"), ("device", "device_name|device|regexp_extract")):
            if f"getvariable('{name}') IS NULL" in line:
                assert re.search(
                    rf"list_contains\(string_split\(getvariable\('{name}'\)::VARCHAR, ','\), (\w\.)?({column})\b",
                    line,
                )
        if "getvariable('person')" in line:
            assert re.search(r"IS NULL OR (\w\.)?created_by = getvariable\('person'\)::VARCHAR\)$", line)
        if "getvariable('tag')" in line:
            assert re.search(
                r"list_has_all\(map_entries\((\w\.)?tags\), map_entries\(getvariable\('tag'\)::MAP", line
            )


def test_every_name_that_a_question_ever_had_still_asks_it() -> None:
    assert {named_query(name).name for name in FIRST_NAMES} <= QUERIES.keys()
    names = [name for query in QUERIES.values() for name in (query.name, *query.also)]
    assert len(names) == len(set(names))
    assert named_query("dearest_hours").name == "most_expensive_hours"


@pytest.mark.parametrize("name", sorted(name for name, query in QUERIES.items() if query.takes("tag")))
def test_limits_leave_out_what_does_not_fulfil_them(demo: duckdb.DuckDBPyConnection, name: str) -> None:
    everything = answer(demo, name)
    [account] = demo.sql("SELECT DISTINCT account_id FROM quantum_tasks").fetchall()[0]
    assert answer(demo, name, {"account": f"1,{account}"}) == everything
    nothing = [answer(demo, name, {"account": "1"}), answer(demo, name, {"tag": {"it's": "}, x=\\'"}})]
    assert nothing[0] == nothing[1] == answer(demo, name, {"person": "'; DROP TABLE jobs; --"})
    assert all(not value for row in nothing[0] for value in row.values())
    tags = {"team": "chemistry", "stage": "prod"}
    assert answer(demo, name, {"tag": tags}) == answer(demo, name, {"tag": "{team=chemistry, stage=prod}"})


@pytest.mark.parametrize(
    ("name", "column", "unnamed"),
    [
        *(
            (name, "cost_usd", "SELECT sum(cost_usd) FROM charges WHERE created_by IS NULL")
            for name in ("spent", "cost_by_device", "cost_over_time", "cost_by_meter", "price_sources")
        ),
        *(
            (name, "committed_usd", "SELECT sum(committed_usd) FROM charges WHERE created_by IS NULL")
            for name in ("open_now", "open_by_device")
        ),
        (
            "most_expensive_tasks",
            "cost_usd",
            "SELECT sum(cost_usd) FROM charges WHERE created_by IS NULL AND record_kind = 'task'",
        ),
        (
            "cost_per_experiment",
            "cost_usd",
            "SELECT sum(cost_usd) FROM task_costs JOIN quantum_tasks USING (quantum_task_arn) WHERE created_by IS NULL",
        ),
        *(
            (
                name,
                "task_cost_usd",
                "SELECT sum(task_cost_usd) FROM job_costs JOIN jobs USING (job_arn) WHERE created_by IS NULL",
            )
            for name in ("cost_by_job", "most_expensive_jobs")
        ),
        ("task_outcomes", "n_created", "SELECT count(*) FROM quantum_tasks WHERE created_by IS NULL"),
        (
            "freshness",
            "n_records",
            "SELECT count(*) FROM (SELECT created_by FROM quantum_tasks UNION ALL SELECT created_by FROM jobs) "
            "WHERE created_by IS NULL",
        ),
        (
            "queue_wait_bounds",
            "n",
            "SELECT count(*) FROM waits WHERE is_counted AND record_kind = 'task' AND created_by IS NULL",
        ),
        (
            "job_waits",
            "n",
            "SELECT count(*) FROM waits WHERE is_counted AND record_kind = 'job' AND created_by IS NULL",
        ),
        (
            "waiting_by_device",
            "n_waiting",
            "SELECT count(*) FROM waits WHERE is_waiting AND created_by IS NULL",
        ),
    ],
)
def test_what_people_have_and_what_nobody_is_named_for_is_all(
    named: duckdb.DuckDBPyConnection, name: str, column: str, unnamed: str
) -> None:
    every = {"tasks": 9_999, "jobs": 9_999}

    def total(**limits: str) -> Any:
        values = {key: value for key, value in (every | limits).items() if QUERIES[name].takes(key)}
        return sum(row[column] or 0 for row in answer(named, name, values))

    of_people = [total(person=person) for person in PEOPLE]
    assert min(of_people) > 0
    assert sum(of_people) + named.execute(unnamed).fetchall()[0][0] == total() > sum(of_people)
    assert total(person=PEOPLE[1].upper()) == total(person=PEOPLE[1].split(",", maxsplit=1)[0]) == 0


def test_people_to_choose_from_are_those_with_most_records(named: duckdb.DuckDBPyConnection) -> None:
    def people(**values: int) -> list[tuple[str, int]]:
        return [
            (row["value"], row["n_records"])
            for row in answer(named, "choices", values)
            if row["kind"] == "person"
        ]

    counted = named.sql(
        "SELECT created_by, count(*) AS n FROM (SELECT created_by FROM quantum_tasks UNION ALL SELECT created_by FROM jobs) "
        "WHERE created_by IS NOT NULL GROUP BY 1 ORDER BY n DESC, 1"
    ).fetchall()
    assert people() == counted
    assert len(counted) == len(PEOPLE)
    assert people(people=1) == counted[:1]
    [told] = unknown_values(named, QUERIES["spent"], {"person": "o'hara, <i>"})
    there = f"there is {counted[0][0]}, {counted[1][0]}"
    assert told == f"parameter person: no task or job has o'hara, <i>, did you mean {PEOPLE[1]}?; {there}"
    assert not list(unknown_values(named, QUERIES["spent"], {"person": PEOPLE[1]}))


def test_the_days_of_a_period_are_both_in(demo: duckdb.DuckDBPyConnection) -> None:
    by_day = {row["since"]: 0 for row in answer(demo, "cost_over_time")}
    first, last = sorted(by_day)[2], sorted(by_day)[4]
    within = {row["since"] for row in answer(demo, "cost_over_time", {"first": first, "last": f"{last}"})}
    assert within == {day for day in by_day if first <= day <= last}
    [whole] = demo.sql(
        f"SELECT count(*) FROM waits WHERE record_kind = 'task' AND is_counted "
        f"AND created_at >= '{first} 00:00:00+00' AND created_at < '{last + timedelta(days=1)} 00:00:00+00'"
    ).fetchall()[0]
    found = answer(demo, "queue_wait_bounds", {"first": f"{first}", "last": last})
    assert sum(row["n"] for row in found) == whole > 0


def test_what_a_question_is_asked_with_is_gone_when_it_was_answered(demo: duckdb.DuckDBPyConnection) -> None:
    with demo.cursor() as session:
        query = named_query("spent")
        everything = ask(session, query).rows
        assert ask(session, query, {"first": "2200-01-01"}).rows != everything
        with pytest.raises(duckdb.Error):
            ask(session, query, {"first": "soon"})
        assert ask(session, query).rows == everything
        assert session.sql("SELECT count(*) FROM duckdb_variables()").fetchall() == [(0,)]


@EVERY
def test_what_a_terminal_shows_first_is_in_the_answer(query: Query, demo: duckdb.DuckDBPyConnection) -> None:
    assert set(query.columns) <= {*demo.sql(query.sql).columns}  # bound, and not asked


@EVERY
def test_it_answers_or_says_when_it_is_empty(query: Query, demo: duckdb.DuckDBPyConnection) -> None:
    rows = answer(demo, query.name)
    if not rows:
        assert re.search(r"\b(Empty|No rows)\b", query.read) or query.page.section, (
            f"{query.name} has no rows and does not say when"
        )
    there = {"job": demo.execute("SELECT min(job_name) FROM jobs").fetchall()[0][0]}
    assert answer(demo, query.name, {p.name: (OTHER | there)[p.name] for p in query.params}) is not None


@EVERY
def test_the_sessions_time_zone_changes_nothing(query: Query, demo: duckdb.DuckDBPyConnection) -> None:
    found = []
    for zone in ("UTC", "Pacific/Auckland", "America/Los_Angeles"):
        with demo.cursor() as session:
            session.execute("SET TimeZone = ?", [zone])
            found.append(session.execute(query.sql).fetchall())
    assert found[0] == found[1] == found[2]


def test_they_run_by_name_with_a_parameter(demo_home: Path) -> None:
    shown = Program(demo_home).ok("sql", "@cost_by_tag", "--param", "key=project", "--format", "csv")
    assert shown.startswith("tag_value,cost_usd")
    assert shown != Program(demo_home).ok("sql", "@cost_by_tag", "--format", "csv")


def test_sums_agree_with_what_was_charged(demo: duckdb.DuckDBPyConnection) -> None:
    charged = demo.sql("SELECT sum(cost_usd), sum(committed_usd) FROM charges").fetchall()[0]
    for name in ("cost_by_tag", "cost_by_account", "cost_by_month_and_device"):
        rows = answer(demo, name)
        assert (sum(r["cost_usd"] for r in rows), sum(r["committed_usd"] for r in rows)) == charged, name


def test_a_cost_that_is_not_known_is_counted_and_not_taken_for_nothing(
    damaged: duckdb.DuckDBPyConnection,
) -> None:
    damaged.execute("DELETE FROM prices WHERE device_key = 'garnet'")
    ended = damaged.sql(
        "SELECT count(*) FROM task_costs JOIN quantum_tasks USING (quantum_task_arn) "
        "WHERE device_name = 'Garnet' AND cost_status = 'no_price'"
    ).fetchall()[0][0]
    completed = damaged.sql(
        "SELECT count(*) FROM quantum_tasks "
        "WHERE device_name = 'Garnet' AND status = 'COMPLETED' AND reservation_arn IS NULL"
    ).fetchall()[0][0]
    assert ended == completed > 10  # the demo has some fifty, more or less by the hour

    def of_garnet(name: str) -> list[Row]:
        return [row for row in answer(damaged, name) if row["device"] == "Garnet"]

    assert {row["cost_usd"] for row in of_garnet("cost_per_shot") + of_garnet("small_tasks")} == {None}
    for name in ("cost_per_shot", "small_tasks"):
        assert sum(row["n_unknown"] for row in of_garnet(name)) == ended
    assert sum(row["n_unknown"] for row in answer(damaged, "cost_by_account")) >= ended
    assert sum(row["n_unknown"] for row in answer(damaged, "cost_by_tag")) >= ended
    assert [row["saved_usd"] for row in of_garnet("program_set_saving")] == [None]
    cancelled = damaged.sql(
        "SELECT count(*) FROM quantum_tasks "
        "WHERE device_name = 'Garnet' AND status = 'CANCELLED' AND reservation_arn IS NULL"
    ).fetchall()[0][0]
    assert sum(row["n_unknown"] for row in of_garnet("cancelled_cost")) == cancelled
    assert "Garnet" not in {row["device"] for row in answer(damaged, "cost_elsewhere")}
    assert answer(damaged, "spend_forecast")[0]["n_unknown"] > 0


def test_the_forecast_is_what_was_spent_and_the_rest_of_the_month_at_the_rate(
    damaged: duckdb.DuckDBPyConnection,
) -> None:
    today = damaged.sql("SELECT timezone('UTC', max(fetched_at))::DATE FROM quantum_tasks").fetchall()[0][0]
    spent = dict(damaged.sql("SELECT charge_date, sum(cost_usd) FROM daily_costs GROUP BY ALL").fetchall())
    [row] = answer(damaged, "spend_forecast")
    first = max(min(spent), today - timedelta(days=28))
    days = [first + timedelta(days=n) for n in range((today - first).days)]
    rate = sum(spent.get(day, 0) for day in days) / Decimal(len(days))
    this_month = sum(usd for day, usd in spent.items() if (day.year, day.month) == (today.year, today.month))
    next_month = date(today.year + today.month // 12, today.month % 12 + 1, 1)
    assert row["days_known"] == len(days)
    assert row["month_to_date_usd"] == this_month
    assert row["days_left"] == (next_month - today).days - 1
    wanted = this_month + row["committed_usd"] + row["days_left"] * rate
    assert float(row["forecast_usd"]) == pytest.approx(float(wanted), abs=0.01)
    assert row["forecast_low_usd"] <= row["forecast_usd"] <= row["forecast_high_usd"]


def test_elsewhere_prices_the_same_tasks_and_shots(demo: duckdb.DuckDBPyConnection) -> None:
    rows = {row["device"]: row for row in answer(demo, "cost_elsewhere", {"device": "Garnet"})}
    assert {row["tasks"] for row in rows.values()} == {rows["Garnet"]["tasks"]}
    assert rows["Garnet"]["times"] == 1
    assert "Aria-1" not in rows  # retired
    forte = rows["Forte-1"]
    assert forte["cost_usd"] == forte["tasks"] * Decimal("0.30") + forte["shots"] * Decimal("0.08")


def test_program_sets_saved_the_fees_of_their_other_executables(demo: duckdb.DuckDBPyConnection) -> None:
    [row] = [row for row in answer(demo, "program_set_saving") if row["device"] == "Garnet"]
    assert row["saved_usd"] == (row["executables"] - row["program_sets"]) * Decimal("0.30")


def test_a_reservation_that_no_file_tells_of_has_an_unknown_cost(demo: duckdb.DuckDBPyConnection) -> None:
    rows = answer(demo, "reservation_use")
    assert {(row["cost_status"], row["cost_usd"]) for row in rows} == {("not_in_file", None)}
    reserved = demo.sql("SELECT count(reservation_arn) FROM quantum_tasks").fetchall()[0][0]
    assert sum(row["tasks"] for row in rows) == reserved


def test_days_that_were_not_seen_whole_come_with_the_time_that_is_left(
    damaged: duckdb.DuckDBPyConnection,
) -> None:
    today = damaged.sql("SELECT timezone('UTC', now())::DATE").fetchall()[0][0]
    hole = [today - timedelta(days=n) for n in (11, 10)]
    damaged.execute(
        "UPDATE etl.coverage SET stored = listed - 1 WHERE region = 'us-east-1' AND table_name = 'jobs' "
        "AND list_contains(?, day)",
        [hole],
    )
    rows = [
        row
        for row in answer(damaged, "days_not_whole")
        if (row["region"], row["table_name"]) == ("us-east-1", "jobs")
    ]
    assert [(row["state"], row["days"], row["days_left"]) for row in rows] == [("not_whole", 2, 79)]
    assert [rows[0]["first_day"], rows[0]["last_day"]] == hole


def test_simulators_with_device_parameters_that_are_no_json_still_answer(
    damaged: duckdb.DuckDBPyConnection,
) -> None:
    damaged.execute("UPDATE quantum_tasks SET device_parameters = '{broken' WHERE device_name = 'sv1'")
    rows = [row for row in answer(damaged, "simulators_by_qubits") if row["device"] == "sv1"]
    assert [row["qubits"] for row in rows] == [None]
