"""The benchmarks run: the smallest parts, without their peers, and without a look at the figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import __main__ as bench
from bench import long_history, paper, storing
from bench.line import Line
from braket_etl.warehouse.file import FileWarehouse


@pytest.fixture(autouse=True)
def own_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAKET_ETL_BENCH", str(tmp_path / "scratch"))
    monkeypatch.setattr(storing, "PEER_PYTHON", tmp_path / "not there")


def test_storing_is_measured_and_what_is_unchanged_writes_nothing() -> None:
    found, failed = bench.measured(["storing"], quick=True)
    assert failed == []
    lines = found["storing"]
    growth = [line for line in lines if line.what.startswith("growth")]
    assert [line.ours for line in growth] == [0]
    assert all(line.ours > 0 for line in lines if line not in growth)
    table = bench.markdown(found, failed, quick=True)
    assert "upsert of 2,000 unchanged tasks" in table
    assert "figures mean nothing" in table


def test_a_part_that_fails_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bench.PARTS, "no_such_part", "is not there")
    monkeypatch.setattr(storing, "lines", lambda quick: iter([Line(what="this one", ours=1.0)]))
    found, failed = bench.measured(["no_such_part", "storing"], quick=True)
    assert failed == ["no_such_part"]
    assert [line.what for line in found["storing"]] == ["this one"]
    assert "Not measured, because it failed: no_such_part" in bench.markdown(found, failed)


def test_a_long_history_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_history, "_MOST_SEEDS", 300)
    long_history.make_history(tmp_path / "home", tasks=2_000, years=1)
    with FileWarehouse(
        tmp_path / "home" / "writer", tmp_path / "home" / "warehouse.duckdb"
    ).reading() as reader:
        tasks, distinct, days = reader.execute(
            "SELECT count(*), count(DISTINCT quantum_task_arn), max(created_date) - min(created_date) FROM quantum_tasks"
        ).fetchall()[0]
        assert tasks == distinct >= 2_000
        assert days > 250
        uncovered = reader.execute(
            "SELECT count(*) FROM quantum_tasks AS t ANTI JOIN etl.coverage AS c "
            "ON c.table_name = 'quantum_tasks' AND c.region = t.region AND c.day = t.created_date"
        ).fetchall()
        assert uncovered == [(0,)]
        statuses = dict(
            reader.execute("SELECT cost_status, count(*) FROM task_costs GROUP BY ALL").fetchall()
        )
        assert statuses["priced"] > tasks / 2
        assert statuses.get("no_price", 0) == 0


@pytest.mark.parametrize(
    ("line", "goal", "met"),
    [
        (Line(what="", ours=3.0, theirs=2.0, at_most=1.5), "≤ 1.5 times", True),
        (Line(what="", ours=3.0, theirs=2.0, at_least=4), "≥ 4 times", False),
        (Line(what="", ours=3.0, at_most=2), "≤ 2 s", False),
        (Line(what="", ours=3.0, theirs=2.0), "", None),
        (Line(what="", ours=0, theirs=0, at_most=2), "≤ 2 times", None),
    ],
)
def test_a_goal_bounds_the_ratio_or_the_figure(line: Line, goal: str, met: bool | None) -> None:
    assert (line.goal, line.met) == (goal, met)


def test_the_arithmetic_follows_the_quotas() -> None:
    assert paper.gets_a_second(share=0.5) == 50
    assert paper.seconds_to_pull(100_250, places=1, share=0.5) == 2_000
    assert paper.seconds_to_pull(200_500, places=2, share=0.5) == 2_000
    assert "| 200 |" in paper.page()
