"""A home of ten million tasks and a million jobs in daily use: status, queries, the report, a sync, the UI.

python -m bench history [--quick]
"""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress

from bench.line import Line
from bench.long_history import cached_home, emulator
from bench.merging import copied_home, sizes
from bench.program import PROGRAM, pulling_from

#: What is asked → how.
USES = {
    "status": ["status"],
    "sql: one task by its ARN": ["sql", "from task_costs where quantum_task_arn = '{arn}'"],
    "sql: cost by month and device": [
        "sql",
        "select date_trunc('month', charge_date) as m, device_arn, sum(cost_usd) from daily_costs group by all",
    ],
    "sql @cost_by_tag": ["sql", "@cost_by_tag", "--param", "key=project"],
    "report": ["report", "--output", "{home}/report.html"],
    "sync, first of the day (with its report)": ["--quiet", "sync"],
    "sync again, at once": ["--quiet", "sync"],
    "maintain": ["maintain"],
}


def lines(quick: bool) -> Iterator[Line]:
    """What each use takes, as the table shows it."""
    _, tasks = sizes(quick)
    source = cached_home(tasks)
    with copied_home(tasks) as warehouse, emulator(source) as served:
        home = warehouse.folder.parent
        with warehouse.reading() as connection:
            arn = connection.execute("SELECT min(quantum_task_arn) FROM quantum_tasks").fetchall()[0][0]
        environment = {
            **pulling_from(served),
            "BRAKET_ETL_HOME": str(home),
            "DAGSTER_HOME": str(home / "dagster"),
        }
        for use, arguments in USES.items():
            command = [str(PROGRAM), *(a.format(home=home, arn=arn) if "{" in a else a for a in arguments)]
            began = time.perf_counter()
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            seconds = time.perf_counter() - began
            if done.returncode:
                raise RuntimeError(f"{use}: {done.stderr[-1_000:]}")
            yield Line(what=f"{tasks:,} tasks: {use}", ours=seconds)
        yield Line(what=f"{tasks:,} tasks: until the UI answers", ours=_until_the_ui_answers(environment))


def _until_the_ui_answers(environment: Mapping[str, str]) -> float:
    """Seconds from `braket-etl ui` to a page that lists the assets."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.perf_counter()
    ui = subprocess.Popen(
        [str(PROGRAM), "ui", "--port", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    query = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=b'{"query": "{ assetNodes { id } }"}',
        headers={"Content-Type": "application/json"},
    )
    try:
        while time.perf_counter() - began < 300:
            with suppress(OSError), urllib.request.urlopen(query, timeout=60) as answer:
                if b'"id"' in answer.read():
                    return time.perf_counter() - began
            time.sleep(0.1)
        raise RuntimeError("the UI did not answer within 300 s")
    finally:
        ui.terminate()
        ui.wait(60)
