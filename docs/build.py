"""Writes what is generated: the cookbook, the commands, the table of settings, the data dictionary, dbt's sources, Grafana's
dashboard, and sql/parsed.json.

    python docs/build.py            # write what is not current
    python docs/build.py --check    # write nothing; 1 where something is not current

The questions come from sql/questions, the commands from the command line itself, the settings from `Settings`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from data_dictionary import GENERATED, HINT, data_dictionary
from dbt_sources import dbt_sources
from pydantic.fields import FieldInfo
from typer.main import get_command

from braket_etl.cli.app import app
from braket_etl.settings import PREFIX, Settings
from braket_etl.warehouse.checks import checks
from braket_etl.warehouse.lineage import column_lineage
from braket_etl.warehouse.models import models
from braket_etl.warehouse.parsed import FILE, Statements
from braket_etl.warehouse.queries import LIMITS, Parameter, Query, chapters, queries
from grafana import grafana_dashboard

DOCS = Path(__file__).resolve().parent

#: Defaults that are no constant.
DEFAULTS = {
    "home": "`.braket_etl` in the checkout; the user data folder for a wheel",
    "accounts": "the ambient credentials",
    "start_date": "90 days back",
    "warehouse": "`warehouse.duckdb` in the home",
    "warehouse_data": "`lake` in the home",
}


def main() -> int:
    """Write the pages that are not current, or with --check name them; 1 where --check found one."""
    parser = argparse.ArgumentParser(description="Write what in docs/ is generated.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 where a page is not current"
    )
    only_look = parser.parse_args().check
    stale = stale_pages(DOCS)
    for page, text in stale.items():
        if not only_look:
            page.write_text(text, "utf-8")
        print(f"{page.name} is not current: run `{HINT}`" if only_look else f"wrote {page.name}")
    return 1 if stale and only_look else 0


def stale_pages(docs: Path) -> dict[Path, str]:
    """The generated pages in a folder that are not what they should be, with what they should be."""
    wanted = {
        docs / "cookbook.md": cookbook(),
        docs / "commands.md": commands(),
        docs / "data-dictionary.md": data_dictionary(),
        docs / "dbt-sources.yml": dbt_sources(),
        docs / "operations.md": with_settings((docs / "operations.md").read_text("utf-8")),
        DOCS.parent / "grafana" / "braket.json": grafana_dashboard(),
        FILE: parsed_statements(),
    }
    return {
        page: text for page, text in wanted.items() if not page.exists() or page.read_text("utf-8") != text
    }


def parsed_statements() -> str:
    """What all statements of sql/ read, parsed anew."""
    statements = Statements({})
    column_lineage(statements)
    checked = {sql for check in checks() for sql in check.queries}
    for sql in {*(model.sql for model in models()), *checked, *(query.sql for query in queries().values())}:
        statements.tables_read(sql)
    return str(statements)


def cookbook() -> str:
    """The page of all ready questions, by chapter."""
    known, placed = queries(), chapters()
    head = [
        "# SQL cookbook",
        GENERATED,
        f"{len(known)} questions, ready to ask. `braket-etl sql @NAME` answers one from the published warehouse, "
        "`braket-etl sql --list` names them all. Each is a file in [sql/questions](../sql/questions) that runs as it "
        "stands in any DuckDB client from 1.4 on; parameters are DuckDB variables (`SET VARIABLE key = 'project'`), which "
        "have a default or limit nothing until they are set. Times are UTC, money is US dollars at list price "
        "([what that means](cost.md)); "
        "waits are intervals ([why](queue-latency.md)).",
        "\n".join(
            f"- **{chapter}**: " + ", ".join(f"[{query.title}](#{query.name})" for query in found)
            for chapter, found in placed.items()
        ),
        _limits(),
    ]
    recipes = [
        block for chapter, found in placed.items() for block in (f"## {chapter}", *map(_recipe, found))
    ]
    return "\n\n".join(head + recipes) + "\n"


def _recipe(query: Query) -> str:
    """One question: what it asks, how to read the answer, how to ask it, its SQL."""
    example = "".join(f" --param {p.name}={p.default}" for p in query.params if p.default)
    own = [p for p in query.params if not p.is_limit]
    limits = ", ".join(f"`{p.name}`" for p in query.params if p not in own)
    parameters = "".join(f"- `{p.name}`{_default_of(p)}: {p.meaning}\n" for p in own)
    parameters += f"- {limits}: what it is [limited to](#limits)\n" if limits else ""
    anchors = "".join(f'<a id="{name}"></a>' for name in (query.name, *query.also))
    former = ", ".join(f"`@{name}`" for name in query.also)
    blocks = [
        f"{anchors}\n### {query.title}",
        query.question,
        f"*How to read it:* {query.read}",
        f"Parameters:\n\n{parameters}".rstrip() if parameters else "",
        f"```console\nbraket-etl sql @{query.name}{example}\n```",
        f"Before it was called {former}, which goes on working." if former else "",
        f"It stands in the report under *{query.page.section}*." if query.page.section else "",
        f"<details><summary>SQL</summary>\n\n```sql\n{query.statement}\n```\n\n</details>",
    ]
    return "\n\n".join(block for block in blocks if block)


def _default_of(param: Parameter) -> str:
    return f" (default `{param.default}`)" if param.default else ""


def _limits() -> str:
    """What most questions can be limited to, told once."""
    rows = "".join(f"- `{name}`: {meaning}\n" for name, meaning in LIMITS.items())
    return (
        '<a id="limits"></a>\n'
        "What many questions can be limited to, with `--param` or as a variable that is set before:\n\n"
        f"{rows}\n"
        "```console\nbraket-etl sql @cost_by_device --param first=2026-10-01 --param tag=team=chemistry\n```"
    )


def commands() -> str:
    """The page of all verbs with their arguments and options, as `--help` tells them."""
    root = get_command(app)
    context = root.make_context("braket-etl", [], resilient_parsing=True)
    sections = [
        "# Commands",
        GENERATED,
        f"{root.help} `braket-etl VERB --help` says the same on the terminal. Exit codes: 0 done, 1 something could "
        "not be had or done, 2 bad usage, configuration or credentials.",
        _options(context),
        *_sections(context),
    ]
    return "\n\n".join(sections) + "\n"


def _sections(context: Any) -> Iterator[str]:
    """One section a verb, groups before what is in them."""
    for name, command in context.command.commands.items():
        if command.hidden:
            continue
        inner = type(context)(command, parent=context, info_name=name)
        usage = " ".join([inner.command_path, *command.collect_usage_pieces(inner)])
        blocks = [f"## {inner.command_path}", command.help or "", f"    {usage}", _options(inner)]
        yield "\n\n".join(block for block in blocks if block)
        if hasattr(command, "commands"):
            yield from _sections(inner)


def _options(context: Any) -> str:
    """Arguments and options as a table; empty where there are none but --help."""
    records = [param.get_help_record(context) for param in context.command.get_params(context)]
    rows = [
        f"| `{_cell(name)}` | {_cell(meaning)} |"
        for name, meaning in filter(None, records)
        if not name.endswith("--help")
    ]
    return "\n".join(["| argument or option | meaning |", "|---|---|", *rows]) if rows else ""


def with_settings(page: str) -> str:
    """The page with the table of settings between its two marks made anew."""
    begin, end = f"<!-- settings: generated by `{HINT}` -->\n", "<!-- settings: end -->"
    if begin not in page or end not in page:
        raise SystemExit(f"operations.md lacks the marks {begin.strip()} and {end}")
    before, rest = page.split(begin)
    return before + begin + settings_table() + end + rest.split(end)[1]


def settings_table() -> str:
    """Every setting with its meaning and default."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_cell(_meaning(field))} | {DEFAULTS.get(name) or _default(field)} |\n"
        for name, field in Settings.model_fields.items()
    ]
    return "| setting | meaning | default |\n|---|---|---|\n" + "".join(rows)


def _meaning(field: FieldInfo) -> str:
    """What the setting is for, and its choices where it has a few."""
    choices = [value for value in get_args(field.annotation) if isinstance(value, str)]
    return (
        f"{field.description} ({' or '.join(f'`{choice}`' for choice in choices)})"
        if choices
        else str(field.description)
    )


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=False)
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))
    return "none" if value is None or value == "" else f"`{value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
