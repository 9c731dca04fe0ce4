"""One name for a device that a price list, a bill and an ARN spell differently.

The model device_keys applies the same rules in SQL to the names in the warehouse; a test holds them together.
"""

from __future__ import annotations

import re

#: (pattern, key), the first that is found counts. Generations that share a price are folded into one.
FOLDED = (
    (re.compile(r"2000q"), "2000q"),
    (re.compile(r"^advantage"), "advantage"),
    (re.compile(r"^aspen-m"), "aspen-m"),
)
_SEPARATORS = re.compile(r"[\s_]+")


def device_key(name: str | None) -> str | None:
    """The key of a device name: lower case, blanks and underscores as hyphens, generations folded.

    `IBEX-Q1` and `Ibex-Q1` are `ibex-q1`, `Aspen-M-3` is `aspen-m`, `Advantage_system4` is `advantage`.
    """
    key = _SEPARATORS.sub("-", (name or "").strip().lower())
    return next((folded for pattern, folded in FOLDED if pattern.search(key)), key) or None
