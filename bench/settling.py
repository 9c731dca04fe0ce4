"""Costs by day and by tag as they are kept, beside the same computed from the charges, in CPU seconds.

    python -m bench settling [--quick]

On a copy of a long history (bench/long_history.py); kept and computed take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median

from bench.line import Line
from bench.merging import copied_home, sizes
from bench.models import taken
from braket_etl.warehouse.settled import settle, unsettle
from braket_etl.warehouse.statements import Connection

NEW = 500


def lines(quick: bool) -> Iterator[Line]:
    """Reading them whole, and bringing them up to date after some tasks changed."""
    tasks, _ = sizes(quick)
    rounds = 1 if quick else 5
    with copied_home(tasks) as warehouse, warehouse.writing("bench") as connection:
        for model in ("daily_costs", "tag_costs"):
            kept, computed = _in_turn(connection, model, rounds)
            yield Line(what=f"{model} of {tasks:,} tasks, CPU", ours=kept, at_most=0.1)
            yield Line(
                what=f"{model} of {tasks:,} tasks, CPU",
                ours=kept,
                against="computed from the charges",
                theirs=computed,
            )
        settle(connection)
        yield Line(
            what=f"the same after {NEW} tasks changed, CPU", ours=_refresh(connection, rounds), at_most=0.5
        )


def _in_turn(connection: Connection, model: str, rounds: int) -> tuple[float, float]:
    """Median CPU seconds of reading a model whole: as it is kept, and computed."""
    seconds: dict[Callable[[Connection], object], list[float]] = {settle: [], unsettle: []}
    for _ in range(rounds):
        for prepare, found in seconds.items():
            prepare(connection)
            query = f'SELECT count(*), bit_xor(hash(COLUMNS(*))) FROM "{model}"'
            found.append(taken(lambda query=query: connection.execute(query).fetchall(), 1).cpu)
    return median(seconds[settle]), median(seconds[unsettle])


def _refresh(connection: Connection, rounds: int) -> float:
    """Median CPU seconds of bringing the sums up to date after the newest tasks changed."""
    found = []
    for number in range(rounds):
        unsettle(connection)
        connection.execute(
            "UPDATE quantum_tasks SET created_by = ? WHERE quantum_task_arn IN "
            "(SELECT quantum_task_arn FROM quantum_tasks ORDER BY created_at DESC LIMIT ?)",
            [f"round {number}", NEW],
        )
        found.append(taken(lambda: settle(connection), 1).cpu)
    return median(found)
