"""Who asks, and how fresh everything is."""

from typing import Literal

from msgspec import Struct


class Me(Struct):
    """The caller, as the API knows it."""

    id: str
    role: Literal["viewer", "editor", "admin"]


class Stream(Struct):
    """How far the evaluation of visitors' events is behind.

    `current`; `late`: more than a minute, or it fails; `idle`: no event came within 15 minutes; `unknown`: the metrics cannot be
    read now. `lag_seconds` is how old the events were that were evaluated last, at the moment `at`: metrics are a minute or
    two behind. `errors`: how often the evaluation failed within 15 minutes; it is tried again.
    """

    status: Literal["current", "late", "idle", "unknown"]
    lag_seconds: int | None
    at: str | None
    errors: int | None


class Freshness(Struct):
    """How fresh a segment is.

    `fresh`: as of the last run. `edited`: its rule was changed since. `failed`: the last run could not compute it,
    `error` says why. `waiting`: no run has computed it. `realtime`: computed when it is read, of the events that were
    evaluated; `lag_seconds` is how far the stream is behind. `filling`: the same, and its visitors get the events of before;
    until then the version before answers, and of a new segment nobody is in it. `error` says why that failed.
    """

    segment: str
    kind: Literal["batch", "realtime", "list"]
    status: Literal["fresh", "edited", "failed", "waiting", "realtime", "filling"]
    computed: str | None
    lag_seconds: int | None
    size: int | None
    error: str | None
    failures: int


class State(Struct):
    """The state of an audience."""

    audience: str
    rules_version: str
    rules_published: str
    built: str | None
    last_run: str | None
    last_run_at: str | None
    running: list[str]
    stream: Stream
    segments: list[Freshness]
