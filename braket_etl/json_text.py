"""Reading JSON that others wrote: with a bound on its depth of our own.

How deep a text Python's own reader bears, before it raises RecursionError, changes with every version of Python
(1,000 levels in 3.11, some 10,000 in 3.13), and so would what is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

#: Levels of a value. Braket's own bodies have seven; Python walks and writes a deeper one until its stack is full.
DEEPEST = 100
_TOO_DEEP = "the JSON is nested too deeply"

#: What reading a value that is too deep may cost, in characters.
_DEEP = 20_000
#: How much of a text is looked at first for one value, and the longest word of JSON (-Infinity) that may be cut there.
_WINDOW, _LONGEST_WORD = 16_384, 10
#: Digits of a whole number that Python reads (its own bound is for the safety of those who read what others wrote).
_LONGEST_INTEGER = 4_000
_BLANK = r"\s,\x00\x1e\ufeff"
_BETWEEN = re.compile(rf"[{_BLANK}]*(?:\d{{4}}-\d\d-\d\dT[\d:.]+Z[{_BLANK}]+)?")
#: What looks like the beginning of a list or an object.
_BEGINNING = re.compile(r'\{\s*["}]|\[\s*[\[{"\]]')
#: Ends right before a value that may begin: at the start of a line, behind an object, where EventBridge begins an event.
_RESUMING = re.compile(rf'\n(?=[{{\[])|\}}[{_BLANK}]*(?=\{{\s*")|(?=\{{\s*"version"\s*:\s*"0")')

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


def read_joined_json(text: str, decoder: json.JSONDecoder = _PLAIN) -> Iterator[Any]:
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


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of a text that is no JSON value which can be used, and why."""

    text: str
    error: str


def json_values(text: str) -> Iterator[tuple[str, Any]]:
    """The objects, lists and strings in a text, one after another, each with the part of the text that it is.

    Between them may stand nothing at all, blanks, lines, commas, byte order marks, record separators, and the time that
    CloudWatch Logs writes before each line of an export. What else stands there, and what is no JSON, nested deeper than
    DEEPEST, has a key twice or a number that is none (NaN) comes as `Unread`, whole; what follows it is read. A text of
    any length and form takes a time that grows with its length.
    """
    return _Splitter(text).values()


class _Splitter:
    """Goes through a text once; what cannot be read is passed over up to where a value begins that can."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._refused: list[str] = []
        """Why the value that is being read cannot be used, though it is JSON or nearly so."""
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=self._integer,
            parse_float=self._float,
            parse_constant=lambda name: self._refused.append(f"{name} is no number"),
        )
        self._patience = 20 * len(text) + 1_000_000
        """How many characters may be read in vain while looking for where to go on."""
        self._next = _BEGINNING.search(text)

    def values(self) -> Iterator[tuple[str, Any]]:
        at = 0
        while (at := _between(self._text, at)) < len(self._text):
            value, end = self._read(at) if self._text[at] in '{["' else (None, 0)
            if not end:
                error = value.error if isinstance(value, Unread) else "no JSON object"
                end = self._resumed(at)
                value = Unread(self._text[at:end].strip(), error)
            yield self._text[at:end].strip(), value
            at = end

    def _read(self, at: int, width: int = _WINDOW) -> tuple[Any, int]:
        """The value that begins there and where it ends; an `Unread` and 0 where none can be read.

        It is read from a part of the text, since to say where an error is takes a time that grows with what was given.
        """
        window = self._text[at : at + width]
        self._refused.clear()
        try:
            value, end = self._decoder.raw_decode(window)
        except RecursionError:
            self._patience -= _DEEP
            return Unread("", _TOO_DEEP), 0
        except json.JSONDecodeError as error:
            is_cut = error.msg.startswith("Unterminated") or error.pos > len(window) - _LONGEST_WORD
            if is_cut and at + width < len(self._text):
                return self._read(at, 16 * width)
            self._patience -= len(window)
            return Unread("", f"no JSON: {error}"), 0
        if _is_deeper_than(value, DEEPEST):
            self._refused.append(_TOO_DEEP)
        return Unread(window[:end], self._refused[0]) if self._refused else value, at + end

    def _resumed(self, at: int) -> int:
        """Where the first value after a place begins that can be read; the end of the text where there is none."""
        if self._text[at] not in '{["':
            while self._next and self._next.start() <= at:
                self._next = _BEGINNING.search(self._text, self._next.end())
            line = self._text.find("\n", at)
            places = [self._next.start() if self._next else -1, line]
            return min((place for place in places if place >= 0), default=len(self._text))
        place = _RESUMING.search(self._text, at + 1)
        while place and self._patience > 0:
            if self._read(place.end())[1]:
                return place.end()
            place = _RESUMING.search(self._text, place.end() + 1)
        return len(self._text)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            self._refused.append("a key stands twice in an object")
        return members

    def _integer(self, digits: str) -> int | None:
        if len(digits) <= _LONGEST_INTEGER:
            return int(digits)
        self._refused.append(f"a whole number of {len(digits):,} digits")
        return None

    def _float(self, digits: str) -> float | None:
        number = float(digits)
        if isfinite(number):
            return number
        self._refused.append(f"{digits:.40} is too large a number")
        return None


def _between(text: str, at: int) -> int:
    """The end of what may stand between values and means nothing."""
    found = _BETWEEN.match(text, at)
    return found.end() if found else at
