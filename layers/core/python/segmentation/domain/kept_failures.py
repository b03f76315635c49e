"""What could not be processed, as it is kept, and the same without somebody's records.

poison/<function>/<sequence>.json    one record, whole in base64, with the reason
aws/lambda/...                       a batch that Lambda gave up on: the event as text, with the condition
replayed/...                         either, once its records were put back on the stream
"""

import base64
import json
from collections.abc import Collection
from typing import Any

from .packed import dump_json

FOLDERS = ("aws/lambda/", "poison/", "replayed/")


def without_people(data: bytes, audience: str, names: Collection[str]) -> tuple[bytes | None, int]:
    """An object without the records that name one of these profiles (`<column>:<value>`), nothing where none is left; and how
    many records that were. Raises `ValueError` for what is no such object.

    A record that can not be read counts as theirs where one of the names stands in it as JSON writes it.
    """
    document = json.loads(data)
    if not isinstance(document, dict):
        raise ValueError("not an object of kept failures")
    said = [one for name in names for one in (name, f"{audience}#{name}")]
    marks = {mark for one in said for mark in (json.dumps(one).encode(), dump_json(one))}
    if "payload" not in document:
        theirs = _is_theirs(base64.b64decode(str(document.get("data", ""))), audience, marks)
        return (None, 1) if theirs else (data, 0)
    payload = json.loads(document["payload"])
    records = payload["Records"] if isinstance(payload, dict) and "Records" in payload else []
    kept = [one for one in records if not _is_theirs(_content(one), audience, marks)]
    if len(kept) == len(records):
        return data, 0
    if not kept:
        return None, len(records)
    rest = {**document, "payload": json.dumps({**payload, "Records": kept}, separators=(",", ":"))}
    return json.dumps(rest, indent=1).encode(), len(records) - len(kept)


def _content(record: Any) -> bytes:
    """What a record of a stream says."""
    if isinstance(record, dict) and "kinesis" in record:
        return base64.b64decode(record["kinesis"]["data"])
    return json.dumps(record).encode()


def _is_theirs(content: bytes, audience: str, marks: Collection[bytes]) -> bool:
    if not any(mark in content for mark in marks):
        return False
    try:
        said = json.loads(content)
    except ValueError:
        return True
    return not isinstance(said, dict) or said.get("audience", audience) == audience
