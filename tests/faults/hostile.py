"""Hostile answers of Amazon Braket, drawn from botocore's own output shapes, and what the warehouse must make of them.

`answers` draws them; `difference` is an independent judge of a stored row: it knows botocore's shapes and the JSON that
was sent, and nothing of the product's declarations.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import botocore.session
from botocore import xform_name
from dateutil.parser import isoparse
from hypothesis import strategies as st

MODEL = botocore.session.get_session().get_service_model("braket")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: What a text may hold that harms a careless reader.
TEXTS = (
    "",
    " ",
    "null",
    "None",
    "NaN",
    "\x00",
    "a\x00b",
    "line\nbreak\r\n\ttab",
    "\u202egnp.exe\u2066",
    "\u200f\u200b\ufeff\u2028",
    "\x1b[31mred\x1b]0;title\x07\x9b2J",
    "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "'; DROP TABLE quantum_tasks; --",
    '"); DELETE FROM jobs; --',
    "' || (SELECT max(payload) FROM etl.rejected_records) || '",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</style><svg onload=alert(3)>",
    "javascript:alert(4)",
    "{{7*7}}${HOME}$(id)`id`%s%n{0}",
    "=cmd|' /C calc'!A0",
    "+1",
    "@SUM(A1)",
    "../../../../etc/passwd",
    "C:\\..\\con",
    "a/b=c|d,e;f",
    "[bold red]markup[/]",
    "\U0001f9ea\u0301 ẞ ǅ",
    "x" * 5_000,
)
_MEGABYTE = "tag " * 262_144
_SURROGATE = "half a pair: \ud800"
_BIG = (2**53 - 1, 2**53 + 1, 2**63 - 1, -(2**63), 0, -1)
_INSTANTS = (
    "1970-01-01T00:00:00Z",
    "1969-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "2026-11-20T12:00:00",
    "2026-11-20T12:00:00.123456789Z",
    "2026-11-20T23:59:59.999+14:00",
    "2024-02-29T00:00:00-11:00",
)
#: Values that are of no member's type, or of a wrong one.
_WRONG: tuple[Any, ...] = (
    None,
    True,
    [],
    {},
    "",
    "12",
    "yesterday",
    12,
    1.5,
    2**63,
    -(10**400),
    1e308,
    float("inf"),  # written as 1e999
    float("nan"),  # written as NaN, which is no JSON
    1e18,
    "0000-00-00",
    "10000-01-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    _SURROGATE,
    [[["deep"]]],
    {"a": {"b": [None, 1, "\x00"]}},
    [None],
    [{"arn": 1, "type": None, "x": "y"}],
    {"\ud800": "\udfff"},
)

#: Texts that are amounts of dollars.
MONEY = ("spendingLimit", "queuedSpend", "totalSpend")
#: Members that cost no record, whatever they are: a value of another type is NULL, or text, and is in `extra`.
SIDE = (
    *("actionMetadata", "experimentalCapabilities", "failureReason", "deviceParameters", "deviceConfig"),
    *("algorithmSpecification", "checkpointConfig", "hyperParameters", "inputDataConfig", "outputDataConfig"),
    "stoppingCondition",
)
_LISTS = ("events", "deviceQueueInfo")
_AMOUNTS = st.sampled_from(("12.5", "0", "-0.000000000001", "99999999999999999999999999.999999999999", " 7 "))
_texts = st.one_of(st.sampled_from(TEXTS), st.text(st.characters(exclude_categories=("Cs",)), max_size=12))
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=5,
)


@dataclass(frozen=True)
class Answer:
    """An answer as it is sent; a clean one has every member in its type, and so must become a row."""

    operation: str
    arn: str
    text: str
    is_clean: bool


@dataclass
class Account:
    """What a Region of an account holds: bodies by ARN, and which of the tasks must become rows."""

    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    listed_tasks: list[dict[str, Any]] = field(default_factory=list)
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    limits: dict[str, dict[str, Any]] = field(default_factory=dict)
    clean: set[str] = field(default_factory=set)

    def answer(self, operation: str, arn: str) -> str | None:
        """The text that an operation answers; None where the record is not known."""
        match operation:
            case "SearchQuantumTasks":
                return written({"quantumTasks": self.listed_tasks})
            case "SearchDevices":
                return written({"devices": list(self.devices.values())})
            case "SearchSpendingLimits":
                return written({"spendingLimits": list(self.limits.values())})
        body = (self.tasks | self.devices).get(arn)
        return written(body) if body else None


def record_shape(operation: str) -> Any:
    """The shape of the record in an operation's answer."""
    shape = MODEL.operation_model(operation).output_shape
    lists = [member for member in shape.members.values() if member.type_name == "list"]
    return lists[0].member if operation.startswith("Search") else shape


def members(operation: str) -> st.SearchStrategy[dict[str, Any]]:
    """Well-typed bodies, hostile in what the types allow."""
    return _of(record_shape(operation))


def _of(shape: Any) -> st.SearchStrategy[Any]:
    match shape.type_name:
        case "structure":
            of_members = {
                name: _AMOUNTS if name in MONEY else _of(each) for name, each in shape.members.items()
            }
            required = {name: of_members[name] for name in shape.required_members}
            optional = {name: st.none() | each for name, each in of_members.items() if name not in required}
            return st.fixed_dictionaries(required, optional=optional)
        case "list":
            return st.lists(_of(shape.member), max_size=3)
        case "map":
            return st.dictionaries(_texts, _of(shape.value), max_size=4)
        case "integer" | "long":
            return st.sampled_from(_BIG) | st.integers(-(2**63), 2**63 - 1)
        case "timestamp":
            return (
                st.sampled_from(_INSTANTS)
                | st.integers(0, 253_402_300_799)
                | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
            )
        case _:
            return st.sampled_from(shape.enum) | _texts if shape.enum else _texts


def filled(shape: Any, text: str) -> Any:
    """A body in which every text is this one; a record that ended, of 2026."""
    match shape.type_name:
        case "structure":
            return {name: filled(each, text) for name, each in shape.members.items()}
        case "list":
            return [filled(shape.member, text)]
        case "map":
            return {text: text, f"of {text}": "x"}
        case "integer" | "long":
            return 100
        case "timestamp":
            return "2026-11-19T12:00:00Z"
        case _:
            return "COMPLETED" if shape.name.endswith("Status") else text


_numbers = itertools.count()


@st.composite
def answers(draw: st.DrawFn, operation: str, member: str, kind: str) -> Answer:
    """Answers about a record whose ARN is in `member` and says `kind`; some with what no API would send."""
    body = draw(members(operation))
    n = next(_numbers)
    arn = f"arn:aws:braket:us-east-1:123456789012:{kind}/{draw(st.sampled_from(TEXTS[:-1]))}/{n}"
    body[member] = arn
    more = draw(st.dictionaries(_texts, _json, max_size=2))
    body.update({name: value for name, value in more.items() if name not in record_shape(operation).members})
    is_clean = draw(st.booleans()) or draw(st.booleans())
    for _ in range(0 if is_clean else draw(st.integers(1, 2))):
        name = draw(st.sampled_from(sorted(body)))
        if draw(st.booleans()):
            body[name] = draw(st.sampled_from(_WRONG))
        else:
            del body[name]
        if not body:
            break
    if draw(st.integers(0, 199)) == 137:
        body["tags"] = {_MEGABYTE: _MEGABYTE, "team": "x"}
    return Answer(operation, arn, written(body), is_clean)


_IN_PLACE_OF: tuple[dict[str, Any], ...] = (
    {"shots": 2**63},
    {"failureReason": _SURROGATE},
    {"tags": {_SURROGATE: "x"}},
    {"status": ["no", "text"]},
)


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """A Region that lists tasks, devices and spending limits; some tasks cannot become rows."""
    account = Account()
    for _ in range(draw(st.integers(1, 6))):
        arn = _arn(draw, "quantum-task")
        same = {"quantumTaskArn": arn, "createdAt": "2026-11-19T12:00:00Z"}
        task = draw(members("GetQuantumTask")) | same
        is_clean = draw(st.booleans()) or draw(st.booleans())
        account.tasks[arn] = task if is_clean else task | draw(st.sampled_from(_IN_PLACE_OF))
        account.listed_tasks.append(draw(members("SearchQuantumTasks")) | same)
        if is_clean:
            account.clean.add(arn)
    for _ in range(draw(st.integers(0, 4))):
        arn = f"arn:aws:braket:us-east-1::device/qpu/{draw(st.sampled_from(TEXTS[:-1]))}/{next(_numbers)}"
        account.devices[arn] = draw(members("GetDevice")) | {"deviceArn": arn}
    for _ in range(draw(st.integers(0, 4))):
        arn = _arn(draw, "spending-limit")
        account.limits[arn] = draw(members("SearchSpendingLimits")) | {"spendingLimitArn": arn}
    return account


def _arn(draw: st.DrawFn, kind: str) -> str:
    owner = draw(st.sampled_from(("123456789012", "'; DROP TABLE jobs; --", "<script>alert(5)</script>")))
    return f"arn:aws:braket:us-east-1:{owner}:{kind}/{draw(st.sampled_from(TEXTS[:-1]))}/{next(_numbers)}"


def written(body: Any) -> str:
    """The body as JSON text, infinity as a number that is too large for one."""
    return json.dumps(body).replace("Infinity", "1e999")


def read(text: str) -> Any:
    """A JSON text that was sent."""
    return json.loads(text)


def difference(shape: Any, body: Mapping[str, Any], row: Mapping[str, Any], *elsewhere: str) -> str | None:
    """The first member that the row does not hold as it was sent, in words; None where it holds all.

    `elsewhere` are members that other tables hold; what is unknown inside of those of the first kind is in `extra` too.
    """
    for path, leaf in _leaves(shape):
        if path[0] in elsewhere:
            continue
        column = "_".join(xform_name(name) for name in path)
        given = _at(body, path)
        if path[0] in SIDE and not _fits(leaf, given):
            given = _text(given) if leaf.type_name == "string" else None
        if given is None and path == ("outputDataConfig", "s3Path"):
            given = ""  # the one column of them that may not be NULL
        if not same(leaf, given, row[column]):
            return f"{'.'.join(path)} was {given!r:.200}, the row has {row[column]!r:.200}"
    expected = unknown(shape, body) | {
        name: body[name] for name in _LISTS if not isinstance(body.get(name), list | None)
    }
    for path, leaf in _leaves(shape):
        if path[0] in SIDE:
            _keep_unread(expected, body, path, leaf)
    extra = json.loads(row["extra"]) if row["extra"] is not None else {}
    return None if extra == expected else f"extra is {extra!r:.300}, not {expected!r:.300}"


def _keep_unread(extra: dict[str, Any], body: Any, path: tuple[str, ...], leaf: Any) -> None:
    """Put what the column of a leaf cannot hold into `extra`: its value, or the first thing on the way that is no object."""
    for depth, name in enumerate(path, 1):
        body = body.get(name)
        is_leaf = depth == len(path)
        if body is None or (is_leaf and (leaf.type_name == "string" or _fits(leaf, body))):
            return
        if is_leaf or not isinstance(body, dict):
            for outer in path[: depth - 1]:
                extra = extra.setdefault(outer, {})
            extra[name] = body
            return


def _fits(shape: Any, given: Any) -> bool:
    """Whether a value can be read as one of the shape's type."""
    if given is None:
        return True
    match shape.type_name:
        case "structure":
            return isinstance(given, dict) and all(
                _fits(member, given.get(name)) for name, member in shape.members.items()
            )
        case "list":
            return isinstance(given, list) and all(_fits(shape.member, each) for each in given)
        case "map":
            return isinstance(given, dict)
        case "integer" | "long":
            return _is_whole(given)
        case _:
            return isinstance(given, str | dict | list)


def _is_whole(given: Any) -> bool:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return False
    try:
        return (
            int(given) == (given if isinstance(given, float) else int(given))
            and -(2**63) <= int(given) < 2**63
        )
    except (ValueError, OverflowError):
        return False


def _leaves(shape: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, member in shape.members.items():
        if member.type_name == "structure":
            yield from _leaves(member, (*path, name))
        else:
            yield (*path, name), member


def _at(body: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body


def same(shape: Any, given: Any, stored: Any) -> bool:
    """Whether a stored value is what was given, by the shape's type."""
    if given is None:
        return stored is None
    match shape.type_name:
        case "map":
            return isinstance(stored, dict) and {k: _text(v) for k, v in given.items()} == stored
        case "list":
            return len(given) == len(stored) and all(
                same(shape.member, a, b) for a, b in zip(given, stored, strict=True)
            )
        case "structure":
            names = {name: xform_name(name) for name in shape.members}
            return all(same(shape.members[name], given.get(name), stored[names[name]]) for name in names)
        case "integer" | "long":
            return type(stored) is int and stored == int(given)
        case "timestamp":
            return abs(stored - _instant(given)) < timedelta(microseconds=1)
        case _ if isinstance(given, dict | list):
            return json.loads(stored) == given
        case _:
            return Decimal(given) == stored if isinstance(stored, Decimal) else given == stored


def _text(value: Any) -> Any:
    return (
        json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if not isinstance(value, str | None)
        else value
    )


def _instant(given: Any) -> datetime:
    if isinstance(given, str):
        parsed = isoparse(given)
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return EPOCH + timedelta(seconds=given)


def unknown(shape: Any, body: Mapping[str, Any]) -> dict[str, Any]:
    """The members that botocore's shape does not have, nested as they came; a list with any is there whole.

    So is a list where an object belongs.
    """
    rest: dict[str, Any] = {}
    for name, value in body.items():
        member = shape.members.get(name)
        if member is None:
            rest[name] = value
        elif member.type_name == "structure" and isinstance(value, dict):
            if inner := unknown(member, value):
                rest[name] = inner
        elif isinstance(value, list) and name != "events":
            item = member.member if member.type_name == "list" else member
            if item.type_name == "structure" and any(
                isinstance(each, dict) and unknown(item, each) for each in value
            ):
                rest[name] = value
    return rest
