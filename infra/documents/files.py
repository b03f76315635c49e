"""The documents of a folder: read together, each problem with its file and place; and written back.

A segment's file may stand in folders below `segments/`: those are the folders that the console shows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segmentation.domain.published import Published, document_of, parse_published
from segmentation.domain.rulebook import ACCESS
from segmentation.language import Problem, RuleError, parse_document

from infra.layout import pretty

Document = dict[str, Any]
Key = tuple[str, str]
"""Kind and id of a document."""


class RulesRefused(Exception):
    """Documents that cannot be published; a line for each problem."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


@dataclass
class AudienceRules:
    """The documents of one audience, each with the file that it came from."""

    audience: Document
    path: Path
    segments: list[tuple[Path, Document]] = field(default_factory=list)
    access: Document = field(default_factory=dict)
    access_path: Path | None = None
    destinations: list[tuple[Path, Document]] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The audience's id, as it is written."""
        return str(self.audience.get("id", self.path.stem))

    @property
    def root(self) -> Path:
        """The folder of all rules."""
        return self.path.parent.parent

    def documents(self) -> Iterator[tuple[Key, Document, str]]:
        """Every document with its kind, id and folder."""
        yield ("audience", self.id), self.audience, ""
        for path, document in self.segments:
            yield ("segments", str(document["id"])), document, folder_of(self.root, path)
        for kind in ACCESS:
            for document in self.access.get(kind, []):
                yield (kind, str(document["id"])), document, ""
        for _, document in self.destinations:
            yield ("destinations", str(document["id"])), document, ""

    def check(self) -> Published:
        """The checked rule set; `RulesRefused` names every problem's file."""
        document = document_of(
            self.audience,
            [document for _, document in self.segments],
            self.access,
            [document for _, document in self.destinations],
            "",
        )
        try:
            return parse_published(document)
        except RuleError as error:
            raise RulesRefused([self._line(problem) for problem in error.problems]) from error

    def _line(self, problem: Problem) -> str:
        """A problem with its file: `/segments/3/rule` is `/rule` of the fourth segment's file."""
        _, part, *rest = problem.pointer.split("/")
        path: Path | None = {"audience": self.path, "access": self.access_path}.get(part)
        if part in ("segments", "destinations") and rest:
            path, rest = getattr(self, part)[int(rest[0])][0], rest[1:]
        pointer = "".join(f"/{token}" for token in rest)
        where = f"{path or self.root / part}{': ' + pointer if pointer else ''}"
        return f"{where}: {problem.message} [{problem.code}]"


def read_rules(folder: Path) -> list[AudienceRules]:
    """All documents below a folder, by audience. `RulesRefused` if one is no JSON or belongs to no audience."""
    problems: list[str] = []

    def documents(kind: str) -> list[tuple[Path, Document]]:
        found = []
        for path in sorted((folder / kind).rglob("*.json")):
            try:
                found.append((path, parse_document(path.read_text(encoding="utf-8"))))
            except RuleError as error:
                problems.extend(f"{path}: {problem.message} [{problem.code}]" for problem in error.problems)
            except (OSError, UnicodeDecodeError) as error:
                problems.append(f"{path}: cannot be read: {error}")
        return found

    rules: dict[str, AudienceRules] = {}
    for path, document in documents("audiences"):
        one = AudienceRules(document, path)
        if one.id in rules:
            problems.append(f"{path}: audience {one.id!r} also stands in {rules[one.id].path}")
        rules[one.id] = one
    if not rules and not problems:
        problems.append(f"{folder / 'audiences'}: no audience document")
    for kind in ("segments", "destinations"):
        for path, document in documents(kind):
            owner = rules.get(str(document.get("audience")))
            if owner is None:
                known = ", ".join(map(repr, rules)) or "none"
                problems.append(
                    f"{path}: /audience: no such audience {document.get('audience')!r}; there are: {known}"
                )
            else:
                getattr(owner, kind).append((path, document))
    for path, document in documents("access"):
        owner = rules.get(str(document.get("audience", path.stem)))
        if owner is None:
            problems.append(
                f"{path}: no audience {path.stem!r}; an access document is named after its audience"
            )
        else:
            owner.access, owner.access_path = document, path
    if problems:
        raise RulesRefused(problems)
    return list(rules.values())


def folder_of(root: Path, path: Path) -> str:
    """The folder that a segment's file stands in, as the console names it."""
    return path.parent.relative_to(root / "segments").as_posix().removeprefix(".")


def write_document(root: Path, kind: str, document: Document, folder: str, at: Path | None) -> Path:
    """Write a document (of a kind with files of its own) where it belongs; `at` is where it stood before."""
    name = f"{document['id']}.json"
    if kind == "audience":
        path = root / "audiences" / name
    elif kind == "destinations":
        path = at or root / "destinations" / name
    else:
        path = root / "segments" / folder / (at.name if at else name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(pretty(document), encoding="utf-8")
    if at is not None and at != path:
        at.unlink()
    return path


def write_access(
    root: Path, audience: str, access: Mapping[str, Sequence[Document]], at: Path | None
) -> Path:
    """Write the keys and tokens of an audience: one file."""
    path = at or root / "access" / f"{audience}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(pretty({kind: list(access.get(kind, ())) for kind in ACCESS}), encoding="utf-8")
    return path
