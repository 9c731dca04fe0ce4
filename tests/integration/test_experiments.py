"""Programs that were sent again, and who created what: ready questions that need to know a program or a person."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from braket_etl.warehouse.queries import answer, queries
from tests.cost_cases import (
    GARNET,
    SV1,
    TASK_PRICES,
    Result,
    load,
    store,
    store_results,
    task,
    usd,
    warehouse,
)

pytestmark = pytest.mark.warehouse


@pytest.fixture
def priced() -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse() as connection:
        load(connection, TASK_PRICES)
        yield connection


def asked(connection: duckdb.DuckDBPyConnection, name: str, **values: Any) -> list[dict[str, Any]]:
    return answer(connection, queries()[name], values).records()


def ran(connection: duckdb.DuckDBPyConnection, number: int, program: str | None, **members: Any) -> None:
    """A task with results that name a program."""
    body = task(number, **members)
    store(connection, body)
    store_results(connection, Result(body["quantumTaskArn"], 3_000))
    connection.execute(
        "UPDATE task_results SET action_hash = ? WHERE quantum_task_arn = ?",
        [program, body["quantumTaskArn"]],
    )


def test_the_last_experiment_of_a_person_has_no_task_of_another(priced: duckdb.DuckDBPyConnection) -> None:
    for number in range(1, 6):
        store(priced, task(number, createdAt=f"2026-10-01T00:0{number}:00Z", tags={"team": "a"}))
    for number, person in ((1, "ann"), (2, "bob, jr"), (3, "ann"), (4, "bob, jr")):
        priced.execute(
            "UPDATE quantum_tasks SET created_by = ? WHERE quantum_task_arn LIKE '%/' || ?",
            [person, str(number)],
        )
    found = {person: asked(priced, "last_experiment", person=person)[0] for person in ("ann", "bob, jr")} | {
        "": asked(priced, "last_experiment")[0]
    }
    assert {person: (row["n_tasks"], row["began_at"].minute) for person, row in found.items()} == {
        "ann": (2, 1),
        "bob, jr": (2, 2),
        "": (5, 1),
    }
    assert asked(priced, "last_experiment", person="bob") == []


def test_what_was_sent_again_is_told_and_device_parameters_tell_nothing(
    priced: duckdb.DuckDBPyConnection,
) -> None:
    for number, program in enumerate(["a" * 64, "a" * 64, "b" * 64, None, None]):
        ran(priced, number, program, createdAt=f"2026-10-0{number + 1}T00:00:00Z")
    store(priced, task(8), task(9))  # nothing was read of these, which have the same device parameters
    ran(priced, 10, "a" * 64, device=SV1)
    ran(priced, 11, "b" * 64, status="FAILED")
    [row] = asked(priced, "identical_programs")
    assert (row["program"], row["device"], row["tasks"]) == ("a" * 12, "Garnet", 2)
    assert row["people"] is None  # nobody's name is kept: not known, and not nobody
    assert row["cost_usd"] == 2 * row["repeated_usd"] == usd("0.89")
    assert row["last_task_arn"] == task(1)["quantumTaskArn"]
    assert asked(priced, "identical_programs", device="SV1") == []


def test_the_cost_of_experiments_sums_up_to_that_of_tasks(priced: duckdb.DuckDBPyConnection) -> None:
    for number, program in enumerate(["a" * 64, "a" * 64, "b" * 64, "c" * 64, None]):
        ran(priced, number, program)
    ran(priced, 5, "a" * 64, device=SV1)
    total = priced.execute("SELECT sum(cost_usd) FROM task_costs").fetchall()[0][0]
    for rows in (50, 1):
        found = asked(priced, "cost_per_experiment", rows=rows)
        assert sum((row["cost_usd"] for row in found), Decimal(0)) == total
        assert sum(row["tasks"] for row in found) == 6
        assert (found[0]["program"], found[0]["tasks"], found[0]["devices"]) == ("a" * 12, 3, "Garnet, sv1")
        assert found[-1]["program"] == "(not known)"
    assert found[1]["program"] == "(all other programs)"


def test_spending_by_person_sums_up_and_says_who_is_not_known(priced: duckdb.DuckDBPyConnection) -> None:
    store(priced, task(1), task(2), task(3), task(4, device=SV1))
    priced.execute("UPDATE quantum_tasks SET created_by = 'ann' WHERE quantum_task_arn LIKE '%/1'")
    ann, nobody = asked(priced, "cost_by_person")
    assert (ann["person"], ann["amount_usd"], ann["tasks_usd"]) == ("ann", usd("0.445"), usd("0.445"))
    assert (nobody["person"], nobody["amount_usd"], nobody["n_unknown"]) == ("(unallocated)", usd("0.89"), 1)
    assert asked(priced, "cost_by_person", device="Aria-1") == []


#: What CloudTrail was asked for: from when, until when, down to when, and what went wrong.
LOOKS = {
    "not asked": (),
    "no call": (("2026-08-01", "2026-11-01", "2026-08-01", None),),
    "too old": (("2026-09-15", "2026-11-01", "2026-09-15", None),),
    "refused": (("2026-08-01", "2026-11-01", "2026-11-01", "access refused"),),
    "not reached": (("2026-08-01", "2026-11-01", "2026-10-01", None),),
}


@pytest.mark.parametrize("reason", LOOKS)
def test_why_nobody_is_known_is_said(priced: duckdb.DuckDBPyConnection, reason: str) -> None:
    body = task(1, GARNET)
    store(priced, body)
    _, _, _, region, account, _ = body["quantumTaskArn"].split(":", 5)
    priced.execute(
        "INSERT INTO etl.coverage BY NAME SELECT 'lab' AS account, ? AS account_id, ? AS region, "
        "'quantum_tasks' AS table_name, DATE '2026-09-01' AS day, now() AS searched_at, 1 AS listed, 1 AS stored, "
        "0 AS rejected, 'r' AS run_id",
        [account, region],
    )
    for since, until, reached, problem in LOOKS[reason]:
        priced.execute(
            "INSERT INTO etl.caller_lookups VALUES ('lab', ?, 'CreateQuantumTask', ?, ?, ?, ?)",
            [region, since, until, reached, problem],
        )
    [row] = asked(priced, "created_by_unknown")
    assert (row["reason"], row["tasks"], row["cost_usd"]) == (reason, 1, usd("0.445"))
    assert row["problem"] == ("access refused" if reason == "refused" else None)
