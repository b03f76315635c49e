"""What several operations take or answer: names, moments, errors."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Json = dict[str, Any]
Text = Annotated[str, Meta(max_length=1_000)]
Identifier = Annotated[str, Meta(min_length=1, max_length=200)]
Kind = Literal["audience", "segments", "write_keys", "tokens", "partners", "destinations"]


class Stamp(Struct):
    """When something was done and by whom; `at` is ISO 8601, empty where it is not known."""

    at: str
    by: str


class Reference(Struct):
    """A document by name."""

    kind: Kind
    id: str
    name: str


class Problem(Struct, omit_defaults=True):
    """One thing to mend. `pointer` is a JSON Pointer into the request's body, or into `document` where that is named."""

    code: str
    message: str
    pointer: str | None = None
    parameter: str | None = None
    document: str | None = None


class ProblemDetails(Struct, omit_defaults=True):
    """An error (RFC 9457). `problems` holds all that is wrong; `documents` those that somebody else changed."""

    type: str
    title: str
    status: int
    detail: str
    problems: list[Problem] = []
    documents: list[str] = []
