"""allocations.toml and budgets.toml: whose a cost is, and how much may be spent, as owners say.

A file is the whole truth of its table, and one that is not there is an empty one. It is read whole before anything is
stored; what cannot be right raises BillingFileError, which names the file, the entry and what to write instead.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeVar

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from braket_etl.costs.errors import BillingFileError
from braket_etl.costs.kept_files import replace_table
from braket_etl.tables.declaration import Table
from braket_etl.tables.owners import ALLOCATIONS, BUDGETS
from braket_etl.values import rounded
from braket_etl.warehouse.connection import Connection
from braket_etl.warehouse.statements import transaction

_LEAST_USD, _MOST_USD = Decimal("0.01"), Decimal(10) ** 12
#: What an owner key may not be: the account that pays is a fact.
_FACTS = ("account",)
#: Other members of these entries say which records a rule is for.
_CONDITIONS = ("account", "device", "role", "job_name", "person", "reservation", "tag")
_DEFAULT = "default owner"
_NOBODY = "(unallocated)"

_Tag = Field(None, pattern=r"^[^=]+=.")
Entry = TypeVar("Entry", bound=BaseModel)


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class _Allocation(_Kept):
    """One [[allocations]]: which records it is for, and who gets what part of them."""

    key: str = Field(min_length=1)
    name: str | None = Field(None, min_length=1)
    account: str | None = Field(None, min_length=1)
    device: str | None = Field(None, min_length=1)
    role: str | None = Field(None, min_length=1)
    job_name: str | None = Field(None, min_length=1)
    person: str | None = Field(None, min_length=1)
    reservation: str | None = Field(None, min_length=1)
    tag: str | None = _Tag
    owner: str | None = Field(None, min_length=1)
    shares: dict[str, Decimal] | None = None

    @model_validator(mode="after")
    def _whole(self) -> _Allocation:
        if self.key in _FACTS:
            raise ValueError(f"key {self.key} needs no rule: it is what pays. Name a tag, or person")
        if all(getattr(self, name) is None for name in _CONDITIONS):
            raise ValueError(
                f"it says nothing of what it is for: give one of {', '.join(_CONDITIONS)}, or write the owner of all that "
                "is left below [defaults]"
            )
        _check_owner(self.owner, self.shares)
        return self


class _Allocations(_Kept):
    """allocations.toml."""

    allocations: list[_Allocation] = []
    defaults: dict[str, str | dict[str, Decimal]] = {}

    @model_validator(mode="after")
    def _defaults_fit(self) -> _Allocations:
        for key, owner in self.defaults.items():
            if key in _FACTS:
                raise ValueError(f"defaults: {key} needs no owner: it is what pays")
            try:
                _check_owner(*((owner, None) if isinstance(owner, str) else (None, owner)))
            except ValueError as error:
                raise ValueError(f"defaults, {key}: {error}") from None
        return self


class _Budget(_Kept):
    """One [[budgets]]."""

    name: str = Field(min_length=1)
    amount_usd: Decimal = Field(ge=_LEAST_USD, le=_MOST_USD, allow_inf_nan=False)
    first: date | None = Field(None, alias="from")
    last: date | None = Field(None, alias="to")
    period: Literal["month"] | None = None
    thresholds: list[Decimal] = Field([Decimal("0.5"), Decimal("0.8"), Decimal(1)], min_length=1)
    tag: str | None = _Tag
    account: str | None = Field(None, pattern=r"^\d{12}$")
    device: str | None = Field(None, min_length=1)
    person: str | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> _Budget:
        if (self.period is None) == (self.first is None and self.last is None):
            raise ValueError('give both from and to, or period = "month"')
        if self.period is None and (self.first is None or self.last is None):
            raise ValueError("give both from and to: days such as 2026-10-10, both in")
        if self.first and self.last and self.last < self.first:
            raise ValueError(f"to {self.last} lies before from {self.first}")
        if wrong := [share for share in self.thresholds if not 0 < share <= 10]:
            raise ValueError(f"thresholds: {wrong[0]} is no share of the amount: 0.8 is 80 per cent")
        return self


class _Budgets(_Kept):
    """budgets.toml."""

    budgets: list[_Budget] = []

    @model_validator(mode="after")
    def _distinct(self) -> _Budgets:
        names = [budget.name for budget in self.budgets]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"names of budgets must differ: {', '.join(twice)}")
        return self


def read_allocations(path: Path) -> list[dict[str, Any]]:
    """Rows of `allocations`, in the order in which rules are tried; none where there is no file."""
    file = _read(path, _Allocations)
    if file is None:
        return []
    rows: list[dict[str, Any]] = []
    for place, each in enumerate(file.allocations, 1):
        key, value = (each.tag or "").split("=", 1) if each.tag else (None, None)
        said = {name: getattr(each, name) for name in _CONDITIONS if name != "tag"}
        head = {
            "owner_key": each.key,
            "place": place,
            "rule": each.name or f"allocation {place}",
            **said,
            "tag_key": key,
            "tag_value": value,
        }
        rows += [head | share for share in _shares(each.owner or each.shares or {})]
    for key, owner in file.defaults.items():
        head = {"owner_key": key, "place": len(file.allocations) + 1, "rule": _DEFAULT}
        rows += [head | share for share in _shares(owner)]
    return rows


def read_budgets(path: Path) -> list[dict[str, Any]]:
    """Rows of `budgets`; none where there is no file."""
    file = _read(path, _Budgets)
    return [] if file is None else [_budget_row(budget) for budget in file.budgets]


def take_over(connection: Connection, allocations: Path, budgets: Path) -> list[str]:
    """Store what the files say by now, where that differs from what is stored; what cannot be used, in words.

    Of a file that cannot be used the last version that could stays.
    """
    problems = []
    for table, path, read in _files(allocations, budgets):
        try:
            rows = _arrow(table, read(path))
        except BillingFileError as error:
            problems.append(str(error))
            continue
        if _said(rows) != _said(_stored(connection, table)):
            with transaction(connection):
                replace_table(connection, table, rows)
    return problems


def not_taken_over(connection: Connection, allocations: Path, budgets: Path) -> list[str]:
    """What to say of each file that says something else than what is stored."""
    remarks = []
    for table, path, read in _files(allocations, budgets):
        try:
            if _said(_arrow(table, read(path))) != _said(_stored(connection, table)):
                remarks.append(
                    f"{path} was changed and is not taken over yet: `braket-etl billing owners` does so"
                )
        except BillingFileError as error:
            remarks.append(f"{error}; what it said before still counts")
    return remarks


def _files(
    allocations: Path, budgets: Path
) -> list[tuple[Table, Path, Callable[[Path], list[dict[str, Any]]]]]:
    return [(ALLOCATIONS, allocations, read_allocations), (BUDGETS, budgets, read_budgets)]


def _arrow(table: Table, rows: list[dict[str, Any]]) -> pa.Table:
    read_at = datetime.now(UTC)
    return pa.Table.from_pylist([row | {"read_at": read_at} for row in rows], schema=table.arrow_schema)


def _stored(connection: Connection, table: Table) -> pa.Table:
    return connection.execute(f"FROM {table.qualified_name}").to_arrow_table()


def _said(rows: pa.Table) -> list[str]:
    """The rows whenever they were read, in one order."""
    names = [name for name in sorted(rows.column_names) if name != "read_at"]
    return sorted(map(str, rows.select(names).to_pylist()))


def _budget_row(budget: _Budget) -> dict[str, Any]:
    key, value = budget.tag.split("=", 1) if budget.tag else (None, None)
    return {
        "budget": budget.name,
        "amount_usd": rounded(budget.amount_usd),
        "first_day": budget.first,
        "last_day": budget.last,
        "tag_key": key,
        "tag_value": value,
        "account": budget.account,
        "device": budget.device,
        "person": budget.person,
        "thresholds": sorted({float(share) for share in budget.thresholds}),
    }


def _check_owner(owner: str | None, shares: dict[str, Decimal] | None) -> None:
    if (owner is None) == (shares is None):
        raise ValueError("give either owner, or shares = { name = per cent, … }")
    if _NOBODY in (owner, *(shares or ())):
        raise ValueError(f"{_NOBODY} is nobody's name: it stands for what no rule gives an owner")
    if owner is not None and not owner.strip():
        raise ValueError("an owner needs a name")
    if shares is None:
        return
    if wrong := [name for name, share in shares.items() if not name.strip() or not 0 < share <= 100]:
        raise ValueError(f"shares: {wrong[0]!r} needs a name and a part above 0 and up to 100 per cent")
    if (total := sum(shares.values(), Decimal(0))) != 100:
        raise ValueError(f"shares are in per cent and make 100 together, not {total.normalize():f}")


def _shares(owner: str | dict[str, Decimal]) -> Iterator[dict[str, Any]]:
    """Each owner with the part of the whole that ends before its own, and that with its own."""
    before = Decimal(0)
    for name, share in ({owner: Decimal(100)} if isinstance(owner, str) else owner).items():
        until = before + share
        yield {"owner": name, "share_from": rounded(before / 100), "share_to": rounded(until / 100)}
        before = until


def _read(path: Path, kind: type[Entry]) -> Entry | None:
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BillingFileError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BillingFileError(f"{path} is no UTF-8 text") from None
    try:
        return kind.model_validate(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        raise BillingFileError(f"{path} is no TOML: {error}") from None
    except ValidationError as error:
        raise BillingFileError(f"{path}: {_told(error)}") from None


def _told(error: ValidationError) -> str:
    """The first thing that is wrong, with the place of the entry counted from 1, and how many more there are."""
    found = error.errors(include_url=False)
    first = found[0]
    place = ""
    for part in first["loc"]:
        if isinstance(part, int):
            place += f" {part + 1}"
        elif part != "str" and not part.startswith("dict["):  # which kind of value was tried
            place += f", {part}" if place else part
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        said = "there is no such member"
    elif first["type"] == "string_pattern_mismatch":
        said = "write a tag as key=value" if first["loc"][-1] == "tag" else "an account id has twelve digits"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{place}: {said}{more}" if place else f"{said}{more}"
