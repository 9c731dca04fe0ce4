"""What a user waits for first: the demo, the help, a query, and what Dagster waits for: the code location.

python -m bench starting [--quick]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from statistics import median

from bench.line import Line
from bench.long_history import scratch
from bench.merging import copied_home, sizes
from bench.program import PROGRAM, without_settings

DEMO_TASKS = 3_000


def lines(quick: bool) -> Iterator[Line]:
    """What users wait for, as the table shows it."""
    rounds = 1 if quick else 5
    python = _seconds([sys.executable, "-c", ""], rounds)
    yield Line(
        what="braket-etl --help",
        ours=_seconds([str(PROGRAM), "--help"], rounds),
        against="Python that does nothing",
        theirs=python,
    )
    with copied_home(sizes(quick)[0]) as warehouse:
        home = {"BRAKET_ETL_HOME": str(warehouse.folder.parent), "BRAKET_ETL_CONFIG": os.devnull}
        yield Line(
            what='braket-etl sql "select 1"',
            ours=_seconds([str(PROGRAM), "sql", "select 1"], rounds, home),
            against="import duckdb and open the file",
            theirs=_seconds([sys.executable, "-c", _OPEN.format(str(warehouse.published))], rounds),
        )
    yield Line(
        what="loading the code location",
        ours=_seconds([sys.executable, "-c", "from braket_etl.definitions import defs"], rounds),
        against="import dagster",
        theirs=_seconds([sys.executable, "-c", "import dagster"], rounds),
    )
    tasks = 200 if quick else DEMO_TASKS
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        home = {"BRAKET_ETL_HOME": f"{folder}/home", "BRAKET_ETL_CONFIG": os.devnull}
        yield Line(
            what=f"make demo ({tasks:,} tasks, set up before)",
            ours=_seconds([str(PROGRAM), "demo", "--tasks", str(tasks)], 1, home),
        )


_OPEN = "import duckdb; duckdb.connect({!r}, read_only=True).execute('select 1').fetchall()"


def _seconds(command: list[str], rounds: int, environment: Mapping[str, str] | None = None) -> float:
    """The median seconds of a program, after one run that warms up where there are several."""
    ours = without_settings()
    taken = []
    for _ in range(rounds + (rounds > 1)):
        began = time.perf_counter()
        subprocess.run(command, env={**ours, **(environment or {})}, check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    return median(taken[-rounds:])
