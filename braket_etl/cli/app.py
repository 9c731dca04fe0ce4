"""The verbs and their options. What a verb does lies in the module that it calls."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from braket_etl import __version__
from braket_etl.cli import costs
from braket_etl.cli.verb import verb

app = typer.Typer(
    name="braket-etl",
    help="What your Amazon Braket tasks and jobs cost, and how long they waited, in a DuckDB warehouse.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

rejects = typer.Typer(no_args_is_help=True, help="Responses that could not become a row.")
app.add_typer(rejects, name="rejects")

Regions = Annotated[
    Optional[str], typer.Option("--regions", help="Comma list of Regions, globs such as us-*, or all.")
]
Accounts = Annotated[
    Optional[list[str]], typer.Option("--account", help="Only this configured account; may be repeated.")
]
Share = Annotated[
    Optional[float],
    typer.Option("--quota-share", help="Share of the documented request rates to use, 0 to 1."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="UTC day, as 2026-11-20.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def common(
    home: Annotated[
        Optional[Path], typer.Option("--home", help="Where everything is kept; instead of BRAKET_ETL_HOME.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that every verb understands."""
    _set("HOME", home.absolute() if home else None)
    _set("QUIET", "1" if quiet else None)


@app.command()
@verb
def demo(
    tasks: Annotated[int, typer.Option(min=1, help="Tasks in the synthetic account.")] = 2_000,
    jobs: Annotated[int, typer.Option(min=0, help="Hybrid jobs in it.")] = 60,
    days: Annotated[int, typer.Option(min=1, max=90, help="Days of history in it.")] = 30,
    seed: Annotated[int, typer.Option(help="Another seed, another account.")] = 7,
) -> int:
    """Run the whole pipeline on a synthetic account, over HTTP, and show what it answers."""
    from braket_etl.cli.demo import run_demo

    return run_demo(tasks, jobs, days, seed)


@app.command()
@verb
def sync(
    regions: Regions = None,
    account: Accounts = None,
    start_date: Annotated[
        Optional[datetime],
        typer.Option("--start-date", formats=["%Y-%m-%d"], help="First UTC day to ask for."),
    ] = None,
    quota_share: Share = None,
    as_json: Json = False,
) -> int:
    """Pull what is new and what is open, compute the models, publish."""
    from braket_etl.cli.pull import run_sync

    _set("REGIONS", regions)
    _set("START_DATE", start_date and start_date.date())
    _set("QUOTA_SHARE", quota_share)
    return run_sync(account or [], as_json=as_json)


@app.command()
@verb
def backfill(
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First UTC day.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last UTC day, in as well.")],
    regions: Regions = None,
    account: Accounts = None,
    quota_share: Share = None,
    as_json: Json = False,
) -> int:
    """Search the days from --from to --to again, whatever is known of them, and fetch what is missing."""
    from braket_etl.cli.pull import run_backfill

    _set("REGIONS", regions)
    _set("QUOTA_SHARE", quota_share)
    return run_backfill(first.date(), last.date(), account or [], as_json=as_json)


@app.command()
@verb
def recover(
    path: Annotated[str, typer.Argument(help="s3://bucket/prefix, or a folder with results.json files.")],
    account: Annotated[
        Optional[str], typer.Option("--account", help="The configured account that reads the bucket.")
    ] = None,
    copy_of: Annotated[
        Optional[str],
        typer.Option("--copy-of", help="The s3://bucket/prefix that a local folder is a copy of."),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew instead of where a killed run ended.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Bring back tasks that Braket has forgotten, from the results in a bucket or folder."""
    from braket_etl.cli.recover import run_recover

    return run_recover(path, account, copy_of, restart=restart, as_json=as_json)


@app.command()
@verb
def sql(
    query: Annotated[
        Optional[str], typer.Argument(help="One SQL statement; - reads it from standard input.")
    ] = None,
    file: Annotated[
        Optional[Path], typer.Option("--file", "-f", help="Read the statement from a file.")
    ] = None,
    format_: Annotated[
        Optional[Literal["table", "csv", "json", "markdown", "parquet"]],
        typer.Option("--format", help="How to print; a table on a terminal, CSV in a pipe."),
    ] = None,
    output: Annotated[Optional[Path], typer.Option("--output", "-o", help="Write to a file.")] = None,
) -> int:
    """Ask the published warehouse a question; it is opened read-only."""
    from braket_etl.cli.query import run_sql

    return run_sql(query, file, format_, output)


@rejects.command(name="list")
@verb
def rejects_list(as_json: Json = False) -> int:
    """Show the rejects, without their payloads."""
    from braket_etl.cli.rejects import run_list

    return run_list(as_json=as_json)


@rejects.command(name="show")
@verb
def rejects_show(
    arn: Annotated[str, typer.Argument(help="ARN of the record.")], as_json: Json = False
) -> int:
    """Print a rejected response as it came, control characters as escapes."""
    from braket_etl.cli.rejects import run_show

    return run_show(arn, as_json=as_json)


@rejects.command(name="retry")
@verb
def rejects_retry(
    arns: Annotated[Optional[list[str]], typer.Argument(help="Only these ARNs.")] = None,
    quota_share: Share = None,
    as_json: Json = False,
) -> int:
    """Ask Braket for the rejected records again."""
    from braket_etl.cli.rejects import run_retry

    _set("QUOTA_SHARE", quota_share)
    return run_retry(arns or [], as_json=as_json)


@rejects.command(name="purge")
@verb
def rejects_purge(
    arn: Annotated[Optional[list[str]], typer.Option("--arn", help="Only this ARN; may be repeated.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Forget rejects, payloads included."""
    from braket_etl.cli.rejects import run_purge

    return run_purge(arn or [], yes=yes)


app.add_typer(costs.prices, name="prices")
app.command()(costs.estimate)
app.add_typer(costs.billing, name="billing")
app.add_typer(costs.export, name="export")


@app.command()
@verb
def ui(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000,
) -> int:
    """Open the Dagster UI, with its daemon, on this machine only."""
    from braket_etl.cli.serve import run_ui

    return run_ui(port)


@app.command()
@verb
def emulator(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    tasks: Annotated[int, typer.Option(help="Tasks in the synthetic account.")] = 2_000,
    jobs: Annotated[int, typer.Option(help="Hybrid jobs in it.")] = 60,
    days: Annotated[int, typer.Option(help="Days of history in it.")] = 30,
    seed: Annotated[int, typer.Option(help="Another seed, another account.")] = 7,
    now: Annotated[Optional[str], typer.Option(help="Instant at which its clock begins, ISO-8601.")] = None,
    frozen: Annotated[bool, typer.Option("--frozen", help="Stop its clock.")] = False,
    rate: Annotated[float, typer.Option(help="Seconds of its clock in a real second.")] = 1.0,
    quotas: Annotated[bool, typer.Option(help="Enforce the documented request rates.")] = True,
) -> int:
    """Serve a synthetic Amazon Braket account on this machine, until Ctrl-C."""
    from braket_etl.cli.serve import run_emulator

    return run_emulator(port, tasks, jobs, days, seed, now, frozen, rate, quotas)


def _set(name: str, value: object) -> None:
    """A flag wins over the environment, here and in the processes that we start."""
    if value is not None:
        os.environ[f"BRAKET_ETL_{name}"] = str(value)
