"""The lines of one file of an export, as they stand there: Parquet, or CSV, plain, gzip or zip by its content.

Parquet is read by pyarrow, which keeps every decimal as it is; DuckDB before 2.0 reads one that is wider than 38 digits as
another number. The dialect of CSV is given and not guessed: commas, double quotes, doubled inside.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from typing import IO, Any, BinaryIO, Protocol, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

#: What a damaged file raises while it is read; `csv.Error` and those of zip are no OSError.
UNREADABLE = (pa.ArrowException, csv.Error, zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError)
_BATCH = 65_536
_SERVICE = "braket"
_LARGEST_FIELD = 16 * 1024 * 1024

_AS_TEXT = (
    pa.types.is_float32,  # as it is written, too: 0.3, and not the double behind it
    pa.types.is_null,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
)

Line = dict[str, Any]


class Export(Protocol):
    """A file of an export that has been opened: its columns, and its lines."""

    @property
    def columns(self) -> Sequence[str]: ...  # noqa: D102 - see above

    def lines(self, wanted: Sequence[str], service: Sequence[str], of_bill: Sequence[str]) -> Iterator[Line]:
        """The lines, of the columns `wanted`, of which one of `service` names Amazon Braket.

        When they have been read, `bills` holds what the columns `of_bill` have in any line, also of other services.
        """

    @property
    def bills(self) -> Collection[tuple[Any, ...]]: ...  # noqa: D102 - see above


def open_export(stream: BinaryIO) -> Export | None:
    """The export behind a stream that can be wound back; None for an empty file. Raises one of UNREADABLE."""
    head = stream.read(4)
    stream.seek(0)
    if head == b"PAR1":
        return _Parquet(stream)
    plain = _unpacked(stream, head)
    return _Csv(plain) if plain.peek(1) else None


def _unpacked(stream: BinaryIO, head: bytes) -> io.BufferedReader:
    if head.startswith(b"\x1f\x8b"):
        return io.BufferedReader(cast("io.RawIOBase", gzip.open(stream)))
    if head.startswith(b"PK"):
        packed = zipfile.ZipFile(stream)
        if len(members := packed.namelist()) != 1:
            raise ValueError(f"the zip holds {len(members)} files, not one")
        return io.BufferedReader(cast("io.RawIOBase", packed.open(members[0])))
    return io.BufferedReader(cast("io.RawIOBase", stream))


class _Csv:
    def __init__(self, stream: IO[bytes]) -> None:
        csv.field_size_limit(_LARGEST_FIELD)
        text = io.TextIOWrapper(stream, "utf-8-sig", newline="")
        self._reader = csv.reader(text, delimiter=",", quotechar='"', doublequote=True, strict=True)
        self.columns = next(self._reader, [])
        self.bills: set[tuple[Any, ...]] = set()

    def lines(self, wanted: Sequence[str], service: Sequence[str], of_bill: Sequence[str]) -> Iterator[Line]:
        places = {name: self.columns.index(name) for name in {*wanted, *service, *of_bill}}
        told, bill = [places[name] for name in service], [places[name] for name in of_bill]
        for values in self._reader:
            if not values:  # an empty line
                continue
            if len(values) != len(self.columns):
                raise ValueError(
                    f"line {self._reader.line_num} has {len(values)} fields, the header {len(self.columns)}"
                )
            self.bills.add(tuple(values[place] for place in bill))
            if any(_SERVICE in values[place].lower() for place in told):
                yield {name: values[places[name]] for name in wanted}


class _Parquet:
    def __init__(self, stream: BinaryIO) -> None:
        self._file = pq.ParquetFile(stream)
        self.columns = self._file.schema_arrow.names
        self.bills: set[tuple[Any, ...]] = set()

    def lines(self, wanted: Sequence[str], service: Sequence[str], of_bill: Sequence[str]) -> Iterator[Line]:
        for group in range(self._file.num_row_groups):
            head = _plain(self._file.read_row_group(group, columns=[*{*service, *of_bill}]))
            of_group = head.select(of_bill).group_by(list(of_bill)).aggregate([])
            self.bills.update(zip(*(of_group[name].to_pylist() for name in of_bill), strict=True))
            if not any(pc.any(_is_ours(head[name])).as_py() for name in service):
                continue
            columns = [*{*wanted, *service}]
            for batch in self._file.iter_batches(_BATCH, row_groups=[group], columns=columns):
                table = _plain(pa.Table.from_batches([batch]))
                ours = _is_ours(table[service[0]])
                for name in service[1:]:
                    ours = pc.or_(ours, _is_ours(table[name]))
                yield from table.filter(ours).select(list(wanted)).to_pylist()


def _is_ours(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(pc.match_substring(column.cast(pa.string()), _SERVICE, ignore_case=True), False)


def _plain(table: pa.Table) -> pa.Table:
    """The table with types that Python has: categories as their values, bytes as text, times to the microsecond."""
    for place, field in enumerate(table.schema):
        if (plain := _plain_type(field.type)) != field.type:
            table = table.set_column(place, field.name, table.column(place).cast(plain, safe=False))
    return table


def _plain_type(arrow_type: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(arrow_type):
        return _plain_type(arrow_type.value_type)
    if pa.types.is_timestamp(arrow_type):
        return pa.timestamp("us", arrow_type.tz)
    return pa.string() if any(is_so(arrow_type) for is_so in _AS_TEXT) else arrow_type
