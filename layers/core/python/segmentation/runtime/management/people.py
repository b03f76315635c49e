"""The operations that show people: members of a segment, and why somebody is in it."""

from typing import Any

from segmentation.domain.run import instant
from segmentation.usecases.explain_profile import Explanation

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
        Operation("start_explanation", "POST", f"{_ITEM}/explanations", "Why a profile is in a segment, or is not",
                  Role.EDITOR, start_explanation, answer=shapes.Explanation, body=shapes.Profile, status=202, ready=True,
                  errors=(409,), group="People",
                  description="Of a real-time segment or a list it is `done` at once; of a batch segment the built tables "
                  "are asked, and the explanation is to be asked for until it is."),
        Operation("get_explanation", "GET", f"{_ITEM}/explanations/{{explanation}}", "How an explanation stands",
                  Role.EDITOR, poll_explanation, answer=shapes.Explanation, errors=(410,), group="People"),
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


def start_explanation(api: Any, call: Call) -> Done:
    """Explain, or begin to."""
    body: shapes.Profile = call.body
    audience, segment = call.path["audience"], call.path["id"]
    found = api.explain.start(audience, segment, body.column, body.key)
    if found.state == "done":
        return Done(_explanation(found), status=200)
    location = f"/v1/audiences/{audience}/segments/{segment}/explanations/{found.id}"
    return Done(_explanation(found), location=location)


def poll_explanation(api: Any, call: Call) -> Done:
    """How an explanation stands."""
    found = api.explain.poll(call.path["audience"], call.path["id"], call.path["explanation"])
    return Done(_explanation(found))


def _explanation(found: Explanation) -> shapes.Explanation:
    why = found.why
    told = why and shapes.Why(why.segment, why.holds, instant(why.now), dict(why.explanation), list(why.text))
    return shapes.Explanation(found.id, found.state, told, found.error)  # type: ignore[arg-type]


def _export(found: Any) -> shapes.Export:
    expires = instant(found.expires) if found.expires is not None else None
    return shapes.Export(found.id, found.state, found.url, expires, found.error)
