"""A lake is written and read like the file: several machines at once, with the same rows and the same answers."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import duckdb_extensions
import pytest

from braket_etl.health.configured import configured
from braket_etl.settings import SettingsError, load_settings
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.errors import (
    ConflictError,
    LakeError,
    LockHeldError,
    NotPublishedError,
    WarehouseError,
)
from braket_etl.warehouse.lake import Lake, shown
from braket_etl.warehouse.models import models
from braket_etl.warehouse.restore import restore
from tests.conftest import Program
from tests.integration.buckets import empty_moto
from tests.lake.conftest import NewLake, Pulled
from tests.servers import Postgres

_DRIFT = "INSERT INTO etl.schema_drift BY NAME SELECT 't' AS table_name, 'member' AS kind, 'p' AS path, ? AS value, "
_DRIFT += "now() AS first_seen_at, 'r' AS run_id"
_VALUES = "SELECT value FROM etl.schema_drift ORDER BY value"
#: A program that is in the middle of a merge until it is killed.
_MERGING = f"""
import sys, time
from pathlib import Path
from braket_etl.warehouse.statements import transaction
from braket_etl.warehouse.lake import Lake
lake = Lake(Path(sys.argv[1]), Path(sys.argv[1]), catalog=sys.argv[2])
with lake.writing("merging tasks") as connection, transaction(connection):
    connection.execute({_DRIFT!r}, ["half"])
    print("merging", flush=True)
    time.sleep(600)
"""


def add(lake: Lake, value: str) -> None:
    with lake.writing("testing") as connection:
        connection.execute(_DRIFT, [value])


def values(lake: Lake) -> list[str]:
    with lake.reading() as connection:
        return [value for (value,) in connection.execute(_VALUES).fetchall()]


def test_two_programs_at_once_leave_what_one_leaves_in_a_file(
    in_file: Pulled, in_lake: tuple[Pulled, list[str]]
) -> None:
    lake, _ = in_lake
    ours, theirs = lake.contents(), in_file.contents()
    assert ours.keys() == theirs.keys()
    assert {f"main.{model.name}" for model in models()} <= ours.keys()
    assert len(ours["main.quantum_tasks"]) > 10
    for name, rows in theirs.items():
        assert ours[name] == rows, name
    assert lake.rows("SELECT count(*), count(*) FILTER (outcome = 'success') FROM etl.runs") == [(2, 2)]


def test_readers_beside_two_writers_meet_whole_states_and_no_error(in_lake: tuple[Pulled, list[str]]) -> None:
    _, met = in_lake
    assert met
    for text in met:
        assert text.splitlines()[-1] == "0" or "there is no warehouse in ducklake:postgres:" in text


def test_the_verbs_answer_of_a_lake(in_lake: tuple[Pulled, list[str]], tmp_path: Path) -> None:
    program = in_lake[0].program
    assert "quantum_tasks" in program.ok("status")
    found = program.run("doctor", "--json")
    assert '"writer lock"' in found.stdout
    assert " files with " in found.stdout
    program.ok("report", "--output", str(tmp_path / "report.html"))
    assert (tmp_path / "report.html").stat().st_size > 10_000
    program.ok(
        "export", "parquet", "--output", str(tmp_path / "export"), "--tables", "task_costs,quantum_tasks"
    )
    attached = program.ok("sql", "from duckdb_databases()", "--format", "csv")
    refused = program.run("sql", "delete from quantum_tasks")
    assert refused.returncode == 1
    assert "read-only" in refused.stderr
    assert "sesame" not in found.stdout + attached + refused.stderr


def test_an_analyst_attaches_it_as_the_page_says(new_lake: NewLake) -> None:
    lake = new_lake()
    with lake.writing("testing"):
        pass  # makes its tables and models
    page = (Path(__file__).parents[2] / "docs" / "scale-out.md").read_text("utf-8")
    [attaching] = [
        sql for sql in re.findall(r"^```sql\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if "USE lake" in sql
    ]
    attaching = re.sub(
        r"^INSTALL \w+;\n", "", attaching, flags=re.MULTILINE
    )  # from the wheels, not from the network
    attaching = re.sub(r"ducklake:postgres:[^']*", f"ducklake:{lake.catalog}", attaching)
    with duckdb.connect() as connection:
        for extension in ("ducklake", "postgres_scanner"):
            duckdb_extensions.import_extension(extension, con=connection)
            connection.execute(f"LOAD {extension}")
        assert [column for column, *_ in connection.execute(attaching).description] == [
            "device_name",
            "sum(cost_usd)",
        ]


def test_writers_take_turns_and_are_told_whose_turn_it_is(new_lake: NewLake) -> None:
    lake = new_lake()
    other = new_lake(lake.catalog, lock_timeout=0.2)
    told = r"merging tasks \(process \d+ on .+, since .+\) to finish"
    with (
        lake.writing("merging tasks"),
        pytest.raises(LockHeldError, match=told),
        other.writing("another merge"),
    ):
        pass
    assert lake.holder() is None
    with other.writing("another merge"):
        assert "another merge" in str(lake.holder())


def test_a_reader_keeps_the_state_that_it_began_with(new_lake: NewLake) -> None:
    lake = new_lake()
    with pytest.raises(NotPublishedError, match="braket-etl sync"), lake.reading():
        pass
    add(lake, "a")
    with lake.reading() as connection:
        add(lake, "b")
        lake.tidy()
        assert connection.execute(_VALUES).fetchall() == [("a",)]
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            connection.execute(_DRIFT, ["c"])
    assert values(lake) == ["a", "b"]


def test_a_writer_that_is_killed_leaves_its_turn_and_nothing_half(new_lake: NewLake, tmp_path: Path) -> None:
    lake = new_lake(lock_timeout=20)
    add(lake, "whole")
    command = [sys.executable, "-c", _MERGING, str(tmp_path), lake.catalog]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "merging\n"
        assert "merging tasks" in str(lake.holder())
        killed.send_signal(signal.SIGKILL)
    add(lake, "next")
    assert values(lake) == ["next", "whole"]


def test_small_files_are_joined_and_hold_the_same(new_lake: NewLake) -> None:
    lake = new_lake()
    for value in "abcdef":
        add(lake, value)
    before, _ = lake.files()
    lake.tidy()
    after, size = lake.files()
    assert after < before
    assert size == lake.size
    assert values(lake) == list("abcdef")


def test_what_somebody_else_changed_meanwhile_is_done_anew(new_lake: NewLake) -> None:
    lake = new_lake()
    add(lake, "a")
    add(lake, "b")
    with duckdb.connect() as theirs:
        for statement in foreign_attach(lake):
            theirs.execute(statement)

        def change(connection: Connection, *, disturbed: bool) -> str:
            connection.execute("UPDATE etl.schema_drift SET run_id = 'ours' WHERE value = 'a'")
            if disturbed:
                theirs.execute("CALL ducklake_merge_adjacent_files('theirs')")
                theirs.execute(
                    "INSERT INTO theirs.etl.schema_drift FROM theirs.etl.schema_drift WHERE value = 'b'"
                )
            return "done"

        tries = iter([True, False])
        assert lake.in_turn("testing", lambda connection: change(connection, disturbed=next(tries))) == "done"
        assert values(lake) == ["a", "b", "b"]
        with pytest.raises(ConflictError, match=r"somebody else changed .*nothing of this step was stored"):
            lake.in_turn("testing", lambda connection: change(connection, disturbed=True))
    with lake.reading() as connection:
        assert connection.execute("SELECT run_id FROM etl.schema_drift WHERE value = 'a'").fetchall() == [
            ("ours",)
        ]


def foreign_attach(lake: Lake) -> list[str]:
    """What a user of DuckDB writes to open the lake, as docs/scale-out.md tells."""
    import duckdb_extension_ducklake
    import duckdb_extension_postgres_scanner

    loads = []
    for module in (duckdb_extension_ducklake, duckdb_extension_postgres_scanner):
        [file] = Path(module.__path__[0]).glob(f"extensions/v{duckdb.__version__}/*.duckdb_extension")
        loads.append(f"LOAD '{file}'")
    return [*loads, f"ATTACH 'ducklake:{lake.catalog}' AS theirs"]


def test_the_catalog_knows_where_the_files_are(new_lake: NewLake, tmp_path: Path) -> None:
    data = tmp_path / "elsewhere"
    lake = new_lake(data=str(data))
    add(lake, "a")
    assert list(data.rglob("*.parquet"))
    later = new_lake(lake.catalog)
    add(later, "b")
    assert values(later) == ["a", "b"]
    assert not (tmp_path / "lake").exists()
    with pytest.raises(LakeError, match="BRAKET_ETL_WAREHOUSE_DATA"):
        add(new_lake(lake.catalog, data=str(tmp_path / "third")), "c")


def test_files_can_lie_in_s3(new_lake: NewLake, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    from braket_etl.aws.s3_login import s3_login

    with empty_moto() as url:
        for name, value in (
            ("AWS_ACCESS_KEY_ID", "dummy"),
            ("AWS_SECRET_ACCESS_KEY", "dummy"),
            ("AWS_ENDPOINT_URL_S3", url),
        ):
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="lake")
        lake = new_lake(data="s3://lake/braket", s3_login=s3_login)
        add(lake, "a")
        assert values(lake) == ["a"]
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket="lake")["Contents"]]
        assert any(key.startswith("braket/etl/schema_drift/") for key in keys)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("password=opensesame", "password authentication failed"),
        ("dbname=nowhere", '"nowhere" does not exist'),
    ],
)
def test_a_catalog_that_cannot_be_used_is_told_in_a_line_without_a_password(
    postgres_server: Postgres, tmp_path: Path, wrong: str, said: str
) -> None:
    conninfo = postgres_server.conninfo("postgres")
    program = Program(tmp_path / "home", {"BRAKET_ETL_WAREHOUSE": f"ducklake:postgres:{conninfo} {wrong}"})
    program.env |= {"AWS_ACCESS_KEY_ID": "dummy", "AWS_SECRET_ACCESS_KEY": "dummy"}
    for verb, code in ((["sql", "select 1"], 1), (["sync"], 2)):
        done = program.run(*verb)
        assert done.returncode == code, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr
        assert "sesame" not in done.stderr + done.stdout


def test_a_file_is_a_catalog_for_one_machine_and_takes_over_what_was_pulled(
    in_file: Pulled, tmp_path: Path
) -> None:
    program = Program(tmp_path / "home", {"BRAKET_ETL_WAREHOUSE": "ducklake:catalog.ducklake"})
    nothing = program.run("status")
    assert "there is no ducklake:" in nothing.stdout + nothing.stderr
    source = str(in_file.program.published)
    program.ok("restore", "--from", source, "--yes")
    lake = Lake(program.home / "writer", tmp_path, catalog=str(program.home / "catalog.ducklake"))
    assert Pulled(program, lake).contents() == in_file.contents()
    again = program.run("restore", "--from", source, "--yes")
    assert again.returncode == 1
    assert "holds records already" in again.stderr
    counted = program.ok("sql", "select count(*) from quantum_tasks", "--format", "csv")
    assert int(counted.split()[-1]) == in_file.rows("SELECT count(*) FROM quantum_tasks")[0][0]


def test_a_lake_takes_nothing_over_from_what_is_no_warehouse(new_lake: NewLake, tmp_path: Path) -> None:
    lake, letter = new_lake(), tmp_path / "letter"
    with pytest.raises(NotPublishedError, match="--from FILE"):
        restore(lake, letter)
    letter.write_text("Dear all")
    with pytest.raises(WarehouseError, match="no whole warehouse"):
        restore(lake, letter)
    assert values(lake) == []


def test_a_reader_of_a_file_catalog_waits_for_the_writer(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "writer", tmp_path, catalog=str(tmp_path / "c.ducklake"))
    add(lake, "a")
    command = [sys.executable, "-c", _MERGING, str(tmp_path / "writer"), lake.catalog]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "merging\n"
        impatient = Lake(tmp_path / "writer", tmp_path, 0.2, catalog=lake.catalog)
        with pytest.raises(LockHeldError, match="open in another program"):
            values(impatient)
        timer = threading.Timer(0.3, killed.kill)
        timer.start()
        assert values(lake) == ["a"]


def test_passwords_are_shown_nowhere() -> None:
    for text in (
        "postgres:dbname=d password=sesame host=h",
        r"postgres:dbname=d password = 'open \' sesame' host=h",
        "postgres:postgresql://me:sesame@h/d",
        "postgres:postgresql://h/d?password=sesame&user=me",
    ):
        assert "sesame" not in shown(text)
        assert "h" in shown(text)


def test_the_settings_say_where_a_lake_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAKET_ETL_HOME", str(tmp_path))
    for value in ("ducklake:", "ducklake:postgres:", "ducklake:mysql:password=sesame"):
        with pytest.raises(SettingsError, match="ducklake:postgres:dbname=") as told:
            load_settings(warehouse=value)
        assert "sesame" not in str(told.value)
    with pytest.raises(SettingsError, match="for a DuckLake"):
        load_settings(warehouse_data="s3://bucket/prefix")
    settings = load_settings(warehouse="ducklake:c.ducklake", warehouse_data="data")
    assert settings.lake_catalog == str(tmp_path / "c.ducklake")
    assert settings.lake_data == str(tmp_path / "data")
    server = load_settings(warehouse="ducklake:postgres:dbname=d password=sesame", warehouse_data="s3://b/p")
    assert server.lake_catalog == "postgres:dbname=d password=sesame"
    assert server.lake_data == "s3://b/p"
    assert "sesame" not in str([each.value for each in configured(server)])
