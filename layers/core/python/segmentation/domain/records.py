"""A client's record as an event: who, when, which columns are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation.language.problems import did_you_mean
from segmentation.language.values import parse_time, parse_value

from .audience import Audience, Behavior
from .batch_room import LONGEST_KEY
from .calls import LEAST_SKEW
from .errors import BadRequest
from .event import Event
from .privacy import AGENT_COLUMNS, IP_COLUMNS, PERSONAL_COLUMNS, PREFERENCES

LONGEST_EVENT_ID = 512
LAST_TIME = 99_999_999_999
"""Year 5138; a greater `time` is in milliseconds."""

NO_NAMES = frozenset({"null", "undefined", "none", "nil", "nan", "[object object]"})
"""What programs write where they have no value. Taken for a name, it would make one person of everybody, for good."""
SDK_MARK = "td_version"
"""The column by which a record of the browser SDK is known."""
SDK_IDENTITY = "td_client_id"
"""What the browser SDK leaves out in its anonymous mode, with the address."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a request, as far as the network says it. Header names are lower-case."""

    ip: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def make_event(
    record: Mapping[str, Any],
    audience: Audience,
    behavior: Behavior,
    now: int,
    own_id: str,
    sender: Sender | None,
) -> Event:
    """A record as an event; `BadRequest` says what it lacks. `own_id` is used where the behavior's id columns give none."""
    names = _names(record, audience)
    return Event(
        id=_event_id(record, behavior.id) or own_id,
        audience=audience.id,
        behavior=behavior.name,
        profile=names[0],
        time=_time(record.get("time"), now),
        received=now,
        columns=_columns(record, audience, behavior, sender or Sender()),
        also=tuple(names[1:]),
    )


def is_anonymous(record: Mapping[str, Any], audience: Audience) -> bool:
    """Whether the browser SDK sent this in its anonymous mode: nobody is to be known by it."""
    return SDK_MARK in record and not any(named(record.get(column)) for column in audience.identities)


def _columns(
    record: Mapping[str, Any], audience: Audience, behavior: Behavior, sender: Sender
) -> dict[str, Any]:
    declared = behavior.types()
    # A key that is kept as its hash only must not go on in the clear beside it.
    hidden = {"time", PREFERENCES, *behavior.blocked}
    hidden |= {one.name for one in audience.keys.values() if one.hashed}
    hidden |= PERSONAL_COLUMNS - declared.keys()
    columns = {name: value for name, value in record.items() if name not in hidden}
    if SDK_MARK not in record or record.get(SDK_IDENTITY):
        _fill(columns, declared, IP_COLUMNS, sender.ip)
        _fill(columns, declared, AGENT_COLUMNS, sender.headers.get("user-agent", ""))
    if behavior.enforced:
        _enforce(columns, audience, behavior)
    return columns


def _fill(columns: dict[str, Any], declared: Mapping[str, Any], names: Sequence[str], value: str) -> None:
    """What only the network knows, where it is wanted; some clients send the column's own name for "fill it in"."""
    for name in names:
        if name in declared and columns.get(name) in (None, "", name):
            columns.pop(name, None)
            if value:
                columns[name] = value


def _enforce(columns: Mapping[str, Any], audience: Audience, behavior: Behavior) -> None:
    declared = behavior.types()
    allowed = {*declared, *audience.identities, *behavior.id, *audience.consent.columns}
    problems = []
    for name, value in columns.items():
        if name not in allowed:
            problems.append(f"unknown column {name!r}{did_you_mean(name, allowed)}")
        elif name in declared and value is not None and parse_value(declared[name], value) is None:
            problems.append(f"{name!r} must be of type {declared[name]}")
    if problems:
        raise BadRequest(f"{'; '.join(problems)} ({behavior.name!r} takes its declared columns only)")


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
    # What is later than now does not count yet. A clock that is a second fast must keep nobody waiting for the next sweep.
    return now if now < time < now + LEAST_SKEW else time


def _names(record: Mapping[str, Any], audience: Audience) -> list[str]:
    """The keys that a record carries, the strongest first."""
    names = []
    for column in audience.by_strength():
        value = named(record.get(column))
        if value:
            if len(value) > LONGEST_KEY or not encodable(value):
                raise BadRequest(f"{column!r} must be at most {LONGEST_KEY} characters of Unicode text")
            names.append(audience.key_name(column, value))
    if names:
        return names
    listed = " or ".join(repr(name) for name in audience.identities)
    raise BadRequest(f"nobody's event: {listed} must be an integer or text that names somebody")


def _event_id(record: Mapping[str, Any], columns: Sequence[str]) -> str | None:
    parts = [named(record.get(column)) for column in columns]
    if not parts or not all(parts):
        return None
    joined = "-".join(part for part in parts if part)
    if len(joined) > LONGEST_EVENT_ID or not encodable(joined):
        raise BadRequest(
            f"the event id of {', '.join(columns)} has more than {LONGEST_EVENT_ID} characters or no text"
        )
    return joined


def named(value: object) -> str | None:
    """An identifier, unless it is a way of programs to say that there is none."""
    text = _text(value)
    plain = (text or "").strip().lower()
    return text if plain and plain not in NO_NAMES else None


def _text(value: object) -> str | None:
    """An identifier as text: what a warehouse would write for the same column."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, str | int) else None


def encodable(text: str) -> bool:
    """Whether text is Unicode through and through: half of a character cannot be stored."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
