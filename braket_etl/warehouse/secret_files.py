"""Secrets that the program makes for itself and keeps in the home."""

from __future__ import annotations

import secrets
from pathlib import Path

from braket_etl.private_files import private_folder
from braket_etl.warehouse.connection import replaced_atomically

#: In characters; whoever writes one of their own into the file cannot make it a guess.
_LEAST_LENGTH = 32


def kept_secret(file: Path) -> str:
    """The secret that the file holds, with mode 0600; made on first use, and where none worth the name is in it.

    Raises OSError.
    """
    private_folder(file.parent)
    if not file.exists() or len(file.read_text("utf-8").strip()) < _LEAST_LENGTH:
        replaced_atomically(file, secrets.token_urlsafe(32))
    return file.read_text("utf-8").strip()
