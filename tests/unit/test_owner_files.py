"""allocations.toml and budgets.toml are read whole, and an entry that cannot be right is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from braket_etl.costs.errors import BillingFileError
from braket_etl.costs.owner_files import read_allocations, read_budgets, take_over
from tests.cost_cases import warehouse

RULE = '[[allocations]]\nkey = "project"\ndevice = "sv1"\n'
BUDGET = '[[budgets]]\nname = "grant"\namount_usd = 100\n'
DATES = "from = 2026-10-10\nto = 2026-11-09\n"


def _file(folder: Path, text: str) -> Path:
    file = folder / "kept.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_no_file_is_an_empty_one(tmp_path: Path) -> None:
    assert read_allocations(tmp_path / "none.toml") == read_budgets(tmp_path / "none.toml") == []


def test_shares_follow_each_other_up_to_the_whole(tmp_path: Path) -> None:
    text = (
        RULE
        + "shares = { a = 33.3, b = 33.3, c = 33.4 }\n[defaults]\nproject = 'lab'\nstage = {x = 50, y = 50}\n"
    )
    rows = read_allocations(_file(tmp_path, text))
    assert [
        (r["owner_key"], r["place"], r["rule"], r["owner"], r["share_from"], r["share_to"]) for r in rows
    ] == [
        ("project", 1, "allocation 1", "a", 0, Decimal("0.333")),
        ("project", 1, "allocation 1", "b", Decimal("0.333"), Decimal("0.666")),
        ("project", 1, "allocation 1", "c", Decimal("0.666"), 1),
        ("project", 2, "default owner", "lab", 0, 1),
        ("stage", 2, "default owner", "x", 0, Decimal("0.5")),
        ("stage", 2, "default owner", "y", Decimal("0.5"), 1),
    ]
    assert (rows[0]["device"], rows[0]["tag_key"]) == ("sv1", None)


def test_a_budget_holds_for_its_days_or_for_each_month(tmp_path: Path) -> None:
    text = (
        BUDGET
        + DATES
        + 'tag = "project=a=b"\n'
        + BUDGET.replace("grant", "all")
        + 'period = "month"\nthresholds = [1, 0.9]'
    )
    grant, each_month = read_budgets(_file(tmp_path, text))
    assert (grant["first_day"], grant["last_day"]) == (date(2026, 10, 10), date(2026, 11, 9))
    assert (grant["tag_key"], grant["tag_value"], grant["thresholds"]) == ("project", "a=b", [0.5, 0.8, 1.0])
    assert (each_month["first_day"], each_month["last_day"]) == (None, None)
    assert each_month["thresholds"] == [0.9, 1.0]


@pytest.mark.parametrize(
    ("read", "text", "says"),
    [
        (read_allocations, "[[allocations]\n", "is no TOML"),
        (read_allocations, RULE, "allocations 1: give either owner, or shares"),
        (read_allocations, RULE + 'owner = "a"\nshares = { b = 100 }', "give either owner, or shares"),
        (read_allocations, RULE + "shares = { a = 60, b = 39 }", "make 100 together, not 99"),
        (read_allocations, RULE + "shares = { a = 100, b = 0 }", "'b' needs a name and a part"),
        (read_allocations, RULE + 'owner = "(unallocated)"', "nobody's name"),
        (read_allocations, RULE + 'owner = " "', "needs a name"),
        (read_allocations, RULE + 'owner = "a"\ndevices = "x"', "devices: there is no such member"),
        (
            read_allocations,
            RULE + 'owner = "a"\ntag = "team"',
            "allocations 1, tag: write a tag as key=value",
        ),
        (read_allocations, '[[allocations]]\nkey = "project"\nowner = "a"', "nothing of what it is for"),
        (read_allocations, RULE.replace("project", "account") + 'owner = "a"', "key account needs no rule"),
        (read_allocations, '[defaults]\naccount = "a"', "account needs no owner"),
        (read_allocations, "[defaults]\nproject = { a = 50 }", "defaults, project: shares"),
        (read_allocations, "[default]\nproject = 'a'", "default: there is no such member"),
        (read_budgets, BUDGET, "budgets 1: give both from and to, or period"),
        (read_budgets, BUDGET + "from = 2026-10-10", "give both from and to"),
        (read_budgets, BUDGET + DATES + 'period = "month"', "give both from and to, or period"),
        (read_budgets, BUDGET + "from = 2026-10-10\nto = 2026-10-09", "lies before from"),
        (read_budgets, BUDGET + DATES.replace("2026-10-10", '"soon"'), "budgets 1, from: "),
        (read_budgets, BUDGET + DATES + "thresholds = [50]", "thresholds: 50 is no share"),
        (read_budgets, BUDGET + DATES + "thresholds = []", "thresholds"),
        (read_budgets, BUDGET + DATES + 'account = "12"', "twelve digits"),
        (read_budgets, (BUDGET + DATES) * 2, "names of budgets must differ: grant"),
        (read_budgets, BUDGET.replace("100", "nan") + DATES, "amount_usd"),
        (read_budgets, BUDGET.replace("100", "0") + DATES, "amount_usd"),
        (read_budgets, BUDGET.replace("100", "1e-30") + DATES, "amount_usd"),
    ],
)
def test_what_cannot_be_right_is_named(
    tmp_path: Path, read: Callable[[Path], list[dict[str, Any]]], text: str, says: str
) -> None:
    with pytest.raises(BillingFileError) as error:
        read(_file(tmp_path, text))
    assert str(error.value).startswith(str(tmp_path / "kept.toml"))
    assert says in str(error.value)


@pytest.mark.warehouse
def test_a_file_that_cannot_be_used_leaves_what_it_said_before(tmp_path: Path) -> None:
    rules, budgets = tmp_path / "allocations.toml", tmp_path / "budgets.toml"
    with warehouse() as connection:

        def stored() -> list[tuple[Any, ...]]:
            return connection.execute(
                "SELECT rule, owner, read_at FROM allocations UNION ALL SELECT budget, NULL, read_at FROM budgets"
            ).fetchall()

        rules.write_text(RULE + 'owner = "a"')
        budgets.write_text(BUDGET + DATES)
        assert take_over(connection, rules, budgets) == []
        before = stored()
        assert [row[:2] for row in before] == [("allocation 1", "a"), ("grant", None)]
        assert take_over(connection, rules, budgets) == []
        assert stored() == before  # nothing is written where nothing changed
        rules.write_text(RULE)
        budgets.unlink()
        (problem,) = take_over(connection, rules, budgets)
        assert problem.startswith(f"{rules}: allocations 1")
        assert stored() == before[:1]
