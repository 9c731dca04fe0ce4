"""Folders that nobody but their user may enter, whatever the umask."""

from __future__ import annotations

from pathlib import Path


def private_folder(folder: Path) -> None:
    """Make the folder, and those above it that are missing, with mode 0700; one that exists stays as it is.

    `mkdir(parents=True, mode=0o700)` would leave the mode of those above to the umask. Raises OSError.
    """
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_dir():
        raise NotADirectoryError(20, "Not a directory", str(folder))
