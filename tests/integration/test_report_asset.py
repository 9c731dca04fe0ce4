"""The asset of the report: one that cannot be made is a warning and fails no run."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from braket_etl.orchestration.assets.publish import published_warehouse
from braket_etl.orchestration.assets.report import REPORT
from braket_etl.runtime import Runtime


def test_a_report_that_cannot_be_made_is_a_warning(tmp_path: Path) -> None:
    done = dg.materialize(
        [published_warehouse], selection=[REPORT], resources={"runtime": Runtime({"home": tmp_path / "home"})}
    )
    assert done.success
    (check,) = done.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.severity) == ("renders", False, dg.AssetCheckSeverity.WARN)
    assert "there is no warehouse" in str(check.metadata["error"].value)
    assert not (tmp_path / "home").exists()
