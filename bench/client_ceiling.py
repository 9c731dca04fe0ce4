"""How close the pipeline comes to a bare boto3 loop: get, normalise and upsert against get and throw away.

    python bench/client_ceiling.py [--records 6000] [--rounds 3]

Both ask a pre-rendered responder (bench/responder.py, processes of its own) with the same threads and no quota, in
turn, round by round, each in a process of its own. The responder's headroom is shown first: raw keep-alive sockets must
get at least twice what the bare loop gets, else the responder is what is measured. Limit: at least 85 % of the bare
loop's calls a second, without latency and with 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

THREADS = 16
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def arns(count: int) -> list[str]:
    """ARNs that the responder echoes."""
    return [f"arn:aws:braket:us-east-1:123456789012:quantum-task/{n:08}" for n in range(count)]


def bare(url: str, count: int) -> float:
    """Calls a second of threads that call get_quantum_task and keep nothing."""
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "braket", region_name="us-east-1", endpoint_url=url, config=Config(max_pool_connections=THREADS)
    )
    todo: SimpleQueue[str] = SimpleQueue()
    for arn in arns(count):
        todo.put(arn)

    def work() -> None:
        while True:
            try:
                arn = todo.get_nowait()
            except Empty:
                return
            client.get_quantum_task(quantumTaskArn=arn, additionalAttributeNames=["QueueInfo"])

    client.get_quantum_task(quantumTaskArn=arns(1)[0])
    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count / (time.perf_counter() - began)


def pipeline(url: str, count: int) -> float:
    """Calls a second of the pipeline: fetch, normalise, upsert into DuckDB."""
    from braket_etl.aws.sessions import Account, Sessions, Target
    from braket_etl.pull.puller import Puller
    from braket_etl.pull.resources import TASKS
    from braket_etl.warehouse.file import FileWarehouse

    os.environ["AWS_ENDPOINT_URL_BRAKET"] = url
    with tempfile.TemporaryDirectory() as folder:
        warehouse = FileWarehouse(Path(folder) / "writer", Path(folder) / "warehouse.duckdb")
        target = Target(Account("bench"), "us-east-1")
        puller = Puller(warehouse, Sessions([target.account]), None, "bench", threads_per_target=THREADS)
        with warehouse.writing("bench"):
            pass
        puller.sessions.braket(target).get_quantum_task(quantumTaskArn=arns(1)[0])
        began = time.perf_counter()
        puller.fetch_records(target, TASKS, arns(count))
        seconds = time.perf_counter() - began
        with warehouse.writing("bench") as connection:
            assert connection.execute("SELECT count(*) FROM quantum_tasks").fetchall() == [(count,)]
    return count / seconds


def headroom(port: int, seconds: float = 2.0) -> float:
    """Answers a second that raw keep-alive connections get, more of them than the clients have threads."""

    async def one(until: float) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = b"GET /quantum-task/x HTTP/1.1\r\nHost: x\r\n\r\n"
        answered = 0
        while time.perf_counter() < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
            answered += 1
        writer.close()
        return answered

    async def many() -> float:
        until = time.perf_counter() + seconds
        return sum(await asyncio.gather(*(one(until) for _ in range(8 * THREADS)))) / seconds

    return asyncio.run(many())


def in_own_process(what: str, url: str, count: int) -> float:
    """The figure of one client, measured in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, __file__, "--what", what, "--url", url, "--records", str(count)],
        env={**os.environ, **CREDENTIALS},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


@dataclass(frozen=True, slots=True)
class Compared:
    """Calls a second of the responder, and medians of the pipeline's and the bare loop's; the ratio of each round."""

    room: float
    ours: float
    theirs: float
    ratios: list[float]


def compared(latency: float, count: int, rounds: int) -> Compared:
    """Measure both clients in turn, with so many seconds before each answer."""
    script = Path(__file__).with_name("responder.py")
    responder = subprocess.Popen(
        [sys.executable, str(script), "--latency", str(latency)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert responder.stdout is not None
        port = int(responder.stdout.readline())
        room = headroom(port)
        url = f"http://127.0.0.1:{port}"
        pairs = [
            (in_own_process("pipeline", url, count), in_own_process("bare", url, count))
            for _ in range(rounds)
        ]
    finally:
        responder.kill()
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Compared(room, ours, theirs, [ours / theirs for ours, theirs in pairs])


def show(latency: float, found: Compared) -> None:
    """Print the line for one latency."""
    print(
        f"{latency * 1000:4.0f} ms  responder {found.room:6.0f}/s   pipeline {found.ours:5.0f}/s   "
        f"bare boto3 {found.theirs:5.0f}/s   ratio {statistics.median(found.ratios):.2f} "
        f"({min(found.ratios):.2f} to {max(found.ratios):.2f})   limit >= 0.85",
        flush=True,
    )


def main() -> None:
    """Print a line a latency."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=6_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--what", choices=["bare", "pipeline"], help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.what:
        figure = {"bare": bare, "pipeline": pipeline}[options.what](options.url, options.records)
        print(json.dumps(figure))
        return
    for latency in (0.0, 0.05):
        show(latency, compared(latency, options.records, options.rounds))


if __name__ == "__main__":
    main()
