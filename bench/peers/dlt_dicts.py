"""dlt: response dictionaries merged into DuckDB by primary key.

    python bench/peers/dlt_dicts.py RESPONSES.jsonl DATABASE.duckdb WORKING_FOLDER [--format parquet]

Prints the seconds from the dictionaries to the committed and checkpointed table.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import duckdb

PAGE = 1_000


@dlt.resource(
    name="quantum_tasks",
    write_disposition="merge",
    primary_key="quantumTaskArn",
    max_table_nesting=0,  # tags and the like stay one column
    columns={
        "tags": {"data_type": "json"},
        "associations": {"data_type": "json"},
        "deviceParameters": {"data_type": "text"},
    },
)
def quantum_tasks(responses: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Pages of responses: a list costs dlt less than each by itself."""
    for first in range(0, len(responses), PAGE):
        yield responses[first : first + PAGE]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("responses")
    parser.add_argument("database")
    parser.add_argument("folder")
    parser.add_argument("--format", choices=["parquet"])
    options = parser.parse_args()
    with Path(options.responses).open() as file:
        responses = [json.loads(line) for line in file]
    began = time.perf_counter()
    pipeline = dlt.pipeline(
        "braket",
        pipelines_dir=options.folder,
        destination=dlt.destinations.duckdb(options.database),
        dataset_name="braket",
    )
    pipeline.run(quantum_tasks(responses), loader_file_format=options.format)
    with duckdb.connect(options.database) as connection:
        connection.execute("CHECKPOINT")
    seconds = time.perf_counter() - began
    with duckdb.connect(options.database) as connection:
        rows = connection.execute("SELECT count(*) FROM braket.quantum_tasks").fetchone()[0]
    print(json.dumps({"seconds": seconds, "rows": rows}))


if __name__ == "__main__":
    main()
