"""What a column is made of, in names. Finds nothing out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Upstream(NamedTuple):
    """A column of a table or model, or a member of the response of an operation; None: its rows are counted."""

    table: str
    column: str | None

    def __str__(self) -> str:
        return f"{self.table}.{self.column}" if self.column else f"rows of {self.table}"


#: What each column of one table or model is made of.
Lineage = Mapping[str, tuple[Upstream, ...]]
