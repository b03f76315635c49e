"""From Python files to the documents in `rules/segments/`: read, checked together, each problem with its line."""

import json
import runpy
import traceback
import warnings
from pathlib import Path
from typing import Any

from segmentation.domain.audience_document import parse_audience
from segmentation.language import RuleError, load_rule_set

from infra.layout import pretty

from .constants import AuthoringError
from .documents import Document


class AuthoringErrors(Exception):
    """Everything that is wrong with the files of a folder. `errors`: one text each, naming file and segment."""

    def __init__(self, errors: list[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(errors))


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
            called = (
                "; call it: .count()" if isinstance(error, TypeError) and "'method'" in str(error) else ""
            )
            message = f"{path}{_line_of(error, path)}: {type(error).__name__}: {error}{called}"
            raise AuthoringErrors([message]) from error
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


def emit(source: Path, audiences: Path, others: Path) -> dict[str, str]:
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
            # Of functions that call each other the outermost: the statement that made this one.
            lines = [line for file, line in document.calls if file == str(path)]
            place = f"{path}{f':{lines[-1]}' if lines else ''}: {name}"
            if document["id"] in owner:
                errors.append(f"{place}: the id {document['id']!r} is taken by {owner[document['id']]}")
            owner.setdefault(document["id"], place)
            written.append((place, document))
    if not errors:
        errors.extend(_check(written, audiences, others))
    if errors:
        raise AuthoringErrors(errors)
    return {f"{document['id']}.json": pretty(document) for _, document in written}


def _check(written: list[tuple[str, Document]], audiences: Path, others: Path) -> list[str]:
    """What the language's own check says of the documents, each problem with its place in the source."""
    errors: list[str] = []
    ids = {document["id"] for _, document in written}
    beside = [_read(path) for path in sorted(others.glob("*.json"))]
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
