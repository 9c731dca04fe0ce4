"""The charts of the report and of the Dagster UI, drawn with matplotlib as SVG: no script, no font, no network.

A chart is drawn in colours that stand for roles. `for_page` turns them into CSS variables, so that the page decides what
ink is in the dark; `for_dagster` into fixed ones on white. All text is taken as text, never as mathematics. A function
that draws takes the records of its question, and gives None where there is nothing to draw.
"""

from __future__ import annotations

import base64
import io
import itertools
import math
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from braket_etl.display import money, printable
from braket_etl.report.values import UNKNOWN, duration, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch

Record = dict[str, Any]
#: What takes the records of a question and gives its chart, None where there is nothing to draw.
Draw = Callable[[Sequence[Record]], "str | None"]
_CHARTS: dict[str, Draw] = {}


@dataclass(frozen=True)
class Role:
    """A colour by what it is for: the one that stands for it while drawing, and the ones that are seen."""

    drawn: str
    light: str
    dark: str


#: Okabe and Ito's colours, which people with any colour vision tell apart; a little lighter in the dark.
_SERIES = (
    ("#0072b2", "#4ba3e3"),
    ("#e69f00", "#f0b030"),
    ("#009e73", "#2fbf94"),
    ("#d55e00", "#f07e33"),
    ("#56b4e9", "#8fd0f5"),
    ("#cc79a7", "#e09cc2"),
    ("#e3d326", "#f0e65c"),
    ("#8b929c", "#8b929c"),
)
#: One hue from little to much; in the dark from dim to bright.
_LEVELS = (
    ("#d6e6f4", "#17324d"),
    ("#abcfe6", "#1f5276"),
    ("#6aaed6", "#2f78a8"),
    ("#3787c0", "#57a2d0"),
    ("#105ba4", "#9ccbe8"),
    ("#08306b", "#e3f1fb"),
)
ROLES: dict[str, Role] = {
    "ink": Role("#0a0001", "#1f2933", "#e6e9ed"),
    "muted": Role("#0a0002", "#5d6875", "#9aa5b1"),
    "grid": Role("#0a0003", "#e1e5ea", "#343c46"),
    "card": Role("#0a0004", "#ffffff", "#1b2027"),
    **{f"series-{n}": Role(f"#0a001{n}", *pair) for n, pair in enumerate(_SERIES)},
    **{f"level-{n}": Role(f"#0a002{n}", *pair) for n, pair in enumerate(_LEVELS)},
}

#: Of a figure, in points. Small, so that letters are still read when a telephone shows the whole of it.
_WIDTH = 380
_FONT = 10.2
_LONGEST_NAME = 26
_MOST_BARS = 12

_TIMES = (1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800)
_TIME_NAMES = ("≤ 1 s", "10 s", "1 min", "10 min", "1 h", "6 h", "1 d", "7 d")
#: Upper ends of the heatmap's levels, in seconds; the last level has none.
_LEVEL_ENDS = (60, 600, 3_600, 21_600, 86_400)
_LEVEL_NAMES = ("1 min", "10 min", "1 h", "6 h", "1 d", "more")
_PHASES = ("queue", "startup", "run", "deprioritized", "upload", "end")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def _chart(draw: Draw) -> Draw:
    """A function that draws, by whose name a question asks for it."""
    _CHARTS[draw.__name__] = draw
    return draw


def chart_of(name: str) -> Draw:
    """The function of that name that draws; raises KeyError where there is none."""
    return _CHARTS[name]


@_chart
def cost_over_time(records: Sequence[Record]) -> str | None:
    """Stacked bars of `cost_usd` by `since` and `device`, devices in order of what they cost."""
    totals: dict[str, float] = defaultdict(float)
    for record in records:
        totals[record["device"]] += float(record["cost_usd"])
    if not totals:
        return None
    ranked = sorted(totals, key=lambda device: (device == "all others", -totals[device]))
    days = sorted({record["since"] for record in records})
    width = min(((b - a).days for a, b in itertools.pairwise(days)), default=1) * 0.82
    with _figure(245) as (figure, (axes,), drawing):
        floor = dict.fromkeys(days, 0.0)
        for n, device in enumerate(ranked):
            of_device = {r["since"]: float(r["cost_usd"]) for r in records if r["device"] == device}
            boxes = []
            for day, usd in of_device.items():
                x = day.toordinal() - width / 2
                boxes.append((x, x + width, floor[day], floor[day] + usd))
                floor[day] += usd
            axes.add_patch(_boxes(boxes, _series(7 if device == "all others" else n), label=_name(device)))
        axes.set_xlim(days[0].toordinal() - width, days[-1].toordinal() + width)
        axes.set_ylim(0, max(floor.values()) * 1.05)
        _money_axis(axes.yaxis)
        _date_axis(axes, days)
        axes.grid(axis="y")
        _legend(figure, axes)
        return drawing()


@_chart
def cost_by_device(records: Sequence[Record]) -> str | None:
    """Bars of `cost_usd` by `device`."""
    return _bars([(r["device"], r["cost_usd"]) for r in records if r["cost_usd"]])


@_chart
def cost_by_meter(records: Sequence[Record]) -> str | None:
    """Bars of `cost_usd` by `meter`."""
    return _bars([(r["meter"].replace("_", " "), r["cost_usd"]) for r in records])


@_chart
def cost_by_tag(records: Sequence[Record]) -> str | None:
    """Bars of `cost_usd` by the values of the first `tag_key`."""
    if not records:
        return None
    first = records[0]["tag_key"]
    return _bars(
        [(r["tag_value"], r["cost_usd"]) for r in records if r["tag_key"] == first], title=f"tag {first}"
    )


@_chart
def limits(records: Sequence[Record]) -> str | None:
    """What is spent and what is queued, as a share of each limit; a line at the limit."""
    shown = [r for r in records if r["spending_limit_usd"] and r["spending_limit_usd"] > 0][:_MOST_BARS]
    if not shown:
        return None
    with _figure(_height(len(shown))) as (figure, (axes,), drawing):
        parts = [
            [float(r[part]) / float(r["spending_limit_usd"]) for r in shown]
            for part in ("aws_total_usd", "aws_queued_usd")
        ]
        axes.barh(range(len(shown)), parts[0], 0.62, color=_series(0), label="spent")
        axes.barh(range(len(shown)), parts[1], 0.62, left=parts[0], color=_series(1), label="queued")
        axes.axvline(1, color=_drawn("ink"), linewidth=1.2, label="limit")
        for n, record in enumerate(shown):
            end = parts[0][n] + parts[1][n]
            _beside(axes, max(end, 1.0), n, f"{end:.0%} of {money(record['spending_limit_usd'])}")
        axes.set_xlim(0, max(1.0, *(a + b for a, b in zip(*parts, strict=True))) * 1.45)
        axes.set_xticks([0, 0.5, 1], ["0%", "50%", "100%"])
        _rows(axes, [record["device"] for record in shown])
        _legend(figure, axes)
        return drawing()


@_chart
def wait_bounds(records: Sequence[Record]) -> str | None:
    """By device the certain bounds of the median and of the 90th percentile of the wait."""
    return _intervals(
        [
            (
                r["device"],
                [
                    (r["p50_low_seconds"], None, r["p50_high_seconds"]),
                    (r["p90_low_seconds"], None, r["p90_high_seconds"]),
                ],
            )
            for r in records
        ],
        ("median", "90th percentile"),
    )


@_chart
def wait_estimates(records: Sequence[Record]) -> str | None:
    """By device the estimated median and 90th percentile, with their confidence intervals, where there are any."""
    found: dict[str, dict[float, tuple[Any, Any, Any]]] = defaultdict(dict)
    for r in records:
        if r["status"] == "ok":
            found[r["device"]][r["quantile"]] = (
                coalesce(r["ci_low_seconds"], r["wait_seconds"]),
                r["wait_seconds"],
                r["ci_high_seconds"],
            )
    return _intervals(
        [(device, [by.get(0.5), by.get(0.9)]) for device, by in found.items()], ("median", "90th percentile")
    )


@_chart
def wait_heatmap(records: Sequence[Record]) -> str | None:
    """A week of hours a device, coloured by how long half of the tasks waited at most."""
    from matplotlib.patches import Patch

    devices = list(dict.fromkeys(r["device"] for r in records))
    if not devices:
        return None
    with _figure(48 + 92 * len(devices), rows=len(devices)) as (figure, all_axes, drawing):
        for device, axes in zip(devices, all_axes, strict=True):
            _week(axes, device, [r for r in records if r["device"] == device])
        seen = [
            Patch(facecolor=_drawn(f"level-{n}"), label=f"≤ {name}" if n == 0 else name)
            for n, name in enumerate(_LEVEL_NAMES)
        ]
        _legend(
            figure, all_axes[0], handles=[*seen, Patch(facecolor=_drawn("grid"), label="closed")], columns=7
        )
        return drawing()


@_chart
def job_phases(records: Sequence[Record]) -> str | None:
    """By device the share of each phase in the time of its jobs."""
    devices = list(dict.fromkeys(r["device"] for r in records))[:_MOST_BARS]
    if not devices:
        return None
    known = [p for p in _PHASES if any(r["phase"] == p for r in records)]
    phases = known + sorted({str(r["phase"]) for r in records} - set(known))
    totals = {d: sum(r["total_seconds"] for r in records if r["device"] == d) for d in devices}
    shares = {
        phase: {r["device"]: r["share"] or 0.0 for r in records if str(r["phase"]) == phase}
        for phase in phases
    }
    return _shares(
        devices, shares, beside=[duration(totals[d]) for d in devices], unit="share of the jobs' time"
    )


@_chart
def failures(records: Sequence[Record]) -> str | None:
    """By device the share of ended tasks that failed and that were cancelled."""
    shown = [r for r in records if r["n_ended"]][:_MOST_BARS]
    if not shown:
        return None
    shares = {
        "failed": {r["device"]: r["failed_share"] for r in shown},
        "cancelled": {r["device"]: r["cancelled_share"] for r in shown},
    }
    return _shares(
        [r["device"] for r in shown],
        shares,
        beside=[f"{r['n_failed'] + r['n_cancelled']:,} of {r['n_ended']:,}" for r in shown],
        unit="share of ended tasks",
        colours=(3, 7),
    )


def for_page(svg: str, key: str) -> str:
    """The drawing as an element of an HTML page: CSS variables for colours, ids of its own."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", body, count=1)
    used = set(re.findall(r"#([\w.-]+)[\")]", body))
    body = re.sub(r' id="([^"]*)"', lambda m: f' id="{key}-{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r'(href="|url\()#', rf"\1#{key}-", body)
    for name, role in ROLES.items():
        body = body.replace(role.drawn, f"var(--{name})")
    return body


def for_dagster(svg: str, description: str) -> str:
    """The drawing as Markdown, in the light colours, for the metadata of a materialization."""
    for role in ROLES.values():
        svg = svg.replace(role.drawn, role.light)
    return f"![{description}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def coalesce(*values: Any) -> Any:
    """The first value that is not None."""
    return next((value for value in values if value is not None), None)


def load() -> None:
    """Load what draws, and its fonts, so that the first page need not wait for it."""
    with _figure(72) as (_, _, drawing):
        drawing()


@contextmanager
def _figure(height: float, rows: int = 1) -> Iterator[tuple[Figure, Sequence[Any], Callable[[], str]]]:
    """A figure of that height in points, its axes from top to bottom, and what makes the SVG of it."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_style()), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # a letter that matplotlib's font lacks, the reader's has
        figure = Figure(figsize=(_WIDTH / 72, height / 72), layout="constrained")
        axes = figure.subplots(rows, 1, squeeze=False)[:, 0].tolist()

        def drawing() -> str:
            target = io.StringIO()
            figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None}, transparent=False)
            return target.getvalue()

        yield figure, axes, drawing


def _style() -> Any:
    """What matplotlib has to keep to: nothing of the user's own settings."""
    import matplotlib

    ink, muted, grid, card = (_drawn(name) for name in ("ink", "muted", "grid", "card"))
    return {
        **{
            k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith(("backend", "date.epoch"))
        },
        "svg.fonttype": "none",
        "svg.hashsalt": "braket_etl",
        "text.parse_math": False,
        "axes.formatter.use_mathtext": False,
        "font.size": _FONT,
        "axes.titlesize": _FONT,
        "axes.titlelocation": "left",
        "legend.fontsize": _FONT - 0.5,
        "text.color": ink,
        "axes.labelcolor": muted,
        "axes.labelsize": _FONT - 0.5,
        "axes.edgecolor": grid,
        "axes.facecolor": card,
        "figure.facecolor": card,
        "savefig.facecolor": card,
        "xtick.color": muted,
        "ytick.color": muted,
        "ytick.labelcolor": ink,
        "xtick.major.size": 0,
        "xtick.major.pad": 6,
        "ytick.major.size": 0,
        "grid.color": grid,
        "grid.linewidth": 0.7,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "legend.frameon": False,
    }


def _bars(pairs: Sequence[tuple[Any, Any]], title: str = "") -> str | None:
    """Horizontal bars of dollars, the amount beside each; what comes after the twelfth is summed up."""
    pairs = [(name, float(usd)) for name, usd in pairs if usd is not None]
    if not pairs:
        return None
    if len(pairs) > _MOST_BARS:
        rest = pairs[_MOST_BARS - 1 :]
        pairs = [*pairs[: _MOST_BARS - 1], (f"{len(rest)} others", sum(usd for _, usd in rest))]
    with _figure(_height(len(pairs), legend=False)) as (_, (axes,), drawing):
        axes.barh(range(len(pairs)), [usd for _, usd in pairs], 0.62, color=_series(0))
        for n, (_, usd) in enumerate(pairs):
            _beside(axes, max(usd, 0), n, money(usd))
        axes.set_xlim(0, (max(usd for _, usd in pairs) or 1) * 1.25)
        if title:
            axes.set_title(_name(title, 50), color=_drawn("muted"))
        _money_axis(axes.xaxis)
        axes.grid(axis="x")
        _rows(axes, [name for name, _ in pairs])
        return drawing()


def _shares(
    names: Sequence[str],
    parts: dict[str, dict[str, float]],
    *,
    beside: Sequence[str],
    unit: str,
    colours: Sequence[int] = (0, 4, 2, 1, 5, 7, 3),
) -> str:
    """Horizontal bars of stacked shares of one, a text beside each."""
    with _figure(_height(len(names))) as (figure, (axes,), drawing):
        floor = [0.0] * len(names)
        for n, (part, by_name) in enumerate(parts.items()):
            lengths = [by_name.get(name, 0.0) for name in names]
            axes.barh(
                range(len(names)),
                lengths,
                0.62,
                left=floor,
                color=_series(colours[n % len(colours)]),
                edgecolor=_drawn("card"),
                linewidth=0.4,
                label=_name(part),
            )
            floor = [a + b for a, b in zip(floor, lengths, strict=True)]
        for n, text in enumerate(beside):
            _beside(axes, floor[n], n, text)
        longest = max(*floor, 0.02)
        axes.set_xlim(0, longest * 1.28)
        every = next(s for s in (0.005, 0.01, 0.02, 0.05, 0.1, 0.25) if longest / s <= 4.01)
        ticks = [n * every for n in range(5) if n * every <= longest * 1.001]
        axes.set_xticks(ticks, [f"{tick * 100:g}%" for tick in ticks])
        axes.set_xlabel(unit, loc="left")
        axes.grid(axis="x")
        _rows(axes, names)
        _legend(figure, axes)
        return drawing()


Interval = tuple[float | None, float | None, float | None] | None


def _intervals(rows: Sequence[tuple[str, Sequence[Interval]]], names: Sequence[str]) -> str | None:
    """By row an interval a name, on a logarithmic axis of time; None as upper end is no bound: an arrow."""
    rows = [row for row in rows if any(row[1])][:_MOST_BARS]
    if not rows:
        return None
    ends = [v for _, spans in rows for span in spans if span for v in span if v is not None]
    right = next((t for t in _TIMES if t > max(ends, default=1)), max([_TIMES[-1], *ends])) * 1.6
    with _figure(_height(len(rows), each=24)) as (figure, (axes,), drawing):
        axes.set_xscale("log")
        axes.set_xlim(0.8, right)
        for y, (_, spans) in enumerate(rows):
            for n, span in enumerate(spans):
                if span:
                    _span(axes, y + (n - 0.5) * 0.34, span, right, _series(n))
        for n, name in enumerate(names):
            axes.plot([], [], color=_series(n), linewidth=4.5, label=name)
        shown = [(t, name) for t, name in zip(_TIMES, _TIME_NAMES, strict=True) if t <= right]
        axes.set_xticks([t for t, _ in shown], [name for _, name in shown])
        axes.minorticks_off()
        axes.grid(axis="x")
        _rows(axes, [name for name, _ in rows])
        _legend(figure, axes)
        return drawing()


def _span(axes: Axes, y: float, span: tuple[Any, Any, Any], right: float, colour: str) -> None:
    low, middle, high = span
    left = max(low or 0.0, 0.8)
    end = right * 0.93 if high is None else max(high, left * 1.04, 1.0)
    axes.plot([left, end], [y, y], color=colour, linewidth=5, solid_capstyle="butt")
    if high is None:
        axes.plot([end], [y], marker=">", markersize=6, color=colour, clip_on=False)
    if middle is not None:
        axes.plot(
            [max(middle, 0.8)],
            [y],
            marker="o",
            markersize=5.5,
            color=_drawn("card"),
            markeredgecolor=colour,
            markeredgewidth=1.8,
        )


def _week(axes: Axes, device: str, records: Sequence[Record]) -> None:
    """One device's week: a cell an hour, Monday on top."""
    cells: dict[str, list[tuple[int, int]]] = defaultdict(list)
    dots: list[tuple[int, int]] = []
    for r in records:
        place = (r["hour_utc"], r["weekday"] - 1)
        if r["has_bound"] is not None:
            seconds = r["median_at_most_seconds"]
            cells[f"level-{level(seconds)}"].append(place)
        else:
            if r["open_share"] is not None and r["open_share"] < 0.5:
                cells["grid"].append(place)
            if r["n_tasks"]:
                dots.append(place)
    for role, places in sorted(cells.items()):
        boxes = [(x + 0.05, x + 0.95, y + 0.05, y + 0.95) for x, y in places]
        axes.add_patch(_boxes(boxes, _drawn(role)))
    axes.plot(
        [x + 0.5 for x, _ in dots], [y + 0.5 for _, y in dots], ".", markersize=3, color=_drawn("muted")
    )
    axes.set_xlim(0, 24)
    axes.set_ylim(7, 0)
    axes.set_xticks(range(0, 25, 6), [f"{hour:02}" for hour in range(0, 25, 6)])
    axes.set_yticks([0.5, 2.5, 4.5, 6.5], [_WEEKDAYS[day] for day in (0, 2, 4, 6)])
    axes.set_title(_name(device), color=_drawn("ink"))
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(True)


def level(seconds: float | None) -> int:
    """The heatmap's level of a wait, 0 to 5; no bound is the highest."""
    if seconds is None:
        return len(_LEVEL_ENDS)
    return next((n for n, end in enumerate(_LEVEL_ENDS) if seconds <= end), len(_LEVEL_ENDS))


def _boxes(boxes: Iterable[tuple[float, float, float, float]], colour: str, label: str = "") -> PathPatch:
    """Boxes, each from x to x and from y to y, as one path: many elements would be large and slow to show."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners = [[(a, c), (b, c), (b, d), (a, d), (a, c)] for a, b, c, d in boxes]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(corners)
    path = Path([corner for box in corners for corner in box], codes)
    return PathPatch(path, facecolor=colour, edgecolor=_drawn("card"), linewidth=0.4, label=label)


def _rows(axes: Axes, names: Sequence[Any]) -> None:
    axes.set_yticks(range(len(names)), [_name(name) for name in names])
    axes.set_ylim(len(names) - 0.45, -0.55)


def _beside(axes: Axes, x: float, y: float, text: str) -> None:
    axes.annotate(
        text,
        (x, y),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        color=_drawn("muted"),
        fontsize=_FONT - 0.5,
    )


def _money_axis(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(4))
    axis.set_major_formatter(
        FuncFormatter(lambda usd, _: f"${usd:,.0f}" if usd >= 10 or not usd else f"${usd:g}")
    )


def _date_axis(axes: Axes, days: Sequence[date]) -> None:
    """At most six days named, evenly, with the year where there is more than one."""
    first, last = days[0].toordinal(), days[-1].toordinal()
    named = range(first, last + 1, max(1, math.ceil((last - first) / 5)))
    style = "%b %Y" if days[0].year != days[-1].year else "%b %d"
    axes.set_xticks(list(named), [f"{date.fromordinal(day):{style}}" for day in named])


def _legend(
    figure: Figure, axes: Axes, handles: Sequence[Any] | None = None, columns: int | None = None
) -> None:
    """Above the axes, so that it covers nothing; as many names beside each other as fit."""
    handles = list(handles or axes.get_legend_handles_labels()[0])
    widest = max(len(handle.get_label()) for handle in handles)
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=columns or max(1, int(_WIDTH / (widest * 5.5 + 20))),
        handlelength=0.9,
        handleheight=0.9,
        handletextpad=0.4,
        columnspacing=0.9,
        borderpad=0.1,
    )


def _height(rows: int, *, legend: bool = True, each: float = 20) -> float:
    return 34 + each * max(rows, 1) + (20 if legend else 0)


def _name(text: Any, longest: int = _LONGEST_NAME) -> str:
    """A name from outside, short and visible; matplotlib leaves out labels that begin with an underscore."""
    name = shortened(printable(str(coalesce(text, UNKNOWN))), longest) or "(empty)"
    return "\u200b" + name if name.startswith("_") else name


def _series(n: int) -> str:
    return _drawn(f"series-{n}")


def _drawn(role: str) -> str:
    return ROLES[role].drawn
