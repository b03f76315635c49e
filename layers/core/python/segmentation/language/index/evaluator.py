"""The evaluator: an index over the rules of an audience, and what it holds of one profile."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import compress
from typing import Any

from ..evaluate import Base, Evaluation
from ..times import zone
from ..tree import Node
from ..values import Value
from .codec import read_base, read_node
from .compiled import Compiled, blank_evaluation, compile_rules
from .layers import Layer
from .literals import Key
from .tables import Budget, Table
from .variables import NEVER, TRACKS, Reader, Readers, Reading, Track, bundle

_DIGITS = bytes(48) + bytes([0, 1]) + bytes(206)
_FEW = 64
"""Up to so many members are found bit by bit, more by walking over all names."""


class State:
    """What an index holds of one profile, so that an event costs what it changes.

    `result` is the bitmap of the rules that hold; `due` is the moment from which on it may be another one
    though nothing happens (`NEVER` if there is none).
    """

    __slots__ = ("_heap", "_inside", "_literals", "_results", "_tracks", "_until", "_values", "result")

    def __init__(self, literals: int, results: list[int], inside: set[str], result: int) -> None:
        self._literals = literals
        self._results = results
        self._inside = inside
        self._values: dict[int, Value] = {}
        self._tracks: dict[int, Track] = {}
        self._until: dict[int, int] = {}
        self._heap: list[tuple[int, int]] = []
        self.result = result

    @property
    def due(self) -> int:
        """When the result may change by itself."""
        heap, until = self._heap, self._until
        while heap and until.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else NEVER


@dataclass(slots=True)
class _Variable:
    """A variable's value that changes nothing, and what the others change."""

    number: int
    default: Value
    table: Table
    cache: dict[Value, int]


class _Unit:
    """Variables that are read together."""

    __slots__ = ("number", "read", "variables")

    def __init__(self, number: int, variables: list[_Variable], read: Reader) -> None:
        self.number = number
        self.variables = variables
        self.read = read

    @classmethod
    def later(cls, number: int, variable: _Variable, data: dict[str, Any], readers: Readers) -> "_Unit":
        """One variable; its tree is read and compiled when it is first needed."""

        def first(evaluation: Evaluation) -> Reading:
            unit.read = readers.of(Key(data["kind"], read_node(data["node"])), variable.table.cuts)
            return unit.read(evaluation)

        unit = cls(number, [variable], first)
        return unit


class Index:
    """All rules of an audience, evaluated at once."""

    def __init__(self, compiled: Compiled) -> None:
        data = compiled.data
        self.compiled = compiled
        self.version: str = data["version"]
        self.names: tuple[str, ...] = tuple(data["names"])
        self.budget = Budget()
        self._zone = zone(data["zone"])
        self._layers: list[Layer] = []
        offset = 0
        for layer in data["layers"]:
            self._layers.append(Layer(layer, offset))
            offset += layer["count"]
        self._numbers = {name: number for number, name in enumerate(self.names)}
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
        self._blank = State(int(data["start"], 16), [0] * len(self._layers), set(), 0)
        self._settle(self._blank, blank_evaluation(self._zone))

    def _make_units(self, entries: Sequence[dict[str, Any]], readers: Readers) -> None:
        bundles: dict[int, list[tuple[_Variable, list[Any]]]] = {}
        for number, entry in enumerate(entries):
            default = entry["default"]
            table = Table(entry["table"], self.compiled.positions, default, self.budget)
            variable = _Variable(number, default, table, table.cache)
            if entry["latest"]:
                bundles.setdefault(entry["bases"][0], []).append((variable, entry["latest"]))
                continue
            unit = _Unit.later(len(self._units), variable, entry, readers)
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
            reader = bundle(self.bases[base], [(s, function, column) for _, (s, function, column) in found])
            self._units.append(_Unit(len(self._units), [variable for variable, _ in found], reader))
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
        blank = self._blank
        state = State(0, blank._results[:], set(blank._inside), blank.result)
        literals = blank._literals
        values = state._values
        values.update(blank._values)
        evaluation.segments |= state._inside
        evaluation.memo[TRACKS] = state._tracks
        touched: list[_Unit] = [*self._keyed]
        for name in self._read if attributes is None else self._read.intersection(attributes):
            value = evaluation.attribute(name)
            if value is None:
                continue
            for unit in self._plain.get(name, ()):
                variable = unit.variables[0]
                values[variable.number] = value
                bits = variable.cache.get(value)
                literals ^= variable.table.delta(value) if bits is None else bits
            touched += self._attributes.get(name, ())
        state._literals = literals
        if bases is None:
            bases = filter(evaluation.rows, self.bases)
        for base in bases:
            touched += self._of_base[self._number_of(base)]
        for name in evaluation.segments & self._segments.keys():
            touched += self._segments[name]
        self._refresh(state, evaluation, touched)
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
            track = state._tracks.get(id(self.bases[number]))
            if track is not None and not track.extend(evaluation.rows(self.bases[number])):
                del state._tracks[id(self.bases[number])]
            touched += self._of_base[number]
        for name in segments:
            touched += self._segments.get(name, ())
        if state.due <= evaluation.now:
            heap, until, now = state._heap, state._until, evaluation.now
            while heap and heap[0][0] <= now:
                moment, number = heappop(heap)
                if until.get(number) == moment:
                    touched.append(self._units[number])
        before = state._literals
        self._refresh(state, evaluation, touched)
        if state._literals != before:
            self._settle(state, evaluation)
        return state.result

    def members(self, bits: int) -> list[str]:
        """The ids of a bitmap's segments."""
        names = self.names
        if bits.bit_count() > _FEW:
            return list(compress(names, f"{bits:b}"[::-1].encode().translate(_DIGITS)))
        return [names[position] for position in _positions(bits)]

    def bits(self, names: Collection[str]) -> int:
        """The bitmap of segments; ids that the index does not know are left out."""
        numbers = self._numbers
        data = bytearray(len(self.names) // 8 + 1)
        for name in names:
            number = numbers.get(name)
            if number is not None:
                data[number >> 3] |= 1 << (number & 7)
        return int.from_bytes(data, "little")

    def base(self, base: Base) -> Base:
        """The index's own object for a base, found faster than an equal one."""
        return self.bases[self._by_value[base]]

    def _number_of(self, base: Base) -> int:
        # Hashing and comparing a base walks its conditions, so its identity is tried first.
        number = self._base_numbers.get(id(base))
        return self._by_value[base] if number is None else number

    def _refresh(self, state: State, evaluation: Evaluation, touched: Iterable[_Unit]) -> None:
        """Read variables again, and turn the literals that their values turn."""
        literals, held, moments = state._literals, state._values, state._until
        for unit in touched:
            values, until = unit.read(evaluation)
            number = unit.number
            if until != NEVER:
                if moments.get(number) != until:
                    moments[number] = until
                    heappush(state._heap, (until, number))
            elif number in moments:
                del moments[number]
            for variable, value in zip(unit.variables, values, strict=True):
                default = variable.default
                old = held.get(variable.number, default)
                if value == old:
                    continue
                before = 0
                if old != default:
                    cached = variable.cache.get(old)
                    before = variable.table.delta(old) if cached is None else cached
                if value == default:
                    del held[variable.number]
                    literals ^= before
                    continue
                held[variable.number] = value
                bits = variable.cache.get(value)
                if bits is None:
                    bits = variable.table.delta(value)
                # Values between the same two thresholds share one bitmap.
                if bits is not before:
                    literals ^= bits ^ before if before else bits
        state._literals = literals

    def _settle(self, state: State, evaluation: Evaluation) -> None:
        """Fold the layers, first to last, carrying membership on to later ones."""
        for depth, layer in enumerate(self._layers):
            result = layer.fold(state._literals)
            flipped = result ^ state._results[depth]
            if not flipped:
                continue
            state._results[depth] = result
            state.result ^= flipped << layer.offset
            for position in _positions(flipped & layer.watched):
                name = self.names[layer.offset + position]
                if result >> position & 1:
                    state._inside.add(name)
                    evaluation.segments.add(name)
                else:
                    state._inside.discard(name)
                    evaluation.segments.discard(name)
                self._refresh(state, evaluation, self._segments[name])


def _positions(bits: int) -> Iterator[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low
