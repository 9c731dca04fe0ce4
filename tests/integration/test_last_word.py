"""Records that change after they ended, rejects that heal, records that cannot be had: through the program."""

from __future__ import annotations

import json
from datetime import timedelta

from braket_emulator import Emulator, running
from tests.conftest import NOW, Program


def gets(emulator: Emulator) -> int:
    return int(emulator.stats()["calls"].get("GetQuantumTask", 0))


def test_what_had_just_ended_is_got_once_more_and_then_no_more(pulled: Program, emulator: Emulator) -> None:
    due = {arn for (arn,) in pulled.rows("SELECT arn FROM etl.unsettled_records WHERE state = 'ended'")}
    assert due == {
        arn
        for table, key in (("quantum_tasks", "quantum_task_arn"), ("jobs", "job_arn"))
        for (arn,) in pulled.rows(
            f"SELECT {key} FROM {table} WHERE is_terminal AND epoch(fetched_at) - epoch(ended_at) < 86400"
        )
    }
    assert due
    emulator.set_clock(now=NOW + timedelta(hours=2))
    pulled.ok("sync")
    left = {
        arn
        for (arn,) in pulled.rows(
            "SELECT arn FROM etl.unsettled_records WHERE state = 'ended' AND due_at IS NOT NULL"
        )
    }
    assert not due & left
    emulator.reset_stats()
    pulled.ok("sync")
    assert gets(emulator) == pulled.one("SELECT count(*) FROM quantum_tasks WHERE NOT is_terminal")


def test_stored_records_are_got_afresh_by_day_and_by_arn(pulled: Program, emulator: Emulator) -> None:
    day, region, records = pulled.rows(
        "SELECT created_date, region, count(*) FROM quantum_tasks WHERE created_date < '2026-11-18' "
        "GROUP BY ALL HAVING bool_and(is_terminal) ORDER BY 3 DESC LIMIT 1"
    )[0]
    of_day = ["--from", str(day), "--to", str(day), "--regions", region]
    still_open = pulled.one(
        f"SELECT count(*) FROM quantum_tasks WHERE NOT is_terminal AND region = '{region}'"
    )
    emulator.reset_stats()
    pulled.ok("backfill", "--again", *of_day)
    assert gets(emulator) == records + still_open

    [arn] = pulled.rows(f"SELECT quantum_task_arn FROM quantum_tasks WHERE created_date = '{day}' LIMIT 1")[0]
    emulator.set_tags(arn, {"team": "of today"})
    emulator.reset_stats()
    told = json.loads(pulled.ok("backfill", "--arn", arn, "--json"))
    assert told["outcome"]["rows"]["quantum_tasks"] == {"new": 0, "changed": 1, "unchanged": 0}
    assert gets(emulator) == 1
    assert (
        pulled.one(f"SELECT tags['team'] FROM quantum_tasks WHERE quantum_task_arn = '{arn}'") == "of today"
    )

    unknown = arn.rsplit("/", 1)[0] + "/00000000-0000-0000-0000-000000000000"
    done = pulled.run("backfill", "--arn", unknown)
    assert done.returncode == 1
    assert "1 of 1 records could not be had" in done.stderr
    for wrong in (["--arn", "nothing"], ["--arn", arn, "--from", str(day)], ["--from", str(day)], []):
        assert pulled.run("backfill", *wrong).returncode == 2, wrong


def test_rejects_heal_by_the_next_sync_and_what_cannot_be_had_is_named(program: Program) -> None:
    with running(tasks=300, jobs=12, days=12, seed=11, now=NOW, frozen=True, quotas=False) as other:
        program.env = {**other.env(), "BRAKET_ETL_START_DATE": "2026-11-08"}
        truth = other.truth()
        arns = sorted(
            arn for arn in truth if ":quantum-task/" in arn and truth[arn]["created"] < "2026-11-15"
        )
        damaged, refused = arns[:3], arns[3:10]
        other.set_faults(
            [
                {"kind": "wrong_type", "probability": 1, "operations": ["GetQuantumTask"], "arns": damaged},
                {
                    "kind": "access_denied",
                    "probability": 1,
                    "operations": ["GetQuantumTask"],
                    "arns": refused,
                },
            ]
        )
        done = program.run("sync")
        assert done.returncode == 1
        assert sum(arn in done.stderr for arn in refused) >= 5
        assert "@records_not_stored" in done.stderr
        listed = program.ok("sql", "@records_not_stored", "--format", "json")
        states = {row["arn"]: row["state"] for row in json.loads(listed)}
        assert states == dict.fromkeys(damaged, "rejected") | dict.fromkeys(refused, "listed")
        assert "3 responses could not become a row" in done.stderr
        rejects = program.rows("SELECT operation, payload FROM etl.rejected_records")
        assert [operation for operation, _ in rejects] == ["GetQuantumTask"] * 3
        assert all("a lot" in payload for _, payload in rejects)

        other.set_faults([])
        program.ok("sync")
    assert json.loads(program.ok("sql", "@records_not_stored", "--format", "json")) == []
    assert program.one("SELECT count(*) FROM etl.rejected_records") == 0
    assert (
        program.one(f"SELECT count(*) FROM quantum_tasks WHERE quantum_task_arn IN {(*damaged, *refused)}")
        == 10
    )
