"""What is wanted is kept with the data: a Region that was never reached is seen by everybody, and a part hides nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster import DagsterRunStatus
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from braket_emulator import Emulator, running
from braket_etl.facts import REMEMBERED
from braket_etl.orchestration.partitions import CREATION_DAYS
from braket_etl.pull.plan import DAY, days_between, midnight
from tests.conftest import Program
from tests.integration.daemons import instance_of

REGIONS = 5
REFUSED = "eu-north-1"
#: What is wanted is held against the present, so the emulator's clock stands where this machine's is.
NOW = datetime.now(UTC).replace(microsecond=0)
START = NOW.date() - 6 * DAY
OVER = [
    str(day) for day in days_between(START, NOW.date()) if midnight(day + DAY) + timedelta(hours=1) <= NOW
]
TODAY, TOMORROW = str(NOW.date()), str(NOW.date() + DAY)
BY_DAY = ("quantum_tasks", "jobs", "job_events")
DENIED = {"kind": "access_denied", "probability": 1}


@pytest.fixture(scope="module")
def lab() -> Iterator[Emulator]:
    with running(tasks=120, jobs=6, days=6, seed=7, now=NOW, frozen=True, quotas=False) as started:
        yield started


def new_home(folder: Path, lab: Emulator) -> Program:
    return Program(folder / "home", {**lab.env(), "BRAKET_ETL_START_DATE": str(START)})


def status(program: Program) -> Any:
    return json.loads(program.ok("status", "--json"))


def question(program: Program) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(program.ok("sql", "@days_not_whole", "--format", "json"))
    return found


def wanted(program: Program) -> dict[str, tuple[date, date | None]]:
    rows = program.rows("SELECT region, first_day, until FROM etl.wanted ORDER BY ALL")
    return {region: (first, until) for region, first, until in rows}


def colours(program: Program, asset: str = "quantum_tasks") -> dict[str, str | None]:
    """What Dagster shows of each day from the first on."""
    days = [*OVER, TODAY, TOMORROW]
    found = instance_of(program).get_status_by_partition(dg.AssetKey(asset), days, CREATION_DAYS) or {}
    return {
        day: state.value if isinstance(state := found.get(day), AssetPartitionStatus) else None
        for day in days
    }


def last_run(program: Program) -> dg.DagsterRun:
    return next(iter(instance_of(program).get_runs(limit=1)))


@dataclass
class Refused:
    """A home that was filled while one Region refused from the first day on."""

    program: Program
    code: int
    told: str


@pytest.fixture(scope="module")
def refused(lab: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Refused:
    lab.set_faults([{**DENIED, "regions": [REFUSED]}])
    program = new_home(tmp_path_factory.mktemp("refused"), lab)
    done = program.run("sync")
    lab.set_faults([])
    return Refused(program, done.returncode, done.stderr)


def test_the_run_says_which_region_and_which_setting_leaves_it_out(refused: Refused) -> None:
    assert refused.code == 1
    assert f"default/{REFUSED} SearchQuantumTasks: access refused" in refused.told
    assert "leave it out of BRAKET_ETL_REGIONS" in refused.told
    assert "Traceback" not in refused.told


def test_the_copy_knows_what_was_wanted(refused: Refused) -> None:
    assert len(wanted(refused.program)) == REGIONS
    assert set(wanted(refused.program).values()) == {(START, None)}
    problems = dict(refused.program.rows("SELECT region, problem FROM etl.wanted WHERE problem IS NOT NULL"))
    assert list(problems) == [REFUSED]
    assert "access refused" in problems[REFUSED]


def test_status_opens_with_it_and_counts_what_the_question_lists(refused: Refused) -> None:
    shown = refused.program.ok("status", env={"COLUMNS": "400"}).split("\n")
    lines = [line for line in shown if line.strip()]
    assert lines[0].strip() == "missing"
    assert lines[1].startswith(
        f"1 of {REGIONS} Regions of account default were never searched whole: {REFUSED} ("
    )
    rows = [row for row in question(refused.program) if row["region"] == REFUSED]
    assert {(row["table_name"], row["state"], row["first_day"]) for row in rows} == {
        (table, "not_searched", str(START)) for table in ("quantum_tasks", "jobs")
    }
    assert all("access refused" in row["problem"] for row in rows)
    assert status(refused.program)["days_not_whole"] == sum(row["days"] for row in question(refused.program))


def test_doctor_and_the_report_say_it(refused: Refused) -> None:
    done = refused.program.run("doctor", "--json")
    [finding] = [each for each in json.loads(done.stdout)["findings"] if each["name"] == "coverage"]
    assert finding["status"] == "warn"
    assert f"never searched whole: {REFUSED}" in finding["what"]
    assert finding["what"].startswith(f"{status(refused.program)['days_not_whole']:,} days not seen whole")
    page = (refused.program.home / "report.html").read_text("utf-8")
    assert f"never searched whole: {REFUSED}" in page.split("<nav ")[0]


@pytest.mark.parametrize("asset", BY_DAY)
def test_days_that_are_over_are_red_and_today_is_neither(refused: Refused, asset: str) -> None:
    assert last_run(refused.program).status is DagsterRunStatus.FAILURE
    assert colours(refused.program, asset) == {
        **dict.fromkeys(OVER, "FAILED"),
        TODAY: None,
        TOMORROW: None,
    }


def test_the_rest_is_merged_and_published(refused: Refused, lab: Emulator) -> None:
    regions = {region for (region,) in refused.program.rows("SELECT DISTINCT region FROM quantum_tasks")}
    assert regions == {arn.split(":")[3] for arn in lab.truth() if ":quantum-task/" in arn} - {REFUSED}
    assert refused.program.one("SELECT count(*) FROM task_costs") > 0


@pytest.fixture(scope="module")
def healed(refused: Refused, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A copy of it, after a sync in which the Region answered."""
    program = copy_of(refused.program, tmp_path_factory.mktemp("healed"))
    program.ok("sync")
    return program


def test_it_heals_when_the_region_answers(healed: Program) -> None:
    assert colours(healed) == {**dict.fromkeys(OVER, "MATERIALIZED"), TODAY: None, TOMORROW: None}
    assert not [line for line in status(healed)["missing"] if "never" in line]
    assert healed.one("SELECT count(problem) FROM etl.wanted") == 0
    assert question(healed) == []


def test_a_region_that_is_left_out_is_missed_no_more(refused: Refused, tmp_path: Path) -> None:
    program = copy_of(refused.program, tmp_path)
    others = ",".join(region for region in wanted(program) if region != REFUSED)
    program.ok("sync", env={"BRAKET_ETL_REGIONS": others})
    assert wanted(program)[REFUSED][1] is not None
    assert not [row for row in question(program) if row["region"] == REFUSED]
    assert REFUSED not in "\n".join(status(program)["missing"])
    assert colours(program)[OVER[0]] == "MATERIALIZED"


def copy_of(program: Program, folder: Path) -> Program:
    """The same home with its runs, elsewhere."""
    import shutil

    home = folder / "home"
    shutil.copytree(program.home, home)
    return Program(home, dict(program.env))


def test_a_part_neither_narrows_what_is_wanted_nor_turns_days_green(
    refused: Refused, lab: Emulator, tmp_path: Path
) -> None:
    program = copy_of(refused.program, tmp_path)
    before, red = wanted(program), colours(program)
    program.ok("sync", "--account", "default", "--regions", "us-*", "--start-date", OVER[-1])
    program.ok("backfill", "--from", OVER[1], "--to", OVER[2], "--regions", "us-east-1")
    assert wanted(program) == before
    assert colours(program) == red
    assert [row["region"] for row in question(program) if row["first_day"] == str(START)] == [REFUSED] * 2


def test_a_part_of_an_empty_home_is_what_is_wanted(lab: Emulator, tmp_path: Path) -> None:
    program = new_home(tmp_path, lab)
    program.ok("sync", "--regions", "us-east-1")
    assert list(wanted(program)) == ["us-east-1"]
    assert colours(program)[OVER[0]] == "MATERIALIZED"
    program.ok("sync")
    assert len(wanted(program)) == REGIONS


@pytest.fixture(scope="module")
def nothing(lab: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Program:
    lab.set_faults([DENIED])
    program = new_home(tmp_path_factory.mktemp("nothing"), lab)
    assert program.run("sync").returncode == 1
    lab.set_faults([])
    return program


def test_a_run_that_reached_nothing_does_not_read_as_nothing_spent(nothing: Program) -> None:
    first = f"{REGIONS} of {REGIONS} Regions of account default were never searched whole: "
    shown = [line for line in nothing.ok("status", env={"COLUMNS": "400"}).split("\n") if line.strip()]
    assert shown[0].strip() == "missing"
    assert shown[1].startswith(first)
    assert "access refused" in shown[1]
    assert not [line for line in shown if line.startswith("to look at") and "nothing" in line]
    assert status(nothing)["days_not_whole"] == sum(row["days"] for row in question(nothing)) > 0
    nothing.ok("report", "--output", str(nothing.home / "asked.html"))
    page = (nothing.home / "asked.html").read_text("utf-8")
    assert first in page.split("<nav ")[0]
    assert page.index(first) < page.index("Spent in the period")


def test_it_says_so_also_on_its_first_day(lab: Emulator, tmp_path: Path) -> None:
    """No day is over yet, so none is missing; the account and Regions are."""
    program = new_home(tmp_path, lab)
    program.env["BRAKET_ETL_START_DATE"] = "2099-01-01"
    lab.set_faults([DENIED])
    assert program.run("sync").returncode == 1
    lab.set_faults([])
    told = status(program)
    assert told["days_not_whole"] == 0
    assert told["missing"][0].startswith(f"{REGIONS} of {REGIONS} Regions of account default")


def test_lost_days_are_told_once_and_are_not_red(lab: Emulator, tmp_path: Path) -> None:
    program = new_home(tmp_path, lab)
    today = NOW.date()
    start = today - REMEMBERED - timedelta(days=20)
    program.env |= {"BRAKET_ETL_START_DATE": str(start), "BRAKET_ETL_REGIONS": "us-east-1,eu-north-1"}
    lab.set_faults([{**DENIED, "regions": [REFUSED]}])
    first, second = program.run("sync"), program.run("sync")
    lab.set_faults([])
    lost = f"20 days of default/{REFUSED}, {start} to {start + timedelta(days=19)}"
    assert lost in first.stderr
    assert "braket-etl recover" in first.stderr
    assert "are lost" not in second.stderr
    rows = [row for row in question(program) if row["state"] == "lost"]
    assert {(row["region"], row["table_name"], row["days"]) for row in rows} >= {(REFUSED, "jobs", 20)}
    assert status(program)["days_lost"] == sum(row["days"] for row in rows)
    in_ui = instance_of(program).get_status_by_partition(
        dg.AssetKey("quantum_tasks"), [str(start), str(today - timedelta(days=60))], CREATION_DAYS
    )
    assert in_ui is not None
    assert in_ui[str(start)] is None
    assert in_ui[str(today - timedelta(days=60))] is AssetPartitionStatus.FAILED
    program.ok("sync")  # what can still be had comes; what is lost stays lost, and fails nothing
    assert {row["state"] for row in question(program) if row["last_day"] < TODAY} == {"lost"}


def test_days_of_one_run_are_told_apart(healed: Program, lab: Emulator, tmp_path: Path) -> None:
    """A run that was started for days, as a backfill in the daemon is: what is whole is green, what is not is red."""
    program = copy_of(healed, tmp_path)
    instance = instance_of(program)
    instance.wipe_assets([dg.AssetKey(asset) for asset in BY_DAY])
    assert set(colours(program).values()) == {None}
    with duckdb.connect(str(program.writer)) as connection:
        connection.execute("DELETE FROM etl.coverage WHERE region = ? AND day = ?", [REFUSED, OVER[3]])
    lab.set_faults([{**DENIED, "regions": [REFUSED]}])
    failed = run_days(program, OVER[2], OVER[4])
    lab.set_faults([])
    assert not failed["success"]
    assert {"task_costs", "published_warehouse", "report"} <= {*failed["made"]}
    for asset in BY_DAY:
        assert {day: state for day, state in colours(program, asset).items() if state} == {
            OVER[2]: "MATERIALIZED",
            OVER[3]: "FAILED",
            OVER[4]: "MATERIALIZED",
        }
    done = run_days(program, OVER[3], TODAY)
    assert done["success"]
    assert colours(program)[OVER[3]] == "MATERIALIZED"
    assert colours(program)[TODAY] is None
    observed = instance.fetch_observations(
        dg.AssetRecordsFilter(dg.AssetKey("quantum_tasks"), asset_partitions=[TODAY]), limit=1
    ).records[0]
    assert observed.asset_observation is not None
    assert observed.asset_observation.metadata["state"].value == "so far"


_RUN_DAYS = """
import json, sys
from braket_etl.orchestration.build import build_defs
from braket_etl.orchestration.instance import ready_instance
from braket_etl.runtime import Runtime

runtime = Runtime()
done = build_defs(runtime=runtime).resolve_job_def("backfill").execute_in_process(
    instance=ready_instance(runtime.settings),
    tags={"dagster/asset_partition_range_start": sys.argv[1], "dagster/asset_partition_range_end": sys.argv[2]},
    raise_on_error=False,
)
made = [event.asset_key.path[-1] for event in done.get_asset_materialization_events()]
print("\\n" + json.dumps({"success": done.success, "made": made}))
"""


def run_days(program: Program, first: str, last: str) -> Any:
    """Run the job for partitions, in a process of its own since settings come from the environment."""
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-c", _RUN_DAYS, first, last],
        env=program.environment(),
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
