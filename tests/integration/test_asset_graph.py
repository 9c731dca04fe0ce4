"""The asset graph as Dagster shows it, from the operations of the Braket API to the published copy.

A change of it shows in review: `UPDATE_SNAPSHOTS=1 pytest tests/integration/test_asset_graph.py` writes asset_graph.txt.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import dagster as dg
import pytest

from braket_etl.orchestration import metadata
from braket_etl.orchestration.assets.models import build_models
from braket_etl.orchestration.build import build_defs
from braket_etl.package_files import checkout
from braket_etl.tables import MAIN
from braket_etl.warehouse.lineage import column_lineage
from braket_etl.warehouse.models import models

SNAPSHOT = Path(__file__).with_name("asset_graph.txt")
MODELS = {model.name: model for model in models()}
DECLARED = [table.name for table in MAIN]


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return build_defs()


@pytest.fixture(scope="module")
def specs(defs: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def drawn(specs: dict[str, dg.AssetSpec]) -> str:
    """The graph as text: an asset a paragraph, with its group and kinds, and what it comes from."""
    lines: list[str] = []
    for name, spec in sorted(specs.items()):
        upstream = sorted(dep.asset_key.to_user_string() for dep in spec.deps)
        by_day = ", by day" if spec.partitions_def else ""
        lines += [f"{name} ({spec.group_name}: {', '.join(sorted(spec.kinds))}{by_day})"]
        lines += [f"    from {dep}" for dep in upstream]
    return "\n".join(lines) + "\n"


def test_the_graph_is_the_one_that_was_reviewed(specs: dict[str, dg.AssetSpec]) -> None:
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(drawn(specs), "utf-8")
    assert drawn(specs) == SNAPSHOT.read_text("utf-8"), "if this is meant, run with UPDATE_SNAPSHOTS=1"


@pytest.mark.parametrize("name", [*DECLARED, *MODELS])
def test_every_table_and_model_says_what_it_is(specs: dict[str, dg.AssetSpec], name: str) -> None:
    spec = specs[name]
    assert spec.group_name in {"source", "reference", "costs", "latency", "coverage"}
    assert spec.description
    assert spec.owners
    assert "duckdb" in spec.kinds
    assert spec.metadata["dagster/table_name"] == f"warehouse.main.{name}"
    columns = list(column_lineage()[name])
    assert list(spec.metadata["dagster/column_lineage"].deps_by_column) == columns
    shown = spec.metadata["lineage"].md_str.splitlines()
    assert [line.split("`")[1] for line in shown[2:]] == columns
    if name in DECLARED:
        assert [c.name for c in spec.metadata["dagster/column_schema"].columns] == columns


def test_a_column_shows_what_it_is_made_of(specs: dict[str, dg.AssetSpec]) -> None:
    deps = specs["daily_costs"].metadata["dagster/column_lineage"].deps_by_column["cost_usd"]
    assert deps == [dg.TableColumnDep("charge_sums", "cost_usd")]
    shown = specs["daily_costs"].metadata["lineage"].md_str
    assert "| `cost_usd` | `charge_sums.cost_usd` | at list price" in shown
    tasks = specs["quantum_tasks"].metadata["dagster/column_lineage"].deps_by_column["shots"]
    assert tasks == [dg.TableColumnDep(dg.AssetKey(["braket", "GetQuantumTask"]), "shots")]


def test_an_asset_comes_after_all_that_its_columns_are_made_of(specs: dict[str, dg.AssetSpec]) -> None:
    for name in [*DECLARED, *MODELS]:
        upstream = {dep.asset_key.to_user_string() for dep in specs[name].deps}
        for deps in specs[name].metadata["dagster/column_lineage"].deps_by_column.values():
            made_of = {dep.asset_key.to_user_string() for dep in deps}
            assert made_of <= upstream & specs.keys(), name


def test_no_run_makes_what_lies_outside(defs: dg.Definitions, specs: dict[str, dg.AssetSpec]) -> None:
    outside = {"braket/GetQuantumTask", "braket/ResultsFile", "billed_line_items", "reservations"}
    assert outside <= specs.keys()
    for job in ("sync", "backfill"):
        made = {key.to_user_string() for key in defs.resolve_job_def(job).asset_layer.executable_asset_keys}
        assert {"quantum_tasks", "task_costs", "published_warehouse"} <= made
        assert not outside & made


def test_code_can_be_found(specs: dict[str, dg.AssetSpec]) -> None:
    for name in ("quantum_tasks", "task_costs", "wait_forecast", "published_warehouse"):
        references = specs[name].metadata["dagster/code_references"].code_references
        files = [Path(reference.file_path) for reference in references]
        assert all(file.is_file() for file in files)
        assert files[-1].suffix == ".py"
        if name in MODELS:
            assert files[0] == checkout() / "sql" / "models" / f"{name}.sql"


def test_code_references_warn_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert metadata.with_code_references([build_models])


def test_text_cannot_leave_its_cell() -> None:
    table = metadata.markdown_table(("a", "b"), [("x|y", "two\nlines <b>")])
    assert table.splitlines()[2:] == ["| x\\|y | two lines &lt;b> |"]
