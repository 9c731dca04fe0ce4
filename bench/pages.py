"""Pages of the dashboard over 200,000 tasks, from request to last byte.

    python -m bench pages [--quick]

Each figure is the median over servers that were started for it, which remember nothing yet: a page asked for again is
the last line.
"""

from __future__ import annotations

import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from urllib.parse import parse_qs, urlsplit

from bench.line import Line
from bench.long_history import cached_home, warehouse_of
from bench.program import PROGRAM, without_settings

TASKS = 200_000
LIMIT = 2.0
"""Seconds that a page may take."""


def lines(quick: bool) -> Iterator[Line]:
    """The report's page by period, the pages of single questions, and a page again."""
    tasks, rounds = (2_000, 1) if quick else (TASKS, 5)
    home = cached_home(tasks)
    with warehouse_of(home).reading() as connection:
        newest: date = connection.execute("SELECT max(created_date) FROM quantum_tasks").fetchall()[0][0]
    pages = {
        "the first page": "",
        "the last 7 days": f"?first={newest - timedelta(days=6)}&last={newest}",
        "one device": "?device=Garnet",
        "12 months": f"?first={newest - timedelta(days=364)}&last={newest}",
        "four years": f"?first={newest - timedelta(days=1_460)}&last={newest}",
        "@cost_by_job": "q/cost_by_job",
        "@wait_heatmap": "q/wait_heatmap",
    }
    again = []
    for name, page in pages.items():
        seconds = []
        for _ in range(rounds):
            with _served(home) as (address, token):
                seconds.append(_taken(f"{address}{page}", token))
                if not page:
                    again.append(_taken(address, token))
        yield Line(what=f"dashboard, {tasks:,} tasks: {name}", ours=median(seconds), at_most=LIMIT)
    yield Line(what=f"dashboard, {tasks:,} tasks: the first page again", ours=median(again), at_most=LIMIT)


@contextmanager
def _served(home: Path) -> Iterator[tuple[str, str]]:
    """The address of a dashboard's pages, and the token that opens them."""
    with subprocess.Popen(
        [str(PROGRAM), "--home", str(home), "dashboard", "--port", "0"],
        env=without_settings() | {"BRAKET_ETL_CONFIG": os.devnull},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout
            printed = next(line for line in process.stdout if line.startswith("http")).strip()
            yield printed.partition("?")[0], parse_qs(urlsplit(printed).query)["token"][0]
        finally:
            process.terminate()


def _taken(address: str, token: str) -> float:
    began = time.perf_counter()
    asked = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        answer.read()
    return time.perf_counter() - began
