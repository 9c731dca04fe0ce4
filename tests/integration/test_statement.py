"""A statement says what each owner spent; all of them together are the charges, and FOCUS's rows, of the period."""

from __future__ import annotations

import csv
import io
import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from pyarrow import parquet

from braket_etl.report.statement import Period, close_statement, page, statement
from braket_etl.warehouse.closed_statements import StatementError
from tests.conftest import Program
from tests.cost_cases import load, qpu, store, task, usd
from tests.integration.test_allocation import RULES, draw, keep_rules

OCTOBER = Period(date(2026, 10, 1), date(2026, 10, 31))
NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))


def one_sum(connection: duckdb.DuckDBPyConnection, what: str, period: Period) -> Decimal:
    found: Decimal = connection.execute(what, [period.first, period.last]).fetchall()[0][0]
    return found


def test_statements_of_a_drawn_world_are_its_charges_and_its_focus_rows(
    priced: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    draw(priced, tmp_path, seed=11)
    keep_rules(priced, tmp_path, RULES)
    for period in (OCTOBER, NOVEMBER):
        charged = one_sum(
            priced, "SELECT sum(net_usd) FROM charges WHERE charge_date BETWEEN ? AND ?", period
        )
        focus = one_sum(
            priced,
            'SELECT sum("BilledCost") FROM focus_costs WHERE "ChargePeriodStart"::DATE BETWEEN ? AND ?',
            period,
        )
        for key in ("project", "person", "account", "team"):
            made = statement(priced, key, period)
            lines = made.lines.records()
            assert made.total_usd == sum(line["amount_usd"] for line in lines) == charged == focus > 0
            assert all(line["rule"] for line in lines)
        made = statement(priced, "project", period)
        assert made.unallocated_usd < made.total_usd / 100
        assert made.period.before.last < period.first
    # a later month sees the one before it beside each owner
    owners = {
        row["owner"]: row["amount_usd"] for row in statement(priced, "project", OCTOBER).owners.records()
    }
    assert statement(priced, "project", NOVEMBER).before == owners
    running = [line for line in statement(priced, "project", OCTOBER).lines.records() if line["accrued_usd"]]
    assert running


def test_what_is_shared_has_the_unit_costs_of_the_whole(
    priced: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    keep_rules(priced, tmp_path, "[defaults]\nproject = { a = 75, b = 25 }")
    store(priced, task(1, endedAt="2026-10-02T00:00:00Z"))
    rows = statement(priced, "project", OCTOBER).owners.records()
    assert [(row["owner"], row["a_task_usd"]) for row in rows] == [
        ("a", pytest.approx(0.445)),
        ("b", pytest.approx(0.445)),
    ]


def test_unit_costs_are_of_tasks(priced: duckdb.DuckDBPyConnection) -> None:
    store(
        priced,
        task(1, tags={"project": "a"}, endedAt="2026-10-02T00:00:00Z", numSuccessfulShots=50),
        task(2, tags={"project": "a"}, endedAt="2026-10-02T00:00:00Z", numSuccessfulShots=100),
        task(3, tags={"project": "a"}, endedAt=None, status="QUEUED", createdAt="2026-10-02T00:00:00Z"),
    )
    (row,) = statement(priced, "project", OCTOBER).owners.records()
    assert (row["amount_usd"], row["committed_usd"], row["n_tasks"], row["n_shots"]) == (
        usd("0.8175"),
        usd("0.445"),
        2,
        200,
    )
    assert row["a_task_usd"] == pytest.approx(0.8175 / 2)
    assert row["a_thousand_shots_usd"] == pytest.approx(0.8175 * 5)
    assert row["a_thousand_successful_shots_usd"] == pytest.approx(0.8175 / 0.15)
    assert row["a_circuit_usd"] == pytest.approx(0.8175 / 2)


DECEMBER = Period(date(2026, 12, 1), date(2026, 12, 31))


def search(connection: duckdb.DuckDBPyConnection, at: str) -> None:
    """Note that Braket was searched."""
    connection.execute(
        "INSERT INTO etl.coverage BY NAME SELECT '1' AS account, 'us-east-1' AS region, 'quantum_tasks' AS table_name, "
        "CAST(? AS TIMESTAMPTZ)::DATE AS day, CAST(? AS TIMESTAMPTZ) AS searched_at, 0 AS listed, 0 AS stored, "
        "0 AS rejected, '1' AS run_id",
        [at, at],
    )


def ended(n: int, at: str, project: str = "a") -> dict[str, object]:
    """A task of 0.445 USD, at the prices of September."""
    return task(n, tags={"project": project}, createdAt=f"{at}T00:00:00Z", endedAt=f"{at}T00:00:00Z")


def test_a_closed_statement_stays_and_what_changes_is_a_correction_of_the_next(
    priced: duckdb.DuckDBPyConnection,
) -> None:
    store(priced, ended(1, "2026-10-02"), ended(2, "2026-11-02"), ended(3, "2026-10-03", "b"))
    with pytest.raises(StatementError, match="sync"):
        close_statement(priced, "project", OCTOBER)
    search(priced, "2027-01-01T01:00:00Z")
    first = close_statement(priced, "project", OCTOBER)
    assert (first.total_usd, first.closed_at is not None) == (2 * usd("0.445"), True)
    assert statement(priced, "project", NOVEMBER).corrections.rows == []
    # a later list says that a shot had cost more, and one task more is found
    load(priced, qpu("Garnet", "0.30", "0.00245", "eu-north-1"), published="2026-11-20")
    store(priced, ended(4, "2026-10-09", "b"))
    kept = statement(priced, "project", OCTOBER)
    assert (kept.total_usd, kept.closed_at) == (first.total_usd, first.closed_at)
    assert kept.lines.records() == first.lines.records()
    assert kept.lines.columns == first.lines.columns
    assert kept.owners.records()[0]["a_task_usd"] == first.owners.records()[0]["a_task_usd"]
    november = close_statement(priced, "project", NOVEMBER)
    assert november.before == {"a": usd("0.445"), "b": usd("0.445")}  # as closed
    dearer = usd("0.1")
    found = {each["owner"]: (each["amount_usd"], each["why"]) for each in november.corrections.records()}
    assert found["a"] == (dearer, "price: price_list 2026-09-11 then, price_list 2026-11-20 now")
    assert found["b"] == (dearer + usd("0.545"), "more or fewer records are known")
    assert november.corrected_usd == 2 * dearer + usd("0.545")
    assert "Corrections of earlier closed statements" in page(november)
    assert f"Closed on {november.closed_at:%Y-%m-%d}" in page(november)
    # what a closed statement corrected is corrected
    assert statement(priced, "project", DECEMBER).corrections.rows == []
    kept_too = statement(priced, "project", NOVEMBER).corrections.records()
    assert {each["owner"]: (each["amount_usd"], each["why"]) for each in kept_too} == found
    # what is given to somebody else is taken from who had it
    store(priced, ended(1, "2026-10-02", "c"))
    moved = {each["owner"]: each for each in statement(priced, "project", DECEMBER).corrections.records()}
    assert {owner: each["amount_usd"] for owner, each in moved.items()} == {
        "a": -usd("0.545"),
        "c": usd("0.545"),
    }


def test_a_day_is_closed_once(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, ended(1, "2026-10-02"))
    search(priced, "2027-01-01T01:00:00Z")
    with pytest.raises(StatementError, match="nothing was charged"):
        close_statement(priced, "project", NOVEMBER)
    first = close_statement(priced, "project", OCTOBER)
    assert close_statement(priced, "project", OCTOBER).closed_at == first.closed_at
    with pytest.raises(StatementError, match="2026-10-01 to 2026-10-31 is closed by project"):
        close_statement(priced, "project", Period(date(2026, 10, 10), date(2026, 11, 9)))
    assert close_statement(priced, "account", OCTOBER).total_usd == first.total_usd


def test_what_a_statement_lacks_is_told(priced: duckdb.DuckDBPyConnection) -> None:
    january = Period(date(2025, 1, 1), date(2025, 1, 31))
    store(priced, ended(1, "2026-10-02"))
    assert statement(priced, "project", OCTOBER).lacks == ()
    unheard_of = "arn:aws:braket:eu-north-1::device/qpu/iqm/Unheard-of"
    store(priced, task(2, unheard_of, endedAt="2025-01-03T00:00:00Z"))
    priced.execute(
        "INSERT INTO etl.wanted BY NAME SELECT 'lab' AS account, 'us-east-1' AS region, DATE '2025-01-20' AS first_day"
    )
    (unknown, unseen) = statement(priced, "project", january).lacks
    assert unknown.startswith("1 task, job or reservation has no known cost")
    assert "not seen whole in lab/us-east-1" in unseen
    assert all(
        told in page(statement(priced, "project", january)) for told in ("no known cost", "lab/us-east-1")
    )
    assert statement(priced, "project", Period(date(2025, 1, 4), date(2025, 1, 19))).lacks == ()


def test_what_is_nobodys_is_not_closed(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, ended(1, "2026-10-02"))
    search(priced, "2027-01-01T01:00:00Z")
    for key, says in (
        ("projct", "did you mean project?"),
        ("person", "BRAKET_ETL_CREATED_BY"),
        ("", "@tag_keys"),
    ):
        with pytest.raises(StatementError, match=says):
            close_statement(priced, key, OCTOBER)
    assert priced.execute("SELECT count(*) FROM closed_statements").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("period", "before"),
    [
        (OCTOBER, Period(date(2026, 9, 1), date(2026, 9, 30))),
        (Period(date(2026, 3, 1), date(2026, 3, 31)), Period(date(2026, 2, 1), date(2026, 2, 28))),
        (Period(date(2026, 10, 10), date(2026, 11, 9)), Period(date(2026, 9, 9), date(2026, 10, 9))),
        (Period(date(2026, 10, 1), date(2026, 10, 1)), Period(date(2026, 9, 30), date(2026, 9, 30))),
    ],
)
def test_a_month_is_compared_with_the_month_before(period: Period, before: Period) -> None:
    assert period.before == before


def test_the_page_escapes_what_others_wrote_and_fits_on_paper(priced: duckdb.DuckDBPyConnection) -> None:
    hostile = "<script>alert(1)</script>\x1b[31m" + "x" * 300
    store(priced, task(1, tags={"project": hostile}, endedAt="2026-10-02T00:00:00Z"))
    text = page(statement(priced, "project", OCTOBER))
    assert "<script" not in text
    assert "\x1b" not in text
    assert "size: A4" in text
    assert "overflow-wrap: anywhere" in text
    assert "Nothing was charged" in page(statement(priced, "project", NOVEMBER))


def test_the_verb_writes_a_page_rows_and_parquet(pulled: Program, tmp_path: Path) -> None:
    month = pulled.ok(
        "sql",
        "SELECT strftime(max(charge_date), '%Y-%m') AS m FROM charges WHERE net_usd > 0",
        "--format",
        "csv",
    ).split()[1]
    charged = Decimal(
        pulled.ok(
            "sql",
            f"SELECT sum(net_usd) AS s FROM charges WHERE strftime(charge_date, '%Y-%m') = '{month}'",
            "--format",
            "csv",
        ).split()[1]
    )
    for by in ("project", "person", "account", "team"):
        rows = list(csv.DictReader(io.StringIO(pulled.ok("statement", "--by", by, "--month", month))))
        assert sum(Decimal(row["amount_usd"]) for row in rows) == charged
    file = tmp_path / "s.parquet"
    pulled.ok("statement", "--by", "team", "--month", month, "--format", "parquet", "--output", str(file))
    assert sum(parquet.read_table(file)["amount_usd"].to_pylist()) == charged
    shown = tmp_path / "s.HTML"
    pulled.ok("statement", "--by", "team", "--month", month, "--output", str(shown))
    assert re.search(r"<h1>Amazon Braket: statement by team", shown.read_text("utf-8"))


def test_what_cannot_be_asked_is_named(pulled: Program) -> None:
    for given, says in (
        ((), "give --month YYYY-MM"),
        (("--month", "2026-10", "--output", "x.xlsx"), "choose .html, .htm, .csv or .parquet, or --format"),
        (("--month", "October"), "is no month"),
        (("--month", "2026-10", "--from", "2026-10-01"), "give --month"),
        (("--from", "2026-10-01"), "give both"),
        (("--from", "2026-10-02", "--to", "2026-10-01"), "lies before"),
        (("--month", "2026-10", "--format", "html"), "goes to a file"),
        (("--month", "2026-10", "--output", "nowhere/x.csv"), "no folder"),
    ):
        done = pulled.run("statement", "--by", "project", *given)
        assert (done.returncode, says in done.stderr) == (2, True), done.stderr


def test_the_owners_files_are_taken_over_by_each_sync_and_at_once(pulled: Program) -> None:
    """A file that cannot be used is told and keeps nothing from being published."""
    rules, month = pulled.home / "allocations.toml", ("--month", "2026-10")
    rules.write_text('[defaults]\nproject = "lab"\n')
    done = pulled.run("statement", "--by", "project", *month)
    assert "not taken over yet" in done.stderr
    pulled.ok("billing", "owners")
    assert "not taken over" not in pulled.run("statement", "--by", "project", *month).stderr
    owners = (
        "SELECT bool_or(owner = 'lab') AS a, bool_or(owner = '(unallocated)') AS b FROM allocated_charges "
        "WHERE owner_key = 'project'"
    )
    assert pulled.ok("sql", owners, "--format", "csv").split()[1].lower() == "true,false"
    rules.write_text("[[allocations]]\n")
    (pulled.home / "budgets.toml").write_text('[[budgets]]\nname = "all"\namount_usd = 5\nperiod = "month"\n')
    synced = pulled.run("sync")
    assert synced.returncode == 0, synced.stderr
    assert "allocations 1" in synced.stderr + synced.stdout
    shown = pulled.ok("sql", "SELECT budget, scope FROM budget_status", "--format", "csv")
    assert shown.splitlines()[1:] == ["all,everything"]
    assert "all" in pulled.ok("status")
    refused = pulled.run("billing", "owners")
    assert (refused.returncode, "allocations 1" in refused.stderr) == (1, True)
