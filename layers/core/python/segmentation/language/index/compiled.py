"""The compiled rule set: plain data that is written once, at publication, and read fast.

The artifact is the name of its format, compressed JSON, and the compressed positions of literals as
little-endian 32-bit numbers. It holds no code, so reading a foreign one can raise, never run anything.
"""

import json
import struct
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
from .codec import plain_base, plain_node
from .layers import Literals, arrange, lay_out
from .literals import Form, Key, form_of
from .tables import Budget, Table, bitmap
from .variables import Dependencies, Readers, latest_of

FORMAT = b"index 1"
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
        text = json.dumps(self.data, separators=(",", ":")).encode()
        return pack([FORMAT, zlib.compress(text), zlib.compress(positions.tobytes())])

    @classmethod
    def load(cls, artifact: bytes) -> "Compiled":
        """The data of an artifact. Raises `ArtifactError`."""
        kind, *parts = unpack(artifact)
        if kind != FORMAT:
            message = f"a compiled rule set of {kind.decode(errors='replace')!r}, this code reads {FORMAT.decode()!r}"
            raise ArtifactError(f"{message}; publish the rules anew")
        try:
            text, numbers = map(zlib.decompress, parts)
            data = json.loads(text)
            positions = array("I")
            positions.frombytes(numbers)
        except (ValueError, zlib.error) as error:
            raise ArtifactError("a damaged compiled rule set; publish the rules anew") from error
        if sys.byteorder != "little":
            positions.byteswap()
        return cls(data, positions)


_MAGIC = b"segmentation\n"
_LENGTH = struct.Struct("<Q")


def pack(parts: Sequence[bytes]) -> bytes:
    """Some bytes in a row, each after its length."""
    return _MAGIC + b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def unpack(artifact: bytes) -> list[bytes]:
    """What `pack` put in a row, at least one. Raises `ArtifactError`."""
    if not artifact.startswith(_MAGIC):
        raise ArtifactError("these bytes are no compiled rules")
    parts: list[bytes] = []
    place = len(_MAGIC)
    while place < len(artifact) or not parts:
        end = place + _LENGTH.size
        length = _LENGTH.unpack(artifact[place:end])[0] if end <= len(artifact) else len(artifact)
        if end + length > len(artifact):
            raise ArtifactError("compiled rules that end too early; publish the rules anew")
        parts.append(artifact[end : end + length])
        place = end + length
    return parts


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
    return defaults, described, [plain_base(base) for base in bases]
