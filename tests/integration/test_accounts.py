"""Several accounts through roles, side by side: what one may not do neither stops nor hides the others."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from braket_emulator import Emulator, running
from tests.conftest import NOW, Program, as_json
from tests.integration.buckets import empty_moto

ACCOUNTS = ("111122223333", "444455556666")
START = {"BRAKET_ETL_START_DATE": "2026-11-14"}


@pytest.fixture(scope="module")
def sts() -> Iterator[str]:
    with empty_moto() as url:
        yield url


@pytest.fixture(scope="module")
def two_accounts() -> Iterator[Emulator]:
    with running(
        tasks=240, jobs=8, days=6, accounts=list(ACCOUNTS), now=NOW, frozen=True, quotas=False
    ) as emulator:
        yield emulator


@pytest.fixture
def with_roles(program: Program, two_accounts: Emulator, sts: str) -> Program:
    two_accounts.set_faults([])
    roles = [
        {"name": name, "role_arn": f"arn:aws:iam::{account}:role/braket-etl-reader", "external_id": "agreed"}
        for name, account in zip(("chemistry", "finance"), ACCOUNTS, strict=True)
    ]
    program.env = {
        **two_accounts.env(),
        **START,
        "AWS_ENDPOINT_URL_STS": sts,
        "BRAKET_ETL_ACCOUNTS": json.dumps(roles),
    }
    return program


def test_two_accounts_by_role_one_forbidden_in_one_region(
    with_roles: Program, two_accounts: Emulator
) -> None:
    two_accounts.set_faults(
        [{"kind": "access_denied", "probability": 1, "accounts": [ACCOUNTS[1]], "regions": ["eu-north-1"]}]
    )
    done = with_roles.run("sync")
    assert done.returncode == 1, done.stderr
    assert "finance/eu-north-1" in done.stderr
    assert "chemistry/" not in done.stderr
    pairs = set(with_roles.rows("SELECT DISTINCT account_id, region FROM quantum_tasks"))
    assert {account for account, _ in pairs} == set(ACCOUNTS)
    assert (ACCOUNTS[0], "eu-north-1") in pairs
    assert (ACCOUNTS[1], "eu-north-1") not in pairs
    assert (ACCOUNTS[1], "us-east-1") in pairs
    assert with_roles.one("SELECT count(*) FROM task_costs") == with_roles.one(
        "SELECT count(*) FROM quantum_tasks"
    )

    two_accounts.set_faults([])
    with_roles.ok("sync")  # heals by itself
    truth = {
        arn for arn, times in two_accounts.truth().items() if times["created"] <= "2026-11-20T12:00:00.000Z"
    }
    stored = {arn for (arn,) in with_roles.rows("SELECT quantum_task_arn FROM quantum_tasks")}
    assert stored == {arn for arn in truth if ":quantum-task/" in arn}


def test_an_account_added_later_is_pulled_whole(with_roles: Program) -> None:
    both = json.loads(with_roles.env["BRAKET_ETL_ACCOUNTS"])
    with_roles.ok("sync", env={"BRAKET_ETL_ACCOUNTS": json.dumps(both[:1])})
    assert with_roles.rows("SELECT DISTINCT account_id FROM quantum_tasks") == [(ACCOUNTS[0],)]
    with_roles.ok("sync")
    days = with_roles.one(
        f"SELECT count(DISTINCT created_date) FROM quantum_tasks WHERE account_id = '{ACCOUNTS[1]}'"
    )
    assert days >= 5


def test_other_credentials_under_the_same_name_are_told_apart(
    program: Program, two_accounts: Emulator
) -> None:
    two_accounts.set_faults([])
    program.ok("sync", env={**two_accounts.env(ACCOUNTS[0]), **START})
    open_before = program.one(
        "SELECT count(*) FROM quantum_tasks WHERE NOT is_terminal AND expired_at IS NULL"
    )
    program.ok("sync", env={**two_accounts.env(ACCOUNTS[1]), **START})
    days = f"SELECT count(DISTINCT created_date) FROM quantum_tasks WHERE account_id = '{ACCOUNTS[1]}'"
    assert program.one(days) >= 5
    still_open = "SELECT count(*) FROM quantum_tasks WHERE NOT is_terminal AND expired_at IS NULL"
    assert program.one(f"{still_open} AND account_id = '{ACCOUNTS[0]}'") == open_before


def test_rejects_are_not_asked_for_with_the_keys_of_another_account(
    program: Program, two_accounts: Emulator
) -> None:
    first, second = (two_accounts.env(account) for account in ACCOUNTS)
    two_accounts.set_faults([{"kind": "wrong_type", "probability": 1, "operations": ["GetQuantumTask"]}])
    program.ok("sync", env={**first, **START})
    two_accounts.set_faults([])
    rejects = program.one("SELECT count(*) FROM etl.rejected_records")
    for start in ("2026-11-19", "2026-11-14"):  # whether the first's coverage is there or gone
        program.ok("sync", env={**second, "BRAKET_ETL_START_DATE": start})
        two_accounts.reset_stats()
        told = as_json(program.ok("rejects", "retry", "--json", env=second))
        assert told["unanswered"] == rejects > 0
        assert two_accounts.stats()["calls"] == {}
    assert as_json(program.ok("rejects", "retry", "--json", env=first))["healed"] == rejects


def test_sts_out_of_reach_is_told_and_the_exit_code_says_so(with_roles: Program) -> None:
    done = with_roles.run("sync", env={"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"})
    assert done.returncode == 1
    assert "chemistry" in done.stderr
    assert "finance" in done.stderr
    assert "Traceback" not in done.stderr


def test_one_account_can_be_chosen_and_no_credential_is_written_anywhere(with_roles: Program) -> None:
    canary = "CANARYSECRETKEY0123456789abcdefABCDEF"
    secrets = {"AWS_SECRET_ACCESS_KEY": canary, "AWS_SESSION_TOKEN": canary + "T"}
    done = with_roles.run("sync", "--account", "finance", env=secrets)
    assert with_roles.rows("SELECT DISTINCT account_id FROM quantum_tasks") == [(ACCOUNTS[1],)]
    assert canary not in done.stdout + done.stderr
    for path in with_roles.home.rglob("*"):
        if path.is_file():
            assert canary.encode() not in path.read_bytes(), path
