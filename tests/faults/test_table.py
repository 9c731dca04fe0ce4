"""The table in docs/reliability.md: what is made anew replaces its rows, and the others stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.outcome import Outcome
from tests.faults.table import BEGIN, DOC, END, kept, table, with_table, write

KILLED = Outcome(
    "kill -9 of sync", 2, 4, 384, 384, (7.5, 9.0), opened=1200, killed=("publishing", "publishing")
)
CUT = Outcome("log cut short", 1, 2, 192, 192, (3.2,))
REFUSED = Outcome("newer version", 1, 3, 192, 192, ())


def test_a_part_that_is_made_anew_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write({"damage": [CUT, REFUSED], "kills": [KILLED]}, page)
    assert kept(page) == {"kills": [KILLED], "damage": [CUT, REFUSED]}
    write({**kept(page), "damage": [CUT]}, page)
    text = page.read_text()
    assert text == f"before\n{BEGIN}\n{table([KILLED, CUT])}{END}\nafter\n"
    assert "| kill -9 of sync | 2 | 4 | 384 | 384 | 0 | 8, 9 |" in text
    assert "| log cut short | 1 | 2 | 192 | 192 | 0 | 3, 3 |" in text
    assert "1,200 times" in text
    assert "- 2 publishing" in text
    assert "newer version" not in text


def test_what_recovers_nothing_takes_no_time() -> None:
    assert "| newer version | 1 | 3 | 192 | 192 | 0 | - |" in table([REFUSED])


def test_a_page_without_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="no marks"):
        with_table("text", "table")


def test_the_page_holds_what_was_kept() -> None:
    rows = [row for part in kept().values() for row in part]
    assert not rows or table(rows) in DOC.read_text("utf-8")
    assert not [row for row in rows if row.lost]
