"""The operations that show what a segment says, how large it is, and what a draft would be."""

import datetime as dt
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

from segmentation.domain.run import RunRecord, SegmentCount, instant
from segmentation.language.problems import Problem
from segmentation.usecases.preview_segment import Preview

from . import rendering
from .bodies import BadInput
from .caller import Role
from .operation import CURSOR, LIMIT, Call, Done, Operation, Parameter
from .shapes import common
from .shapes import segments as shapes

_FROM = Parameter("from", str, "The first day, such as 2024-01-31; 30 days ago if it is not given", "")
_TO = Parameter("to", str, "The last day; today if it is not given", "")
_ITEM = "/v1/audiences/{audience}/segments/{id}"


def operations() -> list[Operation]:
    """The operations."""
    return [
        Operation("validate", "POST", "/v1/audiences/{audience}/validate", "Check a document without saving it",
                  Role.VIEWER, validate, answer=shapes.Validation, body=shapes.Candidate, group="Drafts"),
        Operation("get_words", "GET", f"{_ITEM}/words", "A segment in plain English", Role.VIEWER, words,
                  answer=shapes.Words, errors=(409,), group="Segments"),
        Operation("get_sql", "GET", f"{_ITEM}/sql", "The SQL that finds the members of a segment", Role.VIEWER, sql,
                  answer=shapes.Sql, errors=(409,), group="Segments"),
        Operation("sql_of_draft", "POST", "/v1/audiences/{audience}/sql", "The SQL of a draft", Role.VIEWER, sql_of_draft,
                  answer=shapes.Sql, body=shapes.Draft, errors=(409, 422), group="Drafts"),
        Operation("start_preview", "POST", "/v1/audiences/{audience}/previews", "Count a draft", Role.VIEWER, start_preview,
                  answer=shapes.Preview, body=shapes.Draft, status=202, errors=(409, 422), group="Drafts",
                  description="First over a sample, in seconds; with `exact` over all. Ask for it until it is `done`. "
                  "Members are shown to editors."),
        Operation("get_preview", "GET", "/v1/audiences/{audience}/previews/{preview}", "How a preview stands", Role.VIEWER,
                  poll_preview, answer=shapes.Preview, errors=(410,), group="Drafts"),
        Operation("cancel_preview", "POST", "/v1/audiences/{audience}/previews/{preview}/cancel", "Stop a preview",
                  Role.VIEWER, cancel_preview, answer=shapes.Preview, errors=(410,), group="Drafts"),
        Operation("list_dependents", "GET", f"{_ITEM}/dependents", "Who names a segment", Role.VIEWER, dependents,
                  answer=shapes.Dependents, group="Segments"),
        Operation("list_sizes", "GET", f"{_ITEM}/sizes", "How large a segment was, run by run", Role.VIEWER, sizes,
                  answer=shapes.SizePage, query=(CURSOR, LIMIT), group="Segments"),
        Operation("list_days", "GET", f"{_ITEM}/days", "How large a segment was, and who joined and left, day by day",
                  Role.VIEWER, days, answer=shapes.Days, query=(_FROM, _TO), group="Segments",
                  description="Days of the audience's time zone on which a run computed the segment; kept for three years."),
    ]  # fmt: skip


def validate(api: Any, call: Call) -> Done:
    """Check a draft."""
    body: shapes.Candidate = call.body
    found = api.segments.check(call.path["audience"], body.kind, body.document)
    own = (body.kind, str(body.document.get("id", "")))
    problems = [
        rendering.problem(one.problem, "/document" if one.about_document else "")
        if (one.kind, one.id) in (own, (body.kind, ""))
        else common.Problem(
            one.problem.code, one.problem.message, one.problem.pointer, None, f"{one.kind}/{one.id}"
        )
        for one in found.problems
    ]
    return Done(
        shapes.Validation(not problems, problems, found.sentence, list(found.outline), list(found.uses))
    )


def words(api: Any, call: Call) -> Done:
    """A segment in words."""
    entry, sentence, outline = api.segments.words(call.path["audience"], call.path["id"])
    return Done(shapes.Words(entry.id, entry.record.version, sentence, list(outline)))


def sql(api: Any, call: Call) -> Done:
    """A segment as SQL."""
    found = api.show_sql(call.path["audience"], call.path["id"])
    return Done(shapes.Sql(call.path["id"], instant(found["now"]), found["audience_version"], found["sql"]))


def sql_of_draft(api: Any, call: Call) -> Done:
    """A draft as SQL."""
    document = _draft(call)
    found = api.show_sql(call.path["audience"], document["id"], document)
    return Done(shapes.Sql(document["id"], instant(found["now"]), found["audience_version"], found["sql"]))


def start_preview(api: Any, call: Call) -> Done:
    """Start counting a draft."""
    body: shapes.Draft = call.body
    audience = call.path["audience"]
    found = api.previews.start(audience, _draft(call), exact=body.exact, attributes=body.attributes)
    return Done(_preview(found, call), location=f"/v1/audiences/{audience}/previews/{found.id}")


def poll_preview(api: Any, call: Call) -> Done:
    """How a preview stands."""
    return Done(_preview(api.previews.poll(call.path["audience"], call.path["preview"]), call))


def cancel_preview(api: Any, call: Call) -> Done:
    """Stop a preview."""
    return Done(_preview(api.previews.cancel(call.path["audience"], call.path["preview"]), call))


def _draft(call: Call) -> dict[str, Any]:
    document: dict[str, Any] = call.body.document
    if not isinstance(document.get("id"), str):
        raise BadInput(
            [Problem("/document/id", "missing-field", "a draft needs an 'id', its own or a new one")]
        )
    return document


def _preview(found: Preview, call: Call) -> shapes.Preview:
    """Members are people: a viewer sees counts only."""
    shown = found.members if call.caller.role >= Role.EDITOR else ()
    told = {
        name: getattr(found, name)
        for name in shapes.Preview.__struct_fields__
        if name not in ("now", "members")
    }
    members = [shapes.ShownMember(one.profile_key, dict(one.attributes)) for one in shown]
    return shapes.Preview(**told, now=instant(found.now), members=members)


def dependents(api: Any, call: Call) -> Done:
    """Who names a segment."""
    found = api.segments.dependents(call.path["audience"], call.path["id"])
    return Done(shapes.Dependents([rendering.reference(entry) for entry in found]))


def sizes(api: Any, call: Call) -> Done:
    """The size history."""
    most, before = rendering.limit(call.query), rendering.read_cursor(call.query)
    found = list(api.segments.sizes(call.path["audience"], call.path["id"], before, most + 1))
    following = rendering.cursor(found[most - 1][0].run) if len(found) > most else None
    return Done(shapes.SizePage(call.path["id"], [_size(*one) for one in found[:most]], following))


def days(api: Any, call: Call) -> Done:
    """The days of a segment, for a plot."""
    audience, segment = call.path["audience"], call.path["id"]
    api.documents.find(audience, "segments", segment)
    zone = api.documents.published(audience)[1].audience.time_zone
    today = dt.datetime.fromtimestamp(api.clock.now(), ZoneInfo(zone)).date()
    last = call.query["to"] or today.isoformat()
    first = call.query["from"] or (today - dt.timedelta(days=30)).isoformat()
    found = api.history(audience, segment, zone, first, last)
    return Done(shapes.Days(segment, zone, [shapes.Day(**asdict(one)) for one in found]))


def _size(record: RunRecord, count: SegmentCount) -> shapes.Size:
    carried = count.now is not None and count.now != record.now
    return shapes.Size(record.run, instant(record.now), count.size, count.joined, count.left, carried)
