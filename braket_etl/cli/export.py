"""`export`: tables, models and costs as files that other programs read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from braket_etl.cli.output import as_json as to_json
from braket_etl.cli.output import err, is_quiet, say
from braket_etl.cli.verb import Json, verb

if TYPE_CHECKING:
    from braket_etl.warehouse.export import Exported, Format

export = typer.Typer(
    help="Write tables, models and costs to files that other programs read.", no_args_is_help=True
)

Folder = Annotated[
    Path, typer.Option("--output", "-o", help="Folder to write; new, empty, or an earlier export.")
]
Tables = Annotated[
    Optional[list[str]],
    typer.Option("--tables", "-t", help="Only these tables and models: comma list, or repeated."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace an earlier export.")]


@export.command()
@verb
def parquet(output: Folder, tables: Tables = None, force: Force = False, as_json: Json = False) -> int:
    """Write tables and models as Parquet; what grows with use is partitioned by month of creation."""
    return _export(output, "parquet", tables or [], force=force, as_json=as_json)


@export.command()
@verb
def csv(output: Folder, tables: Tables = None, force: Force = False, as_json: Json = False) -> int:
    """Write tables and models as CSV; nested values are JSON, texts that look like formulas get an apostrophe."""
    return _export(output, "csv", tables or [], force=force, as_json=as_json)


@export.command()
@verb
def focus(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .parquet or .csv.")],
) -> int:
    """Write estimated costs in FOCUS 1.2."""
    from braket_etl.costs.focus import export_focus
    from braket_etl.runtime import Runtime

    with Runtime().warehouse.reading() as connection:
        rows = export_focus(connection, output)
    say(f"wrote {rows} rows to {output}")
    return 0


def _export(folder: Path, style: Format, tables: list[str], *, force: bool, as_json: bool) -> int:
    from braket_etl.runtime import Runtime
    from braket_etl.warehouse.export import chosen
    from braket_etl.warehouse.export import export as exported

    wanted = [name.strip() for text in tables for name in text.split(",") if name.strip()]
    with Runtime().warehouse.reading() as connection:
        names = chosen(connection, wanted)
        with _progress(f"export to {folder}", len(names)) as step:
            done = exported(connection, folder, style, names, replace=force, written=step)
    if as_json:
        print(to_json({"folder": str(folder), "rows": {each.name: each.rows for each in done}}))
    else:
        say(f"wrote {sum(each.rows for each in done):,} rows of {len(done)} tables and models to {folder}")
    return 0


@contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[Exported], None]]:
    """What to call after each table."""
    if is_quiet() or not err.is_terminal:
        yield lambda done: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, advance=1, description=f"{title}: {done.name}")
