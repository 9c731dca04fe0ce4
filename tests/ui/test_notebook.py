"""The notebook as `marimo run` shows it: both charts, and a browser that asks nobody outside this machine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect

from tests.conftest import Program
from tests.processes import wait_for
from tests.receivers import free_port
from tests.ui.conftest import NewPage

ROOT = Path(__file__).parents[2]
NOTEBOOK = "notebooks/braket_costs_and_waits.py"


def test_it_opens_without_a_network(page: NewPage, demo: Program, tmp_path: Path) -> None:
    assert f"marimo run {NOTEBOOK}" in " ".join((ROOT / "README.md").read_text("utf-8").split())
    port, said = free_port(), tmp_path / "said"
    with said.open("wb") as output:
        marimo = subprocess.Popen(
            [sys.executable, "-m", "marimo", "run", str(ROOT / NOTEBOOK), "--headless", f"--port={port}"],
            env=demo.environment({"PYTHONPATH": str(ROOT)}),
            cwd=tmp_path,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: "URL:" in said.read_text("utf-8") or marimo.poll() is not None, "marimo serves")
        opened = page()
        opened.goto(f"http://127.0.0.1:{port}/")
        for title in ("Cost by day and device", "What did it cost?", "How long did it wait?"):
            expect(opened.get_by_text(re.compile(re.escape(title))).first).to_be_visible()
    finally:
        marimo.terminate()
        marimo.wait()
