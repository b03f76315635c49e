"""The operations on list segments: upload members, ask what came of it, empty the list."""

from typing import Any

from segmentation.domain.list_upload import Upload
from segmentation.domain.run import instant

from .caller import Role
from .operation import Call, Done, Operation
from .shapes import lists as shapes

_ITEM = "/v1/audiences/{audience}/segments/{id}"
_UPLOAD = f"{_ITEM}/uploads/{{upload}}"


def operations() -> list[Operation]:
    """The operations."""
    return [
        Operation("list_uploads", "GET", f"{_ITEM}/uploads", "The latest uploads to a list", Role.VIEWER, listed,
                  answer=shapes.Uploads, group="Lists"),
        Operation("start_upload", "POST", f"{_ITEM}/uploads", "Begin an upload of members", Role.EDITOR, started,
                  answer=shapes.NewUpload, body=shapes.Uploading, status=201, group="Lists",
                  description="Put the bytes of each file to its address (HTTPS PUT), then complete the upload."),
        Operation("get_upload", "GET", _UPLOAD, "How an upload stands, with its report", Role.VIEWER, read,
                  answer=shapes.Upload, group="Lists"),
        Operation("complete_upload", "POST", f"{_UPLOAD}/complete", "The files are there: take them in", Role.EDITOR,
                  completed, answer=shapes.Upload, status=202, errors=(409,), group="Lists"),
        Operation("cancel_upload", "POST", f"{_UPLOAD}/cancel", "Take nothing in", Role.EDITOR, cancelled,
                  answer=shapes.Upload, errors=(409,), group="Lists"),
        Operation("get_rejected_rows", "GET", f"{_UPLOAD}/rejected", "Rows that could not be taken or matched nobody",
                  Role.EDITOR, rejected, answer=shapes.Rejected, group="Lists"),
        Operation("empty_list", "POST", f"{_ITEM}/empty", "Let nobody be on a list", Role.EDITOR, emptied, answer=None,
                  status=204, group="Lists"),
    ]  # fmt: skip


def listed(api: Any, call: Call) -> Done:
    """Uploads, latest first."""
    return Done(
        shapes.Uploads([_upload(one) for one in api.lists.history(call.path["audience"], call.path["id"])])
    )


def started(api: Any, call: Call) -> Done:
    """Begin."""
    body: shapes.Uploading = call.body
    audience, segment = call.path["audience"], call.path["id"]
    begun = api.lists.start(
        audience,
        segment,
        identity=body.identity,
        column=body.column,
        format=body.format,
        mode=body.mode,
        delimiter=body.delimiter,
        hashed=body.hashed,
        files=body.files,
    )
    location = f"/v1/audiences/{audience}/segments/{segment}/uploads/{begun.upload.id}"
    return Done(shapes.NewUpload(_upload(begun.upload), list(begun.urls), begun.seconds), location=location)


def read(api: Any, call: Call) -> Done:
    """How it stands."""
    return Done(_upload(api.lists.status(call.path["audience"], call.path["id"], call.path["upload"])))


def rejected(api: Any, call: Call) -> Done:
    """Where they can be fetched."""
    found = api.lists.rejected(call.path["audience"], call.path["id"], call.path["upload"])
    return Done(shapes.Rejected(list(found.malformed), list(found.unmatched), found.seconds))


def completed(api: Any, call: Call) -> Done:
    """Take it in."""
    return Done(_upload(api.lists.complete(call.path["audience"], call.path["id"], call.path["upload"])))


def cancelled(api: Any, call: Call) -> Done:
    """Take nothing in."""
    return Done(_upload(api.lists.cancel(call.path["audience"], call.path["id"], call.path["upload"])))


def emptied(api: Any, call: Call) -> Done:
    """Let nobody be on it."""
    api.lists.empty(call.path["audience"], call.path["id"])
    return Done(None)


def _upload(one: Upload) -> shapes.Upload:
    """Of malformed rows the report has places and reasons, and no values."""
    report = one.report
    return shapes.Upload(
        id=one.id,
        state=str(one.state),  # type: ignore[arg-type]
        identity=one.identity,
        column=one.column,
        format=str(one.format),  # type: ignore[arg-type]
        mode=str(one.mode),  # type: ignore[arg-type]
        created=instant(one.created),
        updated=instant(one.updated),
        rows=report.rows,
        malformed=report.malformed,
        reasons=dict(report.reasons),
        examples=[shapes.MalformedRow(*example) for example in report.examples],
        keys=report.keys,
        duplicates=report.duplicates,
        matched=report.matched,
        unmatched=report.unmatched,
        error=one.error,
    )
