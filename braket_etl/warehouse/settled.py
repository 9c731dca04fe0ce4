"""Sums of charges, kept by the UTC day on which their records were created, so that only what changed is summed again.

The model charge_sums computes them; `settle` makes its view read what is kept, for this connection and for the copy that
readers open, and `unsettle` makes it compute again before anything is written. What is kept of a day is told by its
content from what is stored, so whatever stored it, and a kill at any moment, leave nothing to be cleaned up. A lake
keeps nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, TypeVar

import pyarrow as pa

from braket_etl import __version__
from braket_etl.tables import JOBS, QUANTUM_TASKS, RESERVATIONS, TASK_RESULTS
from braket_etl.tables.declaration import Table
from braket_etl.warehouse.lineage import column_lineage
from braket_etl.warehouse.migrate import declared_fingerprint
from braket_etl.warehouse.models import Model, create_view, models
from braket_etl.warehouse.results import fingerprint_of
from braket_etl.warehouse.statements import Connection, is_lake, transaction

_SUMS = "etl.kept_charge_sums"
_DAYS = "etl.kept_charge_days"
_RESULTS = "etl.kept_charge_results"
#: The model.
CHARGE_SUMS = "charge_sums"
#: The property that holds what all days are made of; beside it stands the one of a view that reads what is kept.
_MADE_OF, _IS_READ = "charge sums are made of", "charge sums are read"
#: What is told apart by day; what was observed of records matters while these are open.
_BY_DAY = frozenset(
    {
        QUANTUM_TASKS.name,
        JOBS.name,
        RESERVATIONS.name,
        TASK_RESULTS.name,
        "task_observations",
        "job_observations",
    }
)
#: Columns that change without changing any charge of what has ended.
_IGNORED = frozenset({"fetched_at", "first_seen_at", "expired_at"})
#: Where more days have changed, all charges are summed.
_FEW_DAYS = 100
#: What the view of that model is where it reads what is kept.
KEPT_SUMS = f"SELECT * FROM {_SUMS}"
#: Changes with what is kept beside the sums.
_LAYOUT = 2
T = TypeVar("T")


def settle(connection: Connection) -> int:
    """Bring the kept sums up to date and let charge_sums read them; of how many days they were computed.

    Nothing that costs are made of may be written on this connection afterwards.
    """
    if is_lake(connection):
        return 0
    model = _model()
    all_of_it, found, results = (
        _made_of_all(connection),
        _made_of_days(connection),
        _made_of_results(connection),
    )
    with transaction(connection):
        if all_of_it != _property(connection, _MADE_OF):
            connection.execute(f"CREATE OR REPLACE TABLE {_SUMS} AS SELECT * FROM ({model.sql}) LIMIT 0")
            connection.execute(f"CREATE OR REPLACE TABLE {_DAYS} (began_date DATE, made_of VARCHAR)")
            connection.execute(
                f"CREATE OR REPLACE TABLE {_RESULTS} (told_day BIGINT, made_of VARCHAR, days DATE[])"
            )
            for table, meaning in (
                (_SUMS, "What charge_sums reads"),
                (_DAYS, "What the sums of a day are made of, without results"),
                (
                    _RESULTS,
                    "What the results of a day are, as their files tell it, and of tasks of which days",
                ),
            ):
                connection.execute(f"COMMENT ON TABLE {table} IS '{meaning}'")
            _set_property(connection, _MADE_OF, all_of_it)
        kept = dict(connection.execute(f"SELECT began_date, made_of FROM {_DAYS}").fetchall())
        changed = sorted({*_differing(kept, found), *_days_of_changed_results(connection, results)})
        if changed:
            few = changed if kept and len(changed) <= _FEW_DAYS else []
            for table, days in ((_SUMS, few), (_DAYS, changed)):
                which = "WHERE began_date IN $days" if days else ""
                connection.execute(f"DELETE FROM {table} {which}", {"days": days} if days else {})
            connection.execute(f"INSERT INTO {_SUMS} {_sums_of(model, few)} ORDER BY charge_date")
            there = [day for day in changed if day in found]
            _add(connection, _DAYS, {"began_date": there, "made_of": [found[day] for day in there]})
        if _property(connection, _IS_READ) is None:
            create_view(connection, replace(model, sql=KEPT_SUMS))
            _set_property(connection, _IS_READ, "kept")
    return len(changed)


def unsettle(connection: Connection) -> None:
    """Let charge_sums compute its rows, before anything is written."""
    if _property(connection, _IS_READ) is not None:
        with transaction(connection):
            create_view(connection, _model())
            connection.execute("DELETE FROM etl.properties WHERE name = ?", [_IS_READ])


def _sums_of(model: Model, days: Sequence[date]) -> str:
    """The model's SELECT of the charges of records created on these days; without any, of all.

    DuckDB looks for a day of the sums' own rows after all joins, for a span of time in the charges before them.
    """
    spans = " OR ".join(
        f"began_at >= TIMESTAMPTZ '{day} 00:00:00+00' AND began_at < TIMESTAMPTZ '{day + timedelta(days=1)} 00:00:00+00'"
        for day in days
    )
    return model.sql.replace("FROM charges", f"FROM charges WHERE {spans}") if days else model.sql


def _model() -> Model:
    return next(model for model in models() if model.name == CHARGE_SUMS)


def _made_of_all(connection: Connection) -> str:
    """What changes when the sums of any day may: the program, prices, discounts, whatever is no record of a day."""
    digest = hashlib.sha256(f"{_LAYOUT} {__version__} {declared_fingerprint()}".encode())
    for name in sorted(_not_by_day()):
        digest.update(f" {name} {fingerprint_of(connection, f'SELECT * FROM {name}')}".encode())
    return digest.hexdigest()


def _not_by_day() -> Iterator[str]:
    """The tables, and the models without a row a record, that the sums read in the end."""
    known = {model.name: model for model in models()}
    seen, waiting = set[str](), {CHARGE_SUMS}
    while waiting:
        name = waiting.pop()
        seen.add(name)
        model = known.get(name)
        if name == CHARGE_SUMS or (model and _is_by_record(model)):
            waiting |= known[name].reads - seen
        elif name not in _BY_DAY:
            yield name


def _is_by_record(model: Model) -> bool:
    return any(column.endswith("_arn") for column in model.key)


def _made_of_days(connection: Connection) -> dict[date, str]:
    """By day of creation, what changes when a record of that day does, or an open one was seen again."""
    return dict(
        connection.execute(
            f"""
            SELECT began_date, string_agg(made_of, ' ' ORDER BY made_of)
            FROM (
                SELECT t.created_date AS began_date,
                    concat_ws(' ', 'tasks', count(*), sum(hash({_content(QUANTUM_TASKS, "t")}, {_SEEN}))) AS made_of
                FROM quantum_tasks AS t
                LEFT JOIN ({_seen("task_observations", "quantum_task_arn")}) AS o ON o.arn = t.quantum_task_arn
                GROUP BY began_date
                UNION ALL
                SELECT t.created_date, concat_ws(' ', 'jobs', count(*), sum(hash({_content(JOBS, "t")}, {_SEEN})))
                FROM jobs AS t
                LEFT JOIN ({_seen("job_observations", "job_arn")}) AS o ON o.arn = t.job_arn
                GROUP BY t.created_date
                UNION ALL
                SELECT timezone('UTC', start_at)::DATE AS day,
                    concat_ws(' ', 'reservations', count(*), sum(hash({_content(RESERVATIONS, "t")}, start_at > now())))
                FROM reservations AS t
                GROUP BY day
            )
            GROUP BY began_date
            """
        ).fetchall()
    )


# The file of a result tells when its task was created, which need not be the day that the task has. Looking the tasks of all
# results up would take five times as long as all the rest, so it is done for those of a day in which something changed.

#: The day that a result's file tells, since 1970; of one that could not be read, the day on which it was asked for.
_TOLD_DAY = "epoch_us(coalesce(r.created_at, r.fetched_at)) // 86_400_000_000"


def _made_of_results(connection: Connection) -> dict[int, str]:
    """By the day that their files tell, what changes when a result does."""
    return dict(
        connection.execute(
            f"""
            SELECT {_TOLD_DAY} AS told_day,
                concat_ws(' ', count(*), sum(hash(r.quantum_task_arn, {_content(TASK_RESULTS, "r")})))
            FROM task_results AS r
            GROUP BY told_day
            """
        ).fetchall()
    )


def _days_of_changed_results(connection: Connection, found: Mapping[int, str]) -> set[date]:
    """The days of creation of the tasks whose results have changed or gone, which are kept as they are now."""
    kept = dict(connection.execute(f"SELECT told_day, made_of FROM {_RESULTS}").fetchall())
    changed = _differing(kept, found)
    if not changed:
        return set()
    gone = connection.execute(
        f"SELECT DISTINCT unnest(days) FROM {_RESULTS} WHERE told_day IN $changed", {"changed": changed}
    ).fetchall()
    connection.execute(f"DELETE FROM {_RESULTS} WHERE told_day IN $changed", {"changed": changed})
    days = dict(
        connection.execute(
            f"""
            SELECT {_TOLD_DAY} AS told_day, list(DISTINCT t.created_date)
            FROM task_results AS r JOIN quantum_tasks AS t USING (quantum_task_arn)
            WHERE told_day IN $changed
            GROUP BY told_day
            """,
            {"changed": changed},
        ).fetchall()
    )
    there = [told for told in changed if told in found]
    _add(
        connection,
        _RESULTS,
        {
            "told_day": there,
            "made_of": [found[told] for told in there],
            "days": pa.array([days.get(told, []) for told in there], pa.list_(pa.date32())),
        },
    )
    return {day for (day,) in gone} | {day for each in days.values() for day in each}


def _add(connection: Connection, table: str, columns: Mapping[str, Any]) -> None:
    """Rows as Arrow: for each value that is bound DuckDB 1.5 looks for pandas, which takes longer than all else."""
    connection.register("kept_rows", pa.table(dict(columns)))
    connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM kept_rows")
    connection.unregister("kept_rows")


def _differing(one: Mapping[T, str], other: Mapping[T, str]) -> list[T]:
    return [key for key in {**one, **other} if one.get(key) != other.get(key)]


#: When an open record was asked for last, and what was seen of it.
_SEEN = "CASE WHEN NOT t.is_terminal THEN t.fetched_at END, o.seen"


def _seen(observations: str, arn: str) -> str:
    records = "quantum_tasks" if arn == "quantum_task_arn" else "jobs"
    return (
        f"SELECT {arn} AS arn, sum(hash(status, observed_at, last_observed_at)) AS seen FROM {observations} "
        f"WHERE {arn} IN (SELECT {arn} FROM {records} WHERE NOT is_terminal) GROUP BY {arn}"
    )


def _content(table: Table, alias: str) -> str:
    """The columns that charges are made of; of a row whose content has a hash, that and what it leaves out."""
    if table.has("row_hash"):
        columns = [c.name for c in table.columns if not c.content and c.name not in _IGNORED]
    else:
        columns = sorted(
            {
                upstream.column
                for model in models()
                if _is_by_record(model)
                for made_of in column_lineage()[model.name].values()
                for upstream in made_of
                if upstream.table == table.name and upstream.column
            }
        )
    return ", ".join(f'{alias}."{column}"' for column in columns)


def _property(connection: Connection, name: str) -> str | None:
    found = connection.execute("SELECT value FROM etl.properties WHERE name = ?", [name]).fetchall()
    return found[0][0] if found else None


def _set_property(connection: Connection, name: str, value: str) -> None:
    connection.execute("DELETE FROM etl.properties WHERE name = ?", [name])
    connection.execute("INSERT INTO etl.properties VALUES (?, ?)", [name, value])
