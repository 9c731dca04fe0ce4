"""The notebook draws the two answers from the published copy, changes nothing, and asks nobody outside."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from braket_etl.warehouse.settled import unsettle
from tests.conftest import Program

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "braket_costs_and_waits.py"

#: Runs the notebook, prints what its cells show, and ends at once where anything reaches for the network.
RUN = """
import os, runpy, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        os.write(2, f"reached for {arguments}".encode())
        os._exit(3)

sys.addaudithook(refuse)
outputs, _ = runpy.run_path(sys.argv[1])["app"].run()
for output in outputs:
    print(getattr(output, "text", output))
"""


def shown(home: Path) -> str:
    """What the notebook shows of a home's warehouse."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(NOTEBOOK)],
        env=Program(home).environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def page(demo_home: Path) -> str:
    return shown(demo_home)


def test_it_draws_cost_and_waits_by_device(page: str, demo_home: Path) -> None:
    costs, waits = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    with duckdb.connect(str(demo_home / "warehouse.duckdb"), read_only=True) as warehouse:
        usd = warehouse.execute("SELECT sum(cost_usd)::DOUBLE FROM daily_costs").fetchall()[0][0]
        most_expensive = warehouse.execute(
            "SELECT device_name FROM daily_costs GROUP BY ALL ORDER BY sum(cost_usd) DESC LIMIT 1"
        ).fetchall()[0][0]
        tasks = warehouse.execute(
            "SELECT string_split(device_arn, '/')[-1], count(*) FROM task_latency WHERE is_counted GROUP BY ALL"
        ).fetchall()
    assert "US dollars" in costs
    assert most_expensive in costs
    assert f"${usd:,.2f}" in page
    assert len(tasks) > 5
    for device, n in tasks:
        assert f"{device}, {n:,} tasks" in waits


def test_what_comes_from_outside_is_text(demo_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "warehouse.duckdb").write_bytes((demo_home / "warehouse.duckdb").read_bytes())
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        unsettle(warehouse)
        warehouse.execute(
            "UPDATE quantum_tasks SET device_name = '<script>x</script>', "
            "device_arn = 'arn:aws:braket:::device/qpu/a/<script>x<' || '/script>' WHERE device_name = 'Garnet'"
        )
    assert "<script>x" not in shown(home)


def test_without_a_warehouse_it_says_what_to_run(tmp_path: Path) -> None:
    # cells that are stopped show nothing but their reason
    assert "braket-etl sync" in shown(tmp_path / "empty")


def test_it_runs_as_a_script(demo_home: Path) -> None:
    environment = {**Program(demo_home).environment(), "PYTHONPATH": str(ROOT), "HOME": os.devnull}
    subprocess.run([sys.executable, str(NOTEBOOK)], env=environment, check=True, timeout=1200)
