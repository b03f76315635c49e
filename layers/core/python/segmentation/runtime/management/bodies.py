"""Reading what a caller sends, into the shape that an operation declares: all problems at once, each with its place."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from segmentation.domain.errors import BadRequest, TooLarge
from segmentation.language import RuleError, parse_document
from segmentation.language.problems import Problem, did_you_mean, step

from .operation import Parameter

MOST_BYTES = 1_000_000
"""Of a body; a rule alone has at most 256 KiB."""
MOST_DEPTH = 100
"""Of a body's nesting."""

_PLACE = re.compile(r" - at `(?:key in )?\$?(.*)`$")


class BadInput(BadRequest):
    """A request that does not have the operation's shape. `problems` have pointers into the body, or name a parameter."""

    def __init__(self, problems: Sequence[Problem], parameter: bool = False) -> None:
        self.problems, self.parameter = tuple(problems), parameter
        super().__init__("; ".join(problem.message for problem in problems))


def read_body(data: bytes, shape: type[msgspec.Struct]) -> Any:
    """The body as `shape`. `BadInput` lists what is wrong, `TooLarge` names the limit."""
    if len(data) > MOST_BYTES:
        raise TooLarge(f"a body has at most {MOST_BYTES} bytes, this one has {len(data)}")
    try:
        document = parse_document(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadInput([Problem("", "bad-utf-8", f"the body is not UTF-8 (byte {error.start})")]) from None
    except RuleError as error:
        raise BadInput(error.problems) from None
    _limit_depth(document)
    problems = [
        Problem(step("", name), "unknown-field", f"unknown field {name!r}{did_you_mean(name, _names(shape))}")
        for name in document
        if name not in _names(shape)
    ]
    values = {}
    for one in msgspec.structs.fields(shape):
        if one.encode_name in document:
            try:
                values[one.name] = msgspec.convert(document[one.encode_name], one.type)
            except msgspec.ValidationError as error:
                problems.append(_problem(step("", one.encode_name), error))
        elif one.required:
            problems.append(Problem("", "missing-field", f"the field {one.encode_name!r} is missing; add it"))
    if problems:
        raise BadInput(problems)
    return shape(**values)


def read_query(query: Mapping[str, str], parameters: Sequence[Parameter]) -> dict[str, Any]:
    """The parameters of a query, defaults filled in. `BadInput` lists what is wrong."""
    known = {one.name: one for one in parameters}
    problems = [
        Problem(name, "unknown-parameter", f"unknown parameter {name!r}{did_you_mean(name, known)}")
        for name in query
        if name not in known
    ]
    values = {name: one.default for name, one in known.items()}
    for name, text in query.items():
        if name in known:
            try:
                values[name] = msgspec.convert(text, known[name].type, strict=False)
            except msgspec.ValidationError as error:
                problems.append(Problem(name, "bad-parameter", f"{name!r}: {_lower(str(error))}"))
    if problems:
        raise BadInput(problems, parameter=True)
    return values


def _names(shape: type[msgspec.Struct]) -> list[str]:
    return [one.encode_name for one in msgspec.structs.fields(shape)]


def _problem(pointer: str, error: msgspec.ValidationError) -> Problem:
    """msgspec says where as `$.edits[3].kind`."""
    text = str(error)
    place = _PLACE.search(text)
    if place:
        text = text[: place.start()]
        for name, index in re.findall(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]", place[1]):
            pointer = step(pointer, name or index)
    return Problem(pointer, "bad-field", _lower(text))


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _limit_depth(document: object) -> None:
    """Deeper than any rule may be is refused before anything walks it."""
    level: list[object] = [document]
    for _ in range(MOST_DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, list | dict)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, list | dict)
        ]
        if not level:
            return
    raise BadInput([Problem("", "too-deep", f"a body nests at most {MOST_DEPTH} levels deep")])
