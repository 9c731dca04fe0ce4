"""`braket-etl sql`: the published copy, read-only, in every format, with errors that help."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import pytest

from braket_etl.report.values import cell
from braket_etl.warehouse.extensions import packaged_extension
from braket_etl.warehouse.queries import OnPage, Parameter, QueryError, queries, query_from
from tests.conftest import Program
from tests.processes import on_terminal


@pytest.fixture
def with_warehouse(program: Program) -> Program:
    program.home.mkdir()
    with duckdb.connect(str(program.published)) as connection:
        connection.execute(
            "CREATE TABLE quantum_tasks AS SELECT * FROM (VALUES ('a|b', 1.50::DECIMAL(38,12), NULL), "
            "('two\nlines', 2, 'x'), (chr(27) || '[31mred', 3, '<script>')) AS t(device_name, usd, note)"
        )
        connection.execute("CREATE TABLE task_results AS SELECT 1 AS shots")
    return program


def test_every_format_holds_every_row(with_warehouse: Program, tmp_path: Path) -> None:
    query = "SELECT * FROM quantum_tasks ORDER BY usd"
    rows = list(csv.reader(io.StringIO(with_warehouse.ok("sql", query, "--format", "csv"))))
    assert rows[0] == ["device_name", "usd", "note"]
    assert rows[2] == ["two\nlines", "2.000000000000", "x"]
    records = json.loads(with_warehouse.ok("sql", query, "--format", "json"))
    assert [record["note"] for record in records] == [None, "x", "<script>"]
    assert "a\\|b" in with_warehouse.ok("sql", query, "--format", "markdown")
    target = tmp_path / "out.parquet"
    with_warehouse.ok("sql", query, "--format", "parquet", "--output", str(target))
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT count(*) FROM '{target}'").fetchall() == [(3,)]


def test_a_pipe_gets_csv_and_no_colour(with_warehouse: Program) -> None:
    assert with_warehouse.ok("sql", "SELECT 1 AS one") == "one\n1\n"


def test_control_characters_do_not_reach_a_terminal(with_warehouse: Program) -> None:
    shown = with_warehouse.ok("sql", "SELECT device_name FROM quantum_tasks", "--format", "table")
    assert "\x1b" not in shown
    assert "\\x1b[31mred" in shown


def test_a_wrong_query_is_one_error_and_exit_1(with_warehouse: Program) -> None:
    done = with_warehouse.run("sql", "SELECT device_nme FROM quantum_tasks")
    assert done.returncode == 1
    assert "device_name" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_can_be_written(with_warehouse: Program) -> None:
    done = with_warehouse.run("sql", "DELETE FROM quantum_tasks")
    assert done.returncode == 1
    assert "read-only" in done.stderr


def lines_on_terminal(program: Program, *arguments: str) -> list[str]:
    """What a terminal of 80 columns is sent, by lines, without what makes it bold."""
    code, sent = on_terminal(program, *arguments)
    assert code == 0, sent
    return re.sub(r"\x1b\[[0-9;]*m", "", sent).splitlines()


def test_a_terminal_gets_the_first_rows_and_a_pipe_all(with_warehouse: Program) -> None:
    query = "SELECT range AS n FROM range(1000)"
    shown = lines_on_terminal(with_warehouse, "sql", query)
    assert sum(line.strip("│ ").isdigit() for line in shown) == 200
    assert len(with_warehouse.ok("sql", query, "--format", "table").splitlines()) > 1000
    assert len(with_warehouse.ok("sql", query).splitlines()) == 1001


def test_on_a_terminal_money_is_rounded_and_no_number_is_broken(with_warehouse: Program) -> None:
    text = "a long text of more words than fit"
    query = f"SELECT '{text}' AS a, '{text}' AS b, 11116.903466781027::DECIMAL(38,12) AS usd, 0::DECIMAL(38,12) AS zero"
    shown = lines_on_terminal(with_warehouse, "sql", query + ", 0.00000375::DECIMAL(38,12) AS small")
    assert max(map(len, shown)) <= 80
    cells = {cell.strip() for line in shown for cell in line.split("│")}
    assert {"11116.9035", "0", "0.00000375"} <= cells


def test_on_a_terminal_a_ready_question_looks_as_on_the_page(pulled: Program) -> None:
    shown = " ".join(lines_on_terminal(pulled, "sql", "@queue_wait_bounds"))
    assert "p50 high" in shown
    assert "p50_high_seconds" not in shown
    assert "p50_high_seconds" in pulled.ok("sql", "@queue_wait_bounds")


def test_a_row_too_wide_for_the_terminal_is_shown_over_lines(with_warehouse: Program) -> None:
    columns = ", ".join(f"{n}000000000::BIGINT AS column_{n}" for n in range(10, 30))
    shown = lines_on_terminal(with_warehouse, "sql", f"SELECT {columns}")
    assert max(map(len, shown)) <= 80
    assert [line.split() for line in shown if "column_" in line] == [
        [f"column_{n}", str(n * 1_000_000_000)] for n in range(10, 30)
    ]


def test_many_rows_too_wide_for_the_terminal_are_a_table_of_what_fits(pulled: Program) -> None:
    shown = lines_on_terminal(pulled, "sql", "@cost_by_task")
    table = [line for line in shown if line.startswith(("┃", "│"))]
    assert max(map(len, table)) <= 80
    words = " ".join("".join(line) for line in table[:4]).split()
    assert {"created,", "device", "status", "cost,"} <= set(words)
    assert not any(line.startswith("row ") for line in shown)
    told = " ".join(shown)
    assert "left out for want of room: " in told
    assert "--all-columns" in told
    whole = lines_on_terminal(pulled, "sql", "@cost_by_task", "--all-columns")
    assert sum(line.startswith("row ") for line in whole) == 10
    assert any(line.startswith("quantum task") for line in whole)


def test_what_tells_that_a_cost_is_not_known_is_never_left_out(with_warehouse: Program) -> None:
    rows = "FROM range(9) AS t(x)"
    wide = ", ".join(f"repeat('x', 30) AS text_{n}" for n in range(9))
    shown = "\n".join(lines_on_terminal(with_warehouse, "sql", f"SELECT {wide}, x AS n_unknown {rows}"))
    assert "n_unknown" in shown.split("left out")[0]
    assert (
        "n_unknown"
        in "\n".join(lines_on_terminal(with_warehouse, "sql", f"SELECT {wide}, 0 AS n_unknown {rows}")).split(
            "left out"
        )[1]
    )


@pytest.mark.parametrize("ending", ["csv", "json", "parquet", "md"])
def test_a_file_is_of_the_format_that_its_name_ends_with(
    with_warehouse: Program, tmp_path: Path, ending: str
) -> None:
    target = tmp_path / f"out.{ending}"
    with_warehouse.ok("sql", "SELECT device_name AS name FROM quantum_tasks", "-o", str(target))
    if ending == "md":
        assert target.read_text().startswith("| name |")
        return
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT count(*), count(name) FROM '{target}'").fetchall() == [(3, 3)]


def test_an_ending_that_says_no_format_is_refused(with_warehouse: Program, tmp_path: Path) -> None:
    done = with_warehouse.run("sql", "SELECT 1", "-o", str(tmp_path / "out.txt"))
    assert done.returncode == 2
    assert ".csv, .json, .markdown, .parquet, .xlsx or .md" in done.stderr
    assert with_warehouse.run("sql", "SELECT 1", "-o", "out.txt", "--format", "table").returncode == 2


@pytest.mark.parametrize("ending", ["csv", "json", "md", "parquet"])
def test_an_answer_that_is_not_whole_leaves_the_file_as_it_was(
    with_warehouse: Program, tmp_path: Path, ending: str
) -> None:
    target = tmp_path / f"out.{ending}"
    query = "SELECT CASE WHEN n = 20000 THEN error('no more') END AS a FROM range(30000) AS t(n)"
    for kept in ([], [target]):
        for file in kept:
            file.write_text("of yesterday")
        done = with_warehouse.run("sql", query, "-o", str(target))
        assert (done.returncode, "no more" in done.stderr) == (1, True), done.stderr
        assert [file for file in tmp_path.iterdir() if file.is_file()] == kept
    assert target.read_text() == "of yesterday"
    target.chmod(0o640)
    with_warehouse.ok("sql", "SELECT 1 AS a", "-o", str(target))
    assert ("yesterday" in target.read_text("latin-1"), target.stat().st_mode & 0o777) == (False, 0o640)


def test_what_is_sent_on_through_a_file_is_written_to_as_it_stands(
    with_warehouse: Program, tmp_path: Path
) -> None:
    target, link = tmp_path / "out.csv", tmp_path / "link.csv"
    target.touch()
    link.symlink_to(target)
    with target.open("r") as already_open:
        with_warehouse.ok("sql", "SELECT 1 AS a", "-o", str(link))
        assert (link.is_symlink(), already_open.read()) == (True, "a\n1\n")


@pytest.mark.parametrize("file", ["nowhere/out.csv", "nowhere/out.xlsx", "nowhere/out.parquet", "folder.csv"])
def test_a_file_that_cannot_be_written_is_told_before_anything_is_asked(
    with_warehouse: Program, tmp_path: Path, file: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    done = with_warehouse.run("sql", "SELECT error('asked') AS a", "-o", str(tmp_path / file))
    assert (done.returncode, "folder" in done.stderr) == (2, True), done.stderr


def test_a_sheet_is_written_or_refused_with_what_it_needs(with_warehouse: Program, tmp_path: Path) -> None:
    target = tmp_path / "out.xlsx"
    done = with_warehouse.run("sql", "SELECT * FROM quantum_tasks ORDER BY usd;", "-o", str(target))
    try:
        has_extension = packaged_extension("excel") is not None
    except ModuleNotFoundError:
        has_extension = False
    if not has_extension:
        assert done.returncode == 2
        assert "needs the extension excel" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{packaged_extension('excel')}'")
        found = connection.execute(
            f"SELECT usd, note FROM read_xlsx('{target}', header = true, all_varchar = true)"
        ).fetchall()
        assert [(float(usd), note) for usd, note in found] == [(1.5, None), (2, "x"), (3, "<script>")]
        with_warehouse.ok(
            "sql", "SELECT repeat('x', 40000) AS a, 'b' || chr(65535) || chr(1) AS b", "-o", str(target)
        )
        ElementTree.fromstring(zipfile.ZipFile(target).read("xl/worksheets/sheet1.xml"))
        found = connection.execute(f"SELECT length(a), a[-2:], b FROM read_xlsx('{target}')").fetchall()
    assert found == [(32767, "x…", "b\ufffd\ufffd")]


def test_no_value_is_written_as_python_has_it(with_warehouse: Program) -> None:
    query = (
        "SELECT INTERVAL 1 MONTH AS month, [INTERVAL 90 MINUTE] AS parts, true AS yes, "
        "TIMESTAMPTZ '2026-11-20 12:00:00.5+00' AS at, TIMESTAMPTZ '2026-11-20 12:00:00+00' AS whole, "
        "TIMESTAMP '2026-11-20 12:00:00' AS naive"
    )
    [record] = json.loads(with_warehouse.ok("sql", query, "--format", "json"))
    assert record == {
        "month": "1 month",
        "parts": "['01:30:00']",
        "yes": True,
        "at": "2026-11-20T12:00:00.5Z",
        "whole": "2026-11-20T12:00:00Z",
        "naive": "2026-11-20T12:00:00",
    }
    [row] = list(csv.DictReader(io.StringIO(with_warehouse.ok("sql", query, "--format", "csv"))))
    assert row == {**record, "yes": "true"}
    table = with_warehouse.ok("sql", query, "--format", "table")
    assert "2026-11-20 12:00:00" in table
    assert not re.search(r"True|\+00|\.500000", table)


def test_what_no_record_has_is_told_with_what_there_is(pulled: Program) -> None:
    done = pulled.run("sql", "@cost_by_tag", "--param", "key=tema")
    assert done.returncode == 0
    assert "no task or job has tema, did you mean team?; there is " in done.stderr
    assert "project" in done.stderr
    done = pulled.run("sql", "@spent", "--param", "device=Garnet,Granet")
    assert done.returncode == 0
    assert "no task or job has Granet, did you mean Garnet?" in done.stderr
    done = pulled.run("sql", "@budget_drivers", "--param", "budget=grant")
    assert "no budget is called grant; there is none yet" in done.stderr


def test_a_job_that_is_not_there_is_an_error_and_not_a_job_without_tasks(pulled: Program) -> None:
    (job, tasks), *_ = pulled.rows(
        "SELECT job_name, count(*) FROM jobs JOIN quantum_tasks USING (job_arn) "
        "GROUP BY 1 HAVING count(DISTINCT job_arn) = 1"
    )
    done = pulled.run("sql", "@tasks_of_job", "--param", f"job={job}", "--format", "json")
    assert len(json.loads(done.stdout)) == tasks
    done = pulled.run("sql", "@tasks_of_job", "--param", "job=vqe-99")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no hybrid job has the name or ARN vqe-99: @most_expensive_jobs lists jobs" in done.stderr


def test_a_default_that_no_record_has_is_told(program: Program, pulled_home: Path) -> None:
    program.home.mkdir()
    shutil.copy(pulled_home / "warehouse.duckdb", program.published)
    with duckdb.connect(str(program.published)) as connection:
        connection.execute("UPDATE quantum_tasks SET tags = MAP {'lab': 'x'}; UPDATE jobs SET tags = MAP {}")
    done = program.run("sql", "@most_expensive_tasks", "--format", "csv")
    assert done.returncode == 0
    assert "no task or job has team; there is lab" in done.stderr


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT device_nme FROM quantum_tasks", "did you mean device_name?"),
        ("SELECT shots FROM quantum_tasks", "shots is a column of task_results"),
        ("FROM quantum_task", "there is no table quantum_task: did you mean quantum_tasks?"),
        ("SELCT 1", 'syntax error at or near "SELCT"'),
    ],
)
def test_what_was_probably_meant_is_said_in_a_few_lines(
    with_warehouse: Program, query: str, said: str
) -> None:
    done = with_warehouse.run("sql", query)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 3


def test_columns_of_one_name_all_arrive_in_json(with_warehouse: Program) -> None:
    records = json.loads(
        with_warehouse.ok("sql", "SELECT 1 AS a, 2 AS a, 3 AS a_1, {'b': [1.5]} AS s", "--format", "json")
    )
    assert records == [{"a": 1, "a_2": 2, "a_1": 3, "s": {"b": ["1.5"]}}]


def test_no_rows_of_several_statements_are_lost_without_a_word(with_warehouse: Program) -> None:
    assert with_warehouse.ok("sql", "SET VARIABLE x = 3; SELECT getvariable('x') AS x;") == "x\n3\n"
    done = with_warehouse.run("sql", "SELECT 1; SELECT 2")
    assert done.returncode == 2
    assert "one question at a time" in done.stderr
    assert done.stdout == ""


def test_a_ready_question_is_asked_by_name_with_parameters(pulled: Program) -> None:
    def values(*arguments: str) -> set[str]:
        answer = json.loads(pulled.ok("sql", "@cost_by_tag", *arguments, "--format", "json"))
        return {record["tag_value"] for record in answer}

    def stored(key: str) -> set[str]:
        return {
            v for (v,) in pulled.rows(f"SELECT DISTINCT tag_value FROM tag_costs WHERE tag_key = '{key}'")
        }

    assert values() == stored("team")
    assert values("--param", "key=project") == stored("project") != stored("team")
    assert values("--param", "key=' OR 1=1 --") == set()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("@cost_by_tg",), "did you mean @cost_by_tag"),
        (("@dearest_task",), "did you mean @dearest_tasks"),
        (("@zzz",), "--list"),
        (("@cost_by_tag", "--param", "kee=team"), "did you mean key?"),
        (("@cost_by_tag", "--param", "key"), "name=value"),
        (("SELECT 1", "--param", 'x" = 1; --=2'), "no name of a parameter"),
    ],
)
def test_a_wrong_name_is_bad_usage(with_warehouse: Program, arguments: tuple[str, ...], said: str) -> None:
    done = with_warehouse.run("sql", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_all_ready_questions_are_listed_and_documented(program: Program) -> None:
    listed = json.loads(program.ok("sql", "--list", "--format", "json"))
    assert [query["name"] for query in listed] == list(queries())
    assert all(query["title"] and query["question"] and query["read"] for query in listed)
    shown = program.ok("sql", "@")
    assert all(f"@{name}" in shown for query in queries().values() for name in (query.name, *query.also))


def test_a_former_name_asks_the_same(pulled: Program) -> None:
    few = ("--format", "csv", "--param", "tasks=2", "--param", "key=project")
    former = pulled.ok("sql", "@dearest_tasks", *few)
    assert former == pulled.ok("sql", "@most_expensive_tasks", *few)
    assert len(former.splitlines()) == 3


def test_a_question_is_limited_by_parameters(pulled: Program) -> None:
    def tasks(*params: str) -> int:
        given = (part for param in params for part in ("--param", param))
        [row] = json.loads(pulled.ok("sql", "@task_outcomes", *given, "--format", "json"))
        return int(row["n_created"])

    team, n = pulled.rows(
        "SELECT tags['team'], count(*) FROM quantum_tasks WHERE tags['team'] IS NOT NULL GROUP BY 1"
    )[0]
    assert tasks(f"tag=team={team}") == tasks(f"tag={{team={team}}}") == n
    [account] = pulled.rows("SELECT DISTINCT account_id FROM quantum_tasks")[0]
    assert tasks(f"account=1,{account}") == tasks() > n
    assert tasks("account=1") == tasks("first=2200-01-01") == tasks("last=2000-01-01") == 0


def test_amounts_are_shown_as_in_the_report_and_exported_as_they_are(with_warehouse: Program) -> None:
    query = (
        "SELECT 12345.678 AS cost_usd, 0.001::DECIMAL(38, 12) AS fee_usd, 7300 AS wait_seconds, NULL AS run_seconds, "
        "0.00019::DECIMAL(38, 12) AS price_usd, 'x' AS odd_usd"
    )
    table = with_warehouse.ok("sql", query, "--format", "table")
    cells = [each.strip() for each in table.splitlines()[3].strip("│").split("│")]
    assert cells == ["12,345.68", "< 0.01", "2.0 h", "", "0.00019", "x"]
    assert cells[:3] == [
        cell(name, value).text
        for name, value in (("cost_usd", Decimal("12345.678")), ("fee_usd", 0.001), ("wait_seconds", 7300))
    ]
    exported = with_warehouse.ok("sql", query, "--format", "csv").splitlines()[1]
    assert exported == "12345.678,0.001000000000,7300,,0.000190000000,x"


def test_the_comment_on_top_says_what_a_query_is(tmp_path: Path) -> None:
    file = tmp_path / "some_query.sql"
    file.write_text(
        "-- title: T\n-- question: Q\n--   goes on: here?\n-- read: R\n-- param days (default 30): how far back,\n"
        "--   in days\n-- param key: a tag\nSELECT 1 -- title: not this\n;\n"
    )
    query = query_from(file)
    assert (query.title, query.question, query.read) == ("T", "Q goes on: here?", "R")
    days, key = query.params
    assert days == Parameter("days", "30", "how far back, in days")
    assert key == Parameter("key", "", "a tag")
    assert query.values_of({"days": "7", "key": "7"}) == {"days": 7, "key": "7"}
    with pytest.raises(QueryError, match="is a number"):
        days.value_of("soon")
    file.write_text(
        "-- title: T\n-- also: other, older\n-- limits: first, tag\n-- param rows: how many\n-- report: Waits, 7\n"
        "-- chart: wait_bounds\n-- form: wide\n-- with: rows=10\n-- empty: None.\nSELECT 1\n"
    )
    query = query_from(file)
    assert query.also == ("other", "older")
    assert [(param.name, param.default) for param in query.params] == [
        ("first", ""),
        ("tag", ""),
        ("rows", ""),
    ]
    assert query.page == OnPage("Waits", 7, "wait_bounds", "wide", {"rows": "10"}, "None.")
    assert query.values_of({"tag": "team=a=b"}) == {"tag": {"team": "a=b"}}
    assert query.values_of({"tag": "{team=a, k=v}"}) == {"tag": "{team=a, k=v}"}
    asked = query.with_values({"first": date(2026, 11, 1), "tag": {"it's": "'; DROP TABLE x; --"}, "rows": 3})
    assert asked.splitlines() == [
        """SET VARIABLE "first" = DATE '2026-11-01';""",
        """SET VARIABLE "tag" = MAP {'it''s': '''; DROP TABLE x; --'};""",
        """SET VARIABLE "rows" = 3;""",
        "SELECT 1",
    ]
    file.write_text(
        "-- columns: b, a\n-- param key (default team, of @tag_keys): k\n-- param x (of @choices): x\nSELECT 1"
    )
    query = query_from(file)
    assert query.columns == ("b", "a")
    assert query.params == (Parameter("key", "team", "k", "tag_keys"), Parameter("x", "", "x", "choices"))
    file.write_text("-- only words\nSELECT 1")
    assert (query_from(file).title, query_from(file).read) == ("Some query", "only words")


def test_queries_come_from_a_file_or_from_standard_input_too(with_warehouse: Program, tmp_path: Path) -> None:
    file = tmp_path / "q.sql"
    file.write_text("-- a question\nSELECT count(*) AS n FROM quantum_tasks;\n")
    assert with_warehouse.ok("sql", "--file", str(file)) == "n\n3\n"
    assert with_warehouse.run("sql").returncode == 2
    assert with_warehouse.run("sql", "SELECT 1", "--file", str(file)).returncode == 2
    assert with_warehouse.run("sql", "--file", str(tmp_path / "none.sql")).returncode == 2


def test_before_the_first_run_it_says_what_to_do(program: Program) -> None:
    done = program.run("sql", "SELECT 1")
    assert done.returncode == 1
    assert "braket-etl sync" in done.stderr


def test_statements_without_rows_are_run_once_and_print_nothing(with_warehouse: Program) -> None:
    assert with_warehouse.ok("sql", "CREATE TEMP TABLE t AS SELECT 1 AS a") == ""
    assert with_warehouse.ok("sql", "SET VARIABLE x = 1") == with_warehouse.ok("sql", "/* nothing */") == ""
    twice = "CREATE TEMP TABLE t AS SELECT 1 AS a; INSERT INTO t VALUES (2); SELECT sum(a) AS s FROM t"
    assert with_warehouse.ok("sql", twice) == "s\n3\n"
    assert with_warehouse.ok("sql", "PIVOT (SELECT 'a' AS k) ON k USING count(*)") == "a\n1\n"


@pytest.mark.parametrize("style", ["csv", "json", "markdown", "table"])
def test_every_page_of_a_long_answer_arrives(with_warehouse: Program, tmp_path: Path, style: str) -> None:
    query = "SELECT 'row ' || range AS n FROM range(30001)"
    assert with_warehouse.ok("sql", query, "--format", style).count("row ") == 30001
    if style != "table":
        with_warehouse.ok("sql", query, "--format", style, "--output", str(tmp_path / "out"))
        assert (tmp_path / "out").read_text().count("row ") == 30001
