"""What can go wrong that is the caller's, the data's or the world's fault.

Kinds are classes; what an HTTP caller sees of each is decided in one table (`runtime/http.py`).
A built-in exception that reaches a handler is a bug of ours.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from segmentation.language.problems import Problem


class SegmentationError(Exception):
    """Any of the errors below."""


class BadRequest(SegmentationError):
    """A request that cannot be understood; the message says what, where and how to mend it."""


class TooLarge(SegmentationError):
    """A request, or a record of it, over a published limit."""


class Unauthorized(SegmentationError):
    """No key or token, or one that nobody gave out."""


class Forbidden(SegmentationError):
    """A known caller asks for what was not granted to it."""


class NotFound(SegmentationError):
    """What the request names does not exist."""


class Conflict(SegmentationError):
    """What is asked for does not go with what there is; the message says which, and how to go on."""


class Outdated(SegmentationError):
    """Documents were changed since the caller read them: `documents` names them, as (kind, id)."""

    def __init__(self, documents: Sequence[tuple[str, str]]) -> None:
        self.documents = tuple(documents)
        names = ", ".join(f"{kind}/{identifier}" for kind, identifier in documents)
        super().__init__(
            f"changed by somebody else since it was read: {names}; read it again and redo the change"
        )


class PreconditionRequired(SegmentationError):
    """A change of something that exists, without saying of which version of it."""


@dataclass(frozen=True, slots=True)
class RefusedProblem:
    """A problem and the document that has it; `about_document`: the pointer is into that document."""

    kind: str
    id: str
    problem: Problem
    about_document: bool = True

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}: {self.problem}"


class Refused(SegmentationError):
    """Documents that are not in order. `problems` holds all that is wrong with all of them."""

    def __init__(self, problems: Iterable[RefusedProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Gone(SegmentationError):
    """A cursor that is older than what is kept."""


class MethodNotAllowed(SegmentationError):
    """A path that exists, asked by another method."""


class TooMany(SegmentationError):
    """More requests than a key or token may make; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class Unavailable(SegmentationError):
    """A store did not take or give the data in time; the same request may be sent again."""


class CorruptObject(SegmentationError):
    """An object of the lake that is not what its name says."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        super().__init__(f"{path} cannot be read: {reason}")


class BadRecord(SegmentationError):
    """A record on a stream or queue that can never be processed; it is kept whole elsewhere."""


class NotKnownYet(BadRecord):
    """A record of an audience or behavior that the rule sets at hand do not have; newer ones may."""


class NotBuilt(SegmentationError):
    """A step was asked for before the step that it needs; the message names that one."""


class Superseded(SegmentationError):
    """Another run committed first; this one's result is dropped and nothing was changed by it."""


class MissingSettings(SegmentationError):
    """Environment variables that a function needs and does not have, all of them."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        super().__init__(f"environment variables not set: {', '.join(names)}")


class QueryFailed(SegmentationError):
    """A query of the warehouse that did not succeed."""

    def __init__(self, query: str, query_id: str, reason: str) -> None:
        self.query, self.query_id, self.reason = query, query_id, reason
        super().__init__(f"query {query!r} ({query_id or 'not started'}) failed: {reason}")
