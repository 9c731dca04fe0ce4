"""JSON that others wrote: what is too deep is refused at the same depth by every Python, and by every reader."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from braket_etl.aws.wire import json_object
from braket_etl.costs.errors import PriceListError
from braket_etl.costs.price_list import parse
from braket_etl.json_text import DEEPEST, read_json
from braket_etl.pull.events import event_rows
from braket_etl.tables.devices import execution_windows
from braket_etl.tables.redact import Redactor

#: More than any bound of Python's, and more than 3.11's but fewer than 3.13's, and just more than our own.
TOO_DEEP = pytest.mark.parametrize("levels", [DEEPEST + 1, 5_000, 200_000])


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def test_as_many_levels_as_are_said_are_read() -> None:
    value: Any = read_json(nested(DEEPEST))
    for _ in range(DEEPEST - 1):
        (value,) = value
    assert value == []
    assert read_json("1") == 1
    assert read_json('{"a": [{"b": null}]}') == {"a": [{"b": None}]}


@TOO_DEEP
def test_what_is_nested_deeper_is_an_error_that_callers_know(levels: int) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(nested(levels))
    with pytest.raises(ValueError, match="nested too deeply"):
        json_object('{"a": ' + nested(levels) + "}")


@TOO_DEEP
def test_every_reader_of_what_others_wrote_refuses_it(levels: int) -> None:
    deep = nested(levels)
    with pytest.raises(PriceListError, match="nested too deeply"):
        parse(('{"products": ' + deep + "}").encode())
    (reject,) = event_rows([deep], datetime.now(UTC)).rejects
    assert "nested too deeply" in reject.error
    assert execution_windows('{"service": ' + deep + "}") is None
    assert Redactor(["token"]).payload('{"a": ' + deep + ', "token": "x"}').endswith("no whole JSON")
