"""The one flattener: JSON bodies of responses in, Arrow tables out, whatever the table.

It reads the declarations and nothing else. A body that cannot become a row comes back as a reject with its
payload; members and enum values that no declaration knows come back as drift, and the members also in the
row's `extra`. No AWS call and no SQL belong here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol

import pyarrow as pa
from botocore import xform_name

from braket_etl.tables.declaration import Column, Table
from braket_etl.tables.shared_columns import canonical_json
from braket_etl.values import decimal, instant, rounded

Convert = Callable[[Any], Any]
_MIN_INT64, _MAX_INT64 = -(2**63), 2**63 - 1


class Record(Protocol):
    """One response: the operation and ARN that were asked for, the body in wire form, when it was given."""

    @property
    def operation(self) -> str: ...  # noqa: D102
    @property
    def arn(self) -> str: ...  # noqa: D102
    @property
    def body(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def fetched_at(self) -> datetime: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Reject:
    """A response that cannot become a row, with what is wrong and the payload as JSON text."""

    operation: str
    arn: str
    error: str
    payload: str
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Drift:
    """What no declaration knows: a member, an enum value, or of a known member a type (`kind` = `unreadable`)."""

    table_name: str
    kind: str
    path: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Normalized:
    """The rows of a batch, what could not become one, and what the model does not know."""

    rows: pa.Table
    rejects: list[Reject] = field(default_factory=list)
    drift: set[Drift] = field(default_factory=set)


def normalize(
    table: Table,
    records: Sequence[Record],
    *,
    bookkeeping: Mapping[str, Any] | None = None,
    finish: Callable[[dict[str, Any], Mapping[str, Any]], dict[str, Any]] | None = None,
) -> Normalized:
    """Rows of `table` from response bodies, in the order given.

    `bookkeeping` fills columns that are the same for the whole batch (`origin`); `finish` may complete a row, given
    with its body, before it is typed. `fetched_at` and `first_seen_at` are each record's own `fetched_at`, `row_hash` is
    left to the warehouse (0).
    """
    rows: list[dict[str, Any]] = []
    kept: list[Record] = []
    rejects: list[Reject] = []
    drift: set[Drift] = set()
    for record in records:
        try:
            row = flattened(table, record.body, drift)
            row["fetched_at"] = row["first_seen_at"] = record.fetched_at
            row["row_hash"] = 0
            row.update(bookkeeping or {})
            rows.append(finish(row, record.body) if finish else row)
            kept.append(record)
        except ValueError as error:
            rejects.append(rejected(record, str(error)))
    return Normalized(_typed(table, rows, kept, rejects), rejects, drift)


def flattened(table: Table, body: Mapping[str, Any], drift: set[Drift] | None = None) -> dict[str, Any]:
    """One body as a row of Python values; raises ValueError that names the member at fault."""
    row: dict[str, Any] = {}
    plan = _plan(table)
    unread: dict[tuple[str, ...], Any] = {}
    for name, source, member, inner, required, convert in plan.sourced:
        value = body.get(member)
        try:
            if inner and value is not None:
                value = _member(value, member, inner)
            if value is not None:
                row[name] = convert(value)
                continue
            if required:
                raise ValueError("required, but missing")
            row[name] = None
        except (ValueError, TypeError, OverflowError) as error:
            if name not in plan.side:
                raise ValueError(f"{source}: {error}") from None
            row[name], kept = _side_value(body, table.by_name[name])
            unread.update(kept)
            if drift is not None:
                drift.add(Drift(table.name, "unreadable", source, _kind_of(value)))
    for name, derive in plan.derived:
        row[name] = derive(row)
    if plan.has_extra:
        extra = unknown_members(body, plan.known)
        if extra and drift is not None:
            drift.update(Drift(table.name, "member", path, None) for path in _paths(extra))
        for member in table.lists_elsewhere:
            if not isinstance(value := body.get(member), list | None):
                unread[member,] = value
                if drift is not None:
                    drift.add(Drift(table.name, "unreadable", member, _kind_of(value)))
        for path, value in unread.items():
            _keep(extra, path, value)
        row["extra"] = canonical_json(extra) if extra else None
    if drift is not None:
        for name, source, values in plan.enums:
            if (value := row.get(name)) is not None and value not in values:
                drift.add(Drift(table.name, "value", source, storable(value)))
    return row


def rejected(record: Record, error: str) -> Reject:
    """The record as a reject; its payload is ASCII JSON, so that no text in it can break the storing."""
    payload = json.dumps(record.body, ensure_ascii=True)
    return Reject(record.operation, storable(record.arn), storable(error), payload, record.fetched_at)


def storable(text: str) -> str:
    """The text with lone surrogates, which no UTF-8 store takes, written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def unknown_members(body: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the body that the tree of known members does not cover, nested as it came."""
    extra: dict[str, Any] = {}
    for name, value in body.items():
        if name not in known:
            extra[name] = value
        elif (inner := known[name]) is not None:
            if isinstance(value, dict):
                if rest := unknown_members(value, inner):
                    extra[name] = rest
            elif isinstance(value, list) and any(
                isinstance(item, dict) and unknown_members(item, inner) for item in value
            ):
                extra[name] = value  # the whole list, since positions would be lost in a part of it
    return extra


@dataclass(frozen=True, slots=True)
class _Plan:
    """A table's declaration, prepared once for flattening many bodies."""

    sourced: tuple[tuple[str, str, str, tuple[str, ...], bool, Convert], ...]
    """Column, source, outermost member and those inside it, whether it is required, conversion."""
    derived: tuple[tuple[str, Callable[[Mapping[str, Any]], Any]], ...]
    enums: tuple[tuple[str, str, frozenset[str]], ...]
    """Column, source, and the values that the API documents."""
    known: dict[str, Any]
    has_extra: bool
    side: frozenset[str]
    """Columns whose value may be unreadable."""


@lru_cache
def _plan(table: Table) -> _Plan:
    sourced = tuple(
        (c.name, c.source, c.member_path[0], c.member_path[1:], c.required, converter(c.type))
        for c in table.columns
        if c.source
    )
    derived = tuple((column.name, column.derive) for column in table.columns if column.derive)
    enums = tuple((c.name, c.source or c.name, frozenset(c.values)) for c in table.columns if c.values)
    known: dict[str, Any] = {name: inner and dict.fromkeys(inner) for name, inner in table.members_elsewhere}
    for column in table.columns:
        if column.source:
            level = known
            for member in column.member_path[:-1]:
                level = level.setdefault(member, {})
            level[column.member_path[-1]] = _members_of(column.type)
    side = frozenset(column.name for column in table.columns if column.side)
    return _Plan(sourced, derived, enums, known, table.has("extra"), side)


def _members_of(arrow_type: pa.DataType) -> dict[str, Any] | None:
    """The tree of wire members inside a list of structures; None for a leaf."""
    if pa.types.is_list(arrow_type):
        return _members_of(arrow_type.value_type)
    if pa.types.is_struct(arrow_type):
        return {wire_name(f.name): _members_of(f.type) for f in arrow_type}
    return None


def _member(value: Any, name: str, path: tuple[str, ...]) -> Any:
    """The value at the path inside the member of that name; raises ValueError where that is no object."""
    walked = name
    for member in path:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise ValueError(f"expected an object in {walked}, got {type(value).__name__}")
        value = value.get(member)
        walked += f".{member}"
    return value


def _side_value(body: Mapping[str, Any], column: Column) -> tuple[str | None, dict[tuple[str, ...], Any]]:
    """What a column holds of a value that cannot be read, and what of it `extra` must keep, by its path.

    A text column holds a number as its text. A column that may not be NULL holds the empty text.
    """
    nothing = "" if column.required else None
    value: Any = body
    for depth, member in enumerate(column.member_path):
        if not isinstance(value, Mapping):
            return nothing, {column.member_path[:depth]: value}
        value = value.get(member)
    if value is None:
        return nothing, {}
    if pa.types.is_string(column.type):
        return canonical_json(value), {}
    return nothing, {column.member_path: value}


def _keep(extra: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Put a value at its path, among what is there."""
    for member in path[:-1]:
        extra = extra.setdefault(member, {})
    extra[path[-1]] = value


def _kind_of(value: Any) -> str:
    """The type of a JSON value, as people name it; not the value, of which there may be one a record."""
    kinds = {str: "text", bool: "boolean", int: "number", float: "number", list: "list", dict: "object"}
    return kinds.get(type(value), "missing")


def converter(arrow_type: pa.DataType) -> Convert:
    """The function that takes a JSON value to a Python value of the Arrow type, or raises ValueError."""
    if pa.types.is_string(arrow_type):
        return _as_text
    if pa.types.is_integer(arrow_type):
        return _as_integer
    if pa.types.is_timestamp(arrow_type):
        return instant
    if pa.types.is_decimal(arrow_type):
        return _decimal_converter(arrow_type.precision, arrow_type.scale)
    if pa.types.is_map(arrow_type):
        return _as_text_map
    if pa.types.is_list(arrow_type):
        return _list_converter(converter(arrow_type.value_type))
    if pa.types.is_struct(arrow_type):
        return _struct_converter({f.name: (wire_name(f.name), converter(f.type)) for f in arrow_type})
    raise TypeError(f"no conversion from JSON is declared for the Arrow type {arrow_type}")


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        return canonical_json(value)  # a JSON string that came undecoded is kept; one that came decoded too
    raise ValueError(f"expected a string, got {value!r:.60}")


def _as_integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"expected a whole number, got {value!r:.60}")
    number = int(value)
    if isinstance(value, float) and number != value:
        raise ValueError(f"expected a whole number, got {value!r:.60}")
    if not _MIN_INT64 <= number <= _MAX_INT64:
        raise ValueError(f"{str(number)[:60]} does not fit in 64 bits")
    return number


def _decimal_converter(precision: int, scale: int) -> Convert:
    limit = Decimal(10) ** (precision - scale)

    def as_decimal(value: Any) -> Decimal:
        number = decimal(value)
        if number.copy_abs() >= limit:  # abs() would round to 28 digits
            raise ValueError(f"{value!r:.60} does not fit in DECIMAL({precision}, {scale})")
        return rounded(number, scale)

    return as_decimal


def _as_text_map(value: Any) -> dict[str, str | None]:
    if not isinstance(value, dict):
        raise ValueError(f"expected a map, got {type(value).__name__}")
    return {
        key: item if isinstance(item, str | None) else canonical_json(item) for key, item in value.items()
    }


def _list_converter(convert: Convert) -> Convert:
    def as_list(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError(f"expected a list, got {type(value).__name__}")
        return [None if item is None else convert(item) for item in value]

    return as_list


def _struct_converter(members: Mapping[str, tuple[str, Convert]]) -> Convert:
    def as_struct(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(f"expected an object, got {type(value).__name__}")
        return {
            name: None if value.get(wire) is None else convert(value[wire])
            for name, (wire, convert) in members.items()
        }

    return as_struct


@lru_cache
def wire_name(name: str) -> str:
    """The API's spelling of a snake_case member: `s3_data_source` → `s3DataSource`; ValueError where there is none."""
    head, *rest = name.split("_")
    wire = head + "".join(part.capitalize() for part in rest)
    if xform_name(wire) != name:
        raise ValueError(f"{name} is not what botocore makes of {wire}")
    return wire


def _paths(extra: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    """The dotted paths of unknown members; members of an unknown object are not walked."""
    for name in extra:
        yield storable(prefix + name)


def _typed(
    table: Table, rows: list[dict[str, Any]], records: list[Record], rejects: list[Reject]
) -> pa.Table:
    """The rows in Arrow; one that Arrow refuses (a lone surrogate) is rejected, the others stay."""
    try:
        return pa.Table.from_pylist(rows, schema=table.arrow_schema)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        good: list[pa.Table] = [table.arrow_schema.empty_table()]
        for row, record in zip(rows, records, strict=True):
            try:
                good.append(pa.Table.from_pylist([row], schema=table.arrow_schema))
            except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
                rejects.append(rejected(record, f"{error}"))
        return pa.concat_tables(good).combine_chunks()
