"""Schema `etl`: what the pipeline knows about its own work. One declaration a table."""

from __future__ import annotations

from braket_etl.tables.declaration import Table, day, instant, integer, text

RUNS = Table(
    name="runs",
    schema="etl",
    description="One row a run that wrote to the warehouse, with how it ended and what it did.",
    key=("run_id",),
    columns=(
        text("run_id", "Run id, the same as in Dagster", required=True),
        text("kind", "What was asked for: sync, backfill, observe, …", required=True),
        instant("started_at", "When it started", required=True),
        instant("ended_at", "When it ended; NULL while it runs or if it was killed"),
        text("outcome", "running, success, warning or failure", required=True),
        text("host", "Machine it ran on"),
        integer("pid", "Process id on that machine"),
        text("pid_began", "When that process began, as its machine tells it: a process id is used again"),
        text("version", "Version of braket_etl"),
        text("summary", "JSON object: rows, calls, throttles, problems", wide=True),
    ),
)

WANTED = Table(
    name="wanted",
    schema="etl",
    description=(
        "Which accounts and Regions the settings of the last pulls name, and from which UTC day on: what `etl.coverage` is "
        "held against. A pull of a part of them (`--account`, `--regions`) only adds."
    ),
    key=("account", "region"),
    columns=(
        text("account", "Account as named in the settings", required=True),
        text("region", "Region", required=True),
        day("first_day", "First UTC day that is wanted", required=True),
        day("until", "UTC day on which the settings left it out; NULL while they name it"),
        text("principal", "What the access key tells of its account, as in etl.coverage"),
        text("problem", "Why it could not be searched at last; NULL where it could"),
        day(
            "lost_until",
            "Last of the days that Braket forgot before they were reached, as far as people were told",
        ),
    ),
)

COVERAGE = Table(
    name="coverage",
    schema="etl",
    description=(
        "What the last search of each account, Region and UTC day listed, and what of it is stored or rejected. "
        "`day_coverage` says which days are whole."
    ),
    key=("account", "region", "table_name", "day"),
    columns=(
        text("account", "Account as named in the settings", required=True),
        text("account_id", "Account id, from the ARNs found; NULL while none was"),
        text(
            "principal",
            "What the access key tells of its account: it distinguishes other credentials under the same name; "
            "NULL where it tells nothing",
        ),
        text("region", "Region searched", required=True),
        text("table_name", "quantum_tasks or jobs", required=True),
        day("day", "UTC day of creation", required=True),
        instant("searched_at", "When the search began, by Braket's clock", required=True),
        integer("listed", "Records that the search listed", required=True),
        integer("stored", "Listed records that are in the table", required=True),
        integer(
            "rejected", "Listed records that are in etl.rejected_records and not in the table", required=True
        ),
        text("run_id", "Run that searched", required=True),
    ),
)

REJECTED_RECORDS = Table(
    name="rejected_records",
    schema="etl",
    description="Responses that could not become a row, with their payload. `braket-etl rejects retry` tries again.",
    key=("operation", "arn"),
    columns=(
        text("operation", "Operation as the API spells it", required=True),
        text("arn", "ARN that was asked for", required=True),
        text("account_id", "Account, from the ARN"),
        text("region", "Region, from the ARN"),
        text("error", "What is wrong with the response", required=True),
        text("payload", "The response as it came", wide=True),
        text("run_id", "Run that last saw it", required=True),
        instant("first_seen_at", "First time", required=True),
        instant("last_seen_at", "Last time", required=True),
        integer("attempts", "How often it was rejected", required=True),
    ),
)

UNSETTLED_RECORDS = Table(
    name="unsettled_records",
    schema="etl",
    description=(
        "Tasks and jobs that will be asked for again by their ARN: those that are open, those that had just ended when "
        "they were first got, those whose listing contradicts what GetQuantumTask or GetJob says, and those that are "
        "listed but could not be had. A record that is settled has no row here."
    ),
    key=("table_name", "arn"),
    columns=(
        text("table_name", "quantum_tasks or jobs", required=True),
        text("arn", "ARN of the record", required=True),
        text("account_id", "Account, from the ARN"),
        text("region", "Region, from the ARN"),
        instant(
            "created_at",
            "When it was created, as its row says; as the listing says where there is no row",
            required=True,
        ),
        text(
            "state",
            "`open`; `ended`; or `not_stored`: listed, but there is neither a row nor a reject of it",
            required=True,
        ),
        instant(
            "due_at",
            "From when on an ended record is got once more; NULL where that is not to be, or was done",
        ),
        text(
            "listed", "What the listing said that contradicts the row, as a digest; NULL where nothing does"
        ),
        integer(
            "attempts", "How often it was asked for since without the contradiction going away", required=True
        ),
        instant(
            "retry_at", "From when on it is asked for again because of the contradiction; NULL for not again"
        ),
        text("problem", "Why it could not be had, where it is not stored"),
    ),
)

SCHEMA_DRIFT = Table(
    name="schema_drift",
    schema="etl",
    description=(
        "What Braket said that this version does not know or does not believe: members, enum values and members of another "
        "type than the API documents, (they are stored); dates that no clock bears out; times of creation that moved."
    ),
    key=("table_name", "kind", "path", "value"),
    columns=(
        text("table_name", "Table the record belongs to", required=True),
        text(
            "kind",
            "`member`, `value`, `unreadable` (a known member of another type), `date` (a Date header) or `moved` (a time of "
            "creation)",
            required=True,
        ),
        text("path", "Where in the response", required=True),
        text("value", "The unknown enum value, the other type, or the date; else empty", required=True),
        instant("first_seen_at", "When it was first seen", required=True),
        text("run_id", "Run that saw it first", required=True),
    ),
)

CALLER_LOOKUPS = Table(
    name="caller_lookups",
    schema="etl",
    description=(
        "What CloudTrail was asked of who created tasks and jobs, where BRAKET_ETL_CREATED_BY says so: one row a stretch of "
        "time of an account, Region and name of event. CloudTrail tells the newest events first; where a run stopped, the "
        "next one goes on from `reached`. A stretch that is whole is joined to the one before it."
    ),
    key=("account", "region", "event_name", "since"),
    columns=(
        text("account", "Account as named in the settings", required=True),
        text("region", "Region", required=True),
        text("event_name", "CreateQuantumTask or CreateJob", required=True),
        instant("since", "From when on events are wanted", required=True),
        instant("until", "Until when, by Braket's clock", required=True),
        instant(
            "reached",
            "Events from here to `until` are stored; `since` where that is all of them",
            required=True,
        ),
        text("problem", "Why the last run could not go on; NULL where it could"),
    ),
)

MIGRATIONS = Table(
    name="migrations",
    schema="etl",
    description="Numbered migrations that this warehouse has been through, in order.",
    key=("version",),
    columns=(
        integer("version", "Number of the migration", required=True),
        text("name", "Its name", required=True),
        instant("applied_at", "When it was applied", required=True),
        text("applied_by", "Version of braket_etl that applied it", required=True),
    ),
)

BOOKKEEPING = (
    RUNS,
    WANTED,
    COVERAGE,
    UNSETTLED_RECORDS,
    REJECTED_RECORDS,
    SCHEMA_DRIFT,
    CALLER_LOOKUPS,
    MIGRATIONS,
)
