"""A sync that finds nothing new passes over what it would compute again; whatever may have changed makes it a whole one."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import dagster as dg
import pytest
import sqlalchemy
from dagster._core.definitions.data_version import extract_data_version_from_entry
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.event_log import SqlEventLogStorage

from braket_emulator import Emulator, running
from braket_etl.costs.errors import BillingFileError
from braket_etl.costs.owner_files import read_allocations
from braket_etl.orchestration.build import build_defs
from braket_etl.orchestration.instance import instance_in
from braket_etl.orchestration.maintenance import forget_old_runs
from braket_etl.orchestration.quiet import LOOKED_AT, _made_with, in_order, looked, note_unchanged
from braket_etl.pull.outcome import News
from braket_etl.runtime import Runtime
from braket_etl.warehouse.unchanged import DisturbedError, Watched, noted, numberless
from tests.conftest import Program

LATER = datetime.now(UTC).replace(microsecond=0)
ENDED = LATER - timedelta(days=10)
KEYS = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
SINCE = {"BRAKET_ETL_START_DATE": f"{ENDED - timedelta(days=3):%Y-%m-%d}", "BRAKET_ETL_PRICE_LIST": "off"}


@pytest.fixture(scope="module")
def quiet_account() -> Iterator[Emulator]:
    """An account whose tasks have all ended days ago."""
    with running(tasks=40, jobs=3, days=3, seed=5, quotas=False, now=ENDED, frozen=True) as emulator:
        emulator.set_clock(now=LATER, rate=0)
        yield emulator


@pytest.fixture(scope="module")
def whole_home(quiet_account: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after a whole sync of it."""
    home = tmp_path_factory.mktemp("quiet") / "home"
    Program(home, {**quiet_account.env(), **SINCE}).ok("sync")
    return home


@pytest.fixture
def synced(
    whole_home: Path, quiet_account: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Program:
    """A copy of it, in which this process would go on as well."""
    quiet_account.set_clock(now=LATER, rate=0)
    quiet_account.set_faults([])
    program = Program(tmp_path / "home", {**quiet_account.env(), **SINCE})
    shutil.copytree(whole_home, program.home)
    for name, value in program.environment().items():
        if name.startswith(("BRAKET_ETL_", "AWS_", "DAGSTER_")):
            monkeypatch.setenv(name, value)
    return program


def instance_of(program: Program) -> dg.DagsterInstance:
    return instance_in(program.home / "dagster")


def look(program: Program) -> None:
    """What a sync of this process looks at first; raises News."""
    runtime = Runtime()
    with instance_of(program) as instance:
        looked(instance, runtime, "a run", in_order(runtime))


def told(instance: dg.DagsterInstance) -> dict[str, tuple[str, object]]:
    """By asset, the run that last materialized it, and its data version."""
    records = instance.get_asset_records([dg.AssetKey(name) for name in sorted(LOOKED_AT)])
    found = {}
    for record in records:
        last = record.asset_entry.last_materialization_record
        assert last is not None
        entry = last.event_log_entry
        found[record.asset_entry.asset_key.path[-1]] = (
            entry.run_id,
            extract_data_version_from_entry(entry),
        )
    return found


def checks_that_are_current(instance: dg.DagsterInstance) -> dict[str, bool]:
    """Whether the webserver shows a check as one of what was materialized last."""

    async def asked() -> dict[str, bool]:
        keys = [key for check in build_defs().asset_checks or () for key in check.check_keys]
        found = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
        context = LoadingContextForTest(instance)
        return {
            key.to_user_string(): await each.targets_latest_materialization(context)
            for key, each in found.items()
        }

    return asyncio.run(asked())


def which(file: Path) -> tuple[int, int]:
    """What is another where a file was written anew."""
    return file.stat().st_ino, file.stat().st_mtime_ns


def steps_of(instance: dg.DagsterInstance, run_id: str) -> int:
    return len(instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_START))


def test_a_sync_that_finds_nothing_new_is_a_run_without_steps(synced: Program) -> None:
    before, report = synced.contents("last_observed_at", "n_polls"), which(synced.home / "report.html")
    with instance_of(synced) as instance:
        versions = {name: version for name, (_, version) in told(instance).items()}
    synced.ok("sync")
    with instance_of(synced) as instance:
        run, whole = instance.get_runs()
        assert (run.job_name, run.status) == ("sync", dg.DagsterRunStatus.SUCCESS)
        assert steps_of(instance, whole.run_id) > 0
        assert steps_of(instance, run.run_id) == 0
        assert told(instance) == {name: (run.run_id, version) for name, version in versions.items()}
        assert all(checks_that_are_current(instance).values())
    assert synced.contents("last_observed_at", "n_polls") == before
    assert which(synced.home / "report.html") == report
    assert (
        synced.rows("SELECT kind, outcome, ended_at IS NULL FROM etl.runs")
        == [("sync", "success", False)] * 2
    )
    assert synced.one("SELECT count(DISTINCT run_id) FROM etl.coverage") == 2
    look(synced)  # the next one does as well


def tick(program: Program, schedule: str) -> dg.RunRequest | str:
    """The run that a tick of a schedule asks for, or why it asks for none."""
    runtime = Runtime()
    definitions = build_defs(runtime=runtime).get_repository_def()
    with (
        instance_of(program) as instance,
        dg.build_schedule_context(
            instance, scheduled_execution_time=LATER, resources={"runtime": runtime}
        ) as context,
    ):
        found = definitions.get_schedule_def(schedule).evaluate_tick(context)
    return found.skip_message or next(iter(found.run_requests or ()))


def test_a_schedule_starts_no_run_where_there_is_nothing_new(synced: Program) -> None:
    published = which(synced.published)
    for _ in range(2):
        assert "nothing new" in str(tick(synced, "hourly_sync"))
    with instance_of(synced) as instance:
        assert len(instance.get_runs()) == 1
        assert {run_id for run_id, _ in told(instance).values()} == {""}
        assert all(checks_that_are_current(instance).values())
    assert which(synced.published) == published
    with synced_writer(synced) as connection:
        connection.execute("UPDATE etl.properties SET value = 'another' WHERE name = 'clock offset'")
    assert isinstance(tick(synced, "hourly_sync"), dg.RunRequest)


def test_open_records_are_polled_by_the_tick_until_one_has_changed(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tasks=60, jobs=3, days=1, seed=5, quotas=False, now=LATER, frozen=True) as emulator:
        program.env = {**emulator.env(), **SINCE}
        program.ok("sync")
        for name, value in program.environment().items():
            monkeypatch.setenv(name, value)
        assert program.one("SELECT count(*) FROM quantum_tasks WHERE NOT is_terminal") > 0
        published = which(program.published)
        emulator.reset_stats()
        assert "none has changed" in str(tick(program, "observe_open_records"))
        assert emulator.stats()["calls"]["GetQuantumTask"] > 0
        assert which(program.published) == published
        emulator.set_clock(now=LATER + timedelta(days=14))
        assert isinstance(tick(program, "observe_open_records"), dg.RunRequest)


@pytest.fixture
def with_open(program: Program, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Program, Emulator]]:
    """A home after a whole sync of an account with open records; the account's clock shows a second later since."""
    now = datetime.now(UTC).replace(microsecond=0)
    with running(tasks=60, jobs=3, days=1, seed=5, quotas=False, now=now, frozen=True) as emulator:
        program.env = {**emulator.env(), **SINCE}
        program.ok("sync")
        for name, value in program.environment().items():
            monkeypatch.setenv(name, value)
        assert program.one("SELECT count(*) FROM quantum_tasks WHERE NOT is_terminal") > 0
        emulator.set_clock(now=now + timedelta(seconds=1), rate=0)
        yield program, emulator


def test_open_records_that_have_not_changed_are_polled_by_a_sync_that_passes_over_the_rest(
    with_open: tuple[Program, Emulator],
) -> None:
    program, emulator = with_open
    open_tasks = "FROM quantum_tasks WHERE NOT is_terminal"
    seen = f"SELECT n_polls FROM task_observations SEMI JOIN ({open_tasks}) USING (quantum_task_arn) ORDER BY ALL"
    before = program.rows(seen)
    emulator.reset_stats()
    told = program.run("sync").stderr
    assert "nothing is new: statistics, checks and report are as the sync of" in told
    assert emulator.stats()["calls"]["GetQuantumTask"] == program.one(f"SELECT count(*) {open_tasks}")
    assert sum(n for (n,) in program.rows(seen)) == sum(n for (n,) in before) + len(before)
    with instance_of(program) as instance:
        assert steps_of(instance, instance.get_runs()[0].run_id) == 0
    assert "none has changed" in str(tick(program, "observe_open_records"))
    assert "nothing new" in str(tick(program, "hourly_sync"))


def test_what_is_open_is_computed_again_after_an_hour(with_open: tuple[Program, Emulator]) -> None:
    program, _ = with_open
    look(program)
    program.ok("sync")
    change_note(program, since=(datetime.now(UTC) - timedelta(hours=1)).isoformat())
    if datetime.now(UTC).hour:  # else the hour before was another day, which makes a sync whole anyway
        with pytest.raises(News, match="something is open"):
            look(program)


def test_an_open_record_that_changed_is_told_by_the_whole_sync_that_follows(
    with_open: tuple[Program, Emulator],
) -> None:
    program, emulator = with_open
    arn, region = program.rows(
        "SELECT quantum_task_arn, region FROM quantum_tasks WHERE status IN ('CREATED', 'QUEUED') ORDER BY ALL"
    )[0]
    braket = boto3.client("braket", endpoint_url=emulator.url, region_name=region, **KEYS)
    braket.cancel_quantum_task(quantumTaskArn=arn, clientToken="a")
    told = json.loads(program.ok("sync", "--json"))
    counted = [step["rows"].get("quantum_tasks", {}).get("changed", 0) for step in told["steps"].values()]
    assert sum(counted) == 1
    assert program.one(f"SELECT status FROM quantum_tasks WHERE quantum_task_arn = '{arn}'") == "CANCELLING"
    with instance_of(program) as instance:
        assert steps_of(instance, told["run_id"]) > 0


def test_what_a_running_job_has_cost_is_published_by_each_poll(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tasks=4, jobs=1, days=3, seed=5, quotas=False, now=ENDED, frozen=True) as emulator:
        emulator.set_clock(now=datetime.now(UTC) - timedelta(hours=2), rate=0)
        program = Program(tmp_path / "running", {**emulator.env(), **SINCE})
        braket = boto3.client("braket", endpoint_url=emulator.url, region_name="eu-north-1", **KEYS)
        arn = braket.create_job(
            jobName="long",
            roleArn="arn:aws:iam::123456789012:role/service-role/Braket",
            algorithmSpecification={
                "scriptModeConfig": {"entryPoint": "a:main", "s3Uri": "s3://b/c", "compressionType": "GZIP"}
            },
            instanceConfig={"instanceType": "ml.m5.large", "volumeSizeInGb": 30},
            outputDataConfig={"s3Path": "s3://b/out"},
            deviceConfig={"device": "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"},
            tags={"emulator:run": "200000"},
        )["jobArn"]
        emulator.set_clock(now=datetime.now(UTC), rate=1)
        program.ok("sync")
        for name, value in program.environment().items():
            monkeypatch.setenv(name, value)

        def accrued() -> tuple[Any, ...]:
            found = f"SELECT accrued_until, accrued_usd FROM job_costs WHERE job_arn = '{arn}'"
            return program.rows(found)[0]

        [(started, a_second)] = program.rows(
            f"SELECT j.started_at, sum(p.usd_per_billion * CASE p.meter WHEN 'volume' THEN 30 ELSE 1 END) / 1e9 "
            f"FROM jobs AS j JOIN price_periods AS p ON p.region = j.region AND p.meter IN ('instance', 'volume') "
            f"AND p.item IN ('ml.m5.large', '') AND j.started_at >= p.valid_from AND j.started_at < p.valid_to "
            f"WHERE j.job_arn = '{arn}' GROUP BY ALL"
        )
        seen = [accrued()]
        for _ in range(2):
            assert "none has changed" in str(tick(program, "observe_open_records"))
            seen.append(accrued())
            by_now = a_second * (datetime.now(UTC) - started).total_seconds()
            assert float(seen[-1][1]) == pytest.approx(by_now, rel=0.01)
        assert seen == sorted(set(seen))


def synced_writer(program: Program) -> Any:
    return Runtime(flags={"home": program.home}).warehouse.writing("changing something")


def store_something(program: Program) -> None:
    with synced_writer(program) as connection:
        connection.execute("INSERT INTO etl.properties VALUES ('something', 'else')")


def kill_while_storing(program: Program) -> None:
    (program.home / "writer" / "warehouse.duckdb.wal").write_bytes(b"")


def change_note(program: Program, **values: object) -> None:
    note = program.home / "writer" / "unchanged.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), **values}))


#: What makes the next sync a whole one, and what it tells of that.
CHANGES: dict[str, tuple[Callable[[Program], object], str]] = {
    "stored": (store_something, "was stored or published"),
    "killed": (kill_while_storing, "was stored or published"),
    "copy": (lambda p: (p.home / "warehouse.duckdb").touch(), "was stored or published"),
    "no note": (lambda p: (p.home / "writer" / "unchanged.json").write_text("?"), "was stored or published"),
    "another day": (
        lambda p: change_note(p, since=(datetime.now(UTC) - timedelta(days=1)).isoformat()),
        "first sync of the day",
    ),
    "another version": (lambda p: change_note(p, made_with="another"), "program or its settings"),
    "a file": (lambda p: (p.home / "discounts.toml").write_text(""), "program or its settings"),
    "a day": (lambda p: change_note(p, seen="as it stood before 01:00"), "stands otherwise"),
    "the report": (lambda p: (p.home / "report.html").unlink(), "report"),
    "the run": (lambda p: shutil.rmtree(p.home / "dagster" / "history"), "did not end well"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_may_have_changed_makes_a_sync_whole(synced: Program, change: str) -> None:
    make, why = CHANGES[change]
    make(synced)
    with pytest.raises(News, match=why):
        look(synced)


#: Of a file that was taken over when nothing was in it: what it says by now, what the run told of it, whether it is known.
OWNERS = {
    "a comment": ("# nobody's", (), True),
    "an owner": ('[defaults]\nproject = "a"', (), False),
    "a fault": ("?", (), False),
    "a fault that was told": ("?", ("{problem}; what it said before still counts",), True),
}


@pytest.mark.parametrize("change", OWNERS)
def test_what_a_file_of_owners_says_is_known_only_where_it_was_taken_over(
    synced: Program, change: str
) -> None:
    text, told, is_known = OWNERS[change]
    runtime = Runtime()
    file = synced.home / "allocations.toml"
    file.write_text(text)
    try:
        problem = str(read_allocations(file))
    except BillingFileError as error:
        problem = str(error)
    (synced.home / "writer" / "unchanged.json").unlink()
    with instance_of(synced) as instance, synced_writer(synced) as connection:
        (run,) = instance.get_runs()
        context = SimpleNamespace(run=run, run_id=run.run_id, job_name=run.job_name, instance=instance)
        steps = {"owner_files": {"warnings": [each.format(problem=problem) for each in told]}}
        note_unchanged(cast("Any", context), runtime, connection, steps)
    assert (noted(runtime.warehouse) is not None) is is_known


def with_names(program: Program, monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    """As if the last sync had been asked for names already."""
    for name, value in {"BRAKET_ETL_CREATED_BY": "name", **more}.items():
        program.env[name] = value
        monkeypatch.setenv(name, value)
    change_note(program, made_with=_made_with(Runtime().settings))


def test_who_created_a_record_makes_a_sync_whole_and_is_looked_up_by_quiet_ones_too(
    synced: Program, quiet_account: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_names(synced, monkeypatch)
    with pytest.raises(News, match="rows of record_callers are new"):
        look(synced)
    report = which(synced.home / "report.html")
    synced.ok("sync")
    unknown = "SELECT count(*) FROM allocated_charges WHERE owner_key = 'person' AND owner = '(unallocated)'"
    assert synced.one("SELECT count(*) FROM allocated_charges WHERE owner_key = 'person'") > 0
    assert synced.one(unknown) == 0
    assert which(synced.home / "report.html") != report
    quiet_account.reset_stats()
    look(synced)
    assert quiet_account.stats()["calls"]["LookupEvents"] > 0


def test_who_created_a_record_is_read_from_the_feed_by_quiet_syncs_too(
    synced: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = synced.one("SELECT min(quantum_task_arn) FROM quantum_tasks WHERE job_arn IS NULL")
    record = {
        "eventID": "1",
        "eventSource": "braket.amazonaws.com",
        "eventName": "CreateQuantumTask",
        "eventTime": f"{ENDED:%Y-%m-%dT%H:%M:%SZ}",
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/ada"},
        "responseElements": {"quantumTaskArn": arn},
    }
    (tmp_path / "feed").mkdir()
    (tmp_path / "feed" / "1.json").write_text(json.dumps(record))
    with_names(synced, monkeypatch, BRAKET_ETL_EVENTS=str(tmp_path / "feed"))
    with pytest.raises(News, match=r"^1 rows of record_callers are new"):
        look(synced)
    with synced_writer(synced) as connection:
        named = connection.execute(
            "SELECT created_by FROM quantum_tasks WHERE quantum_task_arn = ?", [arn]
        ).fetchall()
    assert named == [("ada",)]


def test_what_braket_says_makes_a_sync_whole(synced: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tasks=40, jobs=3, days=3, seed=6, quotas=False, now=LATER, frozen=True) as busier:
        for name, value in busier.env().items():
            monkeypatch.setenv(name, value)
        with pytest.raises(News, match="are new or changed"):
            look(synced)


def test_what_cannot_be_searched_makes_a_sync_whole(synced: Program, quiet_account: Emulator) -> None:
    quiet_account.set_faults([{"kind": "access_denied", "probability": 1, "operations": ["SearchJobs"]}])
    with pytest.raises(News, match="SearchJobs"):
        look(synced)


def test_what_ticks_told_is_forgotten_but_for_the_last_of_each(synced: Program) -> None:
    with instance_of(synced) as instance:
        for _ in range(3):
            for name in ("jobs", "quantum_tasks"):
                instance.report_runless_asset_event(dg.AssetMaterialization(name))
                instance.report_runless_asset_event(
                    dg.AssetCheckEvaluation(dg.AssetKey(name), "unique_key", passed=True, metadata={})
                )
        before = told(instance)
        assert forget_old_runs(instance, keep_days=1) == 0
        assert runless(instance) == 12 + 6
        forget_old_runs(instance, keep_days=-1, keep_runs=10)
        assert runless(instance) == 4 + 2
        assert told(instance) == before
        assert [run_id for run_id, _ in before.values()].count("") == 2


def runless(instance: dg.DagsterInstance) -> int:
    """How many events and checks of no run Dagster keeps."""
    storage = cast("SqlEventLogStorage", instance.event_log_storage)
    with storage.index_connection() as connection:
        return sum(
            connection.execute(
                sqlalchemy.text(f"SELECT count(*) FROM {table} WHERE run_id = ''")
            ).scalar_one()
            for table in ("event_logs", "asset_check_executions")
        )


@pytest.mark.parametrize(
    ("before", "now", "is_the_same"),
    [
        ("3 jobs of 111122223333 wait since 07:01", "1,204 jobs of 111122223333 wait since 18:54:29", True),
        ("limits of 111122223333 are refused", "limits of 444455556666 are refused", False),
        ("us-east-1 is out of reach", "us-east-2 is out of reach", False),
        ("the day 2026-11-28 is not whole", "the day 2026-11-27 is not whole", False),
        ("arn:aws:braket:::job/1f3-4 has no results", "arn:aws:braket:::job/1f3-5 has no results", False),
    ],
)
def test_a_warning_of_something_else_is_a_new_one(before: str, now: str, *, is_the_same: bool) -> None:
    assert (numberless(before) == numberless(now)) is is_the_same


def test_a_look_sees_that_somebody_else_writes_meanwhile(synced: Program) -> None:
    runtime = Runtime()
    watched = Watched.of(runtime.warehouse, in_order(runtime))
    with watched.writing("looking") as connection:
        connection.execute("UPDATE etl.properties SET value = 'ours' WHERE name = 'clock offset'")
    with watched.writing("looking again"):
        pass
    store_something(synced)
    with pytest.raises(DisturbedError), watched.writing("looking a last time"):
        pass


def test_the_tables_that_are_expected_fresh_are_those_that_a_quiet_sync_tells_of() -> None:
    specs = build_defs().resolve_all_asset_specs()
    assert {spec.key.to_user_string() for spec in specs if spec.freshness_policy} == LOOKED_AT
