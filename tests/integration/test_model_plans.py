"""What DuckDB reads to answer a question of a model: only the columns that it needs, and only the days that it is about.

Both are lost without a wrong number: a CTE that is read twice is kept with all its columns, and a filter whose expression
can fail stays above the joins. On ten million tasks that was the difference between one second and ten.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from braket_etl.warehouse.queries import named_query, set_variables

Node = dict[str, Any]


def plan_of(connection: duckdb.DuckDBPyConnection, question: str) -> Node:
    """The physical plan, which views as they are stored in the file give: those made in a session are another matter."""
    shown = connection.execute(f"EXPLAIN (FORMAT json) {question}").fetchall()[0][1]
    plan: Node = json.loads(shown)[0]
    return plan


def paths(node: Node, above: tuple[Node, ...] = ()) -> Iterator[tuple[Node, ...]]:
    """Each node with all that lie above it, itself last."""
    path = (*above, node)
    yield path
    for child in node["children"]:
        yield from paths(child, path)


def scans(plan: Node, table: str) -> list[tuple[Node, ...]]:
    """The paths to the scans of a table."""
    return [
        path for path in paths(plan) if path[-1].get("extra_info", {}).get("Table", "").endswith(f".{table}")
    ]


def filtered(plan: Node, table: str, condition: str) -> bool:
    """Whether a scan of the table itself leaves out what does not fulfil the condition."""
    return any(condition in str(scan["extra_info"].get("Filters")) for *_, scan in scans(plan, table))


def columns_read(scan: Node) -> set[str]:
    """The columns that a scan reads."""
    read = scan["extra_info"].get("Projections", [])
    return {read} if isinstance(read, str) else set(read)


@pytest.mark.parametrize(
    ("question", "table", "unread"),
    [
        ("SELECT sum(cost_usd) FROM priced_tasks", "quantum_tasks", {"tags", "account_id", "device_arn"}),
        ("SELECT sum(cost_usd) FROM task_costs", "quantum_tasks", {"tags", "account_id", "device_arn"}),
        ("SELECT sum(cost_usd) FROM charges", "quantum_tasks", {"tags", "account_id", "device_arn"}),
        ("SELECT sum(cost_usd) FROM charges", "jobs", {"tags", "account_id", "device_config_device"}),
        ("SELECT count(is_censored) FROM task_latency", "task_results", {"execution_duration_ms"}),
        ("SELECT count(started_at) FROM job_latency", "jobs", {"device_config_device"}),
        (
            "SELECT max(wait_seconds_at_most) FROM waits",
            "quantum_tasks",
            {"tags", "account_id", "region", "shots"},
        ),
        (
            "SELECT max(wait_seconds_at_most) FROM waits",
            "jobs",
            {"tags", "account_id", "device_config_device"},
        ),
    ],
)
def test_a_question_reads_the_columns_that_it_needs(
    demo: duckdb.DuckDBPyConnection, question: str, table: str, unread: set[str]
) -> None:
    found = scans(plan_of(demo, question), table)
    assert found
    for *_, scan in found:
        assert not columns_read(scan) & unread


@pytest.mark.parametrize("table", ["quantum_tasks", "jobs"])
@pytest.mark.parametrize(
    ("model", "amount"),
    [("charges", "cost_usd"), ("allocated_charges", "amount_usd")],
)
def test_a_question_about_some_days_prices_no_other(
    demo: duckdb.DuckDBPyConnection, model: str, amount: str, table: str
) -> None:
    since = demo.execute("SELECT median(created_date) FROM quantum_tasks").fetchall()[0][0]
    plan = plan_of(demo, f"SELECT sum({amount}) FROM {model} WHERE charge_date >= DATE '{since:%Y-%m-%d}'")
    # of jobs, the ended ones: the open ones are few, and how long one has run is looked up first
    priced = "created_date" if table == "quantum_tasks" else "instance_config_instance_type"
    is_open = "stopping_condition_max_runtime_in_seconds"
    dated = [
        path
        for path in scans(plan, table)
        if priced in columns_read(path[-1]) and is_open not in columns_read(path[-1])
    ]
    assert dated
    for path in dated:
        upwards = [node["name"] for node in reversed(path)]
        joins = [place for place, name in enumerate(upwards) if "JOIN" in name]
        assert upwards.index("FILTER") < joins[0]


@pytest.mark.parametrize("model", ["daily_costs", "tag_costs"])
def test_sums_by_day_are_read_as_they_are_kept(demo: duckdb.DuckDBPyConnection, model: str) -> None:
    plan = plan_of(demo, f"FROM {model}")
    assert scans(plan, "kept_charge_sums")
    assert not scans(plan, "quantum_tasks")


@pytest.mark.parametrize(
    ("model", "table"),
    [
        ("task_latency", "quantum_tasks"),
        ("job_latency", "jobs"),
        ("waits", "quantum_tasks"),
        ("waits", "jobs"),
    ],
)
def test_a_question_about_the_waits_of_some_days_reads_no_other(
    demo: duckdb.DuckDBPyConnection, model: str, table: str
) -> None:
    # in the midst of all: where every row is newer, DuckDB leaves the filter out
    since = demo.execute(f"SELECT median(created_at) FROM {table}").fetchall()[0][0]
    plan = plan_of(
        demo, f"SELECT max(wait_seconds_upper) FROM {model} WHERE created_at >= TIMESTAMPTZ '{since}'"
    )
    assert filtered(plan, table, "created_at>=")


@pytest.mark.parametrize(
    ("table", "condition", "filters"),
    [
        ("quantum_tasks", "device_name = 'sv1'", "device_name='sv1'"),
        ("quantum_tasks", "device_arn = 'a'", "device_arn='a'"),
        ("quantum_tasks", "record_kind = 'task' AND account_id = '1'", "account_id='1'"),
        ("jobs", "device_name = 'sv1'", "device_name='sv1'"),
        ("jobs", "device_arn = 'a'", "device_config_device='a'"),
    ],
)
def test_a_question_about_the_waits_of_a_device_reads_no_other(
    demo: duckdb.DuckDBPyConnection, table: str, condition: str, filters: str
) -> None:
    assert filtered(
        plan_of(demo, f"SELECT max(wait_seconds_upper) FROM waits WHERE {condition}"), table, filters
    )


@pytest.mark.parametrize(("kind", "unread"), [("task", "job_events"), ("job", "task_observations")])
def test_a_question_about_the_waits_of_tasks_reads_no_jobs(
    demo: duckdb.DuckDBPyConnection, kind: str, unread: str
) -> None:
    plan = plan_of(demo, f"SELECT max(wait_seconds_upper) FROM waits WHERE record_kind = '{kind}'")
    assert not scans(plan, unread)
    assert scans(plan_of(demo, "SELECT max(wait_seconds_upper) FROM waits"), unread)


@pytest.mark.parametrize(
    "name", ["spent", "cost_over_time", "most_expensive_tasks", "queue_wait_bounds", "wait_heatmap"]
)
def test_a_question_limited_by_variables_reads_what_one_with_constants_does(
    demo: duckdb.DuckDBPyConnection, name: str
) -> None:
    sql = named_query(name).statement
    first, last = demo.execute(
        "SELECT quantile_disc(created_date, 0.3), quantile_disc(created_date, 0.6) FROM quantum_tasks"
    ).fetchall()[0]
    limits = re.compile(r"\(getvariable\('(\w+)'\) IS NULL OR (.*)\)$", re.MULTILINE)

    def as_constants(found: re.Match[str]) -> str:
        if found[1] not in ("first", "last"):
            return "true"
        day = f"DATE '{first if found[1] == 'first' else last}'"
        condition = found[2].replace(f"getvariable('{found[1]}')", day)
        # nothing is left for the planner to work out
        return re.sub(
            r"timezone\(.*\)",
            lambda x: f"TIMESTAMPTZ '{demo.sql('SELECT ' + x[0]).fetchall()[0][0]}'",
            condition,
        )

    constants = limits.sub(as_constants, sql)
    assert constants.count("DATE '") + constants.count("TIMESTAMPTZ '") == 2
    with demo.cursor() as session:
        unlimited = plan_of(session, sql)
        set_variables(session, {"first": first, "last": str(last)})
        limited = plan_of(session, sql)
    assert limited == plan_of(demo, constants) != unlimited
    assert unlimited == plan_of(demo, limits.sub("true", sql))
