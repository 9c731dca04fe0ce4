"""Machines that ask for the same account share one request budget in Redis, and tell each other to slow down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import boto3
import pytest

from braket_emulator import Emulator, running
from braket_etl.aws.shared_budget import BudgetUnreachable, SharedStates
from braket_etl.aws.throttle import Budget
from tests.conftest import NOW, Program
from tests.processes import begun_together
from tests.servers import RedisServer, redis

HERE, THERE = "us-east-1", "us-west-1"
_ASKED = 18
_MACHINE = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from braket_etl.aws.call import call
from braket_etl.aws.sessions import Account, Sessions, Target
from braket_etl.runtime import Runtime

runtime = Runtime()
target = Target(runtime.accounts[0], sys.argv[1])
client = runtime.sessions.braket(target)
budget = runtime.budgets.budget(target.account.name, target.region)
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(4) as pool:
    asked = [pool.submit(call, client, "GetJob", {"jobArn": arn}, budget) for arn in sys.argv[2:]]
for answer in asked:
    answer.result()
print(budget.report()[0].throttles)
"""


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """An account whose quotas are kept, as they are for each Region."""
    with running(tasks=5, jobs=40, days=3, seed=3, now=NOW, frozen=True, regions=[HERE, THERE]) as started:
        yield started


def on_machines(programs: Sequence[Program], region: str, arns: Sequence[str]) -> list[int]:
    """The throttles that each machine saw, while all asked for all records at once."""
    command = ["-c", _MACHINE, region, *arns]
    said = begun_together(command, [program.environment() for program in programs])
    return [int(throttles) for throttles in said]


def test_machines_that_share_a_budget_are_not_throttled_and_those_that_do_not_are(
    tmp_path: Path, emulator: Emulator, redis_server: RedisServer
) -> None:
    settings = {**emulator.env(), "BRAKET_ETL_QUOTA_SHARE": "1"}
    apart = [Program(tmp_path / name, dict(settings)) for name in ("one", "two")]
    together = [
        Program(tmp_path / name, {**settings, "BRAKET_ETL_REDIS": redis_server.url})
        for name in ("three", "four")
    ]
    # a budget lets 24 through at once, Braket 25
    assert sum(on_machines(apart, HERE, jobs_in(emulator, HERE))) > 0
    emulator.reset_stats()
    assert on_machines(together, THERE, jobs_in(emulator, THERE)) == [0, 0]
    assert emulator.stats()["calls"]["GetJob"] == 2 * _ASKED
    assert not any((program.home / "budget").exists() for program in together)


def test_a_throttle_of_one_slows_the_other(redis_server: RedisServer) -> None:
    one, other = (Budget(SharedStates(redis_server.url), "lab", "us-east-1", 0.1) for _ in range(2))
    assert other.acquire("GetQuantumTask") == 0.0
    one.throttled("GetQuantumTask")
    assert other.acquire("GetQuantumTask") > 0.0


def test_accounts_and_regions_have_budgets_of_their_own_and_idle_ones_go(redis_server: RedisServer) -> None:
    place = SharedStates(redis_server.url)
    spent = Budget(place, "spent", "us-east-1", 0.1)
    waits = [spent.acquire("GetJob") for _ in range(4)]
    assert waits[-1] > 0.0
    assert Budget(place, "spent", "eu-north-1", 0.1).acquire("GetJob") == 0.0
    assert Budget(place, "other", "us-east-1", 0.1).acquire("GetJob") == 0.0
    with client_of(redis_server) as client:
        keys = list(client.scan_iter("braket_etl:budget:*"))
        assert len(keys) >= 3
        assert all(0 < client.ttl(key) <= 3600 for key in keys)


def test_without_redis_nothing_is_asked_and_the_setting_is_named(tmp_path: Path, emulator: Emulator) -> None:
    with redis() as server:
        program = Program(tmp_path / "home", {**emulator.env(), "BRAKET_ETL_REGIONS": "us-east-1"})
        program.env |= {"BRAKET_ETL_REDIS": server.url, "BRAKET_ETL_START_DATE": "2026-11-18"}
        budget = Budget(SharedStates(server.url), "lab", "us-east-1", 1.0)
        budget.acquire("GetJob")
    with pytest.raises(BudgetUnreachable, match="BRAKET_ETL_REDIS"):
        budget.acquire("GetJob")
    emulator.reset_stats()
    done = program.run("sync")
    assert done.returncode == 1
    assert "BRAKET_ETL_REDIS" in done.stderr
    assert "Traceback" not in done.stderr
    assert server.password not in done.stderr + done.stdout
    assert not emulator.stats()["calls"]


def test_a_wrong_password_is_told_without_it(redis_server: RedisServer) -> None:
    url = redis_server.url.replace(redis_server.password, "a-wrong-one")
    with pytest.raises(BudgetUnreachable, match="BRAKET_ETL_REDIS") as told:
        Budget(SharedStates(url), "lab", "us-east-1", 1.0).acquire("GetJob")
    assert "a-wrong-one" not in str(told.value)
    assert f"127.0.0.1:{redis_server.port}" in str(told.value)


def jobs_in(emulator: Emulator, region: str) -> list[str]:
    """So many ARNs of jobs, some of them several times."""
    client = boto3.client(
        "braket",
        region_name=region,
        endpoint_url=emulator.url,
        aws_access_key_id=emulator.env()["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key="dummy",
    )
    listed = [str(job["jobArn"]) for job in client.search_jobs(filters=[], maxResults=100)["jobs"]]
    return list(islice(cycle(listed), _ASKED))


@contextmanager
def client_of(server: RedisServer) -> Iterator[Any]:
    from redis import Redis

    with Redis.from_url(server.url) as client:
        yield client
