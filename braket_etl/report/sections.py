"""The page's headings and the questions under them: each question of sql/questions says itself where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from braket_etl.warehouse.queries import Query, queries

#: The headings in their order, with their ids on the page.
_HEADINGS = {
    "At a glance": "glance",
    "Spending": "spending",
    "Commitments and limits": "commitments",
    "Waits": "waits",
    "Hybrid jobs": "jobs",
    "Failures": "failures",
    "What these numbers leave out": "quality",
}


@dataclass(frozen=True)
class Section:
    """Questions under a heading, in order."""

    key: str
    title: str
    questions: tuple[Query, ...]


@cache
def sections() -> tuple[Section, ...]:
    """All sections; raises ValueError for a question under a heading that is not there."""
    placed = sorted(
        (query.page.section, query.page.place, query.name, query)
        for query in queries().values()
        if query.page.section
    )
    if lost := [name for heading, _, name, _ in placed if heading not in _HEADINGS]:
        raise ValueError(f"{', '.join(lost)} of sql/questions stand under none of {', '.join(_HEADINGS)}")
    return tuple(
        Section(key, title, tuple(query for heading, *_, query in placed if heading == title))
        for title, key in _HEADINGS.items()
    )


@cache
def questions() -> tuple[Query, ...]:
    """All questions of the page, in its order."""
    return tuple(query for section in sections() for query in section.questions)
