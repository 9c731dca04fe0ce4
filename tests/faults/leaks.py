"""Looking for a secret in everything that the program leaves behind, however it is written there."""

from __future__ import annotations

import base64
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import duckdb


def leaks(secrets: Iterable[str], folders: Iterable[Path]) -> list[str]:
    """Files below the folders that hold one of the secrets; each with the begin of the secret."""
    forms = {secret: list(_forms(secret)) for secret in secrets}
    return [
        f"{path}: {secret[:8]}…"
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for content in _contents(path)
        for secret, needles in forms.items()
        if any(needle in content for needle in needles)
    ]


def _forms(secret: str) -> Iterator[bytes]:
    """The secret as it is, in UTF-16, in hex, in an address, reversed, and in base64 at each of its three offsets."""
    raw = secret.encode()
    yield from (raw, raw[::-1], secret.encode("utf-16-le"), raw.hex().encode(), raw.hex().upper().encode())
    yield from (quote(secret, safe="").encode(), quote(quote(secret, safe=""), safe="").encode())
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw)
        # the characters at both ends also hold bits of what stands beside the secret
        yield whole[4 if before else 0 : -4]


def _contents(path: Path) -> Iterator[bytes]:
    """The bytes of a file, its name, and what is packed in it: the cells of a database, compressed or not."""
    yield str(path).encode()
    content = path.read_bytes()
    yield content
    if content[8:12] == b"DUCK":
        yield from _of_duckdb(path)
    elif content.startswith(b"SQLite format 3"):
        yield from _of_sqlite(path)
    elif content.startswith(b"PAR1"):
        yield from _of_query(duckdb.connect(), f"FROM read_parquet('{path}')")


def _of_duckdb(path: Path) -> Iterator[bytes]:
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
        for schema, table in tables:
            yield from _of_query(connection, f'FROM "{schema}"."{table}"')


def _of_query(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[bytes]:
    for row in connection.execute(query).fetchall():
        yield repr(row).encode("utf-8", "backslashreplace")


def _of_sqlite(path: Path) -> Iterator[bytes]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in connection.execute(f'SELECT * FROM "{table}"'):
            for cell in row:
                yield from _unpacked(cell if isinstance(cell, bytes) else str(cell).encode())
    connection.close()


def _unpacked(cell: bytes) -> Iterator[bytes]:
    yield cell
    with suppress(zlib.error):
        yield zlib.decompress(cell)
