"""Request bodies: bytes as they came, as JSON."""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import BadRequest, TooLarge

SINGLE = ".single+json"
"""Of the content type of Treasure Data's ingestion API for one record."""
DEEPEST = 50
"""Levels of a body: what is kept is read again, by others, with what stack they have."""
MOST_PROBLEMS = 10
"""How many of a request's problems are told; the rest are counted."""


def read_json(body: bytes, encoding: str | None, most: int) -> Any:
    """The document of a body, gzip undone. `TooLarge` beyond `most` bytes, before or after."""
    if len(body) > most:
        raise TooLarge(f"the request has more than {most} bytes; send fewer records at a time")
    document = parse_json(decode_body(body, encoding, most))
    if nested_deeper(document, DEEPEST):
        raise BadRequest(f"the body is nested deeper than {DEEPEST} levels")
    return document


def nested_deeper(document: Any, most: int) -> bool:
    """Whether objects and lists stand in each other more often than that; found without recursion."""
    level = [document]
    for _ in range(most):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def decode_body(body: bytes, encoding: str | None, most: int) -> bytes:
    """The body as the client wrote it; gzip is undone, never beyond the limit."""
    coding = (encoding or "identity").strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip"):
        raise BadRequest(f"unknown Content-Encoding {coding!r}; send gzip or none")
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, most + 1)
    except zlib.error as error:
        raise BadRequest("the body is not gzip, as its Content-Encoding says") from error
    if len(plain) > most:
        raise TooLarge(f"the request unpacks to more than {most} bytes; send fewer records at a time")
    if not inflater.eof:
        raise BadRequest("the gzip body is cut off")
    if inflater.unused_data:
        raise BadRequest("something stands behind the gzip body; compress all of it as one")
    return plain


def parse_json(body: bytes) -> Any:
    """A body's JSON, strictly: no NaN, no endless nesting."""
    try:
        return json.loads(body, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise BadRequest(
            f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is no JSON that can be kept: {type(error).__name__}") from error


def records_of(document: Any, most: int, content_type: str) -> list[Mapping[str, Any]]:
    """The records of a body: `{"events": [...]}`, `{"records": [...]}`, or one bare object.

    A content type that says "single" leaves no doubt about a record with just one such column.
    """
    if not isinstance(document, Mapping):
        raise BadRequest(
            'the body must be {"events": [record, ...]}, {"records": [...]} or one record, an object'
        )
    records: list[Any] = [document]
    for name in () if SINGLE in content_type.lower() else ("events", "records"):
        listed = document.get(name)
        if isinstance(listed, list) and len(document) == 1:
            records = listed
    if len(records) > most:
        raise TooLarge(f"{len(records)} records in one request; at most {most}")
    for index, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise BadRequest(f"record {index} is not an object")
    return records


def told(problems: Sequence[str]) -> str:
    """Problems in one message: the first ones, and how many more there are."""
    more = len(problems) - MOST_PROBLEMS
    tail = [f"and {more} more"] if more > 0 else []
    return "; ".join([*problems[:MOST_PROBLEMS], *tail])


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
