"""JSON of any size that others wrote, as a stream of values: in constant memory, packed with gzip or not.

Belongs here: what a reader of large files must bear with and refuse. What the values mean belongs to results.py.
"""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from typing import Any, BinaryIO, Protocol, cast

import ijson
from botocore import exceptions as boto

from braket_etl.json_text import DEEPEST

#: What reading a stream raises where it is damaged, cut off, or no longer to be had; ValueError beside these says
#: what is refused.
BROKEN = (ijson.JSONError, UnicodeDecodeError, EOFError, zlib.error, boto.BotoCoreError, OSError)
_GZIP = b"\x1f\x8b"
_BUFFER = 1 << 18
_MOST_EVENTS = 500_000  # of one value that is built: a set of 100 programs has some thousands
_READ_ON = 100_000  # events after everything wanted was seen
# The parser holds a text or number whole, and takes the square of its length in time: 2 s for 8 MB of escapes.
_LONGEST_TEXT = 1 << 23
_LONGEST_NUMBER = 1 << 16
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_AFTER_A_NUMBER = re.compile(rb"[\s,:\[\]{}]")


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class EnoughRead(Exception):  # noqa: N818 - no error
    """Everything wanted was seen, and some more was read."""


class Events:
    """The JSON events of a stream, one value at a time: built where it is wanted, passed over elsewhere."""

    def __init__(self, stream: BinaryIO) -> None:
        self._events = ijson.basic_parse(_Bounded(_plain(stream)), use_float=True, buf_size=_BUFFER)

    def __next__(self) -> tuple[str, Any]:
        # The parser itself raises where a file ends too early, so events run out only after `read_on`.
        for event in self._events:
            return cast("tuple[str, Any]", event)
        raise EnoughRead

    def read_on(self) -> None:
        """Give a limited number of events from now on, then raise EnoughRead."""
        self._events = islice(self._events, _READ_ON)

    def keys(self) -> Iterator[str]:
        """The member names of the object that has just begun; the caller takes each one's value."""
        while True:
            event, value = next(self)
            if event == "end_map":
                return
            yield value

    def skip(self) -> None:
        """Pass over the next value."""
        depth = 0
        for event, _ in self._events:
            if event in ("start_map", "start_array"):
                depth += 1
            elif event in ("end_map", "end_array"):
                depth -= 1
            if depth == 0 and event != "map_key":
                return
        raise EnoughRead

    def digest(self) -> str | None:
        """A hash of the next value: equal for the same values in the same order, whatever the blanks; None for null."""
        seen, depth = sha256(), 0
        while True:
            event, value = next(self)
            seen.update(f"{json.dumps([event, value])}\n".encode())
            depth += {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}.get(event, 0)
            if depth == 0:
                return None if event == "null" else seen.hexdigest()

    def value(self) -> Any:
        """Build the next value. Raises ValueError for one that is too large, or too deep, to be metadata."""
        builder = ijson.ObjectBuilder()
        depth = 0
        for _ in range(_MOST_EVENTS):
            event, value = next(self)
            builder.event(event, value)
            depth += {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}.get(event, 0)
            if depth == 0:
                return builder.value
            if depth > DEEPEST:
                raise ValueError("its metadata are nested too deeply")
        raise ValueError("the metadata are too large")


class _Begun:
    """A stream whose first bytes were taken already."""

    def __init__(self, head: bytes, stream: _Readable) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """Some bytes, at most `size`; none at the end, or where none are asked for."""
        if size == 0 or not self._head:
            return self._stream.read(size) if size else b""
        most = None if size < 0 else size
        head, self._head = self._head[:most], b"" if most is None else self._head[most:]
        return head


def _plain(stream: _Readable) -> _Readable:
    """The stream unpacked, and without the byte order mark that some programs put before UTF-8."""
    head = _first(stream)
    if head.startswith(_GZIP):
        stream = gzip.GzipFile(fileobj=cast("BinaryIO", _Begun(head, stream)))
        head = _first(stream)
    return _Begun(head.removeprefix(codecs.BOM_UTF8), stream)


def _first(stream: _Readable) -> bytes:
    head = b""
    while len(head) < len(codecs.BOM_UTF8) and (more := stream.read(len(codecs.BOM_UTF8) - len(head))):
        head += more
    return head


class _Bounded:
    """A stream of JSON that refuses a text or a number without end before the parser holds it."""

    def __init__(self, stream: _Readable) -> None:
        self._stream = stream
        self._is_in_text = False
        self._escape = b""
        self._length = 0

    def read(self, size: int = -1) -> bytes:
        """Some bytes; raises ValueError in the middle of what is too long to be metadata."""
        chunk = self._stream.read(size)
        text = self._escape + chunk
        self._escape = b""
        if b"\\" in text:
            text = _ESCAPED.sub(b"", text)
            if text.endswith(b"\\"):
                self._escape, text = b"\\", text[:-1]
        quotes = text.count(b'"')
        if quotes or (not self._is_in_text and _AFTER_A_NUMBER.search(text)):
            self._length = 0
        self._is_in_text ^= quotes % 2 == 1
        self._length += len(chunk)
        if self._length > (_LONGEST_TEXT if self._is_in_text else _LONGEST_NUMBER) + len(chunk):
            raise ValueError("a text or a number in it is too long")
        return chunk
