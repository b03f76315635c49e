"""`python -m infra.publish_rules --bucket BUCKET [rules/]`: check all documents of a folder and publish them.

Every problem of every document is shown at once, each with its file and place; then nothing is published.
Works on AWS with the account that boto3 finds, and on the embedded cloud with AWS_ENDPOINT_URL set to its address.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError
from segmentation.adapters.clock import SystemClock
from segmentation.adapters.s3 import S3Lake
from segmentation.domain.errors import Unavailable
from segmentation.domain.published import Published, document_of, parse_published
from segmentation.language import Problem, RuleError, parse_document
from segmentation.ports import Lake
from segmentation.usecases.publish_rules import PublishRules, rule_set_path

Document = dict[str, Any]


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

    def check(self) -> Published:
        """The checked rule set; `RulesRefused` names every problem's file."""
        try:
            return parse_published(self._document())
        except RuleError as error:
            raise RulesRefused([self._line(problem) for problem in error.problems]) from error

    def publish(self, lake: Lake) -> Published:
        """Put the rule set for the functions to read."""
        self.check()
        publish = PublishRules(lake, SystemClock())
        return publish(
            self.audience,
            [document for _, document in self.segments],
            self.access,
            [document for _, document in self.destinations],
        )

    def _document(self) -> Mapping[str, Any]:
        return document_of(
            self.audience,
            [document for _, document in self.segments],
            self.access,
            [document for _, document in self.destinations],
            "",
        )

    def _line(self, problem: Problem) -> str:
        """A problem with its file: `/segments/3/rule` is `/rule` of the fourth segment's file."""
        _, part, *rest = problem.pointer.split("/")
        path: Path | None = {"audience": self.path, "access": self.access_path}.get(part)
        if part in ("segments", "destinations") and rest:
            path, rest = getattr(self, part)[int(rest[0])][0], rest[1:]
        pointer = "".join(f"/{token}" for token in rest)
        where = f"{path or self.path.parent.parent / part}{': ' + pointer if pointer else ''}"
        return f"{where}: {problem.message} [{problem.code}]"


def read_rules(folder: Path) -> list[AudienceRules]:
    """All documents below a folder, by audience. `RulesRefused` if one is no JSON or belongs to no audience."""
    problems: list[str] = []

    def documents(kind: str) -> list[tuple[Path, Document]]:
        found = []
        for path in sorted((folder / kind).glob("*.json")):
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


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m infra.publish_rules", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("rules"), help="default: rules")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--bucket", help="the lake bucket (output LakeBucketName of the stack)")
    target.add_argument("--check", action="store_true", help="only check the documents; needs no account")
    options = parser.parse_args(arguments)
    try:
        rules = read_rules(options.folder)
        checked = [one.check() for one in rules]
        lake = None if options.check else S3Lake(boto3.client("s3"), options.bucket)
        for one, published in zip(rules, checked, strict=True):
            if lake is not None:
                published = one.publish(lake)
            kinds = [segment.kind for segment in published.rules.segments]
            counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
            place = (
                f"published to s3://{options.bucket}/{rule_set_path(one.id)}"
                if lake is not None
                else "is in order"
            )
            print(f"{one.id} {place}: {len(kinds)} segments ({counts}), version {published.version}")
    except RulesRefused as error:
        for line in error.lines:
            print(line, file=sys.stderr)
        print(
            f"{len(error.lines)} problem{'s' if len(error.lines) > 1 else ''}; nothing was published",
            file=sys.stderr,
        )
        return 1
    except (Unavailable, BotoCoreError) as error:
        print(f"not published: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
