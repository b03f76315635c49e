"""The real-time segments of a rule set, compiled; and which of the kept terms an event enters."""

import json
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from segmentation.language import RuleSet
from segmentation.language.evaluate import Base, Evaluation, Row
from segmentation.language.index import ArtifactError, Index, Numbering, pack, plain_base, read_base, unpack
from segmentation.language.times import zone
from segmentation.language.tree import CONDITION, Node
from segmentation.language.types import Schema, Type
from segmentation.language.values import Value

from ..membership import Members
from .terms import Term, terms_of

SHORTEST_MEMORY = 7 * 86_400
"""Seconds for which event ids are remembered at the least (decision 8)."""
MOST_KNOWN = 10_000
"""Kinds of events of a behavior of which is remembered what they enter."""
PROGRAM_FORMAT = b"program 3"
"""The format of compiled programs that this code writes and reads."""


class Program:
    """The real-time segments of a rule set, compiled. Build it once a rule set version, or load what was
    built: `Program.load(program.dump())` reads no rule and is many times as fast."""

    def __init__(
        self,
        rule_set: RuleSet,
        only: Collection[str] | None = None,
        *,
        keep: bool = False,
        ahead: Sequence[Node] = (),
    ) -> None:
        """Compile the real-time segments of a rule set.

        `only` some of them: nobody is in the others. With `keep` what those need is kept nevertheless. So is what the rules
        need that do not answer yet (`ahead`).
        """
        schema = rule_set.schema
        everything = [segment for segment in rule_set.of_kind("realtime") if segment.rule is not None]
        segments = [segment for segment in everything if only is None or segment.id in only]
        rules = [(segment.id, segment.rule) for segment in segments if segment.rule is not None]
        kept = [one.rule for one in (everything if keep else segments) if one.rule is not None]
        terms = terms_of([*kept, *ahead])
        entrances = {
            behavior: _entrance_index([term for term in terms if term.base.behavior == behavior], schema)
            for behavior in dict.fromkeys(term.base.behavior for term in terms)
        }
        self._set_up(
            schema,
            {segment.id: segment.version for segment in segments},
            terms,
            Index.compile(rules, schema.time_zone, rule_set.version),
            entrances,
        )
        self.numbering = self.index.numbering

    def _set_up(
        self,
        schema: Schema,
        versions: Mapping[str, str],
        terms: tuple[Term, ...],
        index: Index,
        entrances: Mapping[str, Index],
    ) -> None:
        self.schema = schema
        self.zone = zone(schema.time_zone)
        self.versions = versions
        self.names = frozenset(versions)
        self.index = index
        self.terms = terms
        known = set(index.bases)
        self._term_of = {index.base(term.base): term for term in terms if term.base in known}
        self._named = {term.id: term for term in terms}
        # Hashing a base walks its conditions; the index asks with its own objects, so identity finds most.
        self._term_of_object = {id(base): term for base, term in self._term_of.items()}
        self._base_of = {term.id: base for base, term in self._term_of.items()}
        self._entrances = {
            behavior: Entrance(
                [term for term in terms if term.base.behavior == behavior],
                entrance,
                schema.behaviors[behavior],
                self.zone,
            )
            for behavior, entrance in entrances.items()
        }
        self.memory = max([SHORTEST_MEMORY, *(term.reach or 0 for term in terms)])

    def dump(self) -> bytes:
        """The program as an artifact that holds no code."""
        entrances = {behavior: entrance.index.dump() for behavior, entrance in self._entrances.items()}
        document = {
            "attributes": dict(self.schema.attributes),
            "behaviors": {name: dict(columns) for name, columns in self.schema.behaviors.items()},
            "time_zone": self.schema.time_zone,
            "versions": dict(self.versions),
            "terms": [
                [t.id, plain_base(t.base), list(t.columns), t.keep, t.reach, t.whole] for t in self.terms
            ],
            "entrances": list(entrances),
        }
        head = json.dumps(document, separators=(",", ":")).encode()
        return pack([PROGRAM_FORMAT, zlib.compress(head), self.index.dump(), *entrances.values()])

    @classmethod
    def load(cls, artifact: bytes) -> "Program":
        """The program of an artifact. Raises `ArtifactError`."""
        kind, *parts = unpack(artifact)
        if kind != PROGRAM_FORMAT:
            raise ArtifactError("a compiled program of another format; publish the rules anew")
        try:
            document = json.loads(zlib.decompress(parts[0]))
        except (ValueError, zlib.error, IndexError) as error:
            raise ArtifactError("a damaged compiled program; publish the rules anew") from error
        schema = Schema(
            {name: Type(type_) for name, type_ in document["attributes"].items()},
            {
                behavior: {name: Type(type_) for name, type_ in columns.items()}
                for behavior, columns in document["behaviors"].items()
            },
            document["time_zone"],
        )
        terms = tuple(
            Term(name, read_base(base), tuple(columns), keep, reach, whole)
            for name, base, columns, keep, reach, whole in document["terms"]
        )
        index, *entrances = map(Index.load, parts[1:])
        program = cls.__new__(cls)
        named = dict(zip(document["entrances"], entrances, strict=True))
        program._set_up(schema, document["versions"], terms, index, named)
        program.numbering = program.published_numbering()
        return program

    def published_numbering(self) -> Numbering:
        """The numbering of the segments as it is kept beside the artifact, for all who read what was computed by it.

        A program that was loaded has it as its own (`numbering`); one that was compiled just now may number otherwise.
        """
        return Numbering(self.index.names, kept=True)

    def placed(self, members: Collection[str]) -> tuple[int, tuple[str, ...]]:
        """Members as bits of the numbering, and those that have none: their rules are gone."""
        own = self.numbering
        if isinstance(members, Members) and (
            members.numbering is own or (own.id and own.id == members.numbering.id)
        ):
            return members.bits, ()
        return own.bits(members), tuple(one for one in members if one not in self.names)

    def entrance(self, behavior: str) -> "Entrance | None":
        """Where the events of a behavior come in; `None`: no rule reads them."""
        return self._entrances.get(behavior)

    def term(self, base: Base) -> Term:
        """The term that keeps the events of a base."""
        return self._term_of_object.get(id(base)) or self._term_of[base]

    def term_named(self, term_id: str) -> Term | None:
        """The term of an id, if the rules still have it."""
        return self._named.get(term_id)

    def bases_of(self, term_ids: Iterable[str]) -> list[Base]:
        """The bases whose events these terms keep."""
        return [self._base_of[name] for name in term_ids if name in self._base_of]


class Entrance:
    """Which of the terms of a behavior an event enters: their conditions, as an index over its columns.

    `columns`: those that rules read, with their types.
    """

    def __init__(
        self, terms: Sequence[Term], index: Index, columns: Mapping[str, Type], time_zone: ZoneInfo
    ) -> None:
        self._zone = time_zone
        self._named = {term.id: term for term in terms}
        self._open = [term for term in terms if not term.base.where]
        self.index = index
        nodes = (node for term in terms for condition in term.base.where for node in condition.walk())
        self._reads = sorted({node.value for node in nodes if node.op == "column"})
        read = {*self._reads, *(name for term in terms for name in term.columns)}
        self.columns = {name: type_ for name, type_ in columns.items() if name in read}
        # Most conditions name a few values of a few columns, so that events soon repeat themselves.
        self._known: dict[tuple[Value, ...], list[Term]] = {}

    def terms_of(self, row: Row) -> Sequence[Term]:
        """The terms that an event enters."""
        if not self._reads:
            return self._open
        name = tuple([row.time if one == "time" else row.columns.get(one) for one in self._reads])
        found = self._known.get(name)
        if found is None:
            columns = _Columns(row)
            state = self.index.start(
                Evaluation(columns, "", 0, self._zone), attributes=columns.names, bases=()
            )
            found = [*self._open, *(self._named[one] for one in self.index.members(state.result))]
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[name] = found
        return found


def _entrance_index(terms: Sequence[Term], schema: Schema) -> Index:
    rules = [(t.id, of_profile(Node("and", CONDITION, t.base.where))) for t in terms if t.base.where]
    return Index.compile(rules, schema.time_zone)


class _Columns:
    """An event whose columns are read as attributes."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self.names = {*row.columns, "time"}

    def attribute(self, name: str) -> Value:
        return self._row.time if name == "time" else self._row.columns.get(name)

    def rows(self, base: Base) -> Sequence[Row]:
        raise AssertionError(f"a condition on an event reads the events of {base.behavior}")


def of_profile(node: Node) -> Node:
    """A condition on an event's columns as one on attributes of the same names."""
    if node.op == "column":
        return replace(node, op="attribute")
    return replace(node, args=tuple(map(of_profile, node.args)))
