"""The operations that show people: members of a segment, and why somebody is in it."""

from typing import Any

from segmentation.domain.run import instant

from . import rendering
from .caller import Role
from .operation import CURSOR, Call, Done, Operation
from .shapes import people as shapes

_ITEM = "/v1/audiences/{audience}/segments/{id}"


def operations() -> list[Operation]:
    """The operations."""
    return [
        Operation("list_members", "GET", f"{_ITEM}/members", "The members of a segment, all pages of one run", Role.EDITOR,
                  members, answer=shapes.MemberPage, query=(CURSOR,), errors=(409, 410), group="People"),
        Operation("start_export", "POST", f"{_ITEM}/exports", "Write all members into one CSV file", Role.EDITOR,
                  start_export, answer=shapes.Export, body=shapes.NewExport, status=202, errors=(409,), group="People"),
        Operation("get_export", "GET", f"{_ITEM}/exports/{{export}}", "How an export stands, and where to fetch it",
                  Role.EDITOR, poll_export, answer=shapes.Export, errors=(410,), group="People"),
        Operation("explain", "POST", f"{_ITEM}/explain", "Why a profile is in a segment, or is not", Role.EDITOR, explain,
                  answer=shapes.Why, body=shapes.Profile, errors=(409,), group="People"),
    ]  # fmt: skip


def members(api: Any, call: Call) -> Done:
    """A page of members."""
    cursor = rendering.read_cursor(call.query) or None
    page = api.members.page(call.path["audience"], call.path["id"], cursor)
    following = rendering.cursor(page["next"]) if page["next"] is not None else None
    return Done(shapes.MemberPage(page["run"], instant(page["now"]), page["members"], following))


def start_export(api: Any, call: Call) -> Done:
    """Start an export."""
    audience, segment = call.path["audience"], call.path["id"]
    found = api.members.start(audience, segment, exact=call.body.exact)
    location = f"/v1/audiences/{audience}/segments/{segment}/exports/{found.id}"
    return Done(_export(found), location=location)


def poll_export(api: Any, call: Call) -> Done:
    """How an export stands."""
    return Done(_export(api.members.poll(call.path["audience"], call.path["id"], call.path["export"])))


def explain(api: Any, call: Call) -> Done:
    """Why."""
    body: shapes.Profile = call.body
    found = api.explain(call.path["audience"], call.path["id"], body.column, body.key)
    return Done(
        shapes.Why(found.segment, found.holds, instant(found.now), dict(found.explanation), list(found.text))
    )


def _export(found: Any) -> shapes.Export:
    expires = instant(found.expires) if found.expires is not None else None
    return shapes.Export(found.id, found.state, found.url, expires, found.error)
