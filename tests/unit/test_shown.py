"""Text as people see it."""

from __future__ import annotations

from braket_etl.display import safe_text


def test_a_message_cannot_drive_the_terminal() -> None:
    said = safe_text("a\x1b[31mred\r\nnext\u202eright-to-left" + "x" * 5000)
    assert said.isprintable()
    assert len(said) <= 500
