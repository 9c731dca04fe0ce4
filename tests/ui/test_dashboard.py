"""`braket-etl dashboard` as people use it: in a browser, without script, by keyboard, on a telephone, in the dark."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from braket_etl.report.sections import questions
from tests.conftest import Program
from tests.dashboards import Served, dashboard
from tests.ui.conftest import IMAGE, SCRIPT, NewPage

#: What is cut: texts wider than their box, where nothing scrolls and nothing says that there is more.
_CUT = """() => [...document.querySelectorAll('main *, header *')].filter(each => {
    const style = getComputedStyle(each);
    return each.scrollWidth > each.clientWidth + 1 && ['hidden', 'clip'].includes(style.overflowX);
}).map(each => each.outerHTML.slice(0, 80))"""
_WORST = ("serious", "critical")


@pytest.fixture(scope="module")
def served(hostile: Program) -> Iterator[Served]:
    with dashboard(hostile) as running:
        yield running


@pytest.fixture(scope="module")
def plain(demo: Program) -> Iterator[Served]:
    with dashboard(demo) as running:
        yield running


@pytest.fixture
def without_script(browser: Browser) -> Iterator[Page]:
    """A page of a browser that runs no script at all."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def shown(page: Page) -> dict[str, list[str]]:
    """What the address says beyond where the page is."""
    return parse_qs(urlsplit(page.url).query)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("form", "width"), [("desktop", 1280), ("phone", 390)])
def test_nothing_is_cut_and_axe_finds_nothing_serious(
    page: NewPage, plain: Served, screenshots: Path, form: str, width: int, dark: bool
) -> None:
    opened = page(width=width, height=1500, dark=dark)
    for name, address in (
        ("dashboard", plain.address),
        ("question", f"{plain.base}q/most_expensive_tasks?sort=-shot_fee_usd"),
        ("questions", f"{plain.base}q"),
    ):
        opened.goto(address)
        assert opened.evaluate("document.documentElement.scrollWidth") <= width, name
        assert opened.evaluate(_CUT) == [], name
        found = Axe().run(opened, options={}).response
        assert len(found["passes"]) > 15, name
        worst = [
            (each["id"], node["html"])
            for each in found["violations"]
            if each["impact"] in _WORST
            for node in each["nodes"]
        ]
        assert worst == [], name
        opened.screenshot(path=screenshots / f"{name}-{form}-{'dark' if dark else 'light'}.png")


def test_it_shows_what_the_report_shows_and_opens_with_what_is_missing(page: NewPage, plain: Served) -> None:
    opened = page()
    opened.goto(plain.address)
    assert shown(opened) == {}  # the token is gone from the address
    assert [each.get_attribute("id") for each in opened.locator("article").all()] == [
        q.name for q in questions()
    ]
    first, second = opened.locator("h1 ~ *").all()[:2]
    assert first.inner_text().startswith("Updated ")
    assert second.inner_text().startswith("Missing: ")


def test_text_from_outside_is_text(page: NewPage, served: Served) -> None:
    opened = page()
    for address in (served.address, f"{served.base}q/cost_by_job", f"{served.base}q/choices?sort=value"):
        opened.goto(address)
        assert opened.locator("script, img, iframe, object").count() == 0
        assert opened.locator("[onerror], [onclick], [onload]").count() == 0
        assert SCRIPT in opened.content().replace("&lt;", "<").replace("&gt;", ">")
    opened.goto(f"{served.base}?tag=team%3D{SCRIPT}")
    chip = opened.locator(".chips .chip")
    assert SCRIPT in chip.inner_text()
    assert opened.locator("article").count() == len(questions())
    opened.goto(f"{served.base}q/spent?tag=%22%3E%3Cscript%3Ealert(3)%3D")
    assert opened.locator("script").count() == 0
    assert IMAGE in opened.locator("datalist option").evaluate_all(
        "all => all.map(each => each.value).join()"
    )


def test_it_is_limited_by_keyboard_without_script_and_the_address_says_to_what(
    without_script: Page, plain: Served
) -> None:
    page = without_script
    page.goto(plain.address)
    everything = page.locator("#spent dd").first.get_attribute("title")
    page.locator("#device").focus()
    page.keyboard.type("Garnet")
    page.keyboard.press("Tab")
    assert page.locator("#tag:focus").count() == 1
    page.keyboard.type("stage=prod")
    page.keyboard.press("Enter")
    page.wait_for_url("**device=Garnet**")
    assert shown(page)["tag"] == ["stage=prod"]
    limited = page.locator("#spent dd").first.get_attribute("title")
    assert limited != everything
    page.goto(page.url)  # as somebody who was sent it
    assert page.locator("#spent dd").first.get_attribute("title") == limited
    page.get_by_label("without tag stage=prod").click()
    assert "tag" not in shown(page)
    assert shown(page)["device"] == ["Garnet"]
    page.get_by_role("link", name="7 days").click()
    assert (shown(page)["first"], shown(page)["last"]) == (["2026-11-14"], ["2026-11-20"])
    assert shown(page)["device"] == ["Garnet"]


def test_a_person_is_chosen_by_keyboard_where_names_are_kept(
    without_script: Page, hostile: Program, served: Served, plain: Served
) -> None:
    page = without_script
    page.goto(plain.address)
    assert page.locator("#person").count() == 0
    page.goto(served.address)
    everything = page.locator("#spent dd").first.get_attribute("title")
    page.locator("#device").focus()
    page.keyboard.press("Tab")
    assert page.locator("#person:focus").count() == 1
    page.keyboard.insert_text(IMAGE)
    page.keyboard.press("Enter")
    page.wait_for_url("**person=**")
    assert shown(page)["person"] == [IMAGE]
    assert page.locator("#person").input_value() == IMAGE
    limited = page.locator("#spent dd").first.get_attribute("title")
    assert limited != everything
    period = [
        part
        for name in ("first", "last")
        for part in ("-p", f"{name}={page.locator(f'#{name}').input_value()}")
    ]
    told = hostile.ok("sql", "@spent", "-p", f"person={IMAGE}", *period, "--format", "json")
    assert Decimal(json.loads(told)[0]["cost_usd"]) == Decimal(limited or "")
    page.locator("#spent h3 a").click()
    assert shown(page)["person"] == [IMAGE]
    assert page.locator("dd").first.get_attribute("title") == limited
    page.get_by_role("link", name="Dashboard").click()
    page.locator(".chips .chip a").last.click()
    assert "person" not in shown(page)
    assert page.locator("#spent dd").first.get_attribute("title") == everything
    assert page.locator("script, img").count() == 0


def test_a_heading_sorts_and_what_is_cut_opens_with_a_click(without_script: Page, plain: Served) -> None:
    page = without_script
    page.goto(plain.address)
    page.locator("#most_expensive_tasks th a", has_text="shot fee").click()
    assert shown(page)["sort"] == ["-shot_fee_usd"]
    fees = [float(each.inner_text().replace(",", "")) for each in page.locator("td:nth-child(8)").all()]
    assert fees == sorted(fees, reverse=True) != []
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("shot fee")
    task = page.locator("tbody tr").first.locator("details.whole").last
    assert not task.locator("code").is_visible()
    task.locator("summary").focus()
    page.keyboard.press("Enter")
    arn = task.locator("code").inner_text()
    assert arn.startswith("arn:aws:braket:")
    region = arn.split(":")[3]
    link = task.get_by_role("link", name="AWS console")
    assert link.get_attribute("href") == (
        f"https://{region}.console.aws.amazon.com/braket/home?region={region}#/tasks/{arn}"
    )


def test_the_page_of_a_question_gives_the_number_of_the_dashboard_and_of_the_terminal(
    without_script: Page, demo: Program, plain: Served
) -> None:
    page = without_script
    page.goto(f"{plain.base}?token={plain.token}&region=us-east-1&first=2026-11-05&last=2026-11-12")
    there = page.locator("#cost_by_device .sql pre").text_content()
    page.locator("#cost_by_device h3 a").click()
    assert shown(page) == {"first": ["2026-11-05"], "last": ["2026-11-12"], "region": ["us-east-1"]}
    assert page.locator(".sql pre").text_content() == there
    told = demo.ok(
        "sql", "@cost_by_device", "-p", "region=us-east-1", "-p", "first=2026-11-05", "-p", "last=2026-11-12"
    )
    assert [line.split(",")[:2] for line in told.splitlines()[1:]] == page.locator("tbody tr").evaluate_all(
        "all => all.map(row => [row.cells[0].textContent, row.cells[1].title || row.cells[1].textContent])"
    )
    page.get_by_role("link", name="Dashboard").click()
    assert shown(page)["region"] == ["us-east-1"]
