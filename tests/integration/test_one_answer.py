"""One question has one answer, whoever gives it: the demo's screen, the report, status, the notebook, the cookbook."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from braket_etl.cli.output import duration
from braket_etl.warehouse.models import models
from braket_etl.warehouse.parsed import kept
from braket_etl.warehouse.queries import queries
from braket_etl.warehouse.settled import unsettle
from tests.conftest import Program

ROOT = Path(__file__).parents[2]
NOTEBOOK = (ROOT / "notebooks" / "braket_costs_and_waits.py").read_text("utf-8")

Row = dict[str, Any]


@pytest.fixture(scope="module")
def home(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A copy of the demo's published warehouse in which not every day is whole and not every cost is known.

    What the demo's screen shows of waits is as it was.
    """
    program = Program(tmp_path_factory.mktemp("asked") / "home")
    program.home.mkdir()
    shutil.copyfile(demo_home / "warehouse.duckdb", program.published)
    with duckdb.connect(str(program.published)) as connection:
        unsettle(connection)
        for statement in (
            # one Region was never reached, another not on some days, and on some too late
            "DELETE FROM etl.coverage WHERE region = 'us-west-1'",
            "DELETE FROM etl.coverage WHERE region = 'us-east-1' AND day BETWEEN current_date - 9 AND current_date - 6",
            "UPDATE etl.coverage SET stored = listed - 1 "
            "WHERE region = 'us-east-1' AND day = current_date - 4 AND listed > 0",
            "UPDATE etl.wanted SET first_day = current_date - 95 WHERE region = 'us-west-1'",
            "DELETE FROM prices WHERE device_key = 'emerald'",
            "UPDATE quantum_tasks SET status = 'FAILED', failure_reason = 'Broken' WHERE device_name = 'Aquila' "
            "AND is_terminal AND hash(quantum_task_arn) % 3 = 0",
        ):
            connection.execute(statement)
    return program


@pytest.fixture(scope="module")
def asked(home: Program) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(home.published), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    found = connection.execute(sql)
    names = [column for column, *_ in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.fixture(scope="module")
def cookbook(asked: duckdb.DuckDBPyConnection) -> Callable[[str], list[Row]]:
    return lambda name: rows_of(asked, queries()[name].sql)


@pytest.fixture(scope="module")
def status(home: Program) -> Any:
    return json.loads(home.ok("status", "--json"))


@pytest.fixture(scope="module")
def report(home: Program, asked: duckdb.DuckDBPyConnection) -> Callable[[str], list[Row]]:
    """The rows of a block as the page shows them: texts with all digits, by the names of the columns of its SQL."""
    [first] = asked.execute("SELECT min(first_day) FROM etl.wanted").fetchall()[0]
    page = home.home / "report.html"
    home.ok("report", "--output", str(page), "--from", str(first))
    articles = {
        found[1]: found[0]
        for found in re.finditer(r'<article id="(\w+)".*?</article>', page.read_text("utf-8"), re.DOTALL)
    }

    def shown(key: str) -> list[Row]:
        text = articles[key]
        sql = html.unescape(re.search(r"<pre>(.*?)</pre>", text, re.DOTALL)[1])  # type: ignore[index]
        with asked.cursor() as session:
            names = [column for column, *_ in session.execute(sql).description or ()]
        if figures := _cells("dd", text):
            return [dict(zip(names, figures, strict=True))]
        return [
            dict(zip(names, _cells("td", row), strict=True))
            for row in re.findall(r"<tr>(<td.*?)</tr>", text, re.DOTALL)
        ]

    return shown


def _cells(tag: str, text: str) -> list[str]:
    """What is shown of each value: the exact one, where there is one."""
    cells = re.findall(rf'<{tag}(?: class="[^"]*")?(?: title="([^"]*)")?>(.*?)</{tag}>', text, re.DOTALL)
    return [html.unescape(exact or re.sub(r"<[^>]*>.*?</[^>]*>", "", shown)) for exact, shown in cells]


def number(text: str) -> Decimal | None:
    return None if text in ("NULL", "—") else Decimal(text.replace(",", ""))


def whole(text: str) -> int:
    return int(text.replace(",", ""))


def minutes(seconds: str | float | None) -> float | None:
    found = number(seconds) if isinstance(seconds, str) else seconds
    return None if found is None else float(round(float(found) / 60, 1))


def name_of(row: Row) -> str:
    return str(row["device_arn"]).rsplit("/", 1)[-1]


def device_of(row: Row) -> str:
    return str(row["device"])


def totals(rows: Sequence[Row], by: Callable[[Row], Any], *columns: str) -> dict[Any, tuple[Any, ...]]:
    """The sums of some columns by a key."""
    found: dict[Any, list[Any]] = defaultdict(lambda: [0] * len(columns))
    for row in rows:
        for place, column in enumerate(columns):
            found[by(row)][place] += row[column] or 0
    return {key: tuple(values) for key, values in found.items()}


def screen(demo_home: Path, heading: str) -> dict[str, tuple[str, ...]]:
    """A table of the demo's screen: the other cells of a row by the first."""
    text = demo_home.parent.with_name("demo.done").read_text("utf-8")
    table = text.split(heading, 1)[1].split("└", 1)[0]
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in table.splitlines()
        if line.startswith("│")
    ]
    assert rows
    return {first: tuple(rest) for first, *rest in rows}


def notebook(connection: duckdb.DuckDBPyConnection, word: str) -> list[Row]:
    """The rows of the notebook's question that reads a table."""
    [sql] = [
        sql for sql in re.findall(r'rows\("""(.*?)"""\)', NOTEBOOK, re.DOTALL) if f"FROM {word}\n" in sql
    ]
    return rows_of(connection, sql)


@pytest.fixture(scope="module")
def as_pulled(demo_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The demo's warehouse as the demo's screen shows it."""
    with duckdb.connect(str(demo_home / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


# Waits


def test_the_certain_median_of_the_waits(
    report: Callable[[str], list[Row]],
    cookbook: Callable[[str], list[Row]],
    asked: duckdb.DuckDBPyConnection,
) -> None:
    shown = {
        row["device"]: (
            whole(row["n"]),
            whole(row["n_censored"]),
            minutes(row["p50_low_seconds"]),
            minutes(row["p50_high_seconds"]),
            minutes(row["p90_low_seconds"]),
            minutes(row["p90_high_seconds"]),
        )
        for row in report("queue_wait_bounds")
    }
    assert len(shown) > 5
    bounds = {
        device_of(row): (
            row["n"],
            row["n_censored"],
            minutes(row["p50_low_seconds"]),
            minutes(row["p50_high_seconds"]),
            minutes(row["p90_low_seconds"]),
            minutes(row["p90_high_seconds"]),
        )
        for row in cookbook("queue_wait_bounds")
    }
    assert shown == bounds
    by_day = totals(notebook(asked, "waits"), lambda row: row["device"], "tasks")
    assert {device: n for device, (n,) in by_day.items()} == {device: n for device, (n, *_) in shown.items()}
    by_hour = totals(rows_of(asked, "FROM queue_heatmap"), name_of, "n", "n_censored")
    assert by_hour == {device: (n, n_censored) for device, (n, n_censored, *_) in shown.items()}


def test_the_demos_screen_says_of_waits_what_the_cookbook_says(
    demo_home: Path, as_pulled: duckdb.DuckDBPyConnection
) -> None:
    shown = screen(demo_home, "How long did it wait")
    bounds = {
        row["device"]: row
        for row in rows_of(
            as_pulled,
            "SELECT device_name AS device, quantile_disc(wait_seconds_lower, 0.5) AS low, "
            "nullif(quantile_disc(wait_seconds_at_most, 0.5), 'infinity'::DOUBLE) AS high "
            "FROM waits WHERE record_kind = 'task' AND is_counted GROUP BY device_name",
        )
    }
    asked = {device_of(row): row for row in rows_of(as_pulled, queries()["queue_wait_bounds"].sql)}
    assert shown.keys() == asked.keys() == bounds.keys()
    told = {
        (device_of(row), row["quantile"]): row
        for row in rows_of(as_pulled, queries()["queue_wait_by_device"].sql)
    }
    for device, (tasks, half, half_sure, most, most_sure, low, high, still) in shown.items():
        for quantile, at_most, cell, sure in (
            (0.5, asked[device]["p50_high_seconds"], half, half_sure),
            (0.9, asked[device]["p90_high_seconds"], most, most_sure),
        ):
            row = told[device, quantile]
            if row["status"] == "ok":
                assert cell == duration(row["wait_seconds"])
            else:
                assert cell == ("unknown" if at_most is None else f"at most {duration(at_most)}")
            if row["ci_low_seconds"] is None:
                assert (sure, row["status"] == "ok") == ("", False)
            else:  # the queue's interval, also where its estimate is not told
                assert sure.removeprefix("over ").startswith(duration(row["ci_low_seconds"]))
        assert (whole(tasks), whole(still)) == (asked[device]["n"], asked[device]["n_censored"]), device
        unbounded = float("inf") if bounds[device]["high"] is None else bounds[device]["high"]
        assert (low, high) == (duration(bounds[device]["low"]), duration(unbounded)), device


def test_the_bounds_of_the_stored_quantiles_are_those_of_the_waits(
    as_pulled: duckdb.DuckDBPyConnection,
) -> None:
    bounds = rows_of(as_pulled, queries()["queue_wait_bounds"].sql)
    stored = {
        (device_of(row), row["quantile"]): row
        for row in rows_of(as_pulled, queries()["queue_wait_by_device"].sql)
    }
    assert bounds
    for row in bounds:
        for quantile, name in ((0.5, "p50"), (0.9, "p90")):
            other = stored[device_of(row), quantile]
            assert other["n"] + other["n_bounds_only"] == row["n"]
            assert (minutes(other["certain_low_seconds"]), minutes(other["certain_high_seconds"])) == (
                minutes(row[f"{name}_low_seconds"]),
                minutes(row[f"{name}_high_seconds"]),
            )


def test_the_estimates_of_waits(
    report: Callable[[str], list[Row]],
    cookbook: Callable[[str], list[Row]],
    asked: duckdb.DuckDBPyConnection,
) -> None:
    shown = {
        (row["device"], float(row["quantile"])): (
            minutes(row["wait_seconds"]),
            whole(row["n"]),
            whole(row["n_censored"]),
        )
        for row in report("queue_wait_by_device")
    }
    asked_for = {
        (device_of(row), row["quantile"]): (minutes(row["wait_seconds"]), row["n"], row["n_censored"])
        for row in cookbook("queue_wait_by_device")
    }
    drawn = {
        (row["device"], row["quantile"]): (row["wait_minutes"], row["tasks"], row["not_seen_to_start"])
        for row in notebook(asked, "queue_wait_quantiles")
    }
    assert shown
    assert {key: asked_for[key] for key in shown} == shown
    assert drawn
    assert {key: asked_for[key] for key in drawn} == drawn


def test_the_waits_of_jobs(report: Callable[[str], list[Row]], cookbook: Callable[[str], list[Row]]) -> None:
    shown = {
        row["device"]: (
            whole(row["n"]),
            minutes(row["p50_queue_seconds"]),
            minutes(row["p50_startup_seconds"]),
        )
        for row in report("job_waits")
    }
    assert shown
    assert shown == {
        device_of(row): (row["n"], minutes(row["p50_queue_seconds"]), minutes(row["p50_startup_seconds"]))
        for row in cookbook("job_waits")
    }


def test_what_waits_now(
    report: Callable[[str], list[Row]], cookbook: Callable[[str], list[Row]], status: Any
) -> None:
    waiting = cookbook("waiting_now")
    kinds: Mapping[str, list[Row]] = defaultdict(list)
    for row in waiting:
        assert row["kind"] == ("job" if ":job/" in row["arn"] else "task")
        kinds[f"{row['device']} {row['kind']}"].append(row)
    assert {f"{name_of(each)} {each['kind']}": each["n"] for each in status["waiting"]} == {
        key: len(rows) for key, rows in kinds.items()
    }
    for each in status["waiting"]:
        rows = kinds[f"{name_of(each)} {each['kind']}"]
        assert each["longest_seconds"] == max(row["waited_seconds"] for row in rows)
    shown = report("waiting_now")
    by_arn = {row["arn"]: row for row in waiting}
    assert shown
    for row in shown:
        assert float(row["waited_seconds"]) == by_arn[row["arn"]]["waited_seconds"]


def test_only_waits_says_what_counts_as_a_wait() -> None:
    single = {"task_latency", "job_latency"}
    readers = {model.name: model.reads for model in models()}
    readers |= {f"@{name}": kept().tables_read(query.sql) for name, query in queries().items()}
    assert {name for name, reads in readers.items() if reads & single} == {
        "waits",
        "device_tradeoff",  # hours from creation to end, of tasks that a queue statistic leaves out too
        "@cancelled_cost",  # when single tasks were cancelled
        "@last_experiment",  # each task of one job or session
        "@tasks_of_job",  # each task of one job
        "@reservation_use",  # how long tasks ran in their window
        "@simulator_overhead",  # the parts of a simulator's turnaround
    }
    for file in (ROOT / "braket_etl" / "cli" / "demo.py", ROOT / "notebooks" / "braket_costs_and_waits.py"):
        assert not re.search(r"\b(task|job)_latency\b", file.read_text("utf-8"))


# Failures


def test_what_share_of_the_tasks_fails(
    report: Callable[[str], list[Row]], cookbook: Callable[[str], list[Row]]
) -> None:
    asked_for = totals(cookbook("failures"), lambda row: row["device"], "tasks", "share")
    shown = report("failures_by_device")
    failed = {row["device"]: row for row in shown if whole(row["n_failed"])}
    assert len(failed) > 2
    assert failed.keys() == asked_for.keys()
    for device, (n, share) in asked_for.items():
        assert whole(failed[device]["n_failed"]) == n
        assert float(failed[device]["failed_share"]) == pytest.approx(share, abs=0.001), device
        assert float(failed[device]["failed_share"]) == n / whole(failed[device]["n_ended"])
    [outcomes] = report("task_outcomes")
    ended = sum(whole(row["n_ended"]) for row in shown)
    assert whole(outcomes["n_failed"]) == sum(n for n, _ in asked_for.values())
    assert whole(outcomes["n_created"]) == sum(whole(row["n_tasks"]) for row in shown)
    assert float(outcomes["failed_of_ended_share"]) == whole(outcomes["n_failed"]) / ended


# Days


def test_which_days_are_not_whole(
    report: Callable[[str], list[Row]], cookbook: Callable[[str], list[Row]], status: Any
) -> None:
    gaps = cookbook("days_not_whole")
    lost = sum(row["days"] for row in gaps if row["state"] == "lost")
    not_whole = sum(row["days"] for row in gaps) - lost
    assert lost > 0
    assert not_whole > 100
    assert (status["days_not_whole"], status["days_lost"]) == (not_whole, lost)
    shown = report("days_searched")
    assert (
        sum(whole(row["n_not_whole"]) for row in shown),
        sum(whole(row["n_lost"]) for row in shown),
    ) == (not_whole, lost)
    by_place = totals(
        [row for row in gaps if row["state"] != "lost"],
        lambda row: (row["account"], row["region"], row["table_name"]),
        "days",
    )
    assert {
        (row["account"], row["region"], row["kind"]): (whole(row["n_not_whole"]),)
        for row in shown
        if whole(row["n_not_whole"])
    } == by_place


# Money


def test_what_was_spent(
    report: Callable[[str], list[Row]],
    cookbook: Callable[[str], list[Row]],
    status: Any,
    asked: duckdb.DuckDBPyConnection,
) -> None:
    by_month = totals(
        cookbook("cost_by_month_and_device"),
        lambda row: f"{row['month']:%Y-%m}",
        "cost_usd",
        "committed_usd",
        "tasks",
        "jobs",
        "n_unknown",
    )
    for each in status["spent"]:
        told = tuple(
            Decimal(each[name]) for name in ("cost_usd", "committed_usd", "n_tasks", "n_jobs", "n_unknown")
        )
        assert told == by_month.get(each["month"], (0,) * 5)
    spent = sum(cost for cost, *_ in by_month.values())
    unknown = sum(n for *_, n in by_month.values())
    assert unknown > 0
    [shown] = report("spent")
    assert (number(shown["cost_usd"]), whole(shown["n_without_a_known_cost"])) == (spent, unknown)
    by_device = {
        row["device"]: (number(row["cost_usd"]), whole(row["n_unknown"])) for row in report("cost_by_device")
    }
    assert by_device == totals(
        cookbook("cost_by_month_and_device"), lambda row: row["device"], "cost_usd", "n_unknown"
    )
    assert sum(row["cost_usd"] for row in cookbook("cost_by_account")) == spent
    assert sum(row["cost_usd"] for row in cookbook("cost_by_tag")) == spent
    drawn = notebook(asked, "daily_costs")
    assert sum(row["usd"] for row in drawn) == pytest.approx(float(spent))
    assert sum(row["n_unknown"] for row in drawn) == unknown
    assert sum(whole(row["n_records"]) for row in report("cost_unknown")) == unknown


def test_the_demos_screen_says_of_costs_what_the_cookbook_says(
    demo_home: Path, as_pulled: duckdb.DuckDBPyConnection
) -> None:
    asked_for = totals(
        rows_of(as_pulled, queries()["cost_by_month_and_device"].sql),
        lambda row: row["device"],
        "tasks",
        "jobs",
        "cost_usd",
        "committed_usd",
        "n_unknown",
    )
    shown = {
        device: (
            whole(tasks),
            whole(jobs),
            number(cost or "0"),
            number(committed or "0"),
            whole(unknown or "0"),
        )
        for device, (tasks, jobs, cost, committed, unknown) in screen(demo_home, "What did it cost").items()
    }
    assert shown == {
        device: (tasks, jobs, round(cost, 2), round(committed, 2), unknown)
        for device, (tasks, jobs, cost, committed, unknown) in asked_for.items()
    }


def test_what_is_open_and_what_it_will_cost(
    report: Callable[[str], list[Row]], cookbook: Callable[[str], list[Row]], status: Any
) -> None:
    [shown] = report("open_now")
    asked_for = cookbook("open_by_tag")
    tables = {each["table"]: each for each in status["tables"]}
    tasks = sum(row["tasks"] for row in asked_for)
    assert whole(shown["n_open_tasks"]) == tasks == tables["quantum_tasks"]["open"] > 0
    assert whole(shown["n_open_jobs"]) == tables["jobs"]["open"]
    committed = sum(row["committed_usd"] or 0 for row in asked_for)
    assert number(shown["committed_usd"]) == committed
    assert sum(number(row["committed_usd"]) or 0 for row in report("open_by_device")) == committed
    assert sum(row["committed_usd"] for row in cookbook("cost_by_account")) == committed


def test_the_limits_of_spending(
    report: Callable[[str], list[Row]], cookbook: Callable[[str], list[Row]]
) -> None:
    shown = [
        (
            row["device"],
            number(row["spending_limit_usd"]),
            number(row["aws_total_usd"]),
            number(row["aws_queued_usd"]),
        )
        for row in report("spending_limits")
    ]
    assert shown
    assert sorted(shown) == sorted(
        (row["device"], row["spending_limit_usd"], row["aws_total_usd"], row["aws_queued_usd"])
        for row in cookbook("spending_limits")
    )
