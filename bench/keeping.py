"""Publishing, and what the file costs on the disk, at a million and at ten million tasks.

python -m bench keeping [--quick]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb

from bench.line import Line
from bench.long_history import cached_home, scratch, warehouse_of
from bench.memory import peak_megabytes
from bench.merging import copied_home, sizes
from bench.storing import CHECKOUT
from braket_etl.tables import QUANTUM_TASKS


def lines(quick: bool) -> Iterator[Line]:
    """Publishing and sizes, as the table shows them."""
    for tasks in sizes(quick):
        with copied_home(tasks) as warehouse:
            told = _published(warehouse.folder.parent)
        yield Line(
            what=f"publish {tasks:,} tasks ({told['megabytes']:,.0f} MB): copy, read back, swap",
            ours=told["seconds"],
            against="copying the file and an fsync",
            theirs=told["copy_seconds"],
        )
        yield Line(what=f"peak memory of publishing {tasks:,} tasks", ours=told["peak_megabytes"], unit="MB")
    small, _ = sizes(quick)
    ours, parquet = _bytes_of_tasks(warehouse_of(cached_home(small)).published)
    yield Line(
        what=f"a task in the file, of {small:,}",
        ours=ours,
        unit="bytes",
        against="in Parquet with zstd",
        theirs=parquet,
    )


def _published(home: Path) -> dict[str, float]:
    """What publishing took in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.keeping", str(home)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=CHECKOUT,
    )
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def _publish(home: Path) -> dict[str, float]:
    from braket_etl.warehouse.publish import publish
    from braket_etl.warehouse.storage import synced

    warehouse = warehouse_of(home)
    with warehouse.writing("bench") as connection:
        began = time.perf_counter()
        publish(warehouse, connection)
        seconds = time.perf_counter() - began
    peak = peak_megabytes()
    began = time.perf_counter()
    copy = home / "copy"
    subprocess.run(
        ["cp", str(warehouse.file), str(copy)], check=True
    )  # not by this process: it would drop the lock
    synced(copy)
    copied = time.perf_counter() - began
    size = warehouse.published.stat().st_size
    return {"seconds": seconds, "copy_seconds": copied, "peak_megabytes": peak, "megabytes": size / 1e6}


def _bytes_of_tasks(published: Path) -> tuple[float, float]:
    """Bytes a task of a file that holds tasks alone, and of the same in Parquet."""
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        ours, parquet = Path(folder) / "tasks.duckdb", Path(folder) / "tasks.parquet"
        with duckdb.connect(str(ours), config={"storage_compatibility_version": "v1.2.0"}) as connection:
            connection.execute(f"ATTACH '{published}' AS source (READ_ONLY)")
            connection.execute(QUANTUM_TASKS.create_statement())
            connection.execute("INSERT INTO quantum_tasks SELECT * FROM source.quantum_tasks")
            connection.execute("CHECKPOINT")
            rows = connection.execute("SELECT count(*) FROM quantum_tasks").fetchall()[0][0]
            connection.execute(f"COPY quantum_tasks TO '{parquet}' (COMPRESSION zstd)")
        return ours.stat().st_size / rows, parquet.stat().st_size / rows


if __name__ == "__main__":
    print(json.dumps(_publish(Path(sys.argv[1]))))
