"""What a report is limited to, as values of the parameters that questions have for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from braket_etl.settings import SettingsError
from braket_etl.warehouse.queries import Query, Value


@dataclass(frozen=True)
class Filters:
    """A period of UTC days, both in, and the accounts, Regions, devices, tags and person that count; empty means all."""

    first: date
    last: date
    account_ids: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    person: str = ""

    @property
    def step(self) -> str:
        """The stretch that one bar of a chart over time covers, so that there are at most some dozens."""
        length = self.last - self.first
        return "day" if length <= timedelta(days=45) else "week" if length <= timedelta(days=400) else "month"

    def values_for(self, query: Query) -> dict[str, Value]:
        """The values of a question's parameters on the page; what is not limited has none."""
        values: Mapping[str, Value] = {
            "first": self.first,
            "last": self.last,
            **{name: ",".join(chosen) for name, chosen in self._chosen().items() if chosen},
            **({"person": self.person} if self.person else {}),
            **({"tag": dict(self.tags)} if self.tags else {}),
            "step": self.step,
        }
        return {name: value for name, value in values.items() if query.takes(name)} | dict(query.page.values)

    def _chosen(self) -> dict[str, tuple[str, ...]]:
        return {"account": self.account_ids, "region": self.regions, "device": self.devices}

    def beyond(self, query: Query) -> list[str]:
        """What the question is not limited to, although the report is."""
        return [
            what
            for what, is_asked, names in (
                ("the period", True, ("first", "last")),
                *(
                    (f"the {'Region' if name == 'region' else name}", bool(chosen), (name,))
                    for name, chosen in self._chosen().items()
                ),
                ("the person", bool(self.person), ("person",)),
                ("the tag", bool(self.tags), ("tag",)),
            )
            if is_asked and not query.takes(*names)
        ]


def parsed_tag(text: str) -> tuple[str, str]:
    """Key and value of `key=value`; the value may hold further `=`. Raises SettingsError."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise SettingsError(f"--tag {text!r} is not of the form key=value, such as team=chemistry")
    return key, value
