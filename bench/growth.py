"""How what is done each day grows from a thousand tasks to ten million: processor seconds, and the exponent.

    python -m bench growth [--quick]

Long histories of ever more tasks over the same four years (`bench.long_history`), each with the newest records of the same
sort of account. Each use is a process of its own, or for publishing the call; the sizes take turns, and each cell is the
median. What a use takes is taken to be a fixed part, which is what it takes of a thousand tasks, and a part that grows with
a power of the number of tasks: the exponent is that of the last tenfold growth. The picture has both axes in powers of ten.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.incremental import measured
from bench.line import Line, figure, table_row
from bench.long_history import cached_home, emulator, scratch, warehouse_of
from bench.program import PROGRAM, pulling_from
from braket_emulator import Emulator
from braket_etl.warehouse.publish import publish

#: What is done → the arguments of the program; None where it is a call.
USES: dict[str, Sequence[str] | None] = {
    "sync, something is new": ["--quiet", "sync"],
    "sync, nothing is new": ["--quiet", "sync"],
    "status": ["status"],
    "report": ["report", "--output", "{home}/other.html"],
    "@cost_by_tag": ["sql", "@cost_by_tag", "--param", "key=project"],
    "@queue_wait_bounds": ["sql", "@queue_wait_bounds"],
    "@open_now": ["sql", "@open_now"],
    "publish": None,
}
_KEPT = Path(__file__).parents[1] / "docs" / "growth.json"
_PICTURE = Path(__file__).parents[1] / "docs" / "images" / "growth.svg"
#: Seconds below which a difference to the smallest size is noise.
_NOISE = 0.1


def sizes(quick: bool) -> list[int]:
    """Numbers of tasks, ascending."""
    return [1_000, 4_000, 16_000] if quick else [1_000, 10_000, 100_000, 1_000_000, 10_000_000]


def lines(quick: bool) -> Iterator[Line]:
    """The exponent of each use."""
    found = _measured(sizes(quick), 1 if quick else 3)
    if not quick:
        _KEPT.write_text(json.dumps(found, indent=1) + "\n")
    for use, seconds in found.items():
        if (exponent := exponent_of({int(n): s for n, s in seconds.items()})) is not None:
            yield Line(what=f"{use}: exponent of its growth with the tasks, CPU", ours=exponent, unit="")


def exponent_of(seconds: Mapping[int, float]) -> float | None:
    """Of the part above what the smallest size takes, over the last step; None where that is within the noise."""
    first, *_, before, last = sorted(seconds)
    grown = seconds[last] - seconds[first]
    was = seconds[before] - seconds[first]
    return math.log(grown / was) / math.log(last / before) if min(was, grown) > _NOISE else None


def page() -> str:
    """The table and the picture of the last whole measurement, for docs/performance.md."""
    found: dict[str, dict[int, float]] = {
        use: {int(n): s for n, s in seconds.items()} for use, seconds in json.loads(_KEPT.read_text()).items()
    }
    _draw(found)
    counts = sorted(next(iter(found.values())))
    head = ["CPU seconds", *(f"{n:,} tasks" for n in counts), "exponent"]
    rows = [head, ["---", *["---:"] * (len(counts) + 1)]]
    for use, seconds in found.items():
        exponent = exponent_of(seconds)
        cells = [figure(seconds[n]) for n in counts]
        rows.append([use, *cells, "-" if exponent is None else f"{exponent:.2f}"])
    table = "\n".join(table_row(row) for row in rows)
    return f"\n{table}\n\n![The same as lines, both axes in powers of ten](images/{_PICTURE.name})\n"


def _measured(counts: Sequence[int], rounds: int) -> dict[str, dict[str, float]]:
    """CPU seconds by use and number of tasks: medians of the rounds, after one sync of each that is not counted."""
    took: dict[str, dict[int, list[float]]] = {use: {n: [] for n in counts} for use in USES}
    with ExitStack() as stack:
        homes: dict[int, tuple[Path, Emulator, dict[str, str]]] = {}
        for n in counts:
            source = cached_home(n)
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=scratch()))
            home = Path(shutil.copytree(source, Path(folder) / "home"))
            served = stack.enter_context(emulator(source))
            env = pulling_from(served)
            measured([str(PROGRAM), "--quiet", "sync"], home, env)
            homes[n] = home, served, env
        for _ in range(rounds):
            for n, (home, served, env) in homes.items():
                # stands still, else an open record ends while others are measured
                served.set_clock(datetime.now(UTC), rate=0)
                for use, arguments in USES.items():
                    took[use][n].append(_cost(use, arguments, home, env))
    return {use: {str(n): median(seconds) for n, seconds in of_use.items()} for use, of_use in took.items()}


def _cost(use: str, arguments: Sequence[str] | None, home: Path, env: Mapping[str, str]) -> float:
    if arguments is None:
        command = [sys.executable, "-m", "bench.growth", "--publish", str(home)]
        return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    if use == "sync, something is new":  # what says that nothing is: a whole sync is what news lead to
        (home / "writer" / "unchanged.json").unlink(missing_ok=True)
    return measured([str(PROGRAM), *(each.format(home=home) for each in arguments)], home, env).cpu


def _publish(home: Path) -> None:
    """Print what publishing takes after a row changed, in CPU seconds."""
    warehouse = warehouse_of(home)
    with warehouse.writing("publishing") as connection:
        connection.execute("UPDATE quantum_tasks SET fetched_at = fetched_at WHERE rowid = 0")
        began = time.process_time()
        publish(warehouse, connection)
        print(time.process_time() - began)


def _draw(found: Mapping[str, Mapping[int, float]]) -> None:
    from matplotlib.figure import Figure

    figure_of_all = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure_of_all.subplots()
    for use, seconds in found.items():
        axes.plot(list(seconds), list(seconds.values()), marker="o", markersize=3, label=use)
    axes.set(xscale="log", yscale="log", xlabel="tasks stored", ylabel="CPU seconds")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize=7)
    figure_of_all.savefig(_PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    if sys.argv[1:2] != ["--publish"]:
        sys.exit("run it as `python -m bench growth`")
    _publish(Path(sys.argv[2]))
