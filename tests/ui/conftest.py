"""A real Chromium for the tests of what people look at, and a warehouse to show.

A page's console errors, script errors and requests to the outside fail the test that opened it. Playwright's loop runs
for as long as the browser is open, so these tests run no asyncio of their own: the program runs in its own process.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import duckdb
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from braket_emulator import running
from braket_etl.warehouse.settled import unsettle
from tests.conftest import NOW, Program, once_for_all_workers

# Read now: no test sees the settings of whoever runs it.
_REQUIRED = os.environ.get("BRAKET_ETL_REQUIRE_BROWSER") == "1"
_SCREENSHOTS = os.environ.get("BRAKET_ETL_SCREENSHOTS")

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # whatever a page asks for stays on this machine
]
_LOCAL_SCHEMES = {"file", "data", "blob", "about"}
_LOCAL_HOSTS = {"127.0.0.1", "localhost"}
_DAYS = 20
#: What a page may take to show what it fetches, in milliseconds; a busy machine needs more than Playwright's 5 seconds.
SOON = 60_000
expect.set_options(timeout=SOON)


SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(2)>'


class NewPage(Protocol):
    """Opens an empty page of a size and colour scheme."""

    def __call__(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> Page: ...


def chromium() -> str | None:
    """The Chromium or Chrome of this machine."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, without a window; absent, the test is skipped, or fails where BRAKET_ETL_REQUIRE_BROWSER is 1."""
    executable = chromium()
    if executable is None:
        absent = "there is no chromium, chromium-browser or google-chrome on PATH"
        if _REQUIRED:
            pytest.fail(absent)
        pytest.skip(absent)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[NewPage]:
    """Opens pages; at the end none of them may have had an error or asked for anything outside this machine."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def open_page(*, width: int = 1280, height: int = 900, dark: bool = False) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            timezone_id="UTC",
            locale="en-US",
        )
        contexts.append(context)
        opened = context.new_page()
        opened.on("console", lambda m: troubles.append(f"console: {m.text}") if m.type == "error" else None)
        opened.on("pageerror", lambda error: troubles.append(f"script: {error}"))
        opened.on("request", lambda r: None if is_local(r.url) else troubles.append(f"request: {r.url}"))
        opened.on("websocket", lambda s: None if is_local(s.url) else troubles.append(f"socket: {s.url}"))
        return opened

    yield open_page
    for context in contexts:
        context.close()
    assert not troubles


def is_local(url: str) -> bool:
    """Whether the address is on this machine."""
    parts = urlsplit(url)
    return parts.scheme in _LOCAL_SCHEMES or parts.hostname in _LOCAL_HOSTS


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A home into which a synthetic account of 20 days was pulled, made once for all workers; it is only read."""

    def make(folder: Path) -> str:
        with running(tasks=500, jobs=12, days=_DAYS, seed=7, now=NOW, frozen=True, quotas=False) as emulator:
            env = {
                **emulator.env(),
                "BRAKET_ETL_PRICE_LIST": f"{emulator.price_list_url}/index.csv",
                "BRAKET_ETL_QUOTA_SHARE": "1",
                "BRAKET_ETL_START_DATE": str((NOW - timedelta(days=_DAYS)).date()),
            }
            return Program(folder, env).ok("sync")

    return Program(once_for_all_workers(tmp_path_factory, "demo-for-ui", make)[0])


def changed_copy(demo: Program, home: Path, *statements: str) -> Program:
    """A home with a copy of the demo's published warehouse in which something was changed."""
    home.mkdir()
    program = Program(home)
    shutil.copyfile(demo.published, program.published)
    with duckdb.connect(str(program.published)) as connection:
        unsettle(connection)
        for statement in statements:
            connection.execute(statement)
    return program


@pytest.fixture(scope="package")
def hostile(demo: Program, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The demo's warehouse, with markup and control characters wherever users or devices put text."""
    quoted = IMAGE.replace("'", "''")
    return changed_copy(
        demo,
        tmp_path_factory.mktemp("hostile") / "home",
        f"UPDATE quantum_tasks SET tags = MAP {{'{SCRIPT}': '{quoted}', 'team': '{SCRIPT}'}} WHERE device_type = 'QPU'",
        f"UPDATE quantum_tasks SET failure_reason = '{SCRIPT}' || chr(27) || '[31m' WHERE status = 'FAILED'",
        f"UPDATE jobs SET job_name = '{quoted}', tags = MAP {{'it''s': '{SCRIPT}'}}",
        f"UPDATE spending_limits SET device_name = '{SCRIPT}'",
        f"UPDATE quantum_tasks SET created_by = '{quoted}' WHERE device_type = 'QPU'",
        "UPDATE jobs SET created_by = 'ann, o''hara'",
    )


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: the folder that BRAKET_ETL_SCREENSHOTS names, or a temporary one."""
    folder = Path(_SCREENSHOTS).absolute() if _SCREENSHOTS else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
