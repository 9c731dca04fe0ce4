"""Merging Arrow rows into tables that have no primary-key index: uniqueness is this module's duty.

One merge: drop from the batch what is unchanged or older, delete the rows that changed, insert. A full index
would make each merge cost as much as the table is long. Functions here run inside a transaction that the
caller opens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from braket_etl.tables import JOB_EVENTS
from braket_etl.tables.declaration import Column, Table, quoted
from braket_etl.tables.observations import STATE
from braket_etl.warehouse.errors import DuplicateKeyError
from braket_etl.warehouse.statements import Connection, affected

#: Row-group size: Arrow fed in batches of this length is written without a detour through the log.
ROW_GROUP = 122_880
#: Batches in which a large merge is hashed: so that every thread has some.
_HASHED_AT_ONCE = 20_000
#: Two sources may write the same instant with different precision.
_PRECISION = timedelta(seconds=1)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Counts:
    """What a merge did with the rows of its batch."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.new + other.new, self.changed + other.changed, self.unchanged + other.unchanged)


def upsert(connection: Connection, table: Table, rows: pa.Table) -> Counts:
    """Merge records: what is new is inserted, what changed replaces its old row, the rest is not touched.

    Older never overwrites newer, a final status never goes back to an open one, what the API says replaces
    what a results file said, and never the other way round. `first_seen_at` survives. Raises DuplicateKeyError.
    """
    if rows.num_rows == 0:
        return Counts()
    rows = rows.sort_by(table.immutable)
    _weigh(connection, table, rows)
    bounds = _bounds(connection, table)
    # Constants, so that row groups outside are not read.
    near = f"t.{table.immutable} BETWEEN ? AND ?"
    keys = _joined(table.key)
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE stored AS
        SELECT {_joined(table.key)}, row_hash, fetched_at, first_seen_at, is_terminal, origin, expired_at
        FROM {table.qualified_name} AS t SEMI JOIN incoming USING ({keys}) WHERE {near}""",
        bounds,
    )
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE changed AS
        SELECT {keys}, i.place, i.row_hash, coalesce(s.first_seen_at, i.first_seen_at) AS first_seen_at,
               s.row_hash IS NULL AS is_new
        FROM incoming AS i LEFT JOIN stored AS s USING ({keys})
        WHERE s.row_hash IS NULL
           OR (i.origin = 'api' AND s.origin <> 'api')
           OR (i.origin = s.origin AND i.fetched_at >= s.fetched_at AND (i.is_terminal OR NOT s.is_terminal)
               AND (i.row_hash <> s.row_hash OR s.expired_at IS NOT NULL))"""
    )
    seen, changed, new = connection.execute(
        "SELECT (SELECT count(*) FROM incoming), count(*), count(*) FILTER (is_new) FROM changed"
    ).fetchall()[0]
    if changed > new:
        connection.execute(
            f"DELETE FROM {table.qualified_name} AS t USING changed AS c "
            f"WHERE NOT c.is_new AND {_equal(table.key, 't', 'c')} AND {near}",
            bounds,
        )
    if changed:
        _insert_changed(connection, table, rows)
        _check_unique(connection, table, near, bounds)
    return Counts(new=new, changed=changed - new, unchanged=seen - changed)


def replace_rows(connection: Connection, table: Table, rows: pa.Table) -> Counts:
    """Merge rows of a small table without history: the last row of a key in the batch replaces what is stored."""
    if rows.num_rows == 0:
        return Counts()
    _stage(connection, table, rows)
    if table.has("first_seen_at"):
        connection.execute(
            f"UPDATE incoming AS i SET first_seen_at = t.first_seen_at "
            f"FROM {table.qualified_name} AS t WHERE {_equal(table.key, 't', 'i')}"
        )
    stored = affected(
        connection,
        f"DELETE FROM {table.qualified_name} AS t USING incoming AS i WHERE {_equal(table.key, 't', 'i')}",
    )
    total = affected(connection, f"INSERT INTO {table.qualified_name} BY NAME SELECT * FROM incoming")
    return Counts(new=total - stored, changed=stored)


def append_events(connection: Connection, rows: pa.Table) -> Counts:
    """Merge job events: what was once seen keeps its index, what is new follows it.

    GetJob shows at most 20 events and which end it drops is not documented, so the stored list and the new one
    are compared as multisets of (type, time, message).
    """
    if rows.num_rows == 0:
        return Counts()
    connection.register("arrow_rows", rows)
    same = "job_arn, event_type, time_of_event, message"
    occurrence = f"row_number() OVER (PARTITION BY {same} ORDER BY event_index) AS occurrence"
    earliest, latest = connection.execute(
        "SELECT min(job_created_at), max(job_created_at) FROM arrow_rows"
    ).fetchall()[0]
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE stored AS SELECT {same}, event_index, {occurrence}
        FROM {JOB_EVENTS.qualified_name} AS t SEMI JOIN (FROM arrow_rows) USING (job_arn)
        WHERE t.job_created_at BETWEEN ? AND ?""",
        [_earlier(earliest), _later(latest)],
    )
    inserted = affected(
        connection,
        f"""INSERT INTO {JOB_EVENTS.qualified_name} BY NAME
        WITH arrived AS (SELECT DISTINCT ON (job_arn, event_index) * FROM arrow_rows ORDER BY fetched_at DESC),
        numbered AS (SELECT *, {occurrence} FROM arrived),
        unseen AS (
            SELECT n.* EXCLUDE (occurrence) FROM numbered AS n ANTI JOIN stored AS s
            ON n.job_arn = s.job_arn AND n.event_type IS NOT DISTINCT FROM s.event_type
            AND n.time_of_event IS NOT DISTINCT FROM s.time_of_event
            AND n.message IS NOT DISTINCT FROM s.message AND n.occurrence = s.occurrence
        ),
        last AS (SELECT job_arn, max(event_index) AS event_index FROM stored GROUP BY job_arn)
        SELECT u.* REPLACE (
            coalesce(last.event_index, -1) + row_number() OVER (PARTITION BY u.job_arn ORDER BY u.event_index)
            AS event_index)
        FROM unseen AS u LEFT JOIN last USING (job_arn)
        ORDER BY u.job_created_at, u.job_arn, u.event_index""",
    )
    connection.unregister("arrow_rows")
    return Counts(new=inserted, unchanged=rows.num_rows - inserted)


def extend_observations(
    connection: Connection, table: Table, polls: pa.Table, state: Sequence[str] = STATE
) -> Counts:
    """Join polls to the stored runs of equal states: a change begins a row, a repetition moves its end.

    A poll not later than the last one stored of its record is dropped (the same answer again, or an older
    one). A record whose first poll is already terminal was never watched and leaves no row.
    """
    counts = Counts()
    for one_each in _rounds(table, polls):
        counts += _extend_once(connection, table, one_each, state)
    return counts


def _extend_once(connection: Connection, table: Table, polls: pa.Table, state: Sequence[str]) -> Counts:
    arn = table.key[0]
    same = " AND ".join(f"p.{c} IS NOT DISTINCT FROM l.{c}" for c in state)
    final = ", ".join(quoted(status) for status in sorted(table.terminal_statuses))
    is_open = f"{{}}.status NOT IN ({final})" if final else "true"
    connection.register("polls", polls)
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE last_seen AS
        SELECT t.* FROM {table.qualified_name} AS t SEMI JOIN polls USING ({arn})
        QUALIFY row_number() OVER (PARTITION BY {arn} ORDER BY observed_at DESC) = 1"""
    )
    repeated = affected(
        connection,
        f"""UPDATE {table.qualified_name} AS t
        SET last_observed_at = p.observed_at, n_polls = t.n_polls + 1, fetched_at = p.fetched_at
        FROM polls AS p, last_seen AS l
        WHERE p.{arn} = l.{arn} AND t.{arn} = l.{arn} AND t.observed_at = l.observed_at
          AND p.observed_at > l.last_observed_at AND {same}""",
    )
    begun = affected(
        connection,
        f"""INSERT INTO {table.qualified_name} BY NAME
        SELECT p.* FROM polls AS p LEFT JOIN last_seen AS l USING ({arn})
        WHERE (l.{arn} IS NULL AND {is_open.format("p")})
           OR (p.observed_at > l.last_observed_at AND {is_open.format("l")} AND NOT ({same}))
        ORDER BY p.observed_at""",
    )
    connection.unregister("polls")
    return Counts(new=begun, changed=repeated, unchanged=polls.num_rows - begun - repeated)


def _bounds(connection: Connection, table: Table) -> list[datetime]:
    """The instants between which every stored row of the batch's keys lies.

    The API's rows are as old as those of the batch. What a results file said may be of any other time, and is looked for:
    by equality, which row groups without such rows are not read for.
    """
    low, high = connection.execute(
        f"""SELECT min({table.immutable}), max({table.immutable}) FROM (
            SELECT {table.immutable} FROM incoming
            UNION ALL
            SELECT t.{table.immutable} FROM {table.qualified_name} AS t SEMI JOIN incoming USING ({_joined(table.key)})
            WHERE t.origin = 'results_file')"""
    ).fetchall()[0]
    return [_earlier(low), _later(high)]


def _earlier(instant: datetime) -> datetime:
    return instant - _PRECISION if instant - _FIRST > _PRECISION else _FIRST


def _later(instant: datetime) -> datetime:
    return instant + _PRECISION if _LAST - instant > _PRECISION else _LAST


def hash_expression(table: Table) -> str:
    """The SQL that hashes a row's content: equal for equal content in every DuckDB version."""
    parts = ", ".join(f"coalesce({_hashable(column)}, chr(30))" for column in table.columns if column.content)
    return f"(md5_number_lower(concat_ws(chr(31), {parts})) & 9223372036854775807)::BIGINT"


def _hashable(column: Column) -> str:
    name = f'"{column.name}"'
    if pa.types.is_map(column.type):  # the order of its keys means nothing
        return f"to_json(list_sort(map_entries({name})))::VARCHAR"
    if pa.types.is_nested(column.type):
        return f"to_json({name})::VARCHAR"
    if pa.types.is_timestamp(column.type):
        return f"epoch_us({name})::VARCHAR"
    return f"{name}::VARCHAR"


def _stage(connection: Connection, table: Table, rows: pa.Table) -> None:
    """The batch as temp table `incoming`: one row a key, the newest."""
    connection.register("arrow_rows", rows)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE incoming AS SELECT * FROM arrow_rows QUALIFY {_newest(table)}"
    )
    connection.unregister("arrow_rows")


def _weigh(connection: Connection, table: Table, rows: pa.Table) -> None:
    """What decides about the batch as temp table `incoming`: one row a key, the newest, with its hash and its place.

    The wide columns are read once, for the hash, and written once, by `_insert_changed`.
    """
    placed = rows.append_column("place", pa.array(range(rows.num_rows), pa.int64()))
    connection.register(
        "arrow_rows", pa.Table.from_batches(placed.combine_chunks().to_batches(_HASHED_AT_ONCE))
    )
    connection.execute(
        # hashed inside, so that the sort carries the hash and not what it is made of
        f"""CREATE OR REPLACE TEMP TABLE incoming AS FROM (
            SELECT {_joined(table.key)}, {table.immutable}, place, {hash_expression(table)} AS row_hash,
                   fetched_at, first_seen_at, is_terminal, origin
            FROM arrow_rows)
        QUALIFY {_newest(table)}"""
    )
    connection.unregister("arrow_rows")


def _newest(table: Table) -> str:
    """The condition that keeps the newest row of each key."""
    newest_first = ", ".join(f"{c} DESC" for c in ("fetched_at", "is_terminal") if table.has(c)) or "1"
    return f"row_number() OVER (PARTITION BY {_joined(table.key)} ORDER BY {newest_first}) = 1"


def _insert_changed(connection: Connection, table: Table, rows: pa.Table) -> None:
    """Insert the rows of `changed`, with the hash and the first sight that stand there."""
    decided = connection.sql(
        "SELECT place, row_hash, first_seen_at FROM changed ORDER BY place"
    ).to_arrow_table()
    chosen = rows if decided.num_rows == rows.num_rows else rows.take(decided["place"])
    for name in ("row_hash", "first_seen_at"):
        field = table.arrow_schema.field(name)
        chosen = chosen.set_column(chosen.schema.get_field_index(name), field, decided[name].cast(field.type))
    connection.register(
        "changed_rows", pa.Table.from_batches(chosen.combine_chunks().to_batches(max_chunksize=ROW_GROUP))
    )
    connection.execute(f"INSERT INTO {table.qualified_name} BY NAME SELECT * FROM changed_rows")
    connection.unregister("changed_rows")


def _check_unique(connection: Connection, table: Table, near: str, bounds: Sequence[object]) -> None:
    doubled = connection.execute(
        f"SELECT {_joined(table.key)} FROM {table.qualified_name} AS t SEMI JOIN changed "
        f"USING ({_joined(table.key)}) WHERE {near} GROUP BY ALL HAVING count(*) > 1 LIMIT 1",
        bounds,
    ).fetchall()
    if doubled:
        raise DuplicateKeyError(f"{table.name} would hold two rows for {doubled[0]}; nothing was merged")


def _rounds(table: Table, polls: pa.Table) -> list[pa.Table]:
    """The polls in order of time, split so that no part holds a record twice."""
    if polls.num_rows == 0:
        return []
    ordered = polls.sort_by("observed_at")
    seen: dict[str, int] = {}
    rounds: dict[int, list[int]] = {}
    for index, arn in enumerate(ordered.column(table.key[0]).to_pylist()):
        seen[arn] = seen.get(arn, -1) + 1
        rounds.setdefault(seen[arn], []).append(index)
    return [ordered.take(indices) for indices in rounds.values()]


def _joined(columns: tuple[str, ...]) -> str:
    return ", ".join(columns)


def _equal(columns: tuple[str, ...], left: str, right: str) -> str:
    return " AND ".join(f"{left}.{column} = {right}.{column}" for column in columns)
