"""Where the files that are not Python lie, in a checkout and in an installed wheel.

Nothing is read or decided here beyond that.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


@cache
def checkout() -> Path | None:
    """The folder of the checkout that runs, or None for an installed wheel."""
    root = _PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "sql").is_dir() else None


def packaged_sql(kind: str) -> Path:
    """The folder of SQL files of a kind: migrations, models, checks or questions."""
    root = checkout()
    return (root / "sql" if root else _PACKAGE / "_packaged" / "sql") / kind


def packaged_dagster_yaml() -> Path:
    """Our dagster.yaml."""
    root = checkout()
    return root / "dagster_home" / "dagster.yaml" if root else _PACKAGE / "_packaged" / "dagster.yaml"


def packaged_dictionary() -> Path:
    """The data dictionary."""
    root = checkout()
    return root / "docs" / "data-dictionary.md" if root else _PACKAGE / "_packaged" / "data-dictionary.md"
