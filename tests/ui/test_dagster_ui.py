"""The Dagster UI of `braket-etl ui` as people use it: lineage, an asset, a backfill and a red check, in Chromium.

With BRAKET_ETL_SCREENSHOTS=docs/images these tests make the pictures of the README.
"""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from braket_emulator import Emulator, running
from braket_etl.warehouse.connection import Warehouse
from braket_etl.warehouse.file import FileWarehouse
from tests.conftest import Program
from tests.processes import serving, wait_for
from tests.receivers import free_port
from tests.ui.conftest import SOON, NewPage

DAY = timedelta(days=1)
#: What a run takes that waits for the daemon to look at it twice, in milliseconds.
LATER = 240_000
#: The colours of what went well and what did not, as their hues in degrees.
GREEN, RED = range(120, 180), {*range(340, 360), *range(20)}


@dataclass(frozen=True)
class Ui:
    """A running `braket-etl ui`: its address, its home, and an account of which the newest days were pulled."""

    url: str
    program: Program
    emulator: Emulator
    pulled_from: date

    @property
    def warehouse(self) -> Warehouse:
        return FileWarehouse(self.program.home / "writer", self.program.published)

    def stored(self, first: date, last: date) -> set[str]:
        """The tasks of some days in the writer's file."""
        with self.warehouse.writing("a look") as connection:
            found = connection.execute(
                "SELECT quantum_task_arn FROM quantum_tasks WHERE created_date BETWEEN ? AND ?", [first, last]
            ).fetchall()
        return {arn for (arn,) in found}

    def existing(self, first: date, last: date) -> set[str]:
        """The tasks of some days that the account has."""
        return {
            arn
            for arn, times in self.emulator.truth().items()
            if ":quantum-task/" in arn and str(first) <= times["created"] < str(last + DAY)
        }


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """The UI over an account of 20 days, of which the last eight were pulled; it goes on living by the real clock."""
    home = tmp_path_factory.mktemp("dagster-ui")
    pulled_from = (datetime.now(UTC) - 8 * DAY).date()
    with running(tasks=500, jobs=20, days=20, seed=7, quotas=False) as emulator:
        program = Program(home / "home", {**emulator.env(), "BRAKET_ETL_START_DATE": str(pulled_from)})
        program.ok("sync")
        with served(program, home / "ui.log") as url:
            yield Ui(url, program, emulator, pulled_from)


@contextmanager
def served(program: Program, log: Path) -> Iterator[str]:
    """The address of `braket-etl ui`, once it knows the assets; ended as by Ctrl-C, with all its processes."""
    port = free_port()
    with serving(program, "ui", "--port", str(port), log=log) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: process.poll() is not None or has_assets(url), "the UI answers")
        assert process.poll() is None, log.read_text("utf-8", "replace")
        yield url
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
        wait_for(lambda: not group_lives(process.pid), "its processes end with it")


def has_assets(url: str) -> bool:
    """Whether the webserver answers and has loaded the definitions."""
    question = json.dumps({"query": "{ assetNodes { id } }"}).encode()
    request = urllib.request.Request(f"{url}/graphql", question, {"Content-Type": "application/json"})
    with suppress(OSError), urllib.request.urlopen(request, timeout=30) as answer:
        return bool(json.load(answer)["data"]["assetNodes"])
    return False


def group_lives(group: int) -> bool:
    """Whether a process of the group is left."""
    with suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def hue(shown: Locator, style: str) -> int:
    """The hue of a colour of an element, in degrees; -1 for a grey."""
    return int(
        shown.evaluate(
            """(element, style) => {
                const [r, g, b] = getComputedStyle(element)[style].match(/[\\d.]+/g).map(Number);
                const most = Math.max(r, g, b), span = most - Math.min(r, g, b);
                if (span === 0) return -1;
                const sixth = most === r ? (g - b) / span : most === g ? 2 + (b - r) / span : 4 + (r - g) / span;
                return Math.floor((sixth * 60 + 360) % 360);
            }""",
            style,
        )
    )


def markdown_of(opened: Page, key: str) -> Locator:
    """The dialog with a Markdown value of an asset's metadata, which the page keeps behind a link."""
    row = opened.get_by_role("row").filter(has=opened.get_by_text(key, exact=True))
    row.get_by_text("[Show Markdown]").click(timeout=SOON)
    dialog = opened.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def test_the_lineage_page_shows_every_group_and_its_assets(ui: Ui, page: NewPage, screenshots: Path) -> None:
    opened = page(width=1500, height=900)
    opened.goto(f"{ui.url}/asset-groups")
    for group in ("source", "reference", "costs", "latency", "publish"):
        expect(opened.get_by_text(group, exact=True).first).to_be_visible()
    opened.goto(f"{ui.url}/assets/charge_sums?view=lineage&lineageScope=upstream&lineageDepth=2")
    for upstream in (
        "charges",
        "priced_tasks",
        "job_meters",
        "reservation_costs",
        "discounts",
        "charge_sums",
    ):
        expect(opened.get_by_text(upstream, exact=True).last).to_be_visible()
    opened.screenshot(path=screenshots / "lineage.png")


def test_the_page_of_an_asset_shows_its_rows_chart_and_the_lineage_of_its_columns(
    ui: Ui, page: NewPage, screenshots: Path
) -> None:
    opened = page(width=1400, height=900)
    opened.goto(f"{ui.url}/assets/daily_costs?view=overview")
    rows = ui.program.one("SELECT count(*) FROM daily_costs")
    expect(opened.get_by_text(f"{rows:,}", exact=True).first).to_be_visible()
    expect(opened.get_by_text("what agreed discounts take off")).to_be_visible()

    lineage = markdown_of(opened, "lineage")
    cells = (
        lineage.get_by_role("row").filter(has=opened.get_by_text("net_usd", exact=True)).get_by_role("cell")
    )
    expect(cells).to_have_text(["net_usd", "charge_sums.net_usd", "cost_usd less discount_usd"])
    opened.keyboard.press("Escape")
    expect(lineage).to_be_hidden()

    chart = markdown_of(opened, "chart").locator("img")
    expect(chart).to_be_visible()
    assert chart.evaluate("image => image.complete && image.naturalWidth") > 300
    opened.screenshot(path=screenshots / "asset.png")


def test_a_backfill_launched_by_clicking_pulls_its_days(ui: Ui, page: NewPage) -> None:
    first, last = ui.pulled_from - 4 * DAY, ui.pulled_from - 2 * DAY
    assert ui.stored(first, last) == set()
    opened = page()
    opened.goto(f"{ui.url}/assets/quantum_tasks?view=partitions")
    opened.get_by_role("button", name="Materialize…").click(timeout=SOON)
    dialog = opened.get_by_role("dialog")
    days = dialog.locator("input[type=text]").first
    days.fill(f"[{first}...{last}]")
    days.press("Enter")
    expect(dialog.get_by_text("3 partitions", exact=True)).to_be_visible()
    dialog.get_by_role("button", name="Launch backfill").click()
    opened.get_by_role("button", name="View", exact=True).or_(
        opened.get_by_role("link", name="View", exact=True)
    ).click(timeout=SOON)
    expect(opened.locator("body")).to_contain_text(re.compile(r"Status\s*Succeeded"), timeout=LATER)
    expect(opened.get_by_text("100% completed")).to_be_visible()
    assert ui.stored(first, last) == ui.existing(first, last) != set()


def test_a_failing_check_is_shown_red(ui: Ui, page: NewPage) -> None:
    opened = page()
    opened.goto(f"{ui.url}/assets/quantum_tasks?view=checks&checkDetail=unique_key")
    passed = opened.get_by_text("Passed", exact=True)
    expect(passed).to_be_visible()
    assert hue(passed, "color") in GREEN
    with ui.warehouse.writing("damaging a key") as connection:
        connection.execute(
            "UPDATE quantum_tasks SET quantum_task_arn = (SELECT min(quantum_task_arn) FROM quantum_tasks) "
            "WHERE quantum_task_arn = (SELECT max(quantum_task_arn) FROM quantum_tasks)"
        )
    opened.get_by_role("button").filter(has_text=re.compile("^Execute$")).click()
    expect(opened.get_by_text("unique_key: 2 records")).to_be_visible(timeout=LATER)
    failed = opened.locator("[class*=BaseTag]").get_by_text("Failed", exact=True)
    expect(failed).to_be_visible()
    assert hue(failed, "color") in RED
