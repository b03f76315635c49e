"""Membership of other segments, and stable shares."""

import hashlib
from typing import TYPE_CHECKING, Any

from .. import hints
from ..problems import did_you_mean, step
from ..sqltext import text
from ..tree import CONDITION, Node
from ..types import Type
from ..values import is_text
from .base import Bound, Closure, Operator, form, operator, reads
from .phrases import Relation

if TYPE_CHECKING:
    from ..check import Checker, Scope
    from ..lower import Lowering
    from ..sentence import Speaker
    from ..sql import Writer

DIGITS = 13
"""How many hexadecimal digits of the hash make a share: the most that a double holds exactly."""


def bucket(seed: str, key: str) -> float:
    """A number from 0 up to, not including, 100, fixed for a seed and a profile key."""
    digest = hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()
    return int(digest[:DIGITS], 16) / float(16**DIGITS) * 100


@operator
class InSegment(Operator):
    """Whether the profile is in another segment. `value`: its id."""

    name = "in_segment"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        segment = node.value
        return lambda evaluation, _element: segment in evaluation.segments

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        return {"in": [node.value, {"var": "segments"}]}

    def render(self, node: Node, writer: "Writer") -> str:
        return writer.segment(node.value)

    def sentence(self, node: Node, say: "Speaker") -> str:
        return f"is in segment {say.segment(node.value)}"

    def denial(self, node: Node, say: "Speaker") -> str:
        return f"is not in segment {say.segment(node.value)}"


@operator
class Bucket(Operator):
    """The profile's share under a seed. `value`: the seed."""

    name = "bucket"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        seed = node.value
        return lambda evaluation, _element: bucket(seed, evaluation.key)

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        name = lowering.shares.setdefault(node.value, f"s{len(lowering.shares)}")
        return {"var": f"shares.{name}"}

    def render(self, node: Node, writer: "Writer") -> str:
        hashed = f"sha256(to_utf8(concat({text(node.value + ':')}, p.profile_key)))"
        number = f"from_base(substr(to_hex({hashed}), 1, {DIGITS}), 16)"
        return writer.once(f"CAST({number} AS double) / {16**DIGITS}e0 * 100e0")

    def sentence(self, node: Node, say: "Speaker") -> str:
        return f"the share '{node.value}' (from 0 to 100)"

    def comparison(self, node: Node, relation: Relation, other: Node, denied: bool, say: "Speaker") -> str:
        if other.op != "constant" or relation not in ("lt", "ge"):
            return super().comparison(node, relation, other, denied, say)
        place = "in" if relation == "lt" else "outside"
        return f"is {place} the first {say.value(other)}% of the share '{node.value}'"

    def between(self, node: Node, low: Bound, high: Bound, denied: bool, say: "Speaker") -> str:
        if (low[0], high[0]) != ("ge", "lt"):
            return super().between(node, low, high, denied, say)
        negation = "not " if denied else ""
        borders = f"{say.value(low[1])}% and {say.value(high[1])}%"
        return f"is {negation}between {borders} of the share '{node.value}'"


def read_segment(checker: "Checker", item: Any, pointer: str) -> Node | None:
    """A literal segment id, known to the audience."""
    if not isinstance(item, str):
        message = "a segment is named by its literal id, so that dependencies are known"
        return checker.report(pointer, "bad-segment", message)
    if item not in checker.segments:
        hint = did_you_mean(item, checker.segments)
        return checker.report(pointer, "unknown-segment", f"the audience has no segment {item!r}{hint}")
    return Node("in_segment", CONDITION, value=item)


form("value", "seed", {"bucket": "The profile's share under a seed: from 0 up to, not including, 100."})


@reads("bucket")
def read_bucket(
    checker: "Checker", name: str, operands: list[Any], pointer: str, scope: "Scope"
) -> Node | None:
    """A literal seed."""
    if not scope.is_profile:
        return checker.report(
            pointer,
            "profile-in-filter",
            "'bucket' is of the profile and cannot stand in a filter; compare it outside of it",
        )
    if len(operands) != 1 or not isinstance(operands[0], str) or not operands[0]:
        return checker.report(pointer, "bad-seed", "'bucket' takes one seed, a string that is not empty")
    if not is_text(operands[0]):
        return checker.report(step(pointer, 0), "bad-text", hints.BAD_TEXT)
    return Node("bucket", Type.NUMBER, value=operands[0])
