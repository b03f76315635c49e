"""Uploaded text taken apart into records, from any place on, with the lines that they stand on.

A record of CSV may hold line breaks in quotes. Whatever a file holds, memory stays bounded: a record that does not
end within `LONGEST_RECORD` bytes is reported as malformed, and reading goes on with the line after its first one.
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

LONGEST_RECORD = 1_000_000
LONGEST_VALUE = 1_000
"""Characters of a value."""
_BOM = b"\xef\xbb\xbf"
Read = Callable[[int, int], bytes]
"""At most so many bytes from a place on."""


class Malformed(Exception):
    """A record that cannot be taken; the words are counted and listed in the upload's report."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A record's bytes, the line that it begins on, and where the next record begins. `None`: it does not end."""

    line: int
    data: bytes | None
    next_offset: int
    next_line: int


def records(read: Read, offset: int, line: int, *, quoted: bool, block: int = 1 << 20) -> Iterator[Raw]:
    """The records from a place on. With `quoted` a line break between quotes belongs to a record."""
    held, place, over = b"", offset, False
    while not over:
        more = read(place + len(held), block)
        over = not more
        held += more
        start = 0
        while True:
            end, lines = _end(held, start, quoted=quoted)
            if end is None and over and start < len(held):
                end, lines = _last(held, start, quoted=quoted)
            if end is None and len(held) - start > LONGEST_RECORD:
                first = held.find(b"\n", start)
                if first < 0:  # the rest of its line is passed over, however long it is
                    beyond = _after_line(read, place + len(held), block)
                    yield Raw(line, None, beyond, line + 1)
                    held, place, start, line = b"", beyond, 0, line + 1
                    break
                end, lines = first + 1, 1
                yield Raw(line, None, place + end, line + lines)
            elif end is None:
                break
            elif lines < 0:  # quotes that nobody closed
                lines = -lines
                yield Raw(line, None, place + end, line + lines)
            else:
                data = held[start:end].rstrip(b"\r\n")
                if place + start == 0:
                    data = data.removeprefix(_BOM)
                yield Raw(line, data, place + end, line + lines)
            start, line = end, line + lines
        held, place = held[start:], place + start


def _after_line(read: Read, place: int, block: int) -> int:
    """Where the next line begins, or the file ends."""
    while more := read(place, block):
        found = more.find(b"\n")
        if found >= 0:
            return place + found + 1
        place += len(more)
    return place


def _end(held: bytes, start: int, *, quoted: bool) -> tuple[int | None, int]:
    """Where the record that begins at `start` ends, and how many lines it has."""
    at, lines, quotes = start, 0, 0
    while True:
        found = held.find(b"\n", at)
        if found < 0 or found - start > LONGEST_RECORD:
            return None, 0
        lines += 1
        quotes += held.count(b'"', at, found) if quoted else 0
        at = found + 1
        if quotes % 2 == 0:
            return at, lines


def _last(held: bytes, start: int, *, quoted: bool) -> tuple[int, int]:
    """The same where the file ends; quotes that are still open make its first line malformed (lines below 0)."""
    if quoted and held.count(b'"', start) % 2:
        first = held.find(b"\n", start)
        return (len(held) if first < 0 else first + 1), -1
    return len(held), 1


def csv_fields(data: bytes, delimiter: str) -> list[str]:
    """The fields of a record. Raises `Malformed`."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Malformed("not UTF-8") from None
    if '"' not in text:
        return text.split(delimiter)
    try:
        rows = list(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise Malformed(f"not CSV ({error})") from None
    if len(rows) != 1:
        raise Malformed("not CSV (more than one record)")
    return rows[0]


def csv_value(data: bytes, delimiter: str, column: int, columns: int) -> str:
    """The field of a column. Raises `Malformed`."""
    fields = csv_fields(data, delimiter)
    if len(fields) != columns:
        raise Malformed("another number of fields than the header has")
    return fields[column]


def json_value(data: bytes, column: str) -> object:
    """A member of an object. Raises `Malformed`."""
    try:
        found = json.loads(data.decode())
    except UnicodeDecodeError:
        raise Malformed("not UTF-8") from None
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None
    if not isinstance(found, dict):
        raise Malformed("not a JSON object")
    if column not in found:
        raise Malformed("the object lacks the column")
    return found[column]


def text_of(value: object) -> str:
    """A value as text. Raises `Malformed`."""
    if value is None or value == "":
        raise Malformed("empty")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise Malformed("neither text nor a whole number")
    if len(value) > LONGEST_VALUE:
        raise Malformed(f"longer than {LONGEST_VALUE} characters")
    if any(ord(one) < 32 or 0xD800 <= ord(one) < 0xE000 for one in value):
        raise Malformed("with control characters")
    return value


def header_of(data: bytes, delimiter: str) -> Sequence[str]:
    """The names of the columns, without blanks around them. Raises `Malformed`."""
    return [name.strip() for name in csv_fields(data, delimiter)]
