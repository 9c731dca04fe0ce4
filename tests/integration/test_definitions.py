"""What Dagster loads: the assets under their names, cheaply, and without touching anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from braket_etl.orchestration.build import build_defs
from braket_etl.package_files import packaged_sql
from braket_etl.tables import QUANTUM_TASKS

ROOT = Path(__file__).parents[2]

_TOUCHES_NOTHING = """
import builtins, pathlib, socket, sys
def no(*_, **__): raise SystemExit("a socket was opened at import")
socket.socket.connect = no
import duckdb
duckdb.connect = lambda *_, **__: sys.exit("a database was opened at import")
opened = builtins.open
def read_only(file, mode="r", *a, **k):
    if set(mode) & set("wax+"): sys.exit(f"{file} was opened for writing at import")
    return opened(file, mode, *a, **k)
builtins.open = read_only
import braket_etl.definitions
print(len(list(braket_etl.definitions.defs.resolve_all_asset_specs())))
"""


def test_every_table_and_model_is_an_asset_of_its_name() -> None:
    names = {spec.key.path[-1] for spec in build_defs().resolve_all_asset_specs()}
    models = {path.stem for path in packaged_sql("models").glob("*.sql")}
    assert models <= names
    assert {"quantum_tasks", "jobs", "job_events", "open_records", "task_observations"} <= names


def test_models_depend_on_pulled_and_on_refreshed_records() -> None:
    specs = {spec.key.path[-1]: spec for spec in build_defs().resolve_all_asset_specs()}

    def upstream(name: str) -> set[str]:
        direct = {dep.asset_key.path[-1] for dep in specs[name].deps}
        return direct.union(*(upstream(dep) for dep in direct))

    for model in ("task_costs", "task_latency"):
        assert {"quantum_tasks", "open_records"} <= upstream(model)
    assert {"prices", "task_results"} <= upstream("task_costs")
    assert {"task_observations", "state_change_events"} <= upstream("task_latency")
    assert upstream("published_warehouse") > {path.stem for path in packaged_sql("models").glob("*.sql")}


def test_columns_carry_their_meaning() -> None:
    specs = {spec.key.path[-1]: spec for spec in build_defs().resolve_all_asset_specs()}
    schema = specs["quantum_tasks"].metadata["dagster/column_schema"]
    assert [column.name for column in schema.columns] == [column.name for column in QUANTUM_TASKS.columns]
    assert all(column.description for column in schema.columns)


def test_import_opens_no_socket_and_no_database_and_writes_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-c", _TOUCHES_NOTHING],
        env={**os.environ, "BRAKET_ETL_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert int(done.stdout) > 5
    assert list(tmp_path.iterdir()) == []


def test_dagster_finds_the_definitions_valid(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=ROOT,
        env={**os.environ, "DAGSTER_HOME": str(tmp_path), "BRAKET_ETL_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "successful" in done.stderr + done.stdout
