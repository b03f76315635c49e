"""The rows of an upload's files, from any place on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from segmentation.domain.errors import BadRequest, CorruptObject
from segmentation.domain.list_rows import Malformed, Raw, csv_value, header_of, json_value, records
from segmentation.domain.list_upload import DELIMITERS, Cursor, Format, Upload
from segmentation.language.problems import did_you_mean
from segmentation.ports import Lake, Tables

ARCHIVES = {
    b"\x1f\x8b": "compressed with gzip; upload it as it is, or as Parquet",
    b"PK\x03\x04": "a zip archive, or a workbook of a spreadsheet; save the sheet as CSV in UTF-8, and upload that",
    b"PAR1": "Parquet; say so with 'format'",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
}
"""How files begin that are no text, or none that is taken, and what to do about it."""


class Refused(Exception):
    """The upload can never be taken in; the words tell the one who sent it why."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its file (from 0) and line (from 1), the value of its column or why it has none, and what follows it."""

    file: int
    line: int
    value: object
    after: Cursor


def rows_of(lake: Lake, tables: Tables, upload: Upload) -> Iterator[Row]:
    """The rows from the cursor on, over all files."""
    paths = list(lake.list(upload.path("data/")))
    if not paths:
        raise Refused("the files of the upload are gone; upload them again")
    at = upload.cursor
    for number in range(at.file, len(paths)):
        here = at if number == at.file else Cursor(number)
        try:
            if upload.format is Format.PARQUET:
                yield from _parquet(tables, upload, paths[number], here)
            else:
                yield from _text(lake, upload, paths[number], here)
        except (BadRequest, CorruptObject) as error:
            raise Refused(f"file {number + 1}: {error}") from error


def _parquet(tables: Tables, upload: Upload, path: str, at: Cursor) -> Iterator[Row]:
    row = at.offset
    for values in tables.values(path, upload.column, row):
        for value in values:
            row += 1
            yield Row(at.file, row, value, Cursor(at.file, row, row + 1))


def _text(lake: Lake, upload: Upload, path: str, at: Cursor) -> Iterator[Row]:
    def read(start: int, length: int) -> bytes:
        return lake.range(path, start, length)

    begin = read(0, 4)
    for mark, what in ARCHIVES.items():
        if begin.startswith(mark):
            raise BadRequest(f"the file is {what}")
    quoted = upload.format is Format.CSV
    column = columns = 0
    if quoted:
        header = next(records(read, 0, 1, quoted=True), None)
        names = [] if header is None or header.data is None else _header(header.data, upload)
        if upload.column not in names:
            raise BadRequest(f"the header has no column {upload.column!r}{_hint(header, names, upload)}")
        if names.count(upload.column) > 1:
            raise BadRequest(f"the header has column {upload.column!r} twice; which of them is meant?")
        column, columns = names.index(upload.column), len(names)
        if at.offset == 0 and header is not None:
            at = Cursor(at.file, header.next_offset, header.next_line)
    for raw in records(read, at.offset, at.line, quoted=quoted):
        after = Cursor(at.file, raw.next_offset, raw.next_line)
        if raw.data is not None and not raw.data.strip():
            continue
        value: object
        try:
            if raw.data is None:
                raise Malformed("a quote that is not closed, or a record of more than a megabyte")
            if quoted:
                value = csv_value(raw.data, upload.delimiter, column, columns)
            else:
                value = json_value(raw.data, upload.column)
        except Malformed as error:
            value = error
        yield Row(at.file, raw.line, value, after)


def _hint(header: Raw | None, names: Sequence[str], upload: Upload) -> str:
    """What may have been meant: another delimiter, or a column that is called alike."""
    for delimiter in DELIMITERS:
        if header is not None and header.data is not None and delimiter != upload.delimiter:
            try:
                others = header_of(header.data, delimiter)
            except Malformed:
                continue
            if upload.column in others and len(others) > 1:
                return f"; with the delimiter {delimiter!r} it has, and the upload says {upload.delimiter!r}"
    return did_you_mean(upload.column, names)


def _header(data: bytes, upload: Upload) -> list[str]:
    try:
        return list(header_of(data, upload.delimiter))
    except Malformed as error:
        raise BadRequest(f"its header is {error}") from error
