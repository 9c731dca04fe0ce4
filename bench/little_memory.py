"""Whether ten million tasks can be computed with little memory: every model, check and statistic, and the slowest of them.

    python -m bench.little_memory [--limit 2GB] [--tasks 10000000]

DuckDB writes what does not fit into a temporary folder. Exit code 1 where something could not be computed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

import duckdb

from bench.long_history import cached_home, warehouse_of
from bench.memory import peak_megabytes
from braket_etl.analysis.stored import STATISTICS
from braket_etl.warehouse.checks import checks
from braket_etl.warehouse.models import models

_SHOWN = 8


def questions(connection: duckdb.DuckDBPyConnection) -> dict[str, Callable[[], object]]:
    """What a sync computes, by name."""
    asked = [check for check in checks() if check.sql]  # others are made of these
    statements = {
        **{model.name: f'SELECT count(*) FROM "{model.name}"' for model in models()},
        **{f"{check.table}.{check.name}": check.sql for check in asked},
    }
    return {
        **{name: partial(_fetched, connection, sql) for name, sql in statements.items()},
        **{name: partial(compute, connection) for name, (_, compute) in STATISTICS.items()},
    }


def _fetched(connection: duckdb.DuckDBPyConnection, sql: str) -> object:
    return connection.execute(sql).fetchall()


def main() -> int:
    """Compute all of it and print the slowest; 1 where something failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit", default="2GB", help="memory_limit of DuckDB")
    parser.add_argument("--tasks", type=int, default=10_000_000)
    options = parser.parse_args()
    took: dict[str, float] = {}
    failed = 0
    file = warehouse_of(cached_home(options.tasks)).published
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        connection.execute(f"SET memory_limit = '{options.limit}'; SET temp_directory = '{folder}'")
        for name, ask in questions(connection).items():
            began = time.perf_counter()
            try:
                ask()
            except duckdb.Error as error:
                failed += 1
                print(f"{name} failed: {error}", file=sys.stderr)
            took[name] = time.perf_counter() - began
    for name in sorted(took, key=took.__getitem__, reverse=True)[:_SHOWN]:
        print(f"{took[name]:8.1f} s  {name}")
    computed = f"{len(took) - failed} of {len(took)} computed with {options.limit}"
    print(f"{computed}, {peak_megabytes() / 1e3:.1f} GB at the peak")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
