"""Merging Arrow rows into tables that have no primary-key index: uniqueness is this module's duty.

One merge: drop from the batch what is unchanged or older, delete the rows that changed, insert. A full index
would make each merge cost as much as the table is long. Functions here run inside a transaction that the
caller opens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from braket_etl.tables import JOB_EVENTS, QUANTUM_TASKS, RECORD_CALLERS
from braket_etl.tables.bookkeeping import UNSETTLED_RECORDS
from braket_etl.tables.declaration import Column, Table, quoted
from braket_etl.tables.observations import STATE
from braket_etl.warehouse.errors import DuplicateKeyError
from braket_etl.warehouse.statements import Connection, affected
from braket_etl.warehouse.unsettled import settle

#: Row-group size: Arrow fed in batches of this length is written without a detour through the log.
ROW_GROUP = 122_880
#: Batches in which a large merge is hashed: so that every thread has some.
_HASHED_AT_ONCE = 20_000
#: Two sources may write the same instant with different precision.
_PRECISION = timedelta(seconds=1)
#: GetJob shows so many events at most.
_MOST_EVENTS = 20
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Counts:
    """What a merge did with the rows of its batch."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.new + other.new, self.changed + other.changed, self.unchanged + other.unchanged)


def upsert(
    connection: Connection, table: Table, rows: pa.Table, asked_as: Mapping[str, datetime] | None = None
) -> Counts:
    """Merge records: what is new is inserted, what changed replaces its old row, the rest is not touched.

    The last word counts: a newer answer replaces an older one, whatever either says; of two of the same second, a final
    status replaces an open one and never the other way round. What the API says replaces what a results file said, and
    never the other way round. `first_seen_at` survives. `asked_as` has, by ARN, a time of creation under which a record
    may be stored where the answer tells another. Raises DuplicateKeyError.
    """
    if rows.num_rows == 0:
        return Counts()
    rows = rows.sort_by(table.immutable)
    _weigh(connection, table, rows)
    bounds = _bounds(connection, table, asked_as or {})
    # Constants, so that row groups outside are not read.
    near = f"t.{table.immutable} BETWEEN ? AND ?"
    keys = _joined(table.key)
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE stored AS
        SELECT {keys}, {table.immutable} AS stored_as, row_hash, fetched_at, first_seen_at, is_terminal, origin, expired_at
        FROM {table.qualified_name} AS t SEMI JOIN incoming USING ({keys}) WHERE {near}
        QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY origin = 'api' DESC, fetched_at DESC) = 1""",
        bounds,
    )
    is_newer = "(i.fetched_at > s.fetched_at OR (i.fetched_at = s.fetched_at AND (i.is_terminal OR NOT s.is_terminal)))"
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE changed AS
        SELECT {keys}, i.place, i.row_hash, coalesce(s.first_seen_at, i.first_seen_at) AS first_seen_at,
               s.row_hash IS NULL AS is_new, s.stored_as, i.{table.immutable} AS told_as
        FROM incoming AS i LEFT JOIN stored AS s USING ({keys})
        WHERE s.row_hash IS NULL
           OR (i.origin = 'api' AND s.origin <> 'api')
           OR (i.origin = s.origin AND {is_newer} AND (i.row_hash <> s.row_hash OR s.expired_at IS NOT NULL))"""
    )
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE accepted AS
        SELECT {keys} AS arn, i.account_id, i.region, i.{table.immutable} AS created_at, i.is_terminal, i.ended_at,
            i.fetched_at, coalesce(s.is_terminal AND s.origin = 'api', false) AS was_terminal
        FROM incoming AS i LEFT JOIN stored AS s USING ({keys})
        WHERE i.origin = 'api' AND (s.row_hash IS NULL OR s.origin <> 'api' OR {is_newer})"""
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
        name_creators(connection, table, bounds)
    settle(connection, table)
    return Counts(new=new, changed=changed - new, unchanged=seen - changed)


def moved_records(connection: Connection, table: Table) -> list[tuple[str, datetime, datetime]]:
    """(ARN, stored as, told as) of the records of the last `upsert` whose time of creation moved by over a second."""
    return connection.execute(
        f"""SELECT {table.key[0]}, stored_as, told_as FROM changed
        WHERE NOT is_new AND abs(epoch_us(told_as) - epoch_us(stored_as)) > {_PRECISION // timedelta(microseconds=1)}
        ORDER BY 1"""
    ).fetchall()


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


def insert_new(connection: Connection, table: Table, rows: pa.Table) -> Counts:
    """Add the rows of a table whose rows never change: a key that is stored stays as it was first told."""
    if rows.num_rows == 0:
        return Counts()
    _stage(connection, table, rows)
    new = affected(
        connection,
        f"INSERT INTO {table.qualified_name} BY NAME "
        f"SELECT * FROM incoming ANTI JOIN {table.qualified_name} AS t USING ({_joined(table.key)})",
    )
    return Counts(new=new, unchanged=rows.num_rows - new)


def name_creators(
    connection: Connection, table: Table, created: Sequence[datetime] = (), *, only_incoming: bool = False
) -> int:
    """Let `created_by` of tasks or jobs say what record_callers knows by now; how many rows that changed.

    A task in a job was created by the job's role, and takes whoever created the job. `created` bounds the times of creation
    of the records that are looked at (aware UTC, both ends in); `only_incoming` looks at those whose callers were just
    inserted.
    """
    if not connection.execute(f"SELECT 1 FROM {RECORD_CALLERS.qualified_name} LIMIT 1").fetchall():
        return 0
    callers = RECORD_CALLERS.qualified_name
    if only_incoming:
        callers = f"(FROM {callers} SEMI JOIN incoming USING (record_arn))"
    created_for = f"coalesce(t.job_arn, t.{table.key[0]})" if table is QUANTUM_TASKS else f"t.{table.key[0]}"
    return affected(
        connection,
        f"""UPDATE {table.qualified_name} AS t SET created_by = c.caller, created_by_kind = c.caller_kind
        FROM {callers} AS c
        WHERE c.record_arn = {created_for} AND t.created_by IS DISTINCT FROM c.caller
            AND t.{table.immutable} BETWEEN ? AND ?""",
        list(created or (_FIRST, _LAST)),
    )


def append_events(connection: Connection, rows: pa.Table) -> Counts:
    """Merge job events: what was once seen keeps its index, what is new follows it.

    GetJob shows at most 20 events and which end it drops is not documented. A shorter list is whole: where one of the
    two lists, by the types of events, begins with the other, their events are the same ones, whatever their times say
    by now. Else events of one type and message are the same where their times differ by a second at most.
    """
    if rows.num_rows == 0:
        return Counts()
    arrived: dict[str, dict[int, dict[str, Any]]] = {}
    for row in rows.sort_by("fetched_at").to_pylist():
        arrived.setdefault(row["job_arn"], {})[row["event_index"]] = row
    stored = _stored_events(connection, rows)
    unseen: list[dict[str, Any]] = []
    changed = 0
    for arn, by_index in arrived.items():
        known = stored.get(arn, [])
        fresh, told_anew = compared_events(known, [by_index[index] for index in sorted(by_index)])
        first = max((event["event_index"] for event in known), default=-1) + 1
        unseen += [{**event, "event_index": first + n} for n, event in enumerate(fresh)]
        for event in told_anew:
            changed += affected(
                connection,
                f"UPDATE {JOB_EVENTS.qualified_name} SET time_of_event = ?, message = ?, fetched_at = ? "
                "WHERE job_arn = ? AND event_index = ?",
                [event["time_of_event"], event["message"], event["fetched_at"], arn, event["event_index"]],
            )
    unseen.sort(key=lambda event: (event["job_created_at"], event["job_arn"], event["event_index"]))
    if unseen:
        connection.register("unseen", pa.Table.from_pylist(unseen, schema=JOB_EVENTS.arrow_schema))
        connection.execute(f"INSERT INTO {JOB_EVENTS.qualified_name} BY NAME SELECT * FROM unseen")
        connection.unregister("unseen")
    return Counts(new=len(unseen), changed=changed, unchanged=rows.num_rows - len(unseen) - changed)


Events = list[dict[str, Any]]


def compared_events(stored: Events, arrived: Events) -> tuple[Events, Events]:
    """(events that are new, stored events with what is told of them by now) of two lists of a job's events, in order."""
    types = [[event["event_type"] for event in events] for events in (stored, arrived)]
    if len(arrived) < _MOST_EVENTS and types[1][: len(stored)] == types[0][: len(arrived)]:
        pairs = zip(stored, arrived, strict=False)
        return arrived[len(stored) :], [
            {**new, "event_index": old["event_index"]}
            for old, new in pairs
            if new["fetched_at"] > old["fetched_at"]
            and not (new["message"] == old["message"] and _same_time(old, new))
        ]
    left = list(stored)
    fresh = []
    for event in arrived:
        same = next((old for old in left if _is_same_event(old, event)), None)
        if same is None:
            fresh.append(event)
        else:
            left.remove(same)
    return fresh, []


def _is_same_event(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (
        one["event_type"] == other["event_type"]
        and one["message"] == other["message"]
        and _same_time(one, other)
    )


def _same_time(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    a, b = one["time_of_event"], other["time_of_event"]
    return bool(a == b or (a and b and abs(a - b) <= _PRECISION))


def _stored_events(connection: Connection, rows: pa.Table) -> dict[str, Events]:
    """The stored events of the jobs of a batch, in order, by job."""
    connection.register("arrow_rows", rows)
    earliest, latest = connection.execute(
        "SELECT min(job_created_at), max(job_created_at) FROM arrow_rows"
    ).fetchall()[0]
    names = ("job_arn", "event_index", "event_type", "time_of_event", "message", "fetched_at")
    found = connection.execute(
        f"""SELECT {", ".join(names)} FROM {JOB_EVENTS.qualified_name} AS t SEMI JOIN (FROM arrow_rows) USING (job_arn)
        WHERE t.job_created_at BETWEEN ? AND ? ORDER BY job_arn, event_index""",
        [_earlier(earliest), _later(latest)],
    ).fetchall()
    connection.unregister("arrow_rows")
    events: dict[str, Events] = {}
    for row in found:
        events.setdefault(row[0], []).append(dict(zip(names, row, strict=True)))
    return events


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
    is_news = f"({is_open.format('l')} OR {is_open.format('p')} OR p.status <> l.status)" if final else "true"
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
           OR (p.observed_at > l.last_observed_at AND NOT ({same})
               AND {is_news})
        ORDER BY p.observed_at""",
    )
    connection.unregister("polls")
    return Counts(new=begun, changed=repeated, unchanged=polls.num_rows - begun - repeated)


def _bounds(connection: Connection, table: Table, asked_as: Mapping[str, datetime]) -> list[datetime]:
    """The instants between which every stored row of the batch's keys lies.

    The API's rows are as old as those of the batch, or stored under the time that they were asked for with, or noted as
    unsettled. What a results file said may be of any other time, and is looked for: by equality, which row groups without
    such rows are not read for.
    """
    low, high = connection.execute(
        f"""SELECT min({table.immutable}), max({table.immutable}) FROM (
            SELECT {table.immutable} FROM incoming
            UNION ALL
            SELECT unnest(?::TIMESTAMPTZ[])
            UNION ALL
            SELECT created_at FROM {UNSETTLED_RECORDS.qualified_name}
            WHERE table_name = ? AND state <> 'not_stored' AND arn IN (SELECT {table.key[0]} FROM incoming)
            UNION ALL
            SELECT t.{table.immutable} FROM {table.qualified_name} AS t SEMI JOIN incoming USING ({_joined(table.key)})
            WHERE t.origin = 'results_file')""",
        [list(asked_as.values()), table.name],
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
                   fetched_at, first_seen_at, is_terminal, origin, account_id, region, ended_at
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
