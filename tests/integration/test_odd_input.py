"""What is odd but valid, or wrong but easily so: names with a typing error, paths, parameters, tags that nobody bears."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from braket_emulator import Emulator, running
from braket_etl.aws.fetch import Fetched
from braket_etl.costs.kept_files import import_reservations
from braket_etl.orchestration.build import build_defs
from braket_etl.orchestration.jobs import SYNC
from braket_etl.report.page import resolved
from braket_etl.runtime import Runtime
from braket_etl.settings import SettingsError
from braket_etl.tables import QUANTUM_TASKS
from braket_etl.tables.normalize import normalize
from braket_etl.warehouse.checks import checks, run_check
from braket_etl.warehouse.queries import named_query
from braket_etl.warehouse.upsert import upsert
from tests.conftest import NOW, Program
from tests.warehouses import empty_warehouse

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def asked(program: Program) -> Program:
    """A home with something to ask."""
    program.home.mkdir()
    with duckdb.connect(str(program.published)) as connection:
        connection.execute(
            "CREATE TABLE quantum_tasks AS SELECT 5::BIGINT AS shots, DATE '2026-11-20' AS day"
        )
    return program


@pytest.mark.parametrize(
    ("query", "params", "answer"),
    [
        ("SELECT $x AS x", ["x=1"], "x\n1\n"),
        (
            "SELECT shots FROM quantum_tasks WHERE shots > $least AND day = $day",
            ["least=4", "day=2026-11-20"],
            "shots\n5\n",
        ),
        ("SELECT $x AS x, getvariable('y') AS y", ["x=a b", "y=2"], "x,y\na b,2\n"),
        ("SET VARIABLE z = $x; SELECT $y || getvariable('z') AS yz", ["x=1", "y=2"], "yz\n21\n"),
        ("SELECT ? AS one", ["1=it's"], "one\nit's\n"),
        ("SELECT getvariable('x') AS x", ["x=7"], "x\n7\n"),
        ("SELECT '$x' AS x", ["x=7"], "x\n$x\n"),
    ],
)
def test_a_query_of_one_s_own_takes_named_parameters(
    asked: Program, query: str, params: list[str], answer: str
) -> None:
    given = [word for param in params for word in ("--param", param)]
    assert asked.ok("sql", query, "--format", "csv", *given) == answer


def test_a_parameter_that_was_not_given_is_named(asked: Program) -> None:
    done = asked.run("sql", "SELECT $x, $team", "--param", "x=1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "$team" in done.stderr
    assert "--param team=" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (("status", "--jsno", "--json"), {}, "No such option: --jsno"),
        (("backfill", "--from", "yesterday", "--to", "x", "--json"), {}, "yesterday"),
        (("statsu", "--json"), {}, "No such command"),
        (("rejects", "lst", "--json"), {}, "No such command"),
        (("sql", "--format", "json"), {}, "give one query"),
        (("status", "--json"), {"BRAKET_ETL_QUOTA_SHARE": "7"}, "BRAKET_ETL_QUOTA_SHARE"),
    ],
)
def test_bad_usage_is_json_where_json_is_asked_for(
    asked: Program, arguments: tuple[str, ...], env: dict[str, str], said: str
) -> None:
    done = asked.run(*arguments, env=env)
    told = json.loads(done.stdout)
    assert (done.returncode, told["exit_code"]) == (2, 2)
    assert said in told["error"]
    assert said in done.stderr
    if arguments[0] == "status":
        assert asked.run(*(word for word in arguments if word != "--json"), env=env).stdout == ""


def test_a_setting_with_a_typing_error_is_told_and_the_others_count(asked: Program) -> None:
    env = {"BRAKET_ETL_REGION": "us-east-1", "BRAKET_ETL_XYZZY": "1", "BRAKET_ETL_QUIET": "1"}
    done = asked.run("sql", "SELECT 1 AS one", env=env)
    assert (done.returncode, done.stdout) == (0, "one\n1\n")
    said = done.stderr.splitlines()
    assert len(said) == 2
    assert "BRAKET_ETL_REGION," in said[0]
    assert said[0].endswith("did you mean BRAKET_ETL_REGIONS?")
    assert "BRAKET_ETL_XYZZY" in said[1]
    (asked.home / "braket_etl.toml").write_bytes(b"\xef\xbb\xbfqouta_share = 0.1\n")
    wrong = asked.run("sql", "SELECT 1")
    assert wrong.returncode == 2
    assert "did you mean quota_share?" in wrong.stderr


@pytest.mark.parametrize("name", ["dag%20ster", "dagster?", "what?x=%41"])
def test_a_dagster_home_that_dagster_cannot_use_is_refused_before_anything_is_made(
    program: Program, emulator: Emulator, name: str
) -> None:
    program.env = emulator.env()
    folder = program.home.parent / name
    done = program.run("sync", "--json", env={"DAGSTER_HOME": str(folder)})
    assert done.returncode == 2
    assert json.loads(done.stdout)["exit_code"] == 2
    assert str(folder) in done.stderr
    assert "set DAGSTER_HOME" in done.stderr
    assert "room" not in done.stderr
    assert not [each for each in folder.parent.iterdir() if each != program.home]


@pytest.mark.parametrize("name", ["dag ster", "100%", "a#b;c&d", "50%-off"])
def test_other_odd_dagster_homes_work(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from braket_etl.orchestration.instance import ready_instance

    monkeypatch.setenv("BRAKET_ETL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / name))
    with ready_instance(Runtime().settings) as instance:
        assert instance.get_runs(limit=1) == []
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.fixture(scope="module")
def small() -> Iterator[Emulator]:
    with running(tasks=20, jobs=2, days=3, seed=3, quotas=False, regions=["us-east-1"]) as emulator:
        yield emulator


@pytest.mark.parametrize("config", [{}, {"ops": {"pull": {"config": {}}}}, "as the launchpad has it"])
def test_sync_from_the_ui_does_what_the_command_does(
    tmp_path: Path, small: Emulator, monkeypatch: pytest.MonkeyPatch, config: Any
) -> None:
    env = {**small.env(), "BRAKET_ETL_HOME": str(tmp_path / "home"), "BRAKET_ETL_PRICE_LIST": "off"}
    for name, value in {**env, "BRAKET_ETL_RESULTS": "off", "BRAKET_ETL_REGIONS": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    job = build_defs(runtime=Runtime()).resolve_job_def("sync")
    given = dict(SYNC.config) if isinstance(config, str) else config  # type: ignore[arg-type]
    with dg.DagsterInstance.ephemeral() as instance:
        done = job.execute_in_process({**given, **QUIET}, instance=instance, raise_on_error=False)
    assert done.success
    with Runtime().warehouse.reading() as connection:
        days = connection.execute("SELECT count(DISTINCT day), max(day) FROM etl.coverage").fetchall()[0]
        tasks = connection.execute("SELECT count(*) FROM quantum_tasks").fetchall()
    assert days == (91, datetime.now(UTC).date())
    assert tasks == [(20,)]


@pytest.fixture(scope="module")
def tagged() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA etl; CREATE TABLE etl.coverage (day DATE, searched_at TIMESTAMPTZ)")
        connection.execute("CREATE TABLE reservations (start_at TIMESTAMPTZ)")
        for table in ("quantum_tasks", "jobs"):
            connection.execute(
                f"CREATE TABLE {table} (fetched_at TIMESTAMPTZ, created_date DATE, tags MAP(VARCHAR, VARCHAR), "
                "created_by VARCHAR, account_id VARCHAR, region VARCHAR, device_name VARCHAR)"
            )
        connection.execute(
            "INSERT INTO quantum_tasks SELECT ?, '2026-11-01', MAP {'team': 'chemistry'}, 'ann', '1', 'r', 'd' "
            "FROM range(3)",
            [NOW],
        )
        connection.execute(
            "INSERT INTO jobs VALUES (?, '2026-11-01', MAP {'team': 'optics', 'stage': 'prod'}, 'ann, bob', '1', 'r', 'd')",
            [NOW],
        )
        connection.execute("INSERT INTO jobs VALUES (?, '2026-11-01', NULL, NULL, '1', 'r', 'd')", [NOW])
        yield connection


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        (("team", "nobody"), "values of team are chemistry, optics"),
        (("team", "chemstry"), "did you mean chemistry?"),
        (("taem", "chemistry"), "did you mean team or stage?"),
        (("cost-centre", "1"), "tags are team, stage"),
    ],
)
def test_a_tag_that_no_record_bears_is_told_with_those_that_some_do(
    tagged: duckdb.DuckDBPyConnection, tag: tuple[str, str], said: str
) -> None:
    with pytest.raises(SettingsError, match=f"--tag {tag[0]}={tag[1]}") as error:
        resolved(tagged, None, None, [], [tag])
    assert said in str(error.value)


def test_a_tag_that_only_a_job_bears_is_one(tagged: duckdb.DuckDBPyConnection) -> None:
    assert resolved(tagged, None, None, [], [("stage", "prod")]).tags == (("stage", "prod"),)


def test_a_person_is_one_name_whatever_is_in_it(tagged: duckdb.DuckDBPyConnection) -> None:
    for person in ("ann", "ann, bob"):
        assert resolved(tagged, None, None, [], [], person=person).person == person
    for person, said in (
        ("zoe", "there is ann, ann, bob"),
        ("ann, bo", "did you mean ann, bob"),
        ("", "there is ann"),
    ):
        with pytest.raises(SettingsError, match=f"--person {person}: no task or job has it: {said}"):
            resolved(tagged, None, None, [], [], person=person)
    assert resolved(tagged, None, None, [], []).person == ""


def test_a_reservation_is_the_same_in_another_case(tmp_path: Path) -> None:
    written = "arn:aws:braket:us-east-1:123456789012:reservation/ABC-1"
    kept = tmp_path / "reservations.csv"
    kept.write_text(
        "reservation_arn,device_arn,start_at,end_at,agreed_usd\n"
        f"{written},arn:aws:braket:us-east-1::device/qpu/quera/Aquila,2026-10-01T10:00,2026-10-01T12:00,5000\n"
    )
    warehouse = empty_warehouse(tmp_path)
    import_reservations(warehouse, kept)
    bodies = [
        {
            "quantumTaskArn": f"arn:aws:braket:us-east-1:123456789012:quantum-task/{number}",
            "status": "COMPLETED",
            "deviceArn": "arn:aws:braket:us-east-1::device/qpu/quera/Aquila",
            "deviceParameters": "{}",
            "shots": 100,
            "outputS3Bucket": "b",
            "outputS3Directory": "d",
            "createdAt": "2026-10-01T10:00:00Z",
            "endedAt": "2026-10-01T11:00:00Z",
            "associations": [{"arn": arn, "type": "RESERVATION_TIME_WINDOW_ARN"}],
        }
        for number, arn in enumerate((written, written.lower()))
    ]
    tasks = [Fetched("GetQuantumTask", body["quantumTaskArn"], body, NOW) for body in bodies]
    with warehouse.writing("test") as connection:
        upsert(connection, QUANTUM_TASKS, normalize(QUANTUM_TASKS, tasks, bookkeeping={"origin": "api"}).rows)
        assert connection.execute("SELECT n_tasks, cost_usd FROM reservation_costs").fetchall() == [(2, 5000)]
        used = connection.execute(named_query("reservation_use").sql).fetchall()
        assert [(row[0], row[7]) for row in used] == [(written, 2)]
        unknown = next(check for check in checks() if check.name == "reservations_are_known")
        assert run_check(connection, unknown).passed
