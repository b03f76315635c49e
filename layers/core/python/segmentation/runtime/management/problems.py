"""Errors as problem details (RFC 9457, application/problem+json)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from segmentation.domain.errors import MethodNotAllowed, Outdated, Refused, RefusedProblem
from segmentation.language import RuleError

from .bodies import BadInput

TITLES: Mapping[int, str] = {
    400: "The request cannot be understood",
    401: "Nobody is signed in",
    403: "Not allowed",
    404: "There is no such thing",
    405: "Not with this method",
    409: "It does not go with what there is",
    410: "No longer kept",
    412: "Changed by somebody else",
    413: "Too large",
    422: "Not in order",
    428: "Say of which version",
    429: "Too many requests",
    500: "Our fault",
    503: "Not just now",
}
TYPES: Mapping[int, str] = {
    400: "bad-request",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    409: "conflict",
    410: "gone",
    412: "outdated",
    413: "too-large",
    422: "refused",
    428: "precondition-required",
    429: "too-many-requests",
    500: "internal",
    503: "unavailable",
}
"""Stable names, as `type` of a problem: `/v1/problems/<name>`."""


def problem(
    status: int, message: str, error: Exception, places: Mapping[tuple[str, str], str] | None = None
) -> dict[str, Any]:
    """The body of an error. `places`: where in the request's body the documents stand."""
    body: dict[str, Any] = {
        "type": f"/v1/problems/{TYPES[status]}",
        "title": TITLES[status],
        "status": status,
        "detail": message,
    }
    match error:
        case BadInput():
            body["problems"] = [
                {
                    "parameter" if error.parameter else "pointer": one.pointer,
                    "code": one.code,
                    "message": one.message,
                }
                for one in error.problems
            ]
        case Refused():
            body["detail"] = (
                f"{len(error.problems)} problem{'s' if len(error.problems) > 1 else ''}; nothing was changed"
            )
            body["problems"] = [_refused(one, places or {}) for one in error.problems]
        case Outdated():
            body["documents"] = [f"{kind}/{identifier}" for kind, identifier in error.documents]
        case MethodNotAllowed():
            pass
    return body


def refused_draft(error: RuleError) -> dict[str, Any]:
    """The body for a draft that the rule language refuses: its pointers are into the document."""
    circle = "cyclic-segments"  # told of one of all documents, by its place among them
    found = [
        RefusedProblem("segments", "", replace(one, pointer="/rule") if one.code == circle else one)
        for one in error.problems
    ]
    return problem(422, "", Refused(found), {("segments", ""): ""})


def _refused(one: RefusedProblem, places: Mapping[tuple[str, str], str]) -> dict[str, str]:
    told = {"code": one.problem.code, "message": one.problem.message}
    place = places.get((one.kind, one.id))
    if place is None:
        # A document that the request did not send: the pointer is into that one.
        return {"document": f"{one.kind}/{one.id}", "pointer": one.problem.pointer, **told}
    return {"pointer": (f"{place}/document" if one.about_document else place) + one.problem.pointer, **told}
