"""Extensions of DuckDB that come as Python packages: nothing is downloaded, and nothing is installed into DuckDB."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import duckdb


def packaged_extension(name: str) -> Path | None:
    """The file of an extension for this DuckDB, None for another; raises ModuleNotFoundError without its package."""
    wheel = Path(str(resources.files(f"duckdb_extension_{name}")))
    file = wheel / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    return file if file.is_file() else None
