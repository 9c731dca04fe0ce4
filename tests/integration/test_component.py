"""`braket_etl.BraketPipeline` in a user's own `dg` project, laid out as `create-dagster project` lays one out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from braket_emulator import Emulator, running
from tests.conftest import NOW

_DEFINITIONS = """
from pathlib import Path

from dagster import definitions, load_from_defs_folder


@definitions
def defs():
    return load_from_defs_folder(path_within_project=Path(__file__).parent)
"""

_YAML = """
type: braket_etl.BraketPipeline
attributes:
  home: braket
  regions: [us-east-1, eu-north-1]
  start_date: "2026-11-15"
  settings:
    price_list: "off"
  key_prefix: [lab, braket]
  group_name: quantum
  schedules: false
"""

#: The user's own: an asset downstream of ours, and a resource of their own.
_OWN = """
import dagster as dg
import duckdb


@dg.asset(deps=[dg.AssetKey(["lab", "braket", "daily_costs"])], required_resource_keys={"warehouse"})
def monthly_bill(context) -> dg.MaterializeResult:
    with duckdb.connect(context.resources.warehouse, read_only=True) as connection:
        [total] = connection.execute("SELECT sum(cost_usd)::VARCHAR FROM daily_costs").fetchone()
    return dg.MaterializeResult(metadata={"usd": total})


defs = dg.Definitions(
    assets=[monthly_bill], resources={"warehouse": "HOME/warehouse.duckdb"}, executor=dg.in_process_executor
)
"""

#: What the project is asked: its definitions, and a sync with the user's own asset after it.
_ASK = """
import json, sys
from pathlib import Path
import dagster as dg
from dagster.components.core.component_tree import ComponentTree

defs = ComponentTree.for_project(Path(sys.argv[1])).build_defs()
repository = defs.get_repository_def()
graph = repository.asset_graph
ours = dg.AssetKey(["lab", "braket", "daily_costs"])
tasks = graph.get(dg.AssetKey(["lab", "braket", "quantum_tasks"]))
told = {
    "n": len([key for key in graph.get_all_asset_keys() if key.path[:2] == ["lab", "braket"]]),
    "others": sorted(key.to_user_string() for key in graph.get_all_asset_keys() if key.path[0] != "lab"),
    "upstream": sorted(key.to_user_string() for key in graph.get(dg.AssetKey("monthly_bill")).parent_keys),
    "above": sorted(key.path[-1] for key in graph.get(ours).parent_keys),
    "group": tasks.group_name,
    "partitions": tasks.partitions_def.get_first_partition_key(),
    "is_fresh": tasks.freshness_policy is not None,
    "checks": sorted(key.name for key in graph.get_check_keys_for_assets({tasks.key})),
    "schedules": {s.name: s.default_status.value for s in repository.schedule_defs},
}
with dg.DagsterInstance.ephemeral() as instance:
    run = repository.get_job("braket_sync").execute_in_process(instance=instance, raise_on_error=False)
    told["failed"] = [(e.step_key, e.message) for e in run.all_events if e.is_step_failure]
    if told["failed"]:
        sys.exit(str([e.event_specific_data.error.to_string() for e in run.all_events if e.is_step_failure]))
    told["made"] = sorted({e.asset_key.to_user_string() for e in run.get_asset_materialization_events()})
    told["evaluated"] = sorted({c.asset_key.to_user_string() for c in run.get_asset_check_evaluations()})
    whole = instance.get_materialized_partitions(tasks.key)
    told["days"] = sorted(whole)
    bill = dg.materialize([graph.assets_def_for_key(dg.AssetKey("monthly_bill"))], instance=instance)
    [event] = bill.get_asset_materialization_events()
    told["usd"] = event.materialization.metadata["usd"].value
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def small() -> Iterator[Emulator]:
    with running(tasks=60, jobs=3, days=5, seed=3, now=NOW, frozen=True, quotas=False) as started:
        yield started


def test_its_assets_stand_beside_the_users_own(small: Emulator, tmp_path: Path) -> None:
    root = tmp_path / "my-project"
    module = root / "src" / "my_project"
    (module / "defs" / "braket").mkdir(parents=True)
    (root / "pyproject.toml").write_text(
        '[project]\nname = "my_project"\nversion = "0.1.0"\n[tool.dg]\ndirectory_type = "project"\n'
        '[tool.dg.project]\nroot_module = "my_project"\n'
    )
    for package in (module, module / "defs"):
        (package / "__init__.py").touch()
    (module / "definitions.py").write_text(_DEFINITIONS)
    (module / "defs" / "braket" / "defs.yaml").write_text(_YAML)
    home = root / "braket"
    (module / "defs" / "own.py").write_text(_OWN.replace("HOME", str(home)))
    done = subprocess.run(
        [sys.executable, "-c", _ASK, str(root)],
        env={
            **os.environ,
            **small.env(),
            "PYTHONPATH": str(root / "src"),
            "DAGSTER_HOME": str(tmp_path),
            "BRAKET_ETL_HOME": str(tmp_path / "elsewhere"),
        },
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["failed"] == []
    assert told["others"] == ["monthly_bill"]
    assert told["upstream"] == ["lab/braket/daily_costs"]
    assert told["above"] == ["charge_sums"]
    assert (told["group"], told["partitions"], told["is_fresh"]) == ("quantum", "2020-08-13", True)
    assert "yesterday_is_present" in told["checks"]
    assert set(told["schedules"].values()) == {"STOPPED"}
    assert {"lab/braket/quantum_tasks", "lab/braket/daily_costs", "lab/braket/published_warehouse"} <= set(
        told["made"]
    )
    assert "lab/braket/quantum_tasks" in told["evaluated"]
    assert "2026-11-18" in told["days"]
    assert not (tmp_path / "elsewhere").exists()
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        [(charged, n)] = connection.execute("SELECT sum(cost_usd), count(*) FROM charges").fetchall()
    assert n > 0
    assert told["usd"] == str(charged)
