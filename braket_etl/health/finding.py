"""What one look found: fine, worth a look, or broken, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]
_ORDER: tuple[Status, ...] = ("ok", "warn", "fail")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its name, how it is, what was seen, and what to do where it is not ok."""

    name: str
    status: Status
    what: str
    remedy: str = ""


def worst(findings: Iterable[Finding]) -> Status:
    """The worst status of all; ok where there is none."""
    return max((finding.status for finding in findings), key=_ORDER.index, default="ok")
