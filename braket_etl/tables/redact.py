"""Striking out what users put into tags and hyperparameters and should not be stored.

Patterns are applied to a response before it becomes a row, so that a secret reaches neither a column, `extra`, the
row's hash nor the payload of a reject. Members that the API documents are never touched, other than what is inside
its free maps: a pattern must not be able to take a status or an ARN away.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cache, cached_property
from typing import Any

import pyarrow as pa

from braket_etl.json_text import read_json
from braket_etl.tables import MAIN
from braket_etl.tables.normalize import wire_name

REDACTED = "[redacted]"
_CUT = f"{REDACTED}: the rest of a text that is no whole JSON"
#: A JSON string in a text that may be cut off anywhere, and the colon that makes it a key.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)(\s*:)?', re.DOTALL)
#: What does not count in a key: `api_key`, `apiKey` and `API-Key` are the same.
_LOOSE = re.compile(r"[-_.\s]")


@dataclass(frozen=True)
class Redactor:
    """Replaces values by `[redacted]` where their key, or key and value, match one of the patterns.

    A pattern is a glob for the key, or `KEY=VALUE` with a glob for each. In keys neither case nor `-`, `_`, `.` and
    spaces count; values are matched as they are, and only texts. Without patterns everything stays as it came.
    """

    patterns: Sequence[str]

    def body(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A response without secrets; what came is not changed."""
        return {name: self._member(name, value, free=False) for name, value in body.items()}

    def tags(self, tags: Mapping[str, str | None] | None) -> dict[str, str | None] | None:
        """A map of tags without secrets; None stays None."""
        if tags is None:
            return None
        return {key: REDACTED if self._is_secret(key, value) else value for key, value in tags.items()}

    def payload(self, text: str) -> str:
        """The text of a response without secrets.

        It stays as it came where there is none. JSON is written anew; a text that is no whole JSON ends before the
        first value that would be struck out, since nobody can tell where that value ends.
        """
        secret = self._first_secret(text)
        if secret is None:
            return text
        try:
            parsed = read_json(text)
            return json.dumps(self.body(parsed) if isinstance(parsed, dict) else self._free("", parsed))
        except ValueError:
            return text[:secret] + _CUT

    def _member(self, name: str, value: Any, *, free: bool) -> Any:
        is_ours = not free and name in _api_members()
        if not is_ours and self._is_secret(name, value):
            return REDACTED
        if not is_ours or name in _free_maps():
            return self._free(name, value)
        if isinstance(value, dict):
            return self.body(value)
        if isinstance(value, list):
            return [self._of_list(each) for each in value]
        return value

    def _of_list(self, value: Any) -> Any:
        """An item of a list that the API's model has: a structure, or a value that stays."""
        if isinstance(value, list):
            return [self._of_list(each) for each in value]
        return self.body(value) if isinstance(value, dict) else value

    def _free(self, name: str, value: Any) -> Any:
        """The value of a key outside of the API's model, where every key counts, for each item of a list too."""
        if isinstance(value, dict):
            return {inner: self._member(inner, each, free=True) for inner, each in value.items()}
        if isinstance(value, list):
            return [self._free(name, each) for each in value]
        return REDACTED if self._is_secret(name, value) else value

    def _is_secret(self, key: str, value: Any) -> bool:
        if value is None or not self._rules:
            return False
        key = _loose(key)
        return any(
            of_key.match(key) and (of_value is None or (isinstance(value, str) and of_value.match(value)))
            for of_key, of_value in self._rules
        )

    def _first_secret(self, text: str) -> int | None:
        """Where in a text, which may be no JSON, the first value begins that would be struck out, or may be."""
        key = ""
        for start, end, string, is_key in _strings(text) if self._rules else ():
            if is_key:
                key = string
                if self._is_secret(key, 0):
                    return end
            elif self._is_secret(key, string):
                return start
        return None

    @cached_property
    def _rules(self) -> list[tuple[re.Pattern[str], re.Pattern[str] | None]]:
        """For keys alone, and for the values of each glob of keys, one expression that stands for many globs."""
        alone: list[str] = []
        of_keys: dict[str, list[str]] = {}
        for pattern in self.patterns:
            key, equals, value = pattern.partition("=")
            if equals:
                of_keys.setdefault(_loose(key), []).append(value)
            else:
                alone.append(_loose(key))
        rules = [(_globs([key]), _globs(values)) for key, values in of_keys.items()]
        return [(_globs(alone), None), *rules] if alone else [*rules]


def _loose(key: str) -> str:
    return _LOOSE.sub("", key).casefold()


def _globs(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)))


def _strings(text: str) -> Iterator[tuple[int, int, str, bool]]:
    """The JSON strings in a text: begin, end, what they say, and whether each is a key."""
    for found in _STRING.finditer(text):
        written = found[0].removesuffix(found[1] or "")
        try:
            said = str(json.loads(written))
        except ValueError:
            said = written.strip('"')
        yield found.start(), found.end(), said, found[1] is not None


@cache
def _api_members() -> frozenset[str]:
    """The members that the declarations know, at any depth, as the API spells them."""
    names: set[str] = set()
    for table in MAIN:
        for column in table.columns:
            names.update(column.member_path)
            names.update(_wire_names(column.type))
        for name, inner in table.members_elsewhere:
            names.update((name, *(inner or ())))
    return frozenset(names)


@cache
def _free_maps() -> frozenset[str]:
    """The members whose keys are the users' own."""
    return frozenset(
        column.member_path[-1]
        for table in MAIN
        for column in table.columns
        if column.source and pa.types.is_map(column.type)
    )


def _wire_names(arrow_type: pa.DataType) -> Iterator[str]:
    """The members of structures in a column, in the API's spelling."""
    if pa.types.is_list(arrow_type):
        yield from _wire_names(arrow_type.value_type)
    elif pa.types.is_struct(arrow_type):
        for each in arrow_type:
            yield wire_name(each.name)
            yield from _wire_names(each.type)


#: Leaves everything as it is.
NOTHING_REDACTED = Redactor(())
