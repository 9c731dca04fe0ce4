"""Empty warehouses for tests: copies of one that was made once, since its tables and views take longer than most tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from braket_etl.warehouse.connection import STORAGE_VERSION, configured
from braket_etl.warehouse.file import FileWarehouse
from braket_etl.warehouse.migrate import migrate


@cache
def empty_file() -> bytes:
    """The file of an empty warehouse with all models, as a first run makes it."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "empty.duckdb"
        with duckdb.connect(
            str(file), config={"storage_compatibility_version": STORAGE_VERSION}
        ) as connection:
            migrate(configured(connection))
        return file.read_bytes()


def laid_out(warehouse: FileWarehouse) -> FileWarehouse:
    """The warehouse, whose file is there from now on."""
    warehouse.folder.mkdir(parents=True, mode=0o700)
    warehouse.file.write_bytes(empty_file())
    return warehouse


def empty_warehouse(folder: Path, published: Path | None = None) -> FileWarehouse:
    """An empty warehouse under a folder, with a published place beside it or elsewhere."""
    return laid_out(FileWarehouse(folder / "writer", published or folder / "warehouse.duckdb"))
