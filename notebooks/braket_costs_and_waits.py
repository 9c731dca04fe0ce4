"""What Amazon Braket cost and how long it waited, drawn from the published warehouse, which is opened read-only.

    marimo run notebooks/braket_costs_and_waits.py       # to look at
    marimo edit notebooks/braket_costs_and_waits.py      # to read and change
    python notebooks/braket_costs_and_waits.py           # to run through
    marimo export html notebooks/braket_costs_and_waits.py -o costs_and_waits.html

BRAKET_ETL_HOME says which warehouse, as it does for the command line. The notebook fetches nothing from anywhere, and the
first three open without a network; `marimo edit` asks marimo.io once a day for a newer marimo, unless it is told
`--skip-update-check`. The exported page loads marimo's scripts from cdn.jsdelivr.net when it is opened.
"""

# marimo itself writes the signatures of the cells
# ruff: noqa: ANN001, ANN202, N803
import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Amazon Braket: costs and waits")


@app.cell
def _():
    from io import StringIO

    import duckdb
    import marimo as mo
    import matplotlib
    from matplotlib.figure import Figure

    from braket_etl.settings import load_settings

    return Figure, StringIO, duckdb, load_settings, matplotlib, mo


@app.cell
def _(duckdb, load_settings, mo):
    published = load_settings().published_warehouse
    mo.stop(
        not published.exists(),
        mo.md(f"There is no warehouse at `{published}` yet: run `braket-etl sync`, or `braket-etl demo`."),
    )
    warehouse = duckdb.connect(str(published), read_only=True)
    warehouse.execute("SET TimeZone = 'UTC'")

    def rows(sql):
        """The rows of a question as dictionaries."""
        answer = warehouse.execute(sql)
        names = [column for column, *_ in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    return published, rows


@app.cell
def _(mo, published, rows):
    [known] = rows("""
        SELECT count(*) AS tasks, min(created_at) AS first, max(fetched_at) AS newest,
               count(DISTINCT account_id) AS accounts
        FROM quantum_tasks
    """)
    mo.stop(not known["tasks"], mo.md(f"`{published}` holds no tasks yet."))
    mo.md(f"""
    # Amazon Braket: costs and waits

    {known["tasks"]:,} tasks of {known["accounts"]} account(s), created from {known["first"]:%Y-%m-%d} on,
    as Braket showed them at {known["newest"]:%Y-%m-%d %H:%M} UTC. The source is `{published}`.
    """)
    return


@app.cell
def _(Figure, StringIO, matplotlib, mo):
    #: Told apart by colour-blind eyes too (Okabe and Ito); the last is for all other devices.
    colours = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999")
    others = "other devices"

    def chart(title, unit):
        """An empty chart with one axis; its figure and the axis."""
        figure = Figure(figsize=(8.5, 3.6), layout="constrained")
        axis = figure.subplots()
        axis.set_title(title, loc="left")
        axis.set_ylabel(unit)
        axis.spines[["top", "right"]].set_visible(False)
        return figure, axis

    def drawn(figure):
        """The figure as part of the page: SVG whose text stays text."""
        image = StringIO()
        with matplotlib.rc_context({"svg.fonttype": "none"}):
            figure.savefig(image, format="svg", transparent=False)
        return mo.Html(image.getvalue()[image.getvalue().index("<svg") :])

    def most(found, value):
        """The devices with most of a value, the largest first; as many as there are colours, less one."""
        totals = {}
        for row in found:
            totals[row["device"]] = totals.get(row["device"], 0) + (row[value] or 0)
        return sorted(totals, key=totals.get, reverse=True)[: len(colours) - 1]

    return chart, colours, drawn, most, others


@app.cell
def _(mo):
    mo.md("""
    ## What did it cost?

    Dollars at list price, by the UTC day on which tasks and jobs ended. It is an estimate: credits, free tier and
    discounts are not in it. What could not be priced is counted below the chart, not drawn as nothing.
    """)
    return


@app.cell
def _(chart, colours, drawn, mo, most, others, rows):
    costs = rows("""
        SELECT charge_date AS day, coalesce(device_name, '(no device)') AS device,
               sum(cost_usd)::DOUBLE AS usd, sum(n_unknown)::BIGINT AS n_unknown
        FROM daily_costs
        GROUP BY ALL
        ORDER BY ALL
    """)
    _days = sorted({row["day"] for row in costs})
    _named = most(costs, "usd")
    _figure, _axis = chart("Cost by day and device", "US dollars")
    _bottom = [0.0] * len(_days)
    for _device, _colour in zip([*_named, others], colours, strict=False):
        _of_day = dict.fromkeys(_days, 0.0)
        for _row in costs:
            if _row["device"] == _device or (_device == others and _row["device"] not in _named):
                _of_day[_row["day"]] += _row["usd"] or 0
        _heights = [_of_day[day] for day in _days]
        if any(_heights):
            _axis.bar(_days, _heights, bottom=_bottom, color=_colour, label=_device, width=0.9)
            _bottom = [low + height for low, height in zip(_bottom, _heights, strict=True)]
    if any(_bottom):
        _figure.legend(loc="outside right upper", frameon=False)
    _figure.autofmt_xdate()
    _unknown = sum(row["n_unknown"] for row in costs)
    _most_expensive = f", most of it on {_named[0]}" if sum(_bottom) else ""
    mo.vstack(
        [
            drawn(_figure),
            mo.md(
                f"**${sum(_bottom):,.2f}** in all{_most_expensive}. Tasks and jobs without a known cost: **{_unknown}**."
            ),
        ]
    )
    return


@app.cell
def _(mo):
    mo.md("""
    ## How long did it wait?

    Braket does not tell when a task started, so a wait is an interval: it was longer than the last sight of the task
    waiting, and shorter than the first sight of it started. A line spans where the median wait of the tasks
    created on a day certainly lies; tasks that still wait, or were cancelled waiting, count as longer than seen. On
    orange days so many do that the median has no upper bound.
    """)
    return


@app.cell
def _(Figure, colours, drawn, mo, rows):
    waits = rows("""
        SELECT timezone('UTC', created_at)::DATE AS day, device_name AS device, count(*) AS tasks,
               quantile_disc(wait_seconds_lower, 0.5) / 60 AS low,
               quantile_disc(wait_seconds_at_most, 0.5) / 60 AS high
        FROM waits
        WHERE record_kind = 'task' AND is_counted
        GROUP BY ALL
        ORDER BY ALL
    """)
    # one strip a device: bounds of several devices on one axis would hide each other
    _devices = sorted({row["device"] for row in waits})
    _figure = Figure(figsize=(8.5, 0.6 + 1.1 * len(_devices)), layout="constrained")
    _strips = (
        _figure.subplots(len(_devices), 1, sharex=True, sharey=True, squeeze=False)[:, 0] if _devices else []
    )
    _top = max([row["high"] for row in waits if row["high"] != float("inf")], default=1.0) * 2
    for _device, _axis in zip(_devices, _strips, strict=True):
        _of = [row for row in waits if row["device"] == _device]
        for _row in _of:
            _is_bounded = _row["high"] != float("inf")
            _axis.vlines(
                _row["day"],
                max(_row["low"], 0.01),
                max(_row["high"] if _is_bounded else _top, 0.01),
                color=colours[0] if _is_bounded else colours[1],
                linewidth=6,
            )
        _axis.set_yscale("log")
        _axis.set_ylabel("minutes", fontsize="small")
        _axis.set_title(
            f"{_device}, {sum(row['tasks'] for row in _of):,} tasks", loc="left", fontsize="medium"
        )
        _axis.spines[["top", "right"]].set_visible(False)
    _figure.autofmt_xdate()
    mo.vstack([drawn(_figure), mo.md("Minutes on a logarithmic axis; below 0.01 is drawn as 0.01.")])
    return


@app.cell
def _(mo, rows):
    mo.vstack(
        [
            mo.md("""
            Over all days, the estimate with its 90 % confidence interval (see `docs/queue-latency.md`; empty where the
            data do not reach):
            """),
            mo.ui.table(
                rows("""
                    SELECT string_split(device_arn, '/')[-1] AS device, quantile, status,
                           round(wait_seconds / 60, 1) AS wait_minutes,
                           round(ci_lower_seconds / 60, 1) AS at_least, round(ci_upper_seconds / 60, 1) AS at_most,
                           n AS tasks, n_censored AS not_seen_to_start
                    FROM queue_wait_quantiles
                    WHERE scope = 'device' AND quantile IN (0.5, 0.95)
                    ORDER BY device, quantile
                """),
                selection=None,
            ),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
