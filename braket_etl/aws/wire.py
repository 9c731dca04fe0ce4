"""What Braket's bodies must look like: reading the JSON of an answer and checking it against the API's model.

Belongs here: pure functions from text to checked values.
Does not belong here: HTTP, retries, and what a record means.

botocore's own parser is no judge of a body: it takes an empty one for a record without members, and forgets
the body when a value has the wrong type. So the model's shapes are compiled, once an operation, into one walk
that wants every required member, and values that can be read as their type.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

from braket_etl.aws.operations import BY_NAME, CREATED, Get, Search
from braket_etl.json_text import read_json
from braket_etl.values import instant

Check = Callable[[Any], None]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.40} is too large for a number")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def json_object(text: str) -> dict[str, Any]:
    """The JSON object that a text is. Raises ValueError for any other text."""
    value = read_json(text, _DECODER)
    if type(value) is not dict:
        raise ValueError(f"the body is no JSON object but {type(value).__name__}")
    return value


def body_check(operation: str, output_shape: Any) -> Check:
    """The check of an operation's body: it returns nothing, or raises ValueError naming the member."""
    match BY_NAME.get(operation):
        case Search(entries=entries, needed=needed, next_page=next_page):
            return _page_check(entries, needed, next_page)
        case Get(side_members=side_members):
            return _structure_check(output_shape, side_members)
        case _:
            return _structure_check(output_shape)


def _page_check(list_name: str, members: tuple[str, ...], next_page: str) -> Check:
    def check(body: Any) -> None:
        entries = body.get(list_name)
        if type(entries) is not list:
            raise ValueError(f"{list_name} is missing or no list")
        for index, entry in enumerate(entries):
            _check_entry(f"{list_name}[{index}]", entry, members)
        if not isinstance(body.get(next_page), str | None):
            raise ValueError(f"{next_page} is no string")

    return check


def _check_entry(where: str, entry: Any, members: tuple[str, ...]) -> None:
    if type(entry) is not dict:
        raise ValueError(f"{where} is no object")
    for name in members:
        value = entry.get(name)
        if name == CREATED:
            try:
                instant(value)
            except ValueError as error:
                raise ValueError(f"{where}.{name}: {error}") from error
        elif not isinstance(value, str) or (not value and name.endswith("Arn")):
            raise ValueError(f"{where}.{name} is missing or no string")


def _shape_check(shape: Any) -> Check | None:
    """The check of one value; None where any value will do, as it does for botocore's parser."""
    match shape.type_name:
        case "structure":
            return _structure_check(shape)
        case "list":
            return _list_check(shape)
        case "map":
            return _map_check
        case "integer" | "long":
            return _integer_check
        case "float" | "double":
            return _float_check
        case "timestamp":
            return _instant_check
        case _:
            return None


def _structure_check(shape: Any, unread: frozenset[str] = frozenset()) -> Check:
    """The check of an object; of the members that are `unread` it wants only that they are there."""
    required = frozenset(shape.required_members)
    members = [
        (
            member.serialization.get("name", name),
            name in required,
            None if name in unread else _shape_check(member),
        )
        for name, member in shape.members.items()
    ]
    worth_a_look = [(name, needed, inner) for name, needed, inner in members if needed or inner]

    def check(value: Any) -> None:
        if type(value) is not dict:
            raise ValueError("no object")
        for name, needed, inner in worth_a_look:
            member = value.get(name)
            if member is None:
                if needed:
                    raise ValueError(f"{name} is missing")
            elif inner is not None:
                try:
                    inner(member)
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from error

    return check


def _list_check(shape: Any) -> Check:
    inner = _shape_check(shape.member)

    def check(value: Any) -> None:
        if type(value) is not list:
            raise ValueError("no list")
        if inner is not None:
            for item in value:
                inner(item)

    return check


def _map_check(value: Any) -> None:
    if type(value) is not dict:
        raise ValueError("no map")


def _integer_check(value: Any) -> None:
    if type(value) is not int:
        _read_as(int, value)


def _float_check(value: Any) -> None:
    if type(value) is not float:
        _read_as(float, value)


def _read_as(kind: type[int] | type[float], value: Any) -> None:
    try:
        kind(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"no number: {value!r:.100}") from None


def _instant_check(value: Any) -> None:
    instant(value)
