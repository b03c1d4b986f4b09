"""A user's rows from CSV or Parquet, one at a time, so that a file of any size is read in bounded memory.

Whatever is wrong is told with the file, the line or row, the column, the value and what is allowed. A line without
end, a quote never closed, a row of a million cells and a table of a million rows are refused where they pass the
limit, not after they have been read.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from chipwise.core.errors import DataError
from chipwise.core.names import nearest_names
from chipwise.files.columns import Column, convert
from chipwise.files.rows import GivenRow

MAX_ROWS = 50_000
MAX_CHARACTERS = 20_000_000
"""Characters of a whole table; beyond, it is no overlay but a database."""
MAX_ROW_CHARACTERS = 100_000
_CHUNK = 65_536


def csv_rows(path: Path, columns: Sequence[Column], key_field: str) -> Iterator[GivenRow]:
    """Rows of a CSV file; blank cells count as not given.

    Raises
    ------
    DataError
        With file, line, column, value and what is allowed.
    """
    by_field = {column.field: column for column in columns}
    seen: dict[str, int] = {}
    try:
        with open_table(path).open(encoding="utf-8-sig", newline="") as stream:
            source = _Lines(stream, str(path))
            lines = csv.reader(source)
            header = next(lines, [])
            _check_header(header, by_field, key_field, str(path))
            for cells in lines:
                source.row_done()
                if any(cells):
                    place = f"{path}:{lines.line_num}"
                    yield _csv_row(cells, header, by_field, key_field, place)
                    _check_new(cells[header.index(key_field)].strip(), seen, lines.line_num, place)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise DataError(f"cannot be read as CSV: {reason[:200]}", place=str(path), allowed="CSV in UTF-8") from None


class _Lines:
    """Lines of a stream, bounded: no line, no row and no table longer than the limits."""

    def __init__(self, stream: IO[str], name: str) -> None:
        self.stream, self.name = stream, name
        self.number = self.row = self.total = self.rows = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.stream.readline(MAX_ROW_CHARACTERS + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self.row += len(line)
        self.total += len(line)
        if self.row > MAX_ROW_CHARACTERS:
            raise self._too_much(f"a row of more than {MAX_ROW_CHARACTERS:,} characters", "shorter rows; a quote open?")
        if self.total > MAX_CHARACTERS:
            raise self._too_much(f"more than {MAX_CHARACTERS:,} characters", "a smaller table, or several folders")
        return line

    def row_done(self) -> None:
        """Start counting the next row."""
        self.row = 0
        self.rows += 1
        if self.rows > MAX_ROWS:
            raise self._too_much(f"more than {MAX_ROWS:,} rows", "fewer rows: keep those the question needs")

    def _too_much(self, message: str, allowed: str) -> DataError:
        return DataError(message, place=f"{self.name}:{self.number}", allowed=allowed)


def open_table(path: Path) -> Path:
    """The path itself, when it is a regular file.

    Raises
    ------
    DataError
        For a folder, a device, a pipe, a link that leads nowhere: what cannot be read to its end.
    """
    try:
        regular = path.is_file()
    except OSError:
        regular = False
    if not regular:
        raise DataError("not a regular file", place=str(path), allowed="the path of a file you may read")
    return path


def _csv_row(
    cells: Sequence[str], header: Sequence[str], by_field: Mapping[str, Column], key_field: str, place: str
) -> GivenRow:
    if len(cells) != len(header):
        raise DataError(f"{len(cells)} cells under {len(header)} headings", place=place)
    given = {name: cell.strip() for name, cell in zip(header, cells, strict=True) if cell.strip()}
    if key_field not in given:
        raise DataError("is blank", place=f"{place} {key_field}", allowed="an id")
    chosen = [by_field[name] for name in given]
    values = {column.attribute: convert(given[column.field], column, place=place) for column in chosen}
    places = {column.attribute: f"{place} {column.field}" for column in chosen}
    return GivenRow(key=given[key_field], values=values, place=place, places=places)


def _check_new(key: str, seen: dict[str, int], number: int, place: str) -> None:
    if key in seen:
        raise DataError(f"{key[:60]!r} is given twice, first on line {seen[key]}", place=place, allowed="each id once")
    seen[key] = number


def _check_header(header: Sequence[str], known: Mapping[str, Any], key_field: str, place: str) -> None:
    if not header:
        raise DataError("the table is empty", place=place, allowed="a heading and rows")
    for index, heading in enumerate(header):
        if heading not in known:
            message = f"{heading[:60]!r} is no column of this table"
            raise DataError(message, place=f"{place}:1", nearest=nearest_names(heading, known))
        if heading in header[:index]:
            raise DataError(f"heading {heading!r} is repeated", place=f"{place}:1")
    if key_field not in header:
        raise DataError(f"the heading lacks {key_field!r}", place=f"{place}:1")


def parquet_rows(
    path: Path, columns: Sequence[Column], key_field: str, computed: Sequence[str] = ()
) -> Iterator[GivenRow]:
    """Rows of a Parquet file; nulls count as not given.

    A column may bear the heading of the table (``mem_gb``, in GB) or the name of the object's attribute
    (``mem_bytes``, in SI), as `chipwise.to_arrow` writes it; those in `computed` are not read.

    Raises
    ------
    DataError
        With file, row, column, value and what is allowed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = {column.attribute: _in_si(column) for column in columns} | {column.field: column for column in columns}
    seen: dict[str, int] = {}
    number = 0
    try:
        with pq.ParquetFile(open_table(path), memory_map=False) as file:
            _check_size(file, str(path))
            header = [name for name in file.schema_arrow.names if name not in computed]
            wanted = (key_field, columns[0].attribute)
            key = next((name for name in header if name in wanted), key_field)
            _check_header(header, names, key, str(path))
            for batch in file.iter_batches(batch_size=1024, columns=header):
                for cells in batch.to_pylist():
                    number += 1
                    place = f"{path}:{number}"
                    row = _parquet_row(cells, names, key, place)
                    _check_new(row.key, seen, number, place)
                    yield row
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"cannot be read as Parquet: {reason}", place=str(path), allowed="a Parquet file") from None


def _in_si(column: Column) -> Column:
    """The same column with its figures and bounds in SI."""
    low, high = (None if end is None else end * column.factor for end in (column.low, column.high))
    return dataclasses.replace(column, field=column.attribute, factor=1.0, exponent="", low=low, high=high)


def _check_size(file: Any, place: str) -> None:
    """Refuse by the file's own account before anything is unpacked."""
    if file.metadata.num_rows > MAX_ROWS:
        raise DataError(f"{file.metadata.num_rows:,} rows", place=place, allowed=f"at most {MAX_ROWS:,} rows")
    groups = range(file.metadata.num_row_groups)
    size = sum(file.metadata.row_group(group).total_byte_size for group in groups)
    if size > MAX_CHARACTERS:
        raise DataError(f"{size:,} bytes unpacked", place=place, allowed=f"at most {MAX_CHARACTERS:,} bytes")


def _parquet_row(cells: Mapping[str, Any], names: Mapping[str, Column], key: str, place: str) -> GivenRow:
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for name, cell in cells.items():
        column = names[name]
        text = _cell_text(cell, place, name)
        if not text:
            continue
        if column.attribute in values:
            raise DataError(f"{column.attribute} is given twice", place=f"{place} {name}", allowed="one column for it")
        values[column.attribute] = convert(text, column, place=place)
        places[column.attribute] = f"{place} {name}"
    identity = values.get(names[key].attribute)
    if not isinstance(identity, str) or not identity:
        raise DataError("is blank", place=f"{place} {key}", allowed="an id")
    return GivenRow(key=identity, values=values, place=place, places=places)


def _cell_text(cell: Any, place: str, name: str) -> str:
    """One value as a CSV would hold it."""
    if cell is None or (isinstance(cell, float) and cell != cell):
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat()
    if isinstance(cell, dt.date):
        return cell.isoformat()
    if isinstance(cell, (int, float)):
        return repr(cell)
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, list) and all(isinstance(part, str) for part in cell):
        return "|".join(cell)
    raise DataError(f"{type(cell).__name__} cannot stand here", place=f"{place} {name}", allowed="text or a number")


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, a part at a time."""
    with path.open("rb") as stream:
        while part := stream.read(_CHUNK):
            yield part
