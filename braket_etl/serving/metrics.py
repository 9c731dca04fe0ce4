"""The ready questions as metrics in the text format of Prometheus: base units, one gauge a fact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.coverage import missing
from braket_etl.warehouse.queries import answer, named_query

CONTENT_TYPE = "text/plain; version=0.0.4"
Labels = Mapping[str, Any]
Sample = tuple[Labels, Any]


def exposition(connection: Connection, published_at: datetime | None) -> str:
    """All metrics of the published copy; what is not known has no sample."""
    metrics = _metrics(connection, published_at)
    return "\n".join(line for metric in metrics for line in written(*metric)) + "\n"


def written(name: str, meaning: str, samples: Iterable[Sample]) -> list[str]:
    """The lines of one metric; none where no value is known."""
    known = [(labels, float(value)) for labels, value in samples if value is not None]
    head = [f"# HELP braket_etl_{name} {meaning}", f"# TYPE braket_etl_{name} gauge"]
    return (
        [*head, *(f"braket_etl_{name}{_labels(labels)} {value!r}" for labels, value in known)]
        if known
        else []
    )


def _metrics(
    connection: Connection, published_at: datetime | None
) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    def ask(question: str, **values: int) -> list[dict[str, Any]]:
        return answer(connection, named_query(question), values).records()

    if published_at:
        yield (
            "published_timestamp_seconds",
            "When the published copy was written.",
            [({}, published_at.timestamp())],
        )
    fresh = ask("freshness")
    yield (
        "last_answer_timestamp_seconds",
        "When Braket last answered about a record.",
        [(_of(r, "account", "region", "kind"), r["fetched_at"].timestamp()) for r in fresh],
    )
    yield (
        "records",
        "Records in the warehouse.",
        [(_of(r, "account", "region", "kind"), r["n_records"]) for r in fresh],
    )
    gaps = missing(connection)
    yield (
        "missing_days",
        "Wanted days that were not seen whole, or that Braket forgot before they were.",
        [({"state": "not_whole"}, gaps.days), ({"state": "lost"}, gaps.lost)],
    )
    (month,) = ask("spent_by_month", months=1)
    yield "month_cost_dollars", "Spent in this UTC month, at list price.", [({}, month["cost_usd"])]
    yield (
        "month_unknown_cost_records",
        "Records of this UTC month whose cost is not known.",
        [({}, month["n_unknown"])],
    )
    still = ask("open_by_device")
    yield (
        "open_records",
        "Open tasks, jobs and reservations.",
        [(_of(r, "device", "kind"), r["n_open"]) for r in still],
    )
    yield (
        "open_committed_dollars",
        "What they will cost, at list price.",
        [(_of(r, "device", "kind"), r["committed_usd"]) for r in still],
    )
    yield (
        "queue_wait_seconds",
        "Estimated wait in the queue; percentile 50 is the median.",
        [
            ({"device": r["device"], "percentile": f"{r['quantile']:.0%}"[:-1]}, r["wait_seconds"])
            for r in ask("queue_wait_by_device")
            if r["quantile"] in (0.5, 0.9) and r["status"] == "ok"
        ],
    )
    yield (
        "queue_wait_at_most_seconds",
        "What the wait in the queue was at most, for certain.",
        [
            ({"device": r["device"], "percentile": n}, r[f"p{n}_high_seconds"])
            for r in ask("queue_wait_bounds")
            for n in (50, 90)
        ],
    )
    rejected: dict[tuple[str, str], int] = {}
    for r in ask("rejected_answers"):
        key = (r["operation"], r["region"])
        rejected[key] = rejected.get(key, 0) + r["n_records"]
    yield (
        "rejected_records",
        "Answers of Braket that could not become a row.",
        [({"operation": operation, "region": region}, n) for (operation, region), n in rejected.items()]
        or [({}, 0)],
    )


def _of(record: Mapping[str, Any], *names: str) -> Labels:
    return {name: record[name] for name in names}


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_escaped(str(value))}"' for name, value in labels.items())
    return f"{{{','.join(pairs)}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
