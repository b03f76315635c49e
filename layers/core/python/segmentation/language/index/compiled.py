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
from .layers import Literals, Parts, arrange, divide, slots_of
from .literals import Form, Key, form_of
from .tables import Budget, Table, bitmap
from .variables import Dependencies, Readers, latest_of

FORMAT = b"index 2"
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
    watched: set[str] = set()
    for name, rule in ordered:
        inner = {node.value for node in rule.walk() if node.op == "in_segment"} & names
        watched |= inner
        level[name] = max((level[other] + 1 for other in inner), default=0)
        forms[name] = form_of(rule)
    numbers: dict[Key, int] = {}
    for form in forms.values():
        for clause in form.clauses:
            for literal in clause:
                numbers.setdefault(literal.key, len(numbers))
    depends = {key: Dependencies(key.node, key.kind == "age") for key in numbers}
    moving = {key for key, found in depends.items() if found.is_timed or found.segments & names}
    members: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name, _ in ordered:
        members[level[name]].append(name)
    parts: list[list[Parts]] = []
    for depth, found in enumerate(members):
        divided = [divide(forms[name], moving, numbers) for name in found]
        order = arrange(divided)
        members[depth] = [found[index] for index in order]
        parts.append([divided[index] for index in order])
    literals = Literals()
    strips = [literals.lay_out([rule.moving for rule in rules_of]) for rules_of in parts]
    width = literals.width
    layers = [
        {
            "count": len(found),
            "inverted": f"{bitmap([i for i, rule in enumerate(rules_of) if rule.inverted]):x}",
            "watched": f"{bitmap([i for i, name in enumerate(found) if name in watched]):x}",
            "moving": moving_strips,
            "moving_slots": slots_of([rule.moving for rule in rules_of]),
            "aside": literals.lay_out([rule.aside for rule in rules_of]),
            "fixed": literals.lay_out([rule.fixed for rule in rules_of]),
            "fixed_slots": slots_of([rule.fixed for rule in rules_of]),
        }
        for found, rules_of, moving_strips in zip(members, parts, strips, strict=True)
    ]
    positions: list[int] = []
    defaults, described, bases = _describe(depends, time_zone)
    start = bitmap(literals.negated)
    for key, default, entry in zip(numbers, defaults, described, strict=True):
        entry["table"] = literals.tables[key].finish(positions)
        start ^= Table(entry["table"], positions, None, Budget()).raw(default)
    data = {
        "version": version,
        "zone": time_zone,
        "names": [name for found in members for name in found],
        "layers": layers,
        "moving": width,
        "start": f"{start:x}",
        "bases": bases,
        "variables": described,
    }
    return Compiled(data, array("I", positions))


def _describe(
    dependencies: dict[Key, Dependencies], time_zone: str
) -> tuple[list[Value], list[dict[str, Any]], list[list[Any]]]:
    """The default values of variables, the variables as plain data, and the bases that they read."""
    readers = Readers()
    blank = blank_evaluation(zone_of(time_zone))
    bases: dict[Base, int] = {}
    defaults: list[Value] = []
    described = []
    for key, depends in dependencies.items():
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
