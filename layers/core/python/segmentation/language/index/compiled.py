"""The compiled rule set: plain data that is written once, at publication, and read fast.

The artifact is a header line of JSON (format, version, sizes), then zlib-compressed JSON, then the
compressed positions of literals as little-endian 32-bit numbers. It holds no code, so reading a damaged or
foreign one can raise, never run anything.
"""

import json
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from ..evaluate import Base, Evaluation, Row
from ..normal import canonical
from ..times import zone as zone_of
from ..tree import Node
from ..values import Value
from .codec import plain_node
from .layers import Literals, arrange, lay_out
from .literals import Form, Key, form_of
from .tables import Budget, Table, bitmap
from .variables import Dependencies, Readers, latest_of

FORMAT = 1
"""The format of artifacts that this code writes and reads."""


class ArtifactError(ValueError):
    """Bytes that are no compiled rule set, or one of a format that this code does not read."""


class Blank:
    """A profile of which nothing is known."""

    def attribute(self, name: str) -> Value:  # noqa: ARG002 - as `Known` has it
        """Nothing."""
        return None

    def rows(self, base: Base) -> Sequence[Row]:  # noqa: ARG002 - as `Known` has it
        """None."""
        return ()


def blank_evaluation(zone: ZoneInfo) -> Evaluation:
    """The evaluation of a blank profile; what depends on the key or the time alone is not asked of it."""
    return Evaluation(Blank(), "", 0, zone)


@dataclass(frozen=True)
class Compiled:
    """The plain data of an index, and the positions of all its literals."""

    data: dict[str, Any]
    positions: Sequence[int]

    def dump(self) -> bytes:
        """The artifact."""
        positions = array("I", self.positions)
        if sys.byteorder != "little":
            positions.byteswap()
        text = zlib.compress(json.dumps(self.data, separators=(",", ":")).encode(), 6)
        numbers = zlib.compress(positions.tobytes(), 6)
        header = {
            "format": FORMAT,
            "version": self.data["version"],
            "text": len(text),
            "numbers": len(numbers),
        }
        return json.dumps(header).encode() + b"\n" + text + numbers

    @classmethod
    def load(cls, artifact: bytes) -> "Compiled":
        """The data of an artifact. Raises `ArtifactError`."""
        try:
            header = json.loads(artifact[: artifact.index(b"\n", 0, 1_000)])
            found = header["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError("these bytes are no compiled rule set") from error
        if found != FORMAT:
            message = (
                f"a compiled rule set of format {found}, this code reads {FORMAT}; publish the rules anew"
            )
            raise ArtifactError(message)
        try:
            start = artifact.index(b"\n") + 1
            middle = start + header["text"]
            data = json.loads(zlib.decompress(artifact[start:middle]))
            positions = array("I")
            positions.frombytes(zlib.decompress(artifact[middle : middle + header["numbers"]]))
        except (ValueError, KeyError, zlib.error) as error:
            raise ArtifactError("a damaged compiled rule set; publish the rules anew") from error
        if sys.byteorder != "little":
            positions.byteswap()
        return cls(data, positions)


def compile_rules(rules: Iterable[tuple[str, Node]], time_zone: str, version: str = "") -> Compiled:
    """The data of rules, each after those it refers to."""
    ordered = list(rules)
    names = {name for name, _ in ordered}
    level: dict[str, int] = {}
    forms: dict[str, Form] = {}
    references: dict[str, set[str]] = {}
    for name, rule in ordered:
        inner = {node.value for node in rule.walk() if node.op == "in_segment"} & names
        references[name] = inner
        level[name] = max((level[other] + 1 for other in inner), default=0)
        forms[name] = form_of(rule)
    numbers: dict[Key, int] = {}
    for form in forms.values():
        for clause in form.clauses:
            for literal in clause:
                numbers.setdefault(literal.key, len(numbers))
    watched = {other for found in references.values() for other in found}
    literals = Literals(numbers, {}, [])
    layers = []
    order: list[str] = []
    for depth in range(max(level.values(), default=-1) + 1):
        members = [name for name, _ in ordered if level[name] == depth]
        members = [members[index] for index in arrange([forms[name] for name in members])]
        layer = lay_out([forms[name] for name in members], literals)
        layer["watched"] = f"{bitmap([i for i, name in enumerate(members) if name in watched]):x}"
        layers.append(layer)
        order.extend(members)
    positions: list[int] = []
    defaults, described, bases = _describe(numbers, time_zone)
    start = bitmap(literals.negated)
    for key, default, entry in zip(numbers, defaults, described, strict=True):
        entry["table"] = literals.tables[key].finish(positions)
        start ^= Table(entry["table"], positions, None, Budget()).raw(default)
    data = {
        "version": version,
        "zone": time_zone,
        "names": order,
        "layers": layers,
        "start": f"{start:x}",
        "bases": bases,
        "variables": described,
    }
    return Compiled(data, array("I", positions))


def _describe(
    numbers: dict[Key, int], time_zone: str
) -> tuple[list[Value], list[dict[str, Any]], list[list[Any]]]:
    """The default values of variables, the variables as plain data, and the bases that they read."""
    readers = Readers()
    blank = blank_evaluation(zone_of(time_zone))
    bases: dict[Base, int] = {}
    defaults: list[Value] = []
    described = []
    for key in numbers:
        depends = Dependencies(key.node, key.kind == "age")
        default = None if depends.has_key else readers.of(key, ())(blank)[0][0]
        defaults.append(default)
        read = sorted(depends.bases, key=lambda base: [base.behavior, *map(canonical, base.where)])
        latest = latest_of(key)
        described.append(
            {
                "kind": key.kind,
                "node": plain_node(key.node),
                "default": default,
                "attributes": sorted(depends.attributes),
                "segments": sorted(depends.segments),
                "bases": [bases.setdefault(base, len(bases)) for base in read],
                "key": depends.has_key,
                "latest": [latest.seconds, latest.function, latest.column] if latest else None,
            }
        )
    return defaults, described, [[base.behavior, [plain_node(n) for n in base.where]] for base in bases]
