"""dlt: an Arrow table merged into DuckDB by primary key.

    python bench/peers/dlt_arrow.py ROWS.parquet DATABASE.duckdb WORKING_FOLDER

Prints the seconds from the Arrow table to the committed and checkpointed table. dlt knows no maps: they become JSON
text before the clock starts.
"""

import argparse
import json
import time
from collections.abc import Iterator

import dlt
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

PAGE = 122_880


@dlt.resource(name="quantum_tasks", write_disposition="merge", primary_key="quantum_task_arn")
def quantum_tasks(rows: pa.Table) -> Iterator[pa.Table]:
    """The table in pieces."""
    for first in range(0, rows.num_rows, PAGE):
        yield rows.slice(first, PAGE)


def without_maps(rows: pa.Table) -> pa.Table:
    """The table with maps and lists as JSON text."""
    for index, field in enumerate(rows.schema):
        if pa.types.is_nested(field.type):
            texts = [None if v is None else json.dumps(v) for v in rows.column(index).to_pylist()]
            rows = rows.set_column(index, field.name, pa.array(texts, pa.string()))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rows")
    parser.add_argument("database")
    parser.add_argument("folder")
    options = parser.parse_args()
    rows = without_maps(pq.read_table(options.rows))
    began = time.perf_counter()
    pipeline = dlt.pipeline(
        "braket",
        pipelines_dir=options.folder,
        destination=dlt.destinations.duckdb(options.database),
        dataset_name="braket",
    )
    pipeline.run(quantum_tasks(rows))
    with duckdb.connect(options.database) as connection:
        connection.execute("CHECKPOINT")
    seconds = time.perf_counter() - began
    with duckdb.connect(options.database) as connection:
        count = connection.execute("SELECT count(*) FROM braket.quantum_tasks").fetchone()[0]
    print(json.dumps({"seconds": seconds, "rows": count}))


if __name__ == "__main__":
    main()
