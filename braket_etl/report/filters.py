"""What a report is limited to, as a condition in SQL that anyone can copy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from braket_etl.settings import SettingsError
from braket_etl.tables.declaration import quoted


@dataclass(frozen=True)
class Filters:
    """A period of UTC days, both in, and the accounts and tags that count; empty means all of them."""

    first: date
    last: date
    account_ids: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Scope:
    """The columns that the filters apply to in one query; None where it has no such column.

    `instant` stands for `day` where a model has no column of days: as a bare column it limits what the model reads.
    `always` is fulfilled by all rows that the query asks for, and limits it likewise.
    """

    day: str | None = None
    instant: str | None = None
    account: str | None = None
    tags: str | None = None
    always: str | None = None

    def condition(self, filters: Filters) -> str:
        """What rows have to fulfil, values filled in; `true` where nothing applies."""
        parts = [self.always] if self.always else []
        if self.day:
            parts.append(f"{self.day} BETWEEN DATE '{filters.first}' AND DATE '{filters.last}'")
        if self.instant:
            after = filters.last + timedelta(days=1)
            parts.append(f"{self.instant} >= TIMESTAMPTZ '{filters.first} 00:00:00+00'")
            parts.append(f"{self.instant} < TIMESTAMPTZ '{after} 00:00:00+00'")
        if self.account and filters.account_ids:
            parts.append(f"{self.account} IN ({', '.join(map(quoted, filters.account_ids))})")
        if self.tags:
            parts += [f"{self.tags}[{quoted(key)}] = {quoted(value)}" for key, value in filters.tags]
        return " AND ".join(parts) or "true"

    def beyond(self, filters: Filters) -> list[str]:
        """What the query is not limited to, although the report is."""
        return [
            what
            for what, is_asked, column in (
                ("the period", True, self.day or self.instant),
                ("the account", bool(filters.account_ids), self.account),
                ("the tag", bool(filters.tags), self.tags),
            )
            if is_asked and column is None
        ]


def parsed_tag(text: str) -> tuple[str, str]:
    """Key and value of `key=value`; the value may hold further `=`. Raises SettingsError."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise SettingsError(f"--tag {text!r} is not of the form key=value, such as team=chemistry")
    return key, value
