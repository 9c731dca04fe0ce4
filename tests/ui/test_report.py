"""`braket-etl report` as its readers see it: in a browser, on a telephone, in the dark, on paper, and in SQL."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from playwright.sync_api import Page

from braket_etl.report.pictures import PICTURES
from braket_etl.report.sections import questions
from braket_etl.report.values import exact_text
from braket_etl.tables import MAIN
from braket_etl.warehouse.file import FileWarehouse
from tests.conftest import Program
from tests.ui.conftest import IMAGE, SCRIPT, NewPage, changed_copy

#: Every block as it is shown: its SQL, what it is not limited to, and the exact value of each cell.
_SHOWN = """() => Object.fromEntries([...document.querySelectorAll('article')].map(article => [article.id, {
    sql: article.querySelector('.sql pre').textContent,
    beyond: article.querySelector('.beyond')?.textContent ?? '',
    cells: article.querySelector('.figures')
        ? [[...article.querySelectorAll('dd')].map(cell => cell.title || cell.textContent)]
        : [...article.querySelectorAll('tbody tr')].map(
            row => [...row.cells].map(cell => cell.title || cell.textContent)),
}]))"""
#: Texts of one chart that lie on each other.
_COLLIDING = """() => [...document.querySelectorAll('figure svg')].flatMap(svg => {
    const texts = [...svg.querySelectorAll('text')], found = [];
    texts.forEach((one, n) => texts.slice(n + 1).forEach(other => {
        const a = one.getBoundingClientRect(), b = other.getBoundingClientRect();
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 4) found.push(`${one.textContent} | ${other.textContent}`);
    }));
    return found;
})"""
#: Texts of charts that reach out of their chart.
_CUT = """() => [...document.querySelectorAll('figure svg text')].filter(text => {
    const inner = text.getBoundingClientRect(), outer = text.closest('svg').getBoundingClientRect();
    return inner.left < outer.left - 2 || inner.right > outer.right + 2 || inner.top < outer.top - 2
        || inner.bottom > outer.bottom + 2;
}).map(text => text.textContent)"""


@pytest.fixture(scope="module")
def report(hostile: Program) -> Path:
    """Its report."""
    hostile.ok("report", "--output", str(hostile.home / "r.html"))
    return hostile.home / "r.html"


@pytest.fixture(scope="module")
def plain_report(demo: Program) -> Path:
    """The report that the run left which pulled the demo."""
    return demo.home / "report.html"


def opened(page: NewPage, file: Path, **options: Any) -> Page:
    shown = page(**options)
    shown.goto(file.as_uri())
    return shown


def shown_blocks(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(_SHOWN)
    return found


def answers(published: Path, blocks: dict[str, Any]) -> dict[str, list[list[str]]]:
    """What the warehouse answers to the SQL that each block shows."""
    found = {}
    with FileWarehouse(published.parent, published).reading() as connection:
        for key, block in blocks.items():
            with connection.cursor() as session:  # what one block sets is not there for the next
                session.execute("SET TimeZone = 'UTC'")
                rows = session.execute(block["sql"]).fetchall()
            found[key] = [[exact_text(value) for value in row] for row in rows]
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("form", "width"), [("desktop", 1280), ("phone", 375)])
def test_it_is_readable_at_every_width_and_light(
    page: NewPage, plain_report: Path, screenshots: Path, form: str, width: int, dark: bool
) -> None:
    shown = opened(page, plain_report, width=width, height=1500, dark=dark)
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    assert shown.locator("article").count() == len(questions())
    boxes = [chart.bounding_box() for chart in shown.locator("figure svg").all()]
    assert len(boxes) >= 8
    assert all(box and 300 <= box["width"] <= width for box in boxes)
    assert shown.evaluate(_CUT) == []
    assert shown.evaluate(_COLLIDING) == []
    ink, card = (
        shown.evaluate(f"getComputedStyle(document.querySelector('{element}')).{part}")
        for element, part in (("figure svg text", "fill"), ("article", "backgroundColor"))
    )
    assert (brightness(ink) > brightness(card)) is dark
    shown.screenshot(path=screenshots / f"report-{form}-{'dark' if dark else 'light'}.png")


def brightness(colour: str) -> int:
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))


def test_text_from_outside_is_text(page: NewPage, report: Path) -> None:
    shown = opened(page, report)
    assert shown.locator("script, img, iframe, object, link, form").count() == 0
    assert shown.locator("[onerror], [onclick], [onload]").count() == 0
    for block in ("cost_by_tag_key", "failure_reasons", "spending_limits"):
        assert SCRIPT in (shown.locator(f"#{block}").text_content() or "")
    assert IMAGE in (shown.locator("#cost_by_job").text_content() or "")
    assert SCRIPT in shown.locator("#cost_by_tag_key figure").inner_text()
    assert "\x1b" not in report.read_text("utf-8")
    policy = shown.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_every_number_has_its_sql_one_click_away(page: NewPage, report: Path) -> None:
    shown = opened(page, report)
    for article in shown.locator("article").all():
        query = article.locator(".sql pre")
        assert not query.is_visible()
        article.locator("summary", has_text="SQL").click()
        assert query.is_visible()
    shown.locator("#cost_by_device .sql pre").click()
    selected = shown.evaluate("getSelection().toString()")
    assert selected.startswith('SET VARIABLE "first" = DATE ')
    assert "\nSELECT\n" in selected
    assert selected.strip() == (shown.locator("#cost_by_device .sql pre").text_content() or "").strip()


def test_the_sql_gives_the_numbers_that_are_shown(page: NewPage, hostile: Program, report: Path) -> None:
    blocks = shown_blocks(opened(page, report))
    assert list(blocks) == [query.name for query in questions()]
    assert {key: block["cells"] for key, block in blocks.items()} == answers(hostile.published, blocks)
    by_verb = hostile.ok("sql", blocks["cost_by_device"]["sql"], "--format", "csv").splitlines()
    assert len(by_verb) == 1 + len(blocks["cost_by_device"]["cells"]) > 5


def test_the_sql_gives_the_numbers_with_filters_too(page: NewPage, hostile: Program, tmp_path: Path) -> None:
    file = tmp_path / "r.html"
    period = ["--from", "2026-11-05", "--to", "2026-11-12"]
    hostile.ok("report", "--output", str(file), *period, "--account", "default", "--tag", f"team={SCRIPT}")
    blocks = shown_blocks(opened(page, file))
    assert {key: block["cells"] for key, block in blocks.items()} == answers(hostile.published, blocks)
    assert SCRIPT in blocks["cost_by_device"]["sql"]
    for key in ("cost_by_device", "cost_by_job"):
        by_verb = json.loads(hostile.ok("sql", blocks[key]["sql"], "--format", "json"))
        assert len(by_verb) == len(blocks[key]["cells"])


def test_filters_reach_every_block_that_they_can(page: NewPage, demo: Program, tmp_path: Path) -> None:
    file = tmp_path / "r.html"
    demo.ok("report", "-o", str(file), "--from", "2026-11-05", "--to", "2026-11-12", "--tag", "stage=prod")
    shown = opened(page, file)
    expected = demo.one(
        """
        SELECT coalesce((
            SELECT sum(cost_usd) FROM task_costs JOIN quantum_tasks USING (quantum_task_arn)
            WHERE tags['stage'] = 'prod' AND ended_at >= '2026-11-05' AND ended_at < '2026-11-13'
        ), 0) + coalesce((
            SELECT sum(coalesce(m.instance_cost_usd, 0) + coalesce(m.volume_cost_usd, 0))
            FROM job_costs AS m JOIN jobs AS j ON j.job_arn = m.job_arn
            WHERE tags['stage'] = 'prod' AND j.ended_at >= '2026-11-05' AND j.ended_at < '2026-11-13'
        ), 0)
        """
    )
    assert expected > 0
    assert Decimal(shown.locator("#spent dd").first.get_attribute("title") or "") == expected
    assert "tag stage = prod" in shown.locator("header").inner_text()
    said = {key: block["beyond"] for key, block in shown_blocks(shown).items() if block["beyond"]}
    assert said["queue_wait_by_device"] == "Not limited to the period or the tag."
    assert said["spending_limits"] == "Not limited to the period or the tag."
    assert said["open_now"] == "Not limited to the period."
    assert "cost_over_time" not in said


def test_it_prints_on_white_without_what_paper_cannot_do(page: NewPage, plain_report: Path) -> None:
    shown = opened(page, plain_report, dark=True)
    shown.emulate_media(media="print", color_scheme="dark")
    assert not shown.locator("nav").is_visible()
    assert not shown.locator(".sql").first.is_visible()
    fill = shown.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill")
    assert brightness(fill) < 400
    paper = shown.pdf(format="A4")
    assert paper.startswith(b"%PDF")
    assert paper.count(b"/Type /Page\n") + paper.count(b"/Type /Page ") + paper.count(b"/Type /Page>") > 2


def test_no_table_of_a_statement_is_cut_off_on_paper(page: NewPage, hostile: Program, tmp_path: Path) -> None:
    file = tmp_path / "s.html"
    hostile.ok("statement", "--by", SCRIPT, "--from", "2020-01-01", "--to", "2030-12-31", "-o", str(file))
    shown = opened(page, file)
    shown.set_viewport_size({"width": 688, "height": 1000})  # A4 less its margins
    shown.emulate_media(media="print")
    assert shown.locator("table").count() > 2
    assert shown.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert IMAGE in shown.locator("h2").all_inner_texts()[1]


def test_a_warehouse_without_a_row_has_a_report_that_says_so(
    page: NewPage, demo: Program, tmp_path: Path
) -> None:
    tables = [*(table.qualified_name for table in MAIN), "etl.coverage", "etl.wanted", "etl.runs"]
    empty = changed_copy(demo, tmp_path / "home", *(f"DELETE FROM {table}" for table in tables))
    empty.ok("report", "-o", str(tmp_path / "r.html"))
    shown = opened(page, tmp_path / "r.html")
    assert "There are no tasks and jobs in the warehouse yet" in shown.locator("header").inner_text()
    assert shown.locator("figure").count() == 0
    assert "No task of a known cost" in shown.locator("#most_expensive_tasks").inner_text()
    blocks = shown_blocks(shown)
    assert {key: block["cells"] for key, block in blocks.items()} == answers(empty.published, blocks)


def test_what_is_not_known_is_no_zero_and_no_error(page: NewPage, demo: Program, tmp_path: Path) -> None:
    nothing_known = [
        f"UPDATE {table.qualified_name} SET "
        + ", ".join(f'"{c.name}" = NULL' for c in table.columns if not c.required and c.name not in table.key)
        for table in MAIN
    ]
    program = changed_copy(demo, tmp_path / "home", "DELETE FROM prices", *nothing_known)
    program.ok("report", "-o", str(tmp_path / "r.html"))
    shown = opened(page, tmp_path / "r.html")
    assert shown.locator("#cost_unknown tbody tr").count() > 0
    assert Decimal(shown.locator("#spent dd").first.get_attribute("title") or "") == 0
    assert int((shown.locator("#spent dd").last.text_content() or "").replace(",", "")) > 0
    blocks = shown_blocks(shown)
    assert {key: block["cells"] for key, block in blocks.items()} == answers(program.published, blocks)


def test_mistakes_are_named(demo: Program, program: Program, tmp_path: Path) -> None:
    target = str(tmp_path / "r.html")
    for code, words, arguments in (
        (2, "key=value", ["-o", target, "--tag", "team"]),
        (2, "no account is called nobody", ["-o", target, "--account", "nobody"]),
        (2, "lies before", ["-o", target, "--from", "2026-11-12", "--to", "2026-11-01"]),
        (2, "there is no folder", ["-o", str(tmp_path / "none" / "r.html")]),
        (2, "is a folder", ["-o", str(tmp_path)]),
        (2, "--output", []),
    ):
        done = demo.run("report", *arguments)
        assert (done.returncode, words in done.stderr) == (code, True), done.stderr
        assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
    unpublished = program.run("report", "-o", target)
    assert unpublished.returncode == 1
    assert "braket-etl sync" in unpublished.stderr


def test_a_run_leaves_a_report_that_its_owner_alone_reads(demo: Program) -> None:
    made = demo.home / "report.html"
    assert made.stat().st_mode & 0o777 == 0o600
    assert "Spending over time" in made.read_text("utf-8")


def test_each_run_leaves_its_charts_beside_the_assets(demo: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(demo.home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        for asset in PICTURES:
            event = instance.get_latest_materialization_event(dg.AssetKey(asset))
            assert event is not None
            assert event.asset_materialization is not None
            metadata = event.asset_materialization.metadata
            assert len(str(metadata["at a glance"].value)) < 1000
            assert str(metadata["chart"].value).startswith("![")
