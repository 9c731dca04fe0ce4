"""A lake is written and read like the file: several machines at once, with the same rows and the same answers."""

from __future__ import annotations

import grp
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extensions
import psycopg
import pytest

from braket_etl.health.configured import configured
from braket_etl.orchestration.maintenance import repaired
from braket_etl.settings import SettingsError, load_settings
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.door import held_back
from braket_etl.warehouse.errors import (
    ConflictError,
    HeldBackError,
    LakeError,
    LockHeldError,
    NotPublishedError,
    WarehouseError,
)
from braket_etl.warehouse.lake import NAME, Lake, shown
from braket_etl.warehouse.models import models
from braket_etl.warehouse.publish import publish
from tests.conftest import Program
from tests.integration.buckets import empty_moto
from tests.integration.test_upsert import load, many
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
        publish(lake, connection)


def values(lake: Lake) -> list[str]:
    with lake.reading() as connection:
        return [value for (value,) in connection.execute(_VALUES).fetchall()]


def alike(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows, averages without the last digits, which depend on the order of the rows that they are made of."""
    return [tuple(f"{value:.9g}" if isinstance(value, float) else value for value in row) for row in rows]


def test_two_programs_at_once_leave_what_one_leaves_in_a_file(
    in_file: Pulled, in_lake: tuple[Pulled, list[str]]
) -> None:
    lake, _ = in_lake
    ours, theirs = lake.contents(), in_file.contents()
    assert ours.keys() == theirs.keys()
    assert {f"main.{model.name}" for model in models()} <= ours.keys()
    assert len(ours["main.quantum_tasks"]) > 10
    for name, rows in theirs.items():
        assert alike(ours[name]) == alike(rows), name
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
    with lake.writing("testing") as connection:  # makes its tables and models
        publish(lake, connection)
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
        lake.compact()
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
    joined = lake.compact()
    with lake.writing("testing") as connection:
        publish(lake, connection)
    after, size = lake.files()
    assert joined.was_done
    assert joined.files == (before, after)
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
        with lake.writing("testing") as ours:
            assert [value for (value,) in ours.execute(_VALUES).fetchall()] == ["a", "b", "b"]
        with pytest.raises(ConflictError, match=r"somebody else changed .*nothing of this step was stored"):
            lake.in_turn("testing", lambda connection: change(connection, disturbed=True))
    with lake.writing("testing") as connection:
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


@pytest.fixture
def in_s3(new_lake: NewLake, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Callable[[], Lake], Any]]:
    """Makes a lake whose files lie in S3; and a client that sees them."""
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
        yield partial(new_lake, data="s3://lake/braket", s3_login=s3_login), s3


def test_files_can_lie_in_s3(in_s3: tuple[Callable[[], Lake], Any]) -> None:
    made, s3 = in_s3
    lake = made()
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
        lake.restore(letter)
    letter.write_text("Dear all")
    with pytest.raises(WarehouseError, match="no whole warehouse"):
        lake.restore(letter)
    add(lake, "a")
    assert values(lake) == ["a"]


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


# As careful as a file


def load_tasks(lake: Lake, numbers: range, *, doubled: bool = False) -> None:
    with lake.writing("testing") as connection:
        load(connection, *many(numbers))
        if doubled:
            connection.execute("INSERT INTO quantum_tasks FROM quantum_tasks LIMIT 1")
        publish(lake, connection)


def tasks_seen(lake: Lake) -> int:
    with lake.reading() as connection:
        return int(connection.execute("SELECT count(*) FROM quantum_tasks").fetchall()[0][0])


def on_server_and_in_file(new_lake: NewLake, tmp_path: Path) -> dict[str, Lake]:
    """A lake with each kind of catalog."""
    folder = tmp_path / "in_file"
    return {
        "server": new_lake(),
        "file": Lake(folder / "writer", folder / "unused", catalog=str(folder / "catalog.ducklake")),
    }


@pytest.mark.parametrize("kind", ["server", "file"])
def test_a_doubled_key_leaves_readers_the_state_before_until_it_is_repaired(
    new_lake: NewLake, tmp_path: Path, kind: str
) -> None:
    lake = on_server_and_in_file(new_lake, tmp_path)[kind]
    load_tasks(lake, range(5))
    for _ in range(2):
        with pytest.raises(HeldBackError, match=r"keys_are_unique: 2 rows .* `braket-etl maintain --repair`"):
            load_tasks(lake, range(5, 9), doubled=tasks_seen(lake) == 5 and held_back(lake) is None)
        assert tasks_seen(lake) == 5
    with lake.writing("as a week later") as connection:
        connection.execute(
            "UPDATE __ducklake_metadata_lake.ducklake_snapshot SET snapshot_time = snapshot_time - INTERVAL 30 DAY"
        )
    lake.compact()
    assert tasks_seen(lake) == 5, "what is read is kept, however old"
    other = replace(lake, folder=tmp_path / "other_home")
    told = held_back(other)
    assert told is not None, "each machine knows"
    assert told.rows == 2
    [merged] = repaired(lake)
    assert (merged.table, merged.rows_gone) == ("quantum_tasks", 1)
    load_tasks(lake, range(9, 10))
    assert tasks_seen(lake) == 10
    assert held_back(other) is None


@pytest.mark.parametrize("kind", ["server", "file"])
def test_what_was_not_published_is_not_seen(new_lake: NewLake, tmp_path: Path, kind: str) -> None:
    lake = on_server_and_in_file(new_lake, tmp_path)[kind]
    with lake.writing("testing") as connection:
        connection.execute(_DRIFT, ["a"])
    with pytest.raises(NotPublishedError), lake.reading():
        pass
    assert not lake.is_missing
    add(lake, "b")
    assert values(lake) == ["a", "b"]


def test_a_lake_of_an_older_version_is_read_as_it_was_until_something_is_published(new_lake: NewLake) -> None:
    lake = new_lake()
    add(lake, "a")
    with lake.writing("as an older version does, whose readers see it at once") as connection:
        connection.execute(_DRIFT, ["b"])
        connection.execute("DROP TABLE __ducklake_metadata_lake.braket_etl_published")
    assert values(lake) == ["a", "b"]
    with lake.writing("upgrading") as connection:
        connection.execute(_DRIFT, ["c"])
    assert values(lake) == ["a", "b"]
    add(lake, "d")
    assert values(lake) == ["a", "b", "c", "d"]


def lose_catalog(lake: Lake, server: Postgres) -> None:
    """Put an empty database in the place of the catalog's, or no file."""
    if not lake.is_on_server:
        Path(lake.catalog).unlink()
        return
    name = re.search(r"dbname=(\w+)", lake.catalog)
    assert name is not None
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name[1]}" WITH (FORCE)'.encode())
        connection.execute(f'CREATE DATABASE "{name[1]}"'.encode())


@pytest.mark.parametrize("kind", ["server", "file"])
def test_a_catalog_that_is_lost_is_not_begun_anew(
    new_lake: NewLake, postgres_server: Postgres, tmp_path: Path, kind: str
) -> None:
    lake = on_server_and_in_file(new_lake, tmp_path)[kind]
    add(lake, "a")
    lose_catalog(lake, postgres_server)
    for use in (
        lambda: add(lake, "b"),
        lambda: values(lake),
        lambda: lake.is_missing,
        lake.compact,
        lambda: lake.damage(),
    ):
        with pytest.raises(LakeError, match=r"holds no lake, but this home has stored records there.*backup"):
            use()
    (lake.folder / "lake.json").unlink()  # as another machine, whose home remembers nothing
    with pytest.raises(LakeError, match=r"holds the files of a lake, but the catalog .* holds none"):
        add(lake, "b")
    with pytest.raises(NotPublishedError):
        values(lake)
    anew = replace(lake, data=str(tmp_path / "another"), _files=[])
    add(anew, "c")
    assert values(anew) == ["c"]


def test_a_catalog_that_is_older_or_another_is_not_written_to(new_lake: NewLake, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "writer", tmp_path / "unused", catalog=str(tmp_path / "catalog.ducklake"))
    add(lake, "a")
    backup = Path(lake.catalog).read_bytes()
    add(lake, "b")
    Path(lake.catalog).write_bytes(backup)
    for use in (lambda: add(lake, "c"), lambda: values(lake)):
        with pytest.raises(LakeError, match="an older state of the lake"):
            use()
    (lake.folder / "lake.json").unlink()  # as the message says
    assert values(lake) == ["a"]
    kept = Path(lake.catalog).read_bytes()
    for damaged in (b"the disk lied" * 1000, kept[:5000], b""):
        Path(lake.catalog).write_bytes(damaged)
        with pytest.raises(LakeError, match=r"cannot be read|holds no lake"):
            values(lake)
        with pytest.raises(LakeError, match=r"cannot be read|holds no lake"):
            add(lake, "c")
    Path(lake.catalog).write_bytes(kept)
    other = Lake(tmp_path / "theirs" / "writer", tmp_path, catalog=str(tmp_path / "theirs.ducklake"))
    add(other, "z")
    add(other, "z")
    add(lake, "c")
    Path(lake.catalog).write_bytes(Path(other.catalog).read_bytes())
    with pytest.raises(LakeError, match="holds another lake"):
        add(lake, "d")


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [Path.unlink, _cut], ids=["missing", "cut"])
@pytest.mark.parametrize("kind", ["server", "file"])
def test_a_file_that_is_missing_or_cut_is_told_in_a_line_and_nothing_is_published(
    new_lake: NewLake, tmp_path: Path, kind: str, damage: Callable[[Path], None]
) -> None:
    lake = on_server_and_in_file(new_lake, tmp_path)[kind]
    load_tasks(lake, range(5))
    assert lake.damage() is None
    [file] = Path(lake.folder.with_name("lake"), "main", "quantum_tasks").glob("*.parquet")
    kept = file.read_bytes()
    damage(file)
    said = lake.damage()
    assert said is not None
    assert str(file) in said
    with pytest.raises(
        LakeError, match=r"1 of .* files of the lake are missing|is missing, damaged or out of"
    ):
        add(lake, "a")
    with pytest.raises(LakeError, match=r"file of .* is missing, damaged or out of reach.*doctor"):
        load_tasks(lake, range(4, 9))
    with pytest.raises(LakeError, match="is missing, damaged or out of reach"), lake.reading() as connection:
        connection.execute("SELECT max(fetched_at) FROM quantum_tasks").fetchall()
    file.write_bytes(kept)
    load_tasks(lake, range(9))
    assert tasks_seen(lake) == 9
    add(lake, "a")
    unread, *_ = Path(lake.folder.with_name("lake"), "etl", "schema_drift").glob("*.parquet")
    damage(unread)
    with pytest.raises(LakeError, match=r"1 of .* files of the lake are missing.*Readers go on"):
        load_tasks(lake, range(12))  # which reads no drift
    assert tasks_seen(lake) == 9


def test_a_file_on_s3_that_is_missing_is_told(in_s3: tuple[Callable[[], Lake], Any]) -> None:
    made, s3 = in_s3
    lake = made()
    load_tasks(lake, range(5))
    assert lake.damage() is None
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="lake")["Contents"]]
    [key] = [key for key in keys if "/quantum_tasks/" in key]
    s3.delete_object(Bucket="lake", Key=key)
    said = lake.damage()
    assert said is not None
    assert f"s3://lake/{key}" in said
    with pytest.raises(LakeError, match="is missing, damaged or out of reach"):
        load_tasks(lake, range(4, 9))
    another = made()
    with pytest.raises(LakeError, match="holds the files of a lake, but the catalog"):
        add(another, "a")


def test_verbs_tell_of_a_lake_what_they_tell_of_a_file(in_file: Pulled, tmp_path: Path) -> None:
    program = Program(tmp_path / "home", {"BRAKET_ETL_WAREHOUSE": "ducklake:catalog.ducklake"})
    program.ok("restore", "--from", str(in_file.program.published), "--yes")
    count = ("sql", "select count(*) from quantum_tasks", "--format", "csv")
    seen = program.ok(*count)
    lake = Lake(program.home / "writer", tmp_path, catalog=str(program.home / "catalog.ducklake"))
    with lake.writing("damaging") as connection:
        connection.execute("INSERT INTO quantum_tasks FROM quantum_tasks LIMIT 1")
    for verb in (["recover", str(tmp_path / "nothing")], ["rejects", "purge", "--yes"], ["maintain"]):
        (tmp_path / "nothing").mkdir(exist_ok=True)
        done = program.run(*verb)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "keys_are_unique: 2 rows" in done.stderr
        assert "published " not in done.stderr
        assert program.ok(*count) == seen
    assert "keys_are_unique" in program.run("status").stderr
    assert "nothing is published since" in program.run("doctor").stdout
    program.ok("maintain", "--repair")
    assert program.ok(*count) == seen
    with lake.reading() as connection:  # the repair left files that nobody reads any longer
        [(path,), *_] = connection.execute(
            f"SELECT data_file FROM ducklake_list_files('{NAME}', 'quantum_tasks')"
        ).fetchall()
    file = Path(path)
    kept = file.read_bytes()
    file.unlink()
    for verb in (["recover", str(tmp_path / "nothing")], ["maintain"], ["doctor"], ["status"]):
        done = program.run(*verb)
        # there are no credentials either, which doctor holds to be worse
        assert done.returncode == (2 if verb == ["doctor"] else 1), done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert file.name in done.stdout + done.stderr
    file.write_bytes(kept)
    Path(lake.catalog).rename(tmp_path / "lost")
    for verb in (["recover", str(tmp_path / "nothing")], ["maintain"], ["doctor"], ["status"], list(count)):
        done = program.run(*verb)
        assert done.returncode == (2 if verb == ["doctor"] else 1), done.stdout + done.stderr
        assert "holds no lake, but this home has stored records there" in done.stdout + done.stderr
    assert not Path(lake.catalog).exists()


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_files_of_a_lake_are_its_users_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    lake = Lake(tmp_path / "home" / "writer", tmp_path, catalog=str(tmp_path / "home" / "catalog.ducklake"))
    before = os.umask(umask)
    try:
        add(lake, "a")
        add(lake, "b")
        lake.compact()
    finally:
        os.umask(before)
    made = [path for path in (tmp_path / "home").rglob("*") if path.name != "warehouse.lock"]
    assert any(path.suffix == ".parquet" for path in made)
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in made if path.is_file()} == {
        path.name: "0o600" for path in made if path.is_file()
    }
    assert {path.stat().st_mode & 0o777 for path in made if path.is_dir()} == {0o700}
    group = grp.getgrgid(os.getgid()).gr_name
    with lake.writing("testing") as connection:
        connection.execute(_DRIFT, ["c"])
        publish(lake, connection, group=group)
    read = {
        path
        for path in (tmp_path / "home" / "lake").rglob("*.parquet")
        if path.stat().st_mode & 0o777 == 0o640
    }
    assert read
    assert all(
        path.stat().st_mode & 0o777 == 0o750
        for file in read
        for path in file.parents
        if path.is_relative_to(tmp_path / "home" / "lake")
    )
