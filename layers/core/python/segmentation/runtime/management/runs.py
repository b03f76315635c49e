"""The operations on batch runs."""

from typing import Any

from segmentation.domain.pipeline import Job, Run, bill
from segmentation.domain.rulebook import Entry
from segmentation.domain.run import instant
from segmentation.language.problems import Problem
from segmentation.runtime.settings import logical_now

from . import rendering
from .bodies import BadInput
from .caller import Role
from .operation import CURSOR, LIMIT, Call, Done, Operation, Parameter
from .shapes import runs as shapes

_BASE = "/v1/audiences/{audience}/runs"
_JOB = Parameter("job", str, "build or materialize", "materialize")


def operations() -> list[Operation]:
    """The operations."""
    return [
        Operation("list_runs", "GET", _BASE, "Batch runs, latest first", Role.VIEWER, listed,
                  answer=shapes.RunPage, query=(CURSOR, LIMIT, _JOB), group="Runs"),
        Operation("get_run", "GET", f"{_BASE}/{{job}}/{{run}}", "A batch run", Role.VIEWER, read,
                  answer=shapes.Run, group="Runs"),
        Operation("start_run", "POST", _BASE, "Start a batch run", Role.EDITOR, started,
                  answer=shapes.Run, body=shapes.NewRun, status=202, errors=(409,), group="Runs",
                  description="One run of a job and audience at a time: sending it again while the run is under way is "
                  "answered with 409 and starts nothing."),
    ]  # fmt: skip


def listed(api: Any, call: Call) -> Done:
    """Runs of one job."""
    if call.query["job"] not in set(Job):
        message = "'job' is build or materialize"
        raise BadInput([Problem("job", "bad-parameter", message)], parameter=True)
    api.documents.book(call.path["audience"])
    most, before = rendering.limit(call.query), rendering.read_cursor(call.query)
    found = api.runs.recent(call.path["audience"], Job(call.query["job"]), before, most + 1)
    following = rendering.cursor(found[most - 1].id) if len(found) > most else None
    return Done(shapes.RunPage([_run(one) for one in found[:most]], following))


def read(api: Any, call: Call) -> Done:
    """One run."""
    api.documents.book(call.path["audience"])
    return Done(_run(api.runs.find(call.path["audience"], call.path["job"], call.path["run"])))


def started(api: Any, call: Call) -> Done:
    """Start one."""
    body: shapes.NewRun = call.body
    audience, job = call.path["audience"], Job(body.job)
    book = api.documents.book(audience)
    problems = [
        Problem(f"/segments/{index}", *problem)
        for index, one in enumerate(body.segments or ())
        if (problem := _not_run(book.get("segments", one), one)) is not None
    ]
    if job is Job.BUILD and (body.segments is not None or body.now is not None):
        problems.append(
            Problem("", "bad-field", "a build is of the whole audience as of now; take segments and now out")
        )
    if body.now is not None:
        try:
            logical_now(body.now)
        except ValueError as error:
            problems.append(Problem("/now", "bad-moment", str(error)))
    if problems:
        raise BadInput(problems)
    run = api.runs.start(audience, job, body.segments, body.now)
    return Done(_run(run), location=f"/v1/audiences/{audience}/runs/{run.job}/{run.id}")


def _not_run(entry: Entry | None, name: str) -> tuple[str, str] | None:
    """Why no run computes a segment: code and words."""
    if entry is None:
        return "unknown-segment", f"there is no segment {name!r}"
    if entry.document.get("kind") == "realtime":
        return "not-batch", f"{name!r} is computed in real time; runs compute batch segments and lists"
    if entry.record.archived:
        return "archived", f"{name!r} is archived; restore it first"
    return None


def _run(run: Run) -> shapes.Run:
    cost = bill(run)
    return shapes.Run(
        id=run.id,
        audience=run.audience,
        job=str(run.job),  # type: ignore[arg-type]
        state=str(run.state),  # type: ignore[arg-type]
        step=run.step,
        requested=run.requested,
        started=instant(run.started),
        ended=instant(run.ended) if run.ended is not None else None,
        now=instant(run.now) if run.now is not None else None,
        rows=run.rows,
        segments=run.segments,
        bytes_scanned=cost.bytes_scanned,
        dollars=cost.dollars,
        queries=[one.query for one in run.statements if one.query is not None],
        error=run.error,
        failures=[one.reason for one in run.failed],
    )
