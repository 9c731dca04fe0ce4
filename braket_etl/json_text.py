"""Reading JSON that others wrote: with a bound on its depth of our own.

How deep a text Python's own reader bears, before it raises RecursionError, changes with every version of Python
(1,000 levels in 3.11, some 10,000 in 3.13), and so would what is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

#: Levels of a value. Braket's own bodies have seven; Python walks and writes a deeper one until its stack is full.
DEEPEST = 100
_TOO_DEEP = "the JSON is nested too deeply"

_PLAIN = json.JSONDecoder()


def read_json(text: str, decoder: json.JSONDecoder = _PLAIN) -> Any:
    """The value that a text is. Raises ValueError for one that is no JSON or nested deeper than DEEPEST."""
    try:
        value = decoder.decode(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if _is_deeper_than(value, DEEPEST):
        raise ValueError(_TOO_DEEP)
    return value


def json_values(text: str, decoder: json.JSONDecoder = _PLAIN) -> Iterator[Any]:
    """The values that a text is, one after another with blanks between them or nothing.

    Raises ValueError where what is left is no JSON, or is nested deeper than DEEPEST.
    """
    at, end = 0, len(text)
    while (at := _after_blanks(text, at)) < end:
        try:
            value, at = decoder.raw_decode(text, at)
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None
        if _is_deeper_than(value, DEEPEST):
            raise ValueError(_TOO_DEEP)
        yield value


def _after_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _is_deeper_than(value: Any, levels: int) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
