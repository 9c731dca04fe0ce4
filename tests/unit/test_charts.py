"""The charts: text stays text, colours are the page's, and nothing to draw is no chart."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest

from braket_etl.report import charts, pictures

NASTY = ["<b>$x^2$</b>", "_hidden", "\x1b[31mred", "👩🏽‍🔬 進行中", "", "a" * 80, 'quote " & ampersand']
Records = list[dict[str, Any]]


def over_time(names: list[str] = NASTY) -> Records:
    return [
        {"since": date(2026, 11, 1) + timedelta(days=n % 5), "device": name, "cost_usd": Decimal(n + 1)}
        for n, name in enumerate(names)
    ]


def by_device(names: list[str] = NASTY) -> Records:
    return [{"device": name, "cost_usd": Decimal(n + 1)} for n, name in enumerate(names)]


def by_tag() -> Records:
    return [{"tag_key": "<i>k</i>", "tag_value": name, "cost_usd": Decimal(3)} for name in NASTY]


def bounds() -> Records:
    return [
        {
            "device": name,
            "p50_low_seconds": 0.0,
            "p50_high_seconds": 50.0 * n,
            "p90_low_seconds": 10.0,
            "p90_high_seconds": None if n == 2 else 1e6,
        }
        for n, name in enumerate(NASTY)
    ]


def estimates() -> Records:
    return [
        {
            "device": name,
            "quantile": quantile,
            "status": "ok",
            "wait_seconds": 60.0,
            "ci_low_seconds": None,
            "ci_high_seconds": None if n else 100.0,
        }
        for n, name in enumerate(NASTY)
        for quantile in (0.5, 0.9)
    ]


def week() -> Records:
    return [
        {
            "device": NASTY[0],
            "weekday": 1 + n % 7,
            "hour_utc": n % 24,
            "n_tasks": n % 9,
            "has_bound": None if n % 9 < 5 else n % 2 == 0,
            "median_at_most_seconds": 40.0 * n if n % 2 == 0 else None,
            "open_share": None if n % 5 == 0 else (n % 3) / 2,
        }
        for n in range(168)
    ]


def stages() -> Records:
    return [
        {"device": name, "phase": phase, "total_seconds": 10.0, "share": 0.5}
        for name in NASTY
        for phase in ("queue", "a phase of tomorrow")
    ]


def failed() -> Records:
    return [
        {
            "device": name,
            "n_ended": 10,
            "n_failed": n,
            "n_cancelled": 1,
            "failed_share": n / 10,
            "cancelled_share": 0.1,
        }
        for n, name in enumerate(NASTY)
    ]


def of_limits() -> Records:
    return [
        {
            "device": name,
            "spending_limit_usd": Decimal(10 * (n + 1)),
            "aws_total_usd": Decimal(12),
            "aws_queued_usd": Decimal(1),
        }
        for n, name in enumerate(NASTY)
    ]


CASES: list[tuple[Callable[[Any], str | None], Records]] = [
    (charts.cost_over_time, over_time()),
    (charts.cost_by_device, by_device()),
    (charts.cost_by_tag, by_tag()),
    (charts.cost_by_meter, [{"meter": name, "cost_usd": Decimal(1)} for name in NASTY]),
    (charts.limits, of_limits()),
    (charts.wait_bounds, bounds()),
    (charts.wait_estimates, estimates()),
    (charts.wait_heatmap, week()),
    (charts.job_phases, stages()),
    (charts.failures, failed()),
]
every_chart = pytest.mark.parametrize(("draw", "records"), CASES, ids=[draw.__name__ for draw, _ in CASES])


def drawn(draw: Callable[[Any], str | None], records: Records) -> str:
    svg = draw(records)
    assert svg is not None
    return svg


def words(svg: str) -> str:
    return " ".join(
        "".join(text.itertext()) for text in ElementTree.fromstring(svg).iter() if text.tag[-4:] == "text"
    )


@every_chart
def test_nothing_to_draw_is_no_chart(draw: Callable[[Any], str | None], records: Records) -> None:
    assert draw([]) is None


@every_chart
def test_a_name_stays_text_whatever_is_in_it(draw: Callable[[Any], str | None], records: Records) -> None:
    shown = words(drawn(draw, records))
    assert "<b>$x^2$</b>" in shown
    if draw not in (charts.wait_heatmap, charts.cost_by_meter):  # one device; names of ours
        assert "_hidden" in shown
        assert "\\x1b[31mred" in shown


@every_chart
def test_equal_records_make_equal_bytes(draw: Callable[[Any], str | None], records: Records) -> None:
    assert draw(records) == draw(records)


@every_chart
def test_in_the_page_all_colours_are_the_pages(draw: Callable[[Any], str | None], records: Records) -> None:
    element = charts.for_page(drawn(draw, records), "key")
    assert element.startswith("<svg")
    assert "var(--ink)" in element
    assert set(re.findall(r"#[0-9a-f]{6}\b", element)) == set()
    assert not re.search(r"<style|<\?xml|<!DOCTYPE|<metadata", element)


def test_two_charts_of_a_page_share_no_id() -> None:
    svg = drawn(charts.cost_by_device, by_device())
    one, other = (set(re.findall(r' id="([^"]*)"', charts.for_page(svg, key))) for key in ("one", "other"))
    assert one
    assert not one & other
    for key in ("one", "other"):
        page = charts.for_page(svg, key)
        assert set(re.findall(r'(?:href="|url\()#([^")]*)', page)) <= set(re.findall(r' id="([^"]*)"', page))


def test_dagster_gets_an_image_in_fixed_colours() -> None:
    markdown = charts.for_dagster(drawn(charts.cost_over_time, over_time()), "cost by day")
    head, data = markdown.removesuffix(")").split("base64,")
    assert head == "![cost by day](data:image/svg+xml;"
    svg = base64.b64decode(data).decode()
    ElementTree.fromstring(svg)
    assert "#0a00" not in svg
    assert charts.ROLES["series-0"].light in svg


def test_bars_beyond_the_twelfth_are_summed_up() -> None:
    shown = words(drawn(charts.cost_by_device, by_device([f"device {n}" for n in range(20)])))
    assert "device 10" in shown
    assert "9 others" in shown
    assert f"{sum(range(12, 21)):.2f}" in shown


def test_a_wait_without_bound_is_the_highest_level() -> None:
    levels = [charts.level(seconds) for seconds in (0, 60, 61, 3_600, 86_400, 1e9, None)]
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (0, 5)


def test_a_glance_is_shown_by_dagster_without_a_click() -> None:
    glance = pictures.glance(
        {"a`b" * 40: 50.0, "<b>": math.inf, "none": 0.0, **{f"d{n}": n + 1.0 for n in range(9)}}, str
    )
    assert len(glance) < 1000
    bars = [line.count("█") for line in glance.split("\n\n")]
    assert bars == sorted(bars, reverse=True)
    assert bars[0] == max(bars)
    assert "a'b" in glance
    assert "none" not in glance
