"""Take visitor events in: check the caller and the shape, then acknowledge once the stream has them."""

import json
import re
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segmentation.domain.access import WriteKey, holder, origin_allowed
from segmentation.domain.audience import DATABASE, Audience, Behavior
from segmentation.domain.errors import BadRequest, Forbidden, NotFound, TooLarge, Unauthorized
from segmentation.domain.event import Event
from segmentation.domain.published import Published
from segmentation.language.values import parse_time
from segmentation.ports import Clock, EventLog, RuleSets

MOST_RECORDS = 500
MOST_RECORD_BYTES = 1_000_000
MOST_REQUEST_BYTES = 5_000_000
"""Also after unpacking. Lambda itself takes 6 MB, base64 included, so a larger binary body must come gzipped."""
LONGEST_IDENTITY = 200
LONGEST_EVENT_ID = 512
LAST_TIME = 99_999_999_999
"""Year 5138; a greater `time` is in milliseconds."""
MOST_PROBLEMS = 10

_TD1 = re.compile(r"TD1\s+(\S+)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Submission:
    """One request of a client."""

    database: str
    table: str
    body: bytes
    authorization: str | None = None
    encoding: str | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class CollectEvents:
    """The events endpoint."""

    log: EventLog
    rule_sets: RuleSets
    clock: Clock
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())

    def __call__(self, request: Submission) -> int:
        """Keep all of the request's events; how many there were. It is all of them or an error."""
        if len(request.body) > MOST_REQUEST_BYTES:
            raise TooLarge(
                f"the request has more than {MOST_REQUEST_BYTES} bytes; send fewer records at a time"
            )
        published, behavior = self._destination(request)
        records = parse_body(decode_body(request.body, request.encoding))
        now = self.clock.now()
        events, problems = [], []
        for index, record in enumerate(records):
            try:
                events.append(make_event(record, published.audience, behavior, now, self.new_id))
            except BadRequest as error:
                problems.append(f"record {index}: {error}")
        if problems:
            more = len(problems) - MOST_PROBLEMS
            tail = [f"and {more} more"] if more > 0 else []
            raise BadRequest("; ".join(problems[:MOST_PROBLEMS] + tail))
        for index, event in enumerate(events):
            if len(event.to_json()) > MOST_RECORD_BYTES:
                raise TooLarge(f"record {index} has more than {MOST_RECORD_BYTES} bytes")
        if events:
            self.log.append(events)
        return len(events)

    def _destination(self, request: Submission) -> tuple[Published, Behavior]:
        match = _TD1.fullmatch(request.authorization or "")
        if match is None:
            raise Unauthorized("send the write key as the header 'Authorization: TD1 <write key>'")
        sets = self.rule_sets.all().values()
        named = [one for one in sets if one.audience.database == request.database]
        # A stranger must not learn which databases exist: the key is looked at first.
        keys = {one.version: holder(one.access.write_keys, match[1]) for one in named or sets}
        if not any(keys.values()):
            raise Unauthorized("unknown write key")
        if not DATABASE.fullmatch(request.database) or not named:
            raise NotFound(f"unknown database {request.database!r}")
        for one in named:
            behavior = one.audience.behaviors.get(request.table)
            key: WriteKey | None = keys[one.version]
            if behavior is not None and key is not None:
                if not origin_allowed(key.origins, request.origin):
                    raise Forbidden(
                        "this write key may not be used from this origin; add it to the key's origins"
                    )
                return one, behavior
        raise NotFound(f"unknown table {request.table!r}; it must be a behavior of the audience")


def decode_body(body: bytes, encoding: str | None) -> bytes:
    """The body as the client wrote it; gzip is undone, never beyond the limit."""
    coding = (encoding or "identity").strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip"):
        raise BadRequest(f"unknown Content-Encoding {coding!r}; send gzip or none")
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, MOST_REQUEST_BYTES + 1)
    except zlib.error as error:
        raise BadRequest("the body is not gzip, as its Content-Encoding says") from error
    if len(plain) > MOST_REQUEST_BYTES:
        raise TooLarge(
            f"the request unpacks to more than {MOST_REQUEST_BYTES} bytes; send fewer records at a time"
        )
    if not inflater.eof:
        raise BadRequest("the gzip body is cut off")
    return plain


def parse_body(body: bytes) -> list[Mapping[str, Any]]:
    """The records of a body: `{"events": [...]}`, `{"records": [...]}`, or one bare object."""
    try:
        document = json.loads(body, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise BadRequest(
            f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is no JSON that can be kept: {type(error).__name__}") from error
    if not isinstance(document, Mapping):
        raise BadRequest(
            'the body must be {"events": [record, ...]}, {"records": [...]} or one record, an object'
        )
    records: object = [document]
    for name in ("events", "records"):
        if isinstance(document.get(name), list) and len(document) == 1:
            records = document[name]
    assert isinstance(records, list)  # noqa: S101 - both branches above
    if len(records) > MOST_RECORDS:
        raise TooLarge(f"{len(records)} records in one request; at most {MOST_RECORDS}")
    for index, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise BadRequest(f"record {index} is not an object")
    return records


def make_event(
    record: Mapping[str, Any], audience: Audience, behavior: Behavior, now: int, new_id: Callable[[], str]
) -> Event:
    """A record as an event; `BadRequest` says what it lacks. Column types are not judged here."""
    names = _names(record, audience)
    # A key that is kept as its hash only must not go on in the clear beside it.
    hidden = {"time", *(one.name for one in audience.keys.values() if one.hashed)}
    columns = {name: value for name, value in record.items() if name not in hidden}
    return Event(
        id=_event_id(record, behavior.id) or new_id(),
        audience=audience.id,
        behavior=behavior.name,
        profile=names[0],
        time=_time(record.get("time"), now),
        received=now,
        columns=columns,
        also=tuple(names[1:]),
    )


def _time(raw: object, now: int) -> int:
    if raw is None:
        return now
    if isinstance(raw, int | float) and raw > LAST_TIME:
        raise BadRequest("'time' is too great for Unix seconds; was it in milliseconds?")
    time = parse_time(raw)
    if time is None or time < 0:
        raise BadRequest(
            "'time' must be Unix seconds or ISO 8601 with an offset (absent: the time of receipt)"
        )
    return time


def _names(record: Mapping[str, Any], audience: Audience) -> list[str]:
    """The keys that a record carries, the strongest first."""
    names = []
    for column in audience.by_strength():
        value = _text(record.get(column))
        if value:
            if len(value) > LONGEST_IDENTITY or not _encodable(value):
                raise BadRequest(f"{column!r} must be at most {LONGEST_IDENTITY} characters of Unicode text")
            names.append(audience.key_name(column, value))
    if names:
        return names
    listed = " or ".join(repr(name) for name in audience.identities)
    raise BadRequest(f"nobody's event: {listed} must be non-empty text or an integer")


def _event_id(record: Mapping[str, Any], columns: Sequence[str]) -> str | None:
    parts = [_text(record.get(column)) for column in columns]
    if not parts or not all(parts):
        return None
    joined = "-".join(part for part in parts if part)
    if len(joined) > LONGEST_EVENT_ID or not _encodable(joined):
        raise BadRequest(
            f"the event id of {', '.join(columns)} has more than {LONGEST_EVENT_ID} characters or no text"
        )
    return joined


def _text(value: object) -> str | None:
    """An identifier as text: what a warehouse would write for the same column."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, str | int) else None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
