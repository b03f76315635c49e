"""The operations that show how fresh everything is, and who asks."""

from typing import Any

from segmentation.domain.run import RunRecord, instant
from segmentation.usecases.show_state import Fresh, StreamState

from .caller import Role
from .operation import Call, Done, Operation
from .shapes import state as shapes


def operations() -> list[Operation]:
    """The operations."""
    return [
        Operation("get_state", "GET", "/v1/audiences/{audience}/state", "How fresh every segment is", Role.VIEWER, state,
                  answer=shapes.State, group="Runs"),
        Operation("get_me", "GET", "/v1/me", "Who the caller is", Role.VIEWER, me, answer=shapes.Me, group="Audiences"),
    ]  # fmt: skip


def state(api: Any, call: Call) -> Done:
    """The state of an audience."""
    audience = call.path["audience"]
    found = api.state(audience, api.clock.now())
    return Done(
        shapes.State(
            audience,
            found.published.version,
            str(found.published.document.get("published", "")),
            found.built,
            found.last.run if found.last else None,
            instant(found.last.now) if found.last else None,
            list(found.running),
            _stream(found.stream),
            [_freshness(one, found.last, found.stream, found.as_of) for one in found.segments],
        )
    )


def me(_api: Any, call: Call) -> Done:
    """The caller."""
    return Done(shapes.Me(call.caller.id, call.caller.role.name.lower()))  # type: ignore[arg-type]


def _stream(found: StreamState) -> shapes.Stream:
    told = found.evaluation
    return shapes.Stream(
        found.status,  # type: ignore[arg-type]
        told.lag if told else None,
        instant(told.at) if told and told.at is not None else None,
        told.errors if told else None,
    )


def _freshness(one: Fresh, last: RunRecord | None, stream: StreamState, now: int) -> shapes.Freshness:
    count = one.count
    at = (
        (count.now if count.now is not None else last.now) if count is not None and last is not None else None
    )
    return shapes.Freshness(
        one.segment.id,
        one.segment.kind,  # type: ignore[arg-type]
        one.status,  # type: ignore[arg-type]
        instant(at) if at is not None else None,
        _behind(stream) if one.segment.kind == "realtime" else max(0, now - at) if at is not None else None,
        count.size if count else None,
        one.error,
        count.failures if count else 0,
    )


def _behind(stream: StreamState) -> int | None:
    """Seconds that real-time membership is behind: none where no event waits."""
    if stream.status == "idle":
        return 0
    return stream.evaluation.lag if stream.evaluation else None
