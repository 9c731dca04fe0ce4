"""Whose each charge is: tags, tags of the job, the use of reservations, rules; and that no cent is lost or doubled."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from braket_etl.costs.kept_files import read_reservations, replace_table
from braket_etl.costs.owner_files import take_over
from braket_etl.pull.events import event_rows
from braket_etl.pull.feed import store_events
from braket_etl.pull.naming import Naming
from braket_etl.tables.reservations import RESERVATIONS
from braket_etl.warehouse.checks import checks, run_check
from tests.cost_cases import (
    ACCOUNT,
    FORTE,
    GARNET,
    SV1,
    Result,
    job,
    reserved,
    see,
    store,
    store_results,
    task,
    usd,
)

pytestmark = pytest.mark.warehouse

JOB = f"arn:aws:braket:us-east-1:{ACCOUNT}:job/1"
WINDOW = "arn:aws:braket:us-east-1:123456789012:reservation/1"


def keep_rules(connection: duckdb.DuckDBPyConnection, folder: Path, rules: str, budgets: str = "") -> None:
    """Take over these files."""
    (folder / "allocations.toml").write_text(rules)
    (folder / "budgets.toml").write_text(budgets)
    assert take_over(connection, folder / "allocations.toml", folder / "budgets.toml") == []


def reserve(connection: duckdb.DuckDBPyConnection, folder: Path, *lines: str) -> None:
    """Take over a file of reservations."""
    file = folder / "reservations.csv"
    file.write_text("\n".join(["reservation_arn,device_arn,start_at,end_at", *lines]))
    rows = [row | {"read_at": datetime.now(UTC)} for row in read_reservations(file)]
    replace_table(connection, RESERVATIONS, pa.Table.from_pylist(rows, schema=RESERVATIONS.arrow_schema))


def owned(connection: duckdb.DuckDBPyConnection, key: str = "project") -> list[tuple[Any, ...]]:
    """Owner, amount and rule of each, summed."""
    return connection.execute(
        "SELECT owner, sum(amount_usd), rule FROM allocated_charges WHERE owner_key = ? GROUP BY owner, rule "
        "ORDER BY owner, rule",
        [key],
    ).fetchall()


def held(connection: duckdb.DuckDBPyConnection) -> None:
    """For each key the sum is that of the charges."""
    (check,) = [each for each in checks() if each.name == "shares_sum_to_charges"]
    assert run_check(connection, check).passed


def test_a_task_has_its_own_tag_else_that_of_its_job(priced: duckdb.DuckDBPyConnection) -> None:
    store(
        priced,
        job(tags={"project": "a", "team": "t"}),
        task(1, jobArn=JOB),
        task(2, jobArn=JOB, tags={"project": "b"}),
        task(3, jobArn=JOB, tags={"project": ""}),
        task(4),
    )
    assert owned(priced) == [
        ("(unallocated)", usd("0.445"), "none"),
        ("a", usd("0.15"), "tag"),
        ("a", usd("0.8"), "tag of the job"),
        ("b", usd("0.4"), "tag"),
    ]
    assert owned(priced, "account") == [(ACCOUNT, usd("1.795"), "account")]
    assert owned(priced, "team") == []  # nobody asks by it
    held(priced)


def test_a_person_is_who_created_it(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, task(1), task(2))
    priced.execute("UPDATE quantum_tasks SET created_by = 'ann' WHERE quantum_task_arn LIKE '%/1'")
    assert owned(priced, "person") == [
        ("(unallocated)", usd("0.445"), "none"),
        ("ann", usd("0.445"), "created_by"),
    ]


def test_the_first_rule_that_fits_gives_what_no_tag_does(
    priced: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    keep_rules(
        priced,
        tmp_path,
        """
        [[allocations]]
        key = "project"
        name = "by name"
        job_name = "vqe-*"
        owner = "chemistry"
        [[allocations]]
        key = "project"
        name = "by team"
        tag = "team=opt*"
        shares = { x = 70, y = 30 }
        [[allocations]]
        key = "project"
        name = "by role"
        role = "Students"
        owner = "course"
        [[allocations]]
        key = "project"
        name = "by person"
        person = "ann@*"
        account = "1234*"
        device = "Gar*"
        owner = "ann's"
        [[allocations]]
        key = "person"
        name = "the service"
        device = "Garnet"
        owner = "robot"
        [defaults]
        project = "lab"
        """,
    )
    role = f"arn:aws:iam::{ACCOUNT}:role/service-role/Students"
    store(
        priced,
        job(1, jobName="vqe-1", roleArn=role),
        job(2, jobName="qaoa", roleArn=role, jobArn=JOB + "2"),
        task(1, jobArn=JOB, tags={"team": "optimisation"}),
        task(2, tags={"team": "optimisation"}),
        task(3, jobArn=JOB + "2"),
        task(4),
        task(5, tags={"project": "own"}),
        task(6),
    )
    priced.execute(
        "UPDATE quantum_tasks SET created_by = 'ann@example.org' WHERE quantum_task_arn LIKE '%/4'"
    )
    assert owned(priced) == [
        ("ann's", usd("0.445"), "by person"),
        ("chemistry", usd("0.15") + usd("0.4"), "by name"),
        ("course", usd("0.15") + usd("0.4"), "by role"),
        ("lab", usd("0.445"), "default owner"),
        ("own", usd("0.445"), "tag"),
        ("x", usd("0.3115"), "by team"),
        ("y", usd("0.1335"), "by team"),
    ]
    assert [row[:1] + row[2:] for row in owned(priced, "person")] == [
        ("(unallocated)", "none"),
        ("ann@example.org", "created_by"),
        ("robot", "the service"),
    ]
    held(priced)


def test_shares_of_an_odd_amount_lose_nothing(priced: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    keep_rules(
        priced, tmp_path, "[defaults]\nproject = { a = 33.3333333333, b = 33.3333333333, c = 33.3333333334 }"
    )
    store(priced, task(1, device=SV1))
    store_results(priced, Result(task(1, device=SV1)["quantumTaskArn"], 3_333))
    assert len(owned(priced)) == 3
    held(priced)


def test_a_reservation_belongs_to_the_tasks_that_used_it_and_the_rest_is_idle(
    priced: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    # four hours, two of them on the next day: the first is used by a for an hour, then by b for a quarter of one
    reserve(priced, tmp_path, f"{WINDOW},{FORTE},2026-09-01T22:00,2026-09-02T02:00")

    def used(n: int, created: str, ended: str, **members: Any) -> dict[str, Any]:
        return task(
            n, FORTE, createdAt=created, endedAt=ended, associations=reserved(WINDOW.upper()), **members
        )

    store(
        priced,
        job(tags={"project": "b"}),
        used(1, "2026-09-01T21:00:00Z", "2026-09-01T23:00:00Z", tags={"project": "a"}),
        used(2, "2026-09-01T22:30:00Z", "2026-09-01T23:15:00Z", jobArn=JOB),
        used(3, "2026-09-02T00:00:00Z", "2026-09-02T00:30:00Z", tags={"project": "a"}, status="FAILED"),
        used(4, "2026-09-02T01:30:00Z", "2026-09-02T03:00:00Z"),
    )
    found = priced.execute(
        "SELECT charge_date::VARCHAR, owner, amount_usd, rule, used_by_arn[-1:] FROM allocated_charges "
        "WHERE owner_key = 'project' AND record_kind = 'reservation' ORDER BY charge_date, amount_usd, owner, rule"
    ).fetchall()
    assert found == [
        ("2026-09-01", "b", 1750, "use of the reservation: tag of the job", "2"),
        ("2026-09-01", "(unallocated)", 5250, "idle time: none", ""),
        ("2026-09-01", "a", 7000, "use of the reservation: tag", "1"),
        ("2026-09-02", "(unallocated)", 3500, "use of the reservation: none", "4"),
        ("2026-09-02", "a", 3500, "use of the reservation: tag", "3"),
        ("2026-09-02", "(unallocated)", 7000, "idle time: none", ""),
    ]
    assert sum(row[1] for row in owned(priced, "account")) == 28000 + usd("0.15")
    held(priced)
    keep_rules(priced, tmp_path, f'[[allocations]]\nkey = "project"\nreservation = "{WINDOW}"\nowner = "lab"')
    assert ("lab", 12250, "idle time: allocation 1") in owned(priced)
    held(priced)


#: What the drawn world's owner keeps.
RULES = """
[[allocations]]
key = "project"
name = "simulations are shared"
device = "sv1"
shares = { p0 = 50, p1 = 30, p2 = 20 }
[[allocations]]
key = "project"
name = "the course"
job_name = "course-*"
owner = "p5"
[defaults]
project = "lab"
person = "the lab"
"""


def draw(connection: duckdb.DuckDBPyConnection, folder: Path, seed: int) -> None:
    """12 people, 6 projects, 2 reservations, 30 jobs (3 over midnight, one over the month's end, 2 running), 200 tasks.

    A fifth of the tasks bear no tag; everything lies in October 2026 and the first day of November.
    """
    rng = random.Random(seed)
    people = [f"person-{n}" for n in range(12)]
    month = datetime(2026, 10, 1, tzinfo=UTC)
    starts = [month + timedelta(days=rng.randrange(29), hours=rng.randrange(4, 20)) for _ in range(30)]
    starts[:3] = [month + timedelta(days=day, hours=23) for day in (3, 9, 20)]
    starts[3] = datetime(2026, 10, 31, 22, 17, tzinfo=UTC)
    bodies = []
    for n, at in enumerate(starts):
        end = at + timedelta(seconds=rng.randrange(7200, 9000))
        is_open = n >= 28
        tags = {"project": f"p{rng.randrange(6)}"} if rng.random() < 0.8 else None
        bodies.append(
            job(
                n,
                jobName=f"{rng.choice(('course', 'vqe', 'qaoa'))}-{n}",
                tags=tags,
                createdAt=(at - timedelta(minutes=2)).isoformat(),
                startedAt=at.isoformat(),
                endedAt=None if is_open else end.isoformat(),
                billableDuration=None if is_open else round((end - at).total_seconds()),
                status="RUNNING" if is_open else "COMPLETED",
                stoppingCondition={"maxRuntimeInSeconds": 86_400},
            )
        )
    windows = [f"{WINDOW}{n}" for n in range(2)]
    opened = [month + timedelta(days=11, hours=9), datetime(2026, 10, 31, 22, tzinfo=UTC)]
    reserve(
        connection,
        folder,
        *(
            f"{arn},{FORTE},{at.isoformat()},{(at + timedelta(hours=4)).isoformat()}"
            for arn, at in zip(windows, opened, strict=True)
        ),
    )
    results = []
    for n in range(200):
        at = month + timedelta(seconds=rng.randrange(30 * 86_400))
        tags = {"project": f"p{rng.randrange(6)}"} if rng.random() >= 0.2 else None
        device, more = rng.choice([GARNET, FORTE, SV1]), {}
        if n < 26:
            device, where = FORTE, n % 2
            at = opened[where] + timedelta(seconds=rng.randrange(4 * 3600))
            more = {"associations": reserved(windows[where])}
        elif n < 90:
            body = rng.choice(bodies[:30])
            more = {"jobArn": body["jobArn"]} if device != FORTE else {}
        body = task(
            n,
            device,
            createdAt=at.isoformat(),
            endedAt=(at + timedelta(seconds=rng.randrange(20, 900))).isoformat(),
            shots=rng.randrange(1, 5000),
            status=rng.choice(["COMPLETED"] * 8 + ["FAILED", "CANCELLED"]),
            tags=tags,
            **more,
        )
        bodies.append(body)
        if device == SV1:
            results.append(Result(body["quantumTaskArn"], rng.randrange(100_000)))
    store(connection, *bodies, fetched_at=datetime(2026, 11, 1, 3, tzinfo=UTC))
    see(connection, *[b for b in bodies if b["status"] == "RUNNING"], at=datetime(2026, 11, 1, 4, tzinfo=UTC))
    store_results(connection, *results)
    name_creators(connection, bodies, people, rng)


def name_creators(
    connection: duckdb.DuckDBPyConnection, bodies: list[dict[str, Any]], people: list[str], rng: random.Random
) -> None:
    """Let LookupEvents tell who created each task and job: people by sessions of a role, tasks in jobs by the job's role."""
    events = []
    for body in bodies:
        name = "CreateQuantumTask" if "quantumTaskArn" in body else "CreateJob"
        member = "quantumTaskArn" if "quantumTaskArn" in body else "jobArn"
        who = "job-role/session" if "deviceArn" in body and "jobArn" in body else f"Lab/{rng.choice(people)}"
        record = {
            "eventSource": "braket.amazonaws.com",
            "eventName": name,
            "eventID": f"{name}-{len(events)}",
            "eventTime": body["createdAt"],
            "userIdentity": {"type": "AssumedRole", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{who}"},
            "responseElements": {member: body[member]},
        }
        events.append({"EventName": name, "CloudTrailEvent": json.dumps(record)})
    read = event_rows([json.dumps({"Events": events})], datetime(2026, 11, 1, 4, tzinfo=UTC), naming=Naming())
    assert not read.rejects
    store_events(connection, read, "run")


@pytest.mark.parametrize("seed", range(3))
def test_every_cent_of_a_drawn_world_has_one_owner(
    priced: duckdb.DuckDBPyConnection, tmp_path: Path, seed: int
) -> None:
    draw(priced, tmp_path, seed)
    held(priced)
    before = dict(
        priced.execute(
            "SELECT owner, sum(amount_usd) FROM allocated_charges WHERE owner_key = 'project' GROUP BY owner"
        ).fetchall()
    )
    keep_rules(priced, tmp_path, RULES)
    held(priced)
    total = priced.execute("SELECT sum(net_usd) FROM charges").fetchall()[0][0]
    found = priced.execute(
        "SELECT owner, sum(amount_usd) FROM allocated_charges WHERE owner_key = 'project' GROUP BY owner"
    ).fetchall()
    assert sum(amount for _, amount in found) == total > 50_000
    assert before["(unallocated)"] > total / 100
    assert dict(found).get("(unallocated)", Decimal(0)) < total / 100
    rules = {row[2] for row in owned(priced)}
    assert {"tag", "tag of the job", "default owner", "simulations are shared"} < rules
    assert {"idle time: default owner", "use of the reservation: tag"} < rules
    persons = owned(priced, "person")
    assert {owner for owner, *_ in persons} == {f"person-{n}" for n in range(12)} | {"the lab"}
    assert {rule for owner, _, rule in persons if owner != "the lab"} == {
        "created_by",
        "use of the reservation: created_by",
    }
    assert sum(amount for _, amount, _ in persons) == total
    # what ran over the month's end is in both, to the last digit what FOCUS has for each
    for month in ("2026-10", "2026-11"):
        parts = priced.execute(
            "SELECT owner_key, sum(amount_usd) FROM allocated_charges WHERE strftime(charge_date, '%Y-%m') = ? "
            "GROUP BY owner_key",
            [month],
        ).fetchall()
        focus = priced.execute(
            'SELECT sum("BilledCost") FROM focus_costs WHERE strftime("BillingPeriodStart", \'%Y-%m\') = ?',
            [month],
        ).fetchall()[0][0]
        assert {amount for _, amount in parts} == {focus}
