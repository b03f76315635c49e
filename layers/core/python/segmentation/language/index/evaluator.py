"""The evaluator: an index over the rules of an audience, and what it holds of one profile."""

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import Any

from ..evaluate import Base, Evaluation
from ..times import zone
from ..tree import Node
from ..values import Value
from .codec import read_base, read_node
from .compiled import Compiled, blank_evaluation, compile_rules
from .literals import Key
from .numbering import Numbering, positions_of
from .standing import Layout, Standing
from .tables import Budget, Table
from .variables import NEVER, TRACKS, Reader, Readers, Reading, Track, bundle


class State:
    """What an index holds of one profile, so that an event costs what it changes.

    `due` is the moment from which on the result may be another one though nothing happens (`NEVER` if there
    is none).
    """

    __slots__ = ("_heap", "_inside", "_standing", "_tracks", "_until", "_values")

    def __init__(self, standing: Standing, inside: set[str], values: dict[int, Sequence[Value]]) -> None:
        self._standing = standing
        self._inside = inside
        self._values = values
        self._tracks: dict[int, Track] = {}
        self._until: dict[int, int] = {}
        self._heap: list[tuple[int, int]] = []

    def copy(self) -> "State":
        """A state that begins as this one is, and of which nothing changes by itself."""
        return State(self._standing.copy(), set(self._inside), dict(self._values))

    @property
    def result(self) -> int:
        """The bitmap of the rules that hold."""
        return self._standing.result

    @property
    def due(self) -> int:
        """When the result may change by itself."""
        heap, until = self._heap, self._until
        while heap and until.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else NEVER


class _Unit:
    """Variables that are read together, each as its table; `defaults` are the values that turn nothing."""

    __slots__ = ("caches", "defaults", "number", "read", "tables")

    def __init__(self, number: int, tables: Sequence[Table], read: Reader) -> None:
        self.number = number
        self.tables = tables
        self.caches = [table.cache for table in tables]
        self.defaults: Sequence[Value] = [table.default for table in tables]
        self.read = read

    @classmethod
    def later(cls, number: int, table: Table, data: dict[str, Any], readers: Readers) -> "_Unit":
        """One variable; its tree is read and compiled when it is first needed."""

        def first(evaluation: Evaluation) -> Reading:
            unit.read = readers.of(Key(data["kind"], read_node(data["node"])), table.cuts)
            return unit.read(evaluation)

        unit = cls(number, [table], first)
        return unit


class Index:
    """All rules of an audience, evaluated at once."""

    def __init__(self, compiled: Compiled) -> None:
        data = compiled.data
        self.compiled = compiled
        self.version: str = data["version"]
        self.numbering = Numbering(data["names"])
        self.names = self.numbering.names
        self.budget = Budget()
        self._zone = zone(data["zone"])
        self._layout = Layout(data)
        readers = Readers()
        self.bases: tuple[Base, ...] = tuple(readers.base(read_base(base)) for base in data["bases"])
        self._base_numbers = {id(base): number for number, base in enumerate(self.bases)}
        self._by_value = {base: number for number, base in enumerate(self.bases)}
        self._units: list[_Unit] = []
        self._plain: dict[str, list[_Unit]] = {}
        self._attributes: dict[str, list[_Unit]] = {}
        self._segments: dict[str, list[_Unit]] = {}
        self._of_base: list[list[_Unit]] = [[] for _ in self.bases]
        self._keyed: list[_Unit] = []
        self._make_units(data["variables"], readers)
        self._read = frozenset(self._plain) | frozenset(self._attributes)
        self._blank = State(Standing(self._layout), set(), {})
        self._blank._standing.turn(int(data["start"], 16))
        self._settle(self._blank, blank_evaluation(self._zone))

    def _make_units(self, entries: Sequence[dict[str, Any]], readers: Readers) -> None:
        bundles: dict[int, list[tuple[list[Any], Table]]] = {}
        for entry in entries:
            table = Table(entry["table"], self.compiled.positions, entry["default"], self.budget)
            if entry["latest"]:
                bundles.setdefault(entry["bases"][0], []).append((entry["latest"], table))
                continue
            unit = _Unit.later(len(self._units), table, entry, readers)
            self._units.append(unit)
            is_plain = entry["kind"] != "age" and entry["node"][0] == "attribute"
            for name in entry["attributes"]:
                (self._plain if is_plain else self._attributes).setdefault(name, []).append(unit)
            for name in entry["segments"]:
                self._segments.setdefault(name, []).append(unit)
            for base in entry["bases"]:
                self._of_base[base].append(unit)
            if entry["key"]:
                self._keyed.append(unit)
        for base, found in bundles.items():
            found.sort(key=lambda pair: pair[0][0])
            reader = bundle(self.bases[base], [(s, function, column) for (s, function, column), _ in found])
            self._units.append(_Unit(len(self._units), [table for _, table in found], reader))
            self._of_base[base].append(self._units[-1])

    @classmethod
    def compile(cls, rules: Iterable[tuple[str, Node]], time_zone: str, version: str = "") -> "Index":
        """An index over rules `(segment id, tree in normal form)`, each after those it refers to."""
        return cls(compile_rules(rules, time_zone, version))

    @classmethod
    def load(cls, artifact: bytes) -> "Index":
        """The index of an artifact. Raises `ArtifactError`."""
        return cls(Compiled.load(artifact))

    def dump(self) -> bytes:
        """The index as an artifact."""
        return self.compiled.dump()

    def evaluate(self, evaluation: Evaluation) -> int:
        """The bitmap of the rules that hold."""
        return self.start(evaluation).result

    def start(
        self,
        evaluation: Evaluation,
        *,
        attributes: Iterable[str] | None = None,
        bases: Iterable[Base] | None = None,
    ) -> State:
        """Evaluate a profile, and hold what later updates need.

        `evaluation.segments` names the segments outside the index that the profile is in; those of the
        index that other rules refer to are added. `attributes` and `bases`: the only ones that may be
        there, where that is known; otherwise all are looked at.
        """
        state = self._blank.copy()
        values = state._values
        evaluation.segments |= state._inside
        evaluation.memo[TRACKS] = state._tracks
        touched: list[_Unit] = [*self._keyed]
        turned = 0
        for name in self._read if attributes is None else self._read.intersection(attributes):
            value = evaluation.attribute(name)
            if value is None:
                continue
            for unit in self._plain.get(name, ()):
                (table,) = unit.tables
                values[unit.number] = (value,)
                bits = table.cache.get(value)
                turned ^= table.delta(value) if bits is None else bits
            touched += self._attributes.get(name, ())
        if bases is None:
            bases = filter(evaluation.rows, self.bases)
        for base in bases:
            touched += self._of_base[self._number_of(base)]
        for name in evaluation.segments & self._segments.keys():
            touched += self._segments[name]
        state._standing.turn(turned ^ self._look(state, evaluation, touched))
        self._settle(state, evaluation)
        return state

    def update(
        self,
        state: State,
        evaluation: Evaluation,
        *,
        attributes: Iterable[str] = (),
        bases: Iterable[Base] = (),
        segments: Iterable[str] = (),
    ) -> int:
        """The bitmap after something changed, and after time went on to `evaluation.now`.

        `attributes`, `bases`, `segments`: what may have another value than at the last evaluation of this
        state. Time may only go forward; what it changes is found by itself. `evaluation` is a new one, with
        `segments` as for `start`.
        """
        evaluation.segments |= state._inside
        evaluation.memo[TRACKS] = state._tracks
        touched: list[_Unit] = []
        for name in attributes:
            touched += self._plain.get(name, ())
            touched += self._attributes.get(name, ())
        for base in bases:
            number = self._number_of(base)
            own = self.bases[number]
            track = state._tracks.get(id(own))
            if track is not None and not track.extend(evaluation.rows(own)):
                del state._tracks[id(own)]
            touched += self._of_base[number]
        for name in segments:
            touched += self._segments.get(name, ())
        if state.due <= evaluation.now:
            heap, until, now = state._heap, state._until, evaluation.now
            while heap and heap[0][0] <= now:
                moment, number = heappop(heap)
                if until.get(number) == moment:
                    touched.append(self._units[number])
        turned = self._refresh(state, evaluation, touched)
        if turned:
            state._standing.turn(turned)
            self._settle(state, evaluation)
        return state.result

    def members(self, bits: int) -> list[str]:
        """The ids of a bitmap's segments."""
        return self.numbering.named(bits)

    def base(self, base: Base) -> Base:
        """The index's own object for a base, found faster than an equal one."""
        return self.bases[self._by_value[base]]

    def _number_of(self, base: Base) -> int:
        # Hashing and comparing a base walks its conditions, so its identity is tried first.
        number = self._base_numbers.get(id(base))
        return self._by_value[base] if number is None else number

    def _look(self, state: State, evaluation: Evaluation, touched: Iterable[_Unit]) -> int:
        """Read variables for the first time; which literals their values turn. As `_refresh` does it, without a before."""
        held, moments = state._values, state._until
        turned = 0
        for unit in touched:
            number = unit.number
            if number in held:  # of two reasons, or of a profile of which nothing is known
                turned ^= self._refresh(state, evaluation, (unit,))
                continue
            values, until = unit.read(evaluation)
            if until != NEVER:
                moments[number] = until
            if values == unit.defaults:
                continue
            held[number] = values
            for cache, table, value in zip(unit.caches, unit.tables, values, strict=True):
                bits = cache.get(value)
                if bits is None:
                    bits = table.delta(value)
                if bits:
                    turned ^= bits
        state._heap = [(moment, number) for number, moment in moments.items()]
        heapify(state._heap)
        return turned

    def _refresh(self, state: State, evaluation: Evaluation, touched: Iterable[_Unit]) -> int:
        """Read variables again; which literals their values turn."""
        held, moments = state._values, state._until
        turned = 0
        for unit in touched:
            values, until = unit.read(evaluation)
            number = unit.number
            if until != NEVER:
                if moments.get(number) != until:
                    moments[number] = until
                    heappush(state._heap, (until, number))
            elif number in moments:
                del moments[number]
            before = held.get(number, unit.defaults)
            if values == before:
                continue
            held[number] = values
            for cache, table, old, new in zip(unit.caches, unit.tables, before, values, strict=True):
                if old == new:
                    continue
                off, on = cache.get(old), cache.get(new)
                off = table.delta(old) if off is None else off
                on = table.delta(new) if on is None else on
                # Values between the same two thresholds share one bitmap.
                if off is not on:
                    turned ^= off ^ on
        return turned

    def _settle(self, state: State, evaluation: Evaluation) -> None:
        """Bring the layers up to date, first to last, carrying membership on to later ones."""
        standing = state._standing
        for depth in range(len(self._layout.layers)):
            flipped = standing.settle(depth)
            if not flipped:
                continue
            offset = self._layout.layers[depth].offset
            for position in positions_of(flipped):
                name = self.names[offset + position]
                if standing.holds(depth, position):
                    state._inside.add(name)
                    evaluation.segments.add(name)
                else:
                    state._inside.discard(name)
                    evaluation.segments.discard(name)
                standing.turn(self._refresh(state, evaluation, self._segments[name]))
