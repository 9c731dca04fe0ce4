"""Making one row of rows that share a key: no index refuses the second, so a fault of a merge or a hand can leave it.

So can Braket: a record that has ended is looked for under the time of creation that it was stored with, and where Braket
moves that into a day that is not whole yet, it is stored as a new one. `merge_moved` takes these; the runs that store call
it. `merge_doubles` takes whatever stands twice, and is for `maintain --repair`: what no move explains, a person looks at.

Both run inside a transaction that the caller opens, on a file and on a lake alike. Rows go, so whoever calls them notes the
new row counts before the transaction ends: fewer rows than were noted are taken for damage.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from braket_etl.tables import JOB_EVENTS, JOB_OBSERVATIONS, JOBS, QUANTUM_TASKS, TASK_OBSERVATIONS
from braket_etl.tables.declaration import Table
from braket_etl.warehouse.statements import Connection, affected

#: Tables in which a key that stands twice would be counted twice; jobs before their events, which take over their time.
KEYED = (QUANTUM_TASKS, JOBS, JOB_EVENTS, TASK_OBSERVATIONS, JOB_OBSERVATIONS)

#: Jobs whose events stand under several times of creation, or under another than their job's (a second is precision).
_SPLIT = """SELECT e.job_arn FROM job_events AS e LEFT JOIN jobs AS j ON j.job_arn = e.job_arn
GROUP BY e.job_arn
HAVING min(e.job_created_at) <> max(e.job_created_at)
    OR bool_or(abs(date_diff('microsecond', j.created_at, e.job_created_at)) > 1000000)"""


#: What a record has from its creation to its end, besides its time of creation: where this differs, it is another record.
_SAME = {
    QUANTUM_TASKS.name: "device_arn, shots, output_s3_bucket, output_s3_directory",
    JOBS.name: "job_name, role_arn, instance_config_instance_type",
}
#: A record moved where each of its rows has a time of creation and a first sight of its own; a copy shares its first sight.
_HAS_MOVED = (
    "count(*) = count(DISTINCT created_at) AND count(*) = count(DISTINCT first_seen_at) "
    "AND count(DISTINCT ({same})) = 1"
)


@dataclass(frozen=True, slots=True)
class Moved:
    """A record that was stored under a time of creation (aware UTC) and is now stored under another alone."""

    table: Table
    arn: str
    was: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of a table's rows that shared keys: how many keys there were, and how many rows went."""

    table: str
    keys: int
    rows_gone: int
    split: int = 0
    """Jobs whose events stood under several times of creation, or under another than their job's."""

    def __str__(self) -> str:
        split = f", the events of {self.split:,} jobs stand under one time of creation" if self.split else ""
        return f"{self.table}: {self.keys:,} keys that stood twice are one row each, {self.rows_gone:,} rows went{split}"


def merge_doubles(connection: Connection) -> list[Merged]:
    """Make one row of all rows that share a key; what was done, by table.

    Of a task or job the API's row is kept before that of a results file, then the newest answer; and when it was first
    seen. A poll's row keeps what was last seen of its state. The events of a job are compared as multisets of (type,
    time, message), as when they are merged, and numbered anew. Tables that are not there yet are left out.
    """
    there = {
        name
        for (name,) in connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' AND database_name = current_database()"
        ).fetchall()
    }
    done = [_merged(connection, table) for table in KEYED if table.name in there]
    return [each for each in done if each.keys or each.split]


def merge_moved(connection: Connection) -> list[Moved]:
    """Make one row of each task or job whose time of creation moved so far that it was stored anew; what moved.

    The newest answer is kept, and when the record was first seen. The events of a job go together, as in `merge_doubles`.
    """
    moved: list[Moved] = []
    for table in (QUANTUM_TASKS, JOBS):
        (arn,) = table.key
        name, has_moved = table.qualified_name, _HAS_MOVED.format(same=_SAME[table.name])
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE moved AS SELECT {arn} AS arn, created_at FROM {name} "
            f"WHERE {arn} IN (SELECT {arn} FROM {name} GROUP BY {arn} HAVING count(*) > 1 AND {has_moved})"
        )
        if not _count(connection, "moved"):
            continue
        _merged(connection, table, f"{arn} IN (SELECT arn FROM moved)")
        if table is JOBS:
            _merged(connection, JOB_EVENTS, "job_arn IN (SELECT arn FROM moved)")
        moved += [
            Moved(table, *row)
            for row in connection.execute(
                f"SELECT m.arn, m.created_at, t.created_at FROM moved AS m JOIN {name} AS t ON t.{arn} = m.arn "
                "WHERE m.created_at <> t.created_at ORDER BY ALL"
            ).fetchall()
        ]
    return moved


def split_events(connection: Connection) -> list[str]:
    """The jobs whose events stand under several times of creation, or under another than their job's."""
    return [arn for (arn,) in connection.execute(f"{_SPLIT} ORDER BY ALL").fetchall()]


def _merged(connection: Connection, table: Table, of: str = "true") -> Merged:
    """Make one row of rows that share a key, of those rows for which the condition holds."""
    name, keys = table.qualified_name, ", ".join(table.key)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE doubled AS "
        f"SELECT {keys} FROM {name} WHERE {of} GROUP BY {keys} HAVING count(*) > 1"
    )
    doubled, split = _count(connection, "doubled"), 0
    anew = table.key
    if table is JOB_EVENTS:
        # positions are those of a job's whole list
        anew = table.key[:1]
        connection.execute(f"CREATE OR REPLACE TEMP TABLE split AS FROM ({_SPLIT}) WHERE {of}")
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE doubled AS SELECT job_arn FROM doubled UNION SELECT job_arn FROM split"
        )
        split = _count(connection, "split")
    if not _count(connection, "doubled"):
        return Merged(table.name, 0, 0)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE merged AS {_chosen(table)}")
    gone = affected(
        connection,
        f"DELETE FROM {name} AS t USING doubled AS d WHERE {' AND '.join(f't.{c} = d.{c}' for c in anew)}",
    )
    order = table.immutable or table.key[-1]
    kept = affected(connection, f"INSERT INTO {name} BY NAME SELECT * FROM merged ORDER BY {order}, {keys}")
    return Merged(table.name, doubled, gone - kept, split)


def _chosen(table: Table) -> str:
    """The query that gives the rows which take the place of those of `doubled`."""
    if table is JOB_EVENTS:
        return _EVENTS
    name, keys = table.qualified_name, ", ".join(table.key)
    if table.immutable is None:  # a run of equal polls: the longer one has seen all that the other has
        kept, first = (
            "max(last_observed_at) OVER same AS last_observed_at, max(n_polls) OVER same AS n_polls",
            "",
        )
        best = "last_observed_at DESC, n_polls DESC, fetched_at DESC"
    else:
        kept, first = "min(first_seen_at) OVER same AS first_seen_at", ", first_seen_at, row_hash"
        best = "(origin = 'api') DESC, fetched_at DESC, is_terminal DESC"
    return f"""SELECT * EXCLUDE (place) FROM (
        SELECT * REPLACE ({kept}), row_number() OVER (same ORDER BY {best}{first}) AS place
        FROM {name} SEMI JOIN doubled USING ({keys})
        WINDOW same AS (PARTITION BY {keys})
    ) WHERE place = 1"""


#: The list of a job, out of several that overlap: each has its occurrences of one event in order of their positions.
_EVENTS = """
WITH found AS (
    SELECT DISTINCT ON (job_arn, job_created_at, event_index, event_type, time_of_event, message) *
    FROM job_events SEMI JOIN doubled USING (job_arn) ORDER BY fetched_at
),
counted AS (
    SELECT *, row_number() OVER (
        PARTITION BY job_arn, job_created_at, event_type, time_of_event, message ORDER BY event_index, fetched_at
    ) AS occurrence
    FROM found
),
kept AS (
    SELECT * EXCLUDE (occurrence) FROM counted
    QUALIFY row_number() OVER (
        PARTITION BY job_arn, event_type, time_of_event, message, occurrence ORDER BY fetched_at, event_index
    ) = 1
)
SELECT k.* REPLACE (
    row_number() OVER (
        PARTITION BY k.job_arn ORDER BY k.event_index, k.fetched_at, k.time_of_event, k.event_type, k.message
    ) - 1 AS event_index,
    coalesce(j.created_at, min(k.job_created_at) OVER (PARTITION BY k.job_arn)) AS job_created_at
)
FROM kept AS k LEFT JOIN jobs AS j ON j.job_arn = k.job_arn
"""


def _count(connection: Connection, temporary: str) -> int:
    count: int = connection.execute(f"SELECT count(*) FROM {temporary}").fetchall()[0][0]
    return count
