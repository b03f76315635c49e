"""Segment documents and the rule set of an audience: checked together, in dependency order."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from . import hints
from .caps import MAX_LITERALS
from .check import Checker
from .limits import Limit, read_limit
from .normal import canonical, digest, normalize
from .problems import Problem, RuleError, did_you_mean, step
from .schedule import Schedule, read_schedule
from .sqltext import literal
from .times import Window
from .tree import Aggregate, Node
from .types import SEGMENT_ID, Schema, Type
from .values import is_text

KINDS = ("batch", "realtime", "list")
FIELDS = ("id", "name", "audience", "kind", "description", "rule", "limit", "schedule")
LONGEST_REALTIME = 400 * 86_400
"""How far back the windows of a real-time segment may reach, in seconds."""


@dataclass(frozen=True)
class Segment:
    """A checked segment. `rule` is in normal form, `None` for a list; `version` names its content."""

    id: str
    name: str
    kind: str
    description: str
    rule: Node | None
    version: str
    references: frozenset[str]
    limit: Limit | None = None
    schedule: Schedule | None = None

    def nodes(self) -> Iterator[Node]:
        """Every node of the rule, and of the value that a limit orders by."""
        for root in (self.rule, self.limit.by if self.limit else None):
            if root is not None:
                yield from root.walk()

    @property
    def attributes(self) -> frozenset[str]:
        """The attributes that the rule reads."""
        return frozenset(node.value for node in self.nodes() if node.op == "attribute")

    @property
    def behaviors(self) -> frozenset[str]:
        """The behaviors whose events the rule reads."""
        aggregates = (node.value for node in self.nodes() if isinstance(node.value, Aggregate))
        return frozenset(selection.behavior for a in aggregates for selection in a.events.selections())


@dataclass(frozen=True)
class RuleSet:
    """The segments of one audience, each after those that it refers to."""

    audience: str
    schema: Schema
    segments: tuple[Segment, ...]

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    def of_kind(self, *kinds: str) -> tuple[Segment, ...]:
        """The segments of some kinds, in dependency order."""
        return tuple(segment for segment in self.segments if segment.kind in kinds)

    def attributes_read(self, kind: str) -> frozenset[str]:
        """The attributes that the segments of a kind read."""
        return frozenset(name for segment in self.of_kind(kind) for name in segment.attributes)

    @property
    def version(self) -> str:
        """A name for the content of the whole set."""
        return digest(*sorted(f"{segment.id}:{segment.version}" for segment in self.segments))


def load_rule_set(documents: Sequence[Mapping[str, Any]], schema: Schema, audience: str) -> RuleSet:
    """Check all segment documents of an audience together.

    Raises `RuleError` with every problem of every document; pointers begin with the document's index.
    """
    problems: list[Problem] = []
    known = _ids(documents)
    segments = []
    for index, document in enumerate(documents):
        found: list[Problem] = []
        segment = _segment(document, schema, audience, known, found)
        problems.extend(problem.below(f"/{index}") for problem in found)
        if segment is not None:
            segments.append((index, segment))
    problems.extend(_twice(documents))
    ordered = _in_order(segments, problems)
    if problems:
        raise RuleError(problems)
    return RuleSet(audience, schema, ordered)


def check_segment(
    document: Mapping[str, Any], schema: Schema, audience: str, others: Mapping[str, str]
) -> Segment:
    """Check one document; `others` maps the ids of the audience's other segments to their kinds.

    Raises `RuleError`. Cycles through other segments are found by `load_rule_set`.
    """
    problems: list[Problem] = []
    segment = _segment(document, schema, audience, others, problems)
    if segment is None or problems:
        raise RuleError(problems)
    return segment


def parse_document(text: str) -> dict[str, Any]:
    """A JSON object with no key twice. Raises `RuleError`."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = sorted(key for key, count in Counter(key for key, _ in items).items() if count > 1)
        if twice:
            raise RuleError(
                [Problem("", "duplicate-key", f"the key {twice[0]!r} stands twice in one object; keep one")]
            )
        return dict(items)

    try:
        document = json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise RuleError([Problem("", "bad-json", f"not JSON: {error.msg} at {place}")]) from error
    except ValueError as error:  # Python reads no numbers of thousands of digits
        raise RuleError([Problem("", "bad-json", f"not JSON that can be read: {error}")]) from error
    except RecursionError:
        raise RuleError([Problem("", "too-deep", "the JSON nests too deep")]) from None
    if not isinstance(document, dict):
        raise RuleError([Problem("", "not-an-object", "a document is a JSON object")])
    return document


def _ids(documents: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {
        document["id"]: str(document.get("kind"))
        for document in documents
        if isinstance(document, Mapping) and isinstance(document.get("id"), str)
    }


def _segment(
    document: Any, schema: Schema, audience: str, known: Mapping[str, str], problems: list[Problem]
) -> Segment | None:
    if not isinstance(document, Mapping):
        problems.append(Problem("", "not-an-object", "a segment document is a JSON object"))
        return None
    _check_fields(document, audience, problems)
    checker = Checker(schema, known)
    rule = _rule(document, checker, problems)
    limit = schedule = None
    if _only_of_batch(document, "limit", "can have a limit", problems):
        limit = read_limit(checker, document["limit"])
    if _only_of_batch(document, "schedule", "has a schedule", problems):
        schedule = read_schedule(document["schedule"], "/schedule", schema.time_zone, problems)
    problems.extend(checker.problems)
    if problems:
        return None
    segment = _normalized(document, rule, limit, schedule)
    size = _literal_bytes(segment)
    if size > MAX_LITERALS:
        message = (
            f"the rule's lists and texts take {size:,} bytes of a query, in which there is room for {MAX_LITERALS:,}; "
            "upload the long ones as list segments"
        )
        problems.append(Problem("/rule", "too-large", message))
        return None
    return segment


def _rule(document: Mapping[str, Any], checker: Checker, problems: list[Problem]) -> Node | None:
    """The rule of a segment that has one, unless there are problems, which are noted here or by the checker."""
    kind = document.get("kind")
    if kind == "list":
        if "rule" in document:
            problems.append(
                Problem("/rule", "rule-in-list", "a list has no rule, its members are uploaded; take it out")
            )
        return None
    if "rule" not in document:
        problems.append(Problem("", "missing-field", "a batch or realtime segment needs a 'rule'"))
        return None
    rule = checker.rule(document["rule"])
    if rule is not None and kind == "realtime":
        problems.extend(_realtime_problems(rule))
    return rule


def _only_of_batch(document: Mapping[str, Any], name: str, what: str, problems: list[Problem]) -> bool:
    """Whether a field is there to be read; a problem where the segment is of a kind that cannot have it."""
    if name not in document or document.get("kind") == "batch":
        return name in document
    message = f"only a batch segment {what}; take it out"
    problems.append(Problem(f"/{name}", f"{name}-not-batch", message))
    return False


def _normalized(
    document: Mapping[str, Any], rule: Node | None, limit: Limit | None, schedule: Schedule | None
) -> Segment:
    """The segment, in normal form; its version is a hash of what decides who is in it."""
    rule = normalize(rule) if rule else None
    limit = replace(limit, by=normalize(limit.by)) if limit else None
    content = [document["kind"], canonical(rule) if rule else ""]
    if limit:
        content += [canonical(limit.by), f"{limit.count} {limit.share} {limit.descending}"]
    segment = Segment(
        document["id"],
        document["name"],
        document["kind"],
        document.get("description", ""),
        rule,
        digest(*content),
        frozenset(),
        limit,
        schedule,
    )
    references = frozenset(node.value for node in segment.nodes() if node.op == "in_segment")
    return replace(segment, references=references)


def _literal_bytes(segment: Segment) -> int:
    """How many bytes of SQL the literals of a segment take, each condition written once."""
    size = 0
    for node in set(segment.nodes()):
        if node.op == "constant":
            size += len(literal(Type(node.type), node.value).encode())
        elif node.op == "one_of":
            type_ = Type(node.args[0].type)
            size += sum(len(literal(type_, value).encode()) + 2 for value in node.value)
    return size


def _check_fields(document: Mapping[str, Any], audience: str, problems: list[Problem]) -> None:
    for name in document:
        if name not in FIELDS:
            hint = did_you_mean(str(name), FIELDS)
            problems.append(Problem(step("", name), "unknown-field", f"unknown field {name!r}{hint}"))
    for name in ("id", "name", "audience", "kind"):
        if name not in document:
            problems.append(Problem("", "missing-field", f"the field {name!r} is missing; add it"))
    for name in ("name", "description"):
        if name in document and (not isinstance(document[name], str) or len(document[name]) > 1_000):
            problems.append(Problem(f"/{name}", "bad-field", f"{name!r} is text of at most 1,000 characters"))
        elif name in document and not is_text(document[name]):
            problems.append(Problem(f"/{name}", "bad-text", hints.BAD_TEXT))
    identity = document.get("id")
    if "id" in document and (not isinstance(identity, str) or not SEGMENT_ID.fullmatch(identity)):
        message = f"{identity!r} is no id; write 1 to 64 of a-z, 0-9 and -, not beginning with -"
        problems.append(Problem("/id", "bad-id", message))
    if "kind" in document and document["kind"] not in KINDS:
        hint = did_you_mean(str(document["kind"]), KINDS)
        problems.append(Problem("/kind", "bad-kind", f"{document['kind']!r} is no kind of segment{hint}"))
    if "audience" in document and document["audience"] != audience:
        message = f"the document belongs to audience {document['audience']!r}, not to {audience!r}; move it or mend its 'audience'"
        problems.append(Problem("/audience", "other-audience", message))


def _realtime_problems(rule: Node) -> Iterator[Problem]:
    for node in rule.walk():
        windows: tuple[Window, ...] = ()
        if isinstance(node.value, Aggregate):
            windows = tuple(w for selection in node.value.events.selections() for w in selection.windows)
        if any((window.reach or 0) > LONGEST_REALTIME for window in windows):
            message = "the windows of a real-time segment reach back at most 400d; make it a batch segment"
            yield Problem("/rule", "window-too-long", message)


def _twice(documents: Sequence[Any]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, document in enumerate(documents):
        identity = document.get("id") if isinstance(document, Mapping) else None
        if isinstance(identity, str) and seen.setdefault(identity, index) != index:
            message = f"the id {identity!r} already belongs to document {seen[identity]}; choose another"
            yield Problem(f"/{index}/id", "duplicate-id", message)


def _in_order(segments: list[tuple[int, Segment]], problems: list[Problem]) -> tuple[Segment, ...]:
    """Each segment after those it refers to, otherwise by id; cycles are reported."""
    waiting = {segment.id: segment for _, segment in segments}
    index_of = {segment.id: index for index, segment in segments}
    ordered: list[Segment] = []
    placed: set[str] = set()
    while waiting:
        ready = sorted(
            name for name, segment in waiting.items() if not (segment.references - placed) & waiting.keys()
        )
        if not ready:
            cycle = _cycle(waiting)
            message = f"segments refer to each other in a circle: {' -> '.join([*cycle, cycle[0]])}; break it"
            problems.append(Problem(f"/{index_of[cycle[0]]}/rule", "cyclic-segments", message))
            break
        for name in ready:
            ordered.append(waiting.pop(name))
            placed.add(name)
    return tuple(ordered)


def _cycle(waiting: Mapping[str, Segment]) -> list[str]:
    path = [min(waiting)]
    while True:
        following = min(waiting[path[-1]].references & waiting.keys())
        if following in path:
            return path[path.index(following) :]
        path.append(following)
