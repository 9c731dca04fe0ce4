"""The verbs and their options. What a verb does lies in the module that it calls."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from braket_etl import __version__
from braket_etl.cli import costs
from braket_etl.cli.export import export
from braket_etl.cli.verb import Json, Verbs, verb

app = typer.Typer(
    name="braket-etl",
    cls=Verbs,
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


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def _query_names(typed: str) -> list[str]:
    from braket_etl.warehouse.queries import queries

    return [f"@{name}" for name in queries() if f"@{name}".startswith(typed)]


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
    tasks: Annotated[int, typer.Option(min=1, help="Tasks in the synthetic account.")] = 3_000,
    jobs: Annotated[int, typer.Option(min=0, help="Hybrid jobs in it.")] = 60,
    days: Annotated[int, typer.Option(min=1, max=90, help="Days of history in it.")] = 60,
    seed: Annotated[int, typer.Option(help="Another seed, another account.")] = 7,
) -> int:
    """Run the whole pipeline on a synthetic account, over HTTP, and show what it answers."""
    from braket_etl.cli.demo import run_demo

    return run_demo(tasks, jobs, days, seed)


@app.command()
@verb
def init(
    folder: Annotated[Path, typer.Option("--folder", help="Where to write them; made if need be.")] = Path(),
    bucket: Annotated[
        Optional[list[str]],
        typer.Option("--bucket", help="Bucket, or glob, of results; may be repeated. [amazon-braket-*]"),
    ] = None,
    list_buckets: Annotated[
        bool, typer.Option("--list-buckets", help="Allow to list those buckets too, as `recover` needs.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
) -> int:
    """Write files to begin with: commented settings, the least IAM policy, a role for other accounts."""
    from braket_etl.cli.init import run_init

    return run_init(folder, bucket or [], may_list=list_buckets, force=force)


@app.command()
@verb
def doctor(regions: Regions = None, account: Accounts = None, as_json: Json = False) -> int:
    """Look whether everything works: credentials, permissions, clock, warehouse, disk, prices, Dagster, settings."""
    from braket_etl.cli.doctor import run_doctor

    _set("REGIONS", regions)
    return run_doctor(account or [], _given, as_json=as_json)


@app.command()
@verb
def status(
    as_json: Json = False,
    may_fail: Annotated[
        bool,
        typer.Option(
            "--fail", help="Exit 1, and say why, where something is missing, out of date or failed."
        ),
    ] = False,
) -> int:
    """Show on one screen what is stored and how fresh, what is open, spent, waiting and wrong, and the schedules."""
    from braket_etl.cli.status import run_status

    return run_status(as_json=as_json, may_fail=may_fail)


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
    is_part = regions is not None or start_date is not None
    return run_sync(account or [], is_part=is_part, as_json=as_json)


@app.command()
@verb
def backfill(
    first: Annotated[
        Optional[datetime], typer.Option("--from", formats=["%Y-%m-%d"], help="First UTC day.")
    ] = None,
    last: Annotated[
        Optional[datetime], typer.Option("--to", formats=["%Y-%m-%d"], help="Last UTC day, in as well.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Get also what is stored in a final state, whatever its status.")
    ] = False,
    arn: Annotated[
        Optional[list[str]],
        typer.Option("--arn", help="Get this task or job afresh, instead of days (may repeat)."),
    ] = None,
    regions: Regions = None,
    account: Accounts = None,
    quota_share: Share = None,
    here: Annotated[bool, typer.Option("--here", help="In this process, even if a daemon runs.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Leave it to the daemon; do not wait.")] = False,
    as_json: Json = False,
) -> int:
    """Search the days from --from to --to again, whatever is known of them, and fetch what is missing.

    Where a daemon runs, it does so; --quota-share is for a run in this process, and so is --arn.
    """
    from braket_etl.cli.again import run_again
    from braket_etl.cli.pull import run_backfill
    from braket_etl.settings import SettingsError

    _set("REGIONS", regions)
    _set("QUOTA_SHARE", quota_share)
    if arn and not first and not last:
        return run_again(arn, as_json=as_json)
    if arn or not first or not last:
        raise SettingsError("backfill needs days, --from DAY --to DAY, or else records, --arn ARN")
    return run_backfill(
        first.date(),
        last.date(),
        account or [],
        regions,
        again=again,
        here=here or quota_share is not None,
        detach=detach,
        as_json=as_json,
    )


@app.command()
@verb
def recover(
    path: Annotated[
        str,
        typer.Argument(help="s3://bucket/prefix, a folder with results.json files, or one file of any name."),
    ],
    account: Annotated[
        Optional[str], typer.Option("--account", help="The configured account that reads the bucket.")
    ] = None,
    copy_of: Annotated[
        Optional[str],
        typer.Option("--copy-of", help="The s3://bucket/prefix that a local folder is a copy of."),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Start from the beginning, not where a killed run ended.")
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
        Optional[str],
        typer.Argument(
            help="SQL, @name of a ready question, or - for standard input.", autocompletion=_query_names
        ),
    ] = None,
    file: Annotated[Optional[Path], typer.Option("--file", "-f", help="Read the SQL from a file.")] = None,
    param: Annotated[
        Optional[list[str]],
        typer.Option("--param", "-p", help="name=value of a parameter; may be repeated."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the ready questions.")] = False,
    format_: Annotated[
        Optional[Literal["table", "csv", "json", "markdown", "parquet", "xlsx"]],
        typer.Option("--format", help="How to print; a table on a terminal, CSV in a pipe."),
    ] = None,
    output: Annotated[
        Optional[Path],
        typer.Option("--output", "-o", help="Write to a file, in the format that its name ends with."),
    ] = None,
    all_columns: Annotated[
        bool,
        typer.Option("--all-columns", help="On a terminal, also the columns that there is no room for."),
    ] = False,
) -> int:
    """Ask the published warehouse a question; it is opened read-only."""
    from braket_etl.cli.query import run_list, run_sql

    if list_ or query == "@":
        return run_list(format_)
    return run_sql(query, file, param or [], format_, output, all_columns=all_columns)


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


@app.command()
@verb
def report(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The HTML file to write; one that is there is replaced.")
    ],
    first: Annotated[
        Optional[datetime],
        typer.Option(
            "--from", formats=["%Y-%m-%d"], help="First UTC day; 90 days before the last one unless named."
        ),
    ] = None,
    last: Annotated[
        Optional[datetime],
        typer.Option(
            "--to",
            formats=["%Y-%m-%d"],
            help="Last UTC day, in as well; the day of the newest data unless named.",
        ),
    ] = None,
    account: Annotated[
        Optional[list[str]],
        typer.Option("--account", help="Only this account, by id or name; may be repeated."),
    ] = None,
    region: Annotated[
        Optional[list[str]], typer.Option("--region", help="Only this Region; may be repeated.")
    ] = None,
    device: Annotated[
        Optional[list[str]],
        typer.Option("--device", help="Only this device, such as Garnet; may be repeated."),
    ] = None,
    person: Annotated[
        Optional[str],
        typer.Option("--person", help="Only what this person created, as created_by names them."),
    ] = None,
    tag: Annotated[
        Optional[list[str]],
        typer.Option("--tag", help="Only what bears this tag, as team=chemistry; of several, all of them."),
    ] = None,
) -> int:
    """Write one HTML file of costs, waits and failures, with the SQL behind every number."""
    from braket_etl.cli.report import run_report

    return run_report(
        output,
        first and first.date(),
        last and last.date(),
        accounts=account or [],
        regions=region or [],
        devices=device or [],
        tags=tag or [],
        person=person,
    )


@app.command()
@verb
def statement(
    by: Annotated[str, typer.Option("--by", help="project, person, account, or the key of any tag.")],
    month: Annotated[Optional[str], typer.Option("--month", help="UTC month, as 2026-10.")] = None,
    first: Annotated[
        Optional[datetime], typer.Option("--from", formats=["%Y-%m-%d"], help="First UTC day.")
    ] = None,
    last: Annotated[
        Optional[datetime], typer.Option("--to", formats=["%Y-%m-%d"], help="Last UTC day, in as well.")
    ] = None,
    format_: Annotated[
        Optional[Literal["html", "csv", "parquet"]],
        typer.Option(
            "--format",
            help="A page that prints, or the lines; by default what the file's name ends with, else csv.",
        ),
    ] = None,
    output: Annotated[
        Optional[Path], typer.Option("--output", "-o", help="Write to a file; one that is there is replaced.")
    ] = None,
    close: Annotated[
        bool,
        typer.Option(
            "--close", help="Keep it as it is by now: what changes later is a correction in the next one."
        ),
    ] = False,
) -> int:
    """Say what each owner spent in a month or some days, on what, and by which rule it is theirs."""
    from braket_etl.cli.statement import run_statement

    return run_statement(
        by, month, first and first.date(), last and last.date(), format_, output, is_to_close=close
    )


app.add_typer(costs.prices, name="prices")
app.command()(costs.estimate)
app.add_typer(costs.billing, name="billing")
app.add_typer(export, name="export")


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
def dashboard(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")
    ] = 3001,
) -> int:
    """Serve the report as a live page, and metrics for Prometheus, on this machine only, until Ctrl-C.

    The address that is printed has a token in it; without it, or the cookie that a browser gets for it, nothing is shown.
    """
    from braket_etl.cli.serve import run_dashboard

    return run_dashboard(port)


@app.command()
@verb
def mcp() -> int:
    """Answer an agent: the ready questions and read-only SQL by the Model Context Protocol, on standard input and output."""
    from braket_etl.cli.serve import run_mcp

    return run_mcp()


@app.command()
@verb
def restore(
    source: Annotated[
        Optional[Path],
        typer.Option("--from", help="A backup of a published copy; the published copy unless named."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also where the warehouse's own file is not damaged.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> int:
    """Make the warehouse's own file from the last published copy, where it is damaged; the damaged one is kept.

    Run it while no other run is active, and `braket-etl sync` after it, which asks Braket for what the copy lacks.
    """
    from braket_etl.cli.restore import run_restore

    return run_restore(source, force=force, yes=yes, as_json=as_json)


@app.command()
@verb
def maintain(
    repair: Annotated[
        bool, typer.Option("--repair", help="Make one row of all rows that share a key, and publish.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Look over all keys, compact the warehouse where it is bloated; forget old Dagster runs and their files.

    Where a key stands twice nothing is published until `--repair` has made one row of it: of a task or job the newest
    answer, of a job's events and of polls what they saw together.
    """
    from braket_etl.cli.maintain import run_maintain

    return run_maintain(repair=repair, as_json=as_json)


service = typer.Typer(
    no_args_is_help=True, help="Keep the Dagster webserver and daemon alive through systemd or launchd."
)
app.add_typer(service, name="service")


@service.command(name="install")
@verb
def service_install(
    port: Annotated[int, typer.Option(help="Port of the webserver on 127.0.0.1.")] = 3000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the files; change nothing.")] = False,
) -> int:
    """Write the units of this user, and start them where the service manager answers."""
    from braket_etl.cli.service import run_install

    return run_install(port, dry_run=dry_run)


@service.command(name="uninstall")
@verb
def service_uninstall() -> int:
    """Stop the services and remove their units."""
    from braket_etl.cli.service import run_uninstall

    return run_uninstall()


@service.command(name="status")
@verb
def service_status(as_json: Json = False) -> int:
    """Say whether the units are installed and a daemon is alive."""
    from braket_etl.cli.service import run_status

    return run_status(as_json=as_json)


@service.command(name="run", hidden=True)
@verb
def service_run(
    part: Annotated[Literal["webserver", "daemon"], typer.Argument()],
    port: Annotated[int, typer.Option()] = 3000,
) -> int:
    """Become the webserver or the daemon; what the units start."""
    from braket_etl.cli.service import run_part

    return run_part(part, port)


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
    quick: Annotated[bool, typer.Option("--quick", help="What clients create is over at once.")] = False,
    s3_endpoint: Annotated[
        Optional[str], typer.Option(help="URL of an S3 that gets the results of what clients create, too.")
    ] = None,
) -> int:
    """Serve a synthetic Amazon Braket account on this machine, until Ctrl-C.

    When it is ready, it prints its address in the first line, then what to paste into the shell of a client: the
    endpoints, a Region and dummy credentials.
    """
    from braket_etl.cli.serve import run_emulator

    return run_emulator(
        now,
        port=port,
        tasks=tasks,
        jobs=jobs,
        days=days,
        seed=seed,
        frozen=frozen,
        rate=rate,
        quotas=quotas,
        quick=quick,
        s3_endpoint=s3_endpoint,
    )


_given: set[str] = set()
"""Settings that were given as flags."""


def _set(name: str, value: object) -> None:
    """A flag wins over the environment, here and in the processes that we start."""
    if value is not None:
        _given.add(name.lower())
        os.environ[f"BRAKET_ETL_{name}"] = str(value)
