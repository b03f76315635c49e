"""Small documents as bytes for a store: compressed JSON.

Stores bill by the kilobyte, so compressing pays, but only if it is cheap: with its defaults zlib takes 90 us for 3 kB, nine
tenths of it for laying out a 256 kB window that a small document never fills; with an 8 kB window it takes 11 us and
finds the same.
"""

import json
import zlib
from typing import Any

import msgspec

_LEVEL, _WINDOW, _MEMORY = 1, -13, 6


def dump_json(document: Any) -> bytes:
    """Compact JSON. Text may hold lone surrogates, which JSON carries escaped; parts may be JSON already (`msgspec.Raw`)."""
    try:
        return msgspec.json.encode(document)
    except (UnicodeEncodeError, ValueError, OverflowError):
        return json.dumps(document, separators=(",", ":"), default=_of_raw).encode()


def _of_raw(part: Any) -> Any:
    if isinstance(part, msgspec.Raw):
        return load_json(bytes(part))
    raise TypeError(f"no JSON can be made of a {type(part).__name__}")


def load_json(data: bytes) -> Any:
    """The document of JSON bytes. Raises `ValueError` or `RecursionError`."""
    try:
        return msgspec.json.decode(data)
    except ValueError:
        # What the fast parser refuses and the language allows: lone surrogates, NaN (which is missing in rules).
        return json.loads(data)


def pack(document: Any) -> bytes:
    """A document as it is stored."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY)
    return compressor.compress(dump_json(document)) + compressor.flush()


def unpack(data: bytes) -> Any:
    """The document of stored bytes. Raises `ValueError` for bytes that are none."""
    return load_json(inflate(data))


def inflate(data: bytes) -> bytes:
    """The JSON of stored bytes. Raises `ValueError` for bytes that are none."""
    try:
        return zlib.decompress(data, _WINDOW)
    except zlib.error as error:
        raise ValueError("not a packed document") from error
