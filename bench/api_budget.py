"""How much of Braket's documented request rates a pull uses: alone, beside another client, and as two processes.

    python bench/api_budget.py [--seconds 60] [--case alone|beside|two]

The emulator enforces the documented quotas. `budget` is what it would have let through from the first request to the
last of each Region (burst + rate x seconds); `used` the requests it let through as a part of that, `throttled` the
requests it refused as a part of all. Limits: alone and two, at least 97 % used and under 0.5 % throttled; beside a
client that takes half of the rate, at least 90 % of what is left and no failure.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3

from braket_emulator import running
from braket_etl.aws.throttle import QUOTAS, Budgets, Files
from braket_etl.pull.plan import days_between
from braket_etl.pull.resources import TASKS
from braket_etl.runtime import Runtime

REGIONS = ["us-east-1", "us-west-1", "us-west-2", "eu-west-2", "eu-north-1"]
QUOTA = QUOTAS["GetQuantumTask"]


def pull(home: str, budget: str, seconds: float) -> None:
    """Pull the whole account for so long, and print what was asked of each Region as JSON."""
    runtime = Runtime(flags={"home": home, "quota_share": 1.0})
    runtime.__dict__["budgets"] = Budgets(Files(Path(budget)), 1.0)
    puller = runtime.puller("bench")
    today = datetime.now(UTC).date()
    outcome = puller.pull_days(
        runtime.targets(), [TASKS], days_between(today - timedelta(30), today), only_due=False
    )
    reports = {
        name.split("/")[1]: {"calls": r.calls, "throttles": r.throttles, "seconds": r.seconds}
        for name, r in outcome.calls.items()
        if name.endswith("/GetQuantumTask")
    }
    print(json.dumps({"reports": reports, "problems": len(outcome.problems), "fetched": outcome.fetched}))


def eat(url: str, env: dict[str, str], per_second: float, stop: multiprocessing.synchronize.Event) -> None:
    """Another program on the same account: a steady rate of GetQuantumTask in each Region, retried by botocore."""
    os.environ.update(env)

    def one(region: str) -> None:
        client = boto3.client("braket", region_name=region, endpoint_url=url)
        arn = f"arn:aws:braket:{region}:123456789012:quantum-task/none"
        due = time.monotonic()
        while not stop.is_set():
            due += 1 / per_second
            time.sleep(max(0.0, due - time.monotonic()))
            with contextlib.suppress(Exception):  # a missing task costs a request like any other
                client.get_quantum_task(quantumTaskArn=arn)

    threads = [threading.Thread(target=one, args=(region,)) for region in REGIONS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure(case: str, seconds: float) -> dict[str, float]:
    """One case: the pulling processes' own reports, held against the emulator's quota."""
    eaten = 0.5 * QUOTA.rate if case == "beside" else 0.0
    tasks = int(len(REGIONS) * (QUOTA.burst + (QUOTA.rate - eaten) * seconds) * 1.6)
    processes = 2 if case == "two" else 1
    with running(tasks=tasks, jobs=0, days=30) as emulator, tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, **emulator.env(), "BRAKET_ETL_CONFIG": os.devnull}
        stop = multiprocessing.Event()
        eater = multiprocessing.Process(target=eat, args=(emulator.url, emulator.env(), eaten, stop))
        if eaten:
            eater.start()
            time.sleep(2)
        emulator.reset_stats()
        pullers = [
            subprocess.Popen(
                [sys.executable, __file__, "--pull", f"{folder}/{n}", "--budget", f"{folder}/budget"],
                env=env,
                stdout=subprocess.PIPE,
                text=True,
            )
            for n in range(processes)
        ]
        time.sleep(seconds)
        throttled_by_server = emulator.stats()["throttled"].get("GetQuantumTask", 0)
        results = [json.loads(process.communicate()[0].splitlines()[-1]) for process in pullers]
        stop.set()
        if eaten:
            eater.join()
        longest = {r: max(result["reports"][r]["seconds"] for result in results) for r in REGIONS}
        calls = sum(result["reports"][r]["calls"] for result in results for r in REGIONS)
        refused = sum(result["reports"][r]["throttles"] for result in results for r in REGIONS)
        budget = sum(QUOTA.burst + (QUOTA.rate - eaten) * longest[r] for r in REGIONS)
        return {
            "seconds": max(longest.values()),
            "used": (calls - refused) / budget,
            "throttled": refused / calls,
            "failures": sum(result["problems"] for result in results),
            "throttled_by_server": throttled_by_server,
        }


def main() -> None:
    """Print a line a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--case", choices=["alone", "beside", "two"], action="append")
    parser.add_argument("--pull", help=argparse.SUPPRESS)
    parser.add_argument("--budget", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pull:
        pull(options.pull, options.budget, options.seconds)
        return
    limits = {"alone": ">= 97 %", "beside": ">= 90 %", "two": ">= 97 %"}
    print("case     seconds  budget used  limit     throttled  limit    failures")
    for case in options.case or limits:
        m = measure(case, options.seconds)
        bound = "< 0.5 %" if case != "beside" else "-"
        print(
            f"{case:8} {m['seconds']:7.0f}  {m['used']:10.1%}   {limits[case]:8}  {m['throttled']:8.2%}   {bound:7}  "
            f"{m['failures']:.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
