"""From Python expressions to the documents in `rules/segments/`: always the same bytes for the same source."""

import json
import runpy
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segmentation.domain.audience_document import parse_audience
from segmentation.language import RuleError, load_rule_set

from .words import AuthoringError

WIDTH = 100
"""Longest line of an emitted document, where a line can be broken."""


class AuthoringErrors(Exception):
    """Everything that is wrong with the files of a folder. `errors`: one text each, naming file and segment."""

    def __init__(self, errors: list[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(errors))


class Document(dict[str, Any]):
    """A segment document that `define` made."""


def define(
    identifier: str,
    name: str,
    *,
    audience: str,
    kind: str,
    description: str,
    rule: Any = None,
    limit: Mapping[str, Any] | None = None,
) -> Document:
    """A segment document. `rule` is an expression; so is the `by` of a `limit`. A list has no rule."""
    document = Document(id=identifier, name=name, audience=audience, kind=kind, description=description)
    if rule is not None:
        document["rule"] = as_rule(rule)
    if limit is not None:
        document["limit"] = {
            key: value if isinstance(value, str | int | float) else as_rule(value)
            for key, value in limit.items()
        }
    return document


def as_rule(expression: Any) -> Any:
    """An expression of `jsonlogic-py` as JSON-Logic in the words of the language."""
    with warnings.catch_warnings():
        # The package writes what it does not know (None above all) as text, with a warning.
        warnings.simplefilter("error", UserWarning)
        try:
            # Its text is the one thing that the package promises to be JSON.
            return normalize(json.loads(str(expression)))
        except (ValueError, TypeError, UserWarning) as error:
            message = f"{type(expression).__name__} is no rule; write a comparison, e.g. attribute.age >= 18"
            raise AuthoringError(f"{message} ({error})") from error


def normalize(rule: Any) -> Any:
    """What `jsonlogic-py` writes, in the words of the language: `!` for `not`, and flat `and` and `or`."""
    if isinstance(rule, list):
        return [normalize(item) for item in rule]
    if not isinstance(rule, dict):
        return rule
    result = {}
    for name, operands in rule.items():
        name = "!" if name == "not" else name
        operands = normalize(operands)
        if name in ("and", "or"):
            operands = [inner for item in operands for inner in _same(name, item)]
        result[name] = operands
    return result


def _same(name: str, item: Any) -> list[Any]:
    """The operands of a nested group of the same kind: `a & b & c` comes as `(a & b) & c`."""
    return list(item[name]) if isinstance(item, dict) and set(item) == {name} else [item]


def load(path: Path) -> list[tuple[str, Document]]:
    """The segments of one Python file with the names they are assigned to, in the order of the file."""
    with warnings.catch_warnings():
        # A comparison of the package's own variables with None ends here, too.
        warnings.simplefilter("error", UserWarning)
        try:
            names = runpy.run_path(str(path))
        except AuthoringError as error:
            raise AuthoringErrors([f"{path}{_line_of(error, path)}: {error}"]) from error
        except Exception as error:
            raise AuthoringErrors(
                [f"{path}{_line_of(error, path)}: {type(error).__name__}: {error}"]
            ) from error
    found: dict[int, tuple[str, Document]] = {}
    for name, value in names.items():
        if isinstance(value, Document):
            found.setdefault(id(value), (name, value))
    if not found:
        raise AuthoringErrors([f"{path}: no segments; assign define(...) to a name"])
    return list(found.values())


def _line_of(error: Exception, path: Path) -> str:
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    if isinstance(error, SyntaxError):
        lines.append(error.lineno)
    return f":{lines[-1]}" if lines else ""


def emit(source: Path, audiences: Path, others: Path | None = None) -> dict[str, str]:
    """File name -> document, for all Python files of a folder, checked together.

    `audiences` holds the audiences' documents, `others` documents that the emitted ones stand beside and
    may refer to. Raises `AuthoringErrors` with everything that is wrong.
    """
    errors: list[str] = []
    written: list[tuple[str, Document]] = []
    owner: dict[str, str] = {}
    for path in sorted(source.glob("*.py")):
        try:
            loaded = load(path)
        except AuthoringErrors as error:
            errors.extend(error.errors)
            continue
        for name, document in loaded:
            place = f"{path}: {name}"
            if document["id"] in owner:
                errors.append(f"{place}: the id {document['id']!r} is taken by {owner[document['id']]}")
            owner.setdefault(document["id"], place)
            written.append((place, document))
    if not errors:
        errors.extend(_check(written, audiences, others))
    if errors:
        raise AuthoringErrors(errors)
    return {f"{document['id']}.json": pretty(document) for _, document in written}


def _check(written: list[tuple[str, Document]], audiences: Path, others: Path | None) -> list[str]:
    """What the language's own check says of the documents, each problem with its place in the source."""
    errors: list[str] = []
    ids = {document["id"] for _, document in written}
    beside = [_read(path) for path in sorted(others.glob("*.json"))] if others else []
    known = {path.stem: path for path in sorted(audiences.glob("*.json"))}
    for audience in sorted({document["audience"] for _, document in written}):
        mine = [(place, document) for place, document in written if document["audience"] == audience]
        if audience not in known:
            places = ", ".join(place for place, _ in mine)
            errors.append(f"{places}: no audience {audience!r} in {audiences}; there are: {', '.join(known)}")
            continue
        schema = parse_audience(_read(known[audience])).schema()
        rest = [d for d in beside if d.get("audience") == audience and d.get("id") not in ids]
        try:
            load_rule_set([document for _, document in mine] + rest, schema, audience)
        except RuleError as error:
            for problem in error.problems:
                _, index, *below = problem.pointer.split("/")
                if int(index) < len(mine):
                    pointer = "".join(f"/{token}" for token in below)
                    errors.append(f"{mine[int(index)][0]}{pointer}: {problem.message} [{problem.code}]")
                else:
                    identity = rest[int(index) - len(mine)].get("id")
                    errors.append(f"{others}/{identity}.json: {problem.message} [{problem.code}]")
    return errors


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def pretty(document: dict[str, Any]) -> str:
    """A document as people read it: one field a line, and as much of a rule on a line as fits."""
    fields = (f"  {json.dumps(name)}: {_write(value, 2, len(name) + 6)}" for name, value in document.items())
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _write(value: Any, indent: int, used: int) -> str:
    flat = json.dumps(value, ensure_ascii=False)
    if indent + used + len(flat) < WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    pad, end = " " * (indent + 2), " " * indent
    if isinstance(value, list):
        return "[\n" + ",\n".join(pad + _write(item, indent + 2, 0) for item in value) + "\n" + end + "]"
    if len(value) == 1:
        # An operator and its operands: the brace stays with it.
        ((name, inner),) = value.items()
        return "{" + json.dumps(name) + ": " + _write(inner, indent, used + len(name) + 5) + "}"
    members = (
        f"{pad}{json.dumps(name)}: {_write(inner, indent + 2, len(name) + 4)}"
        for name, inner in value.items()
    )
    return "{\n" + ",\n".join(members) + "\n" + end + "}"
