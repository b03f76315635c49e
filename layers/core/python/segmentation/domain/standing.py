"""What answers until a new version of a real-time segment is computed.

A real-time rule needs events of the past. A rule that needs others than those that visitors keep (a new window, a longer
one, a greater count, a further column) is pending until they are filled in from the lake; meanwhile the version before
stands, and of a new segment nobody is a member. The published rule set says so of each such segment, so that every
function goes by one and the same version; the fill ends by one conditional put that takes the segment out.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from segmentation.language import RuleSet, Segment
from segmentation.language.tree import Node

from .visitor.terms import Term, terms_of

Standing = Mapping[str, Mapping[str, Any] | None]
"""Pending segment -> the document that answers until then; `None`: it is new."""


def answering(segments: Sequence[Mapping[str, Any]], standing: Standing) -> list[Mapping[str, Any]]:
    """The documents by which real-time membership is computed now.

    Of the other segments only that they are there: a batch run goes by the rules that are wanted, and what it found is
    read, not computed.
    """
    found = [standing.get(str(one["id"]), one) for one in segments]
    return [one if one.get("kind") == "realtime" else _stub(one) for one in found if one is not None]


def _stub(segment: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: segment[name] for name in ("id", "name", "audience") if name in segment}, "kind": "list"}


def rules_of(segments: Iterable[Segment]) -> list[Node]:
    """The rules of real-time segments."""
    return [one.rule for one in segments if one.kind == "realtime" and one.rule is not None]


def pending(
    documents: Sequence[Mapping[str, Any]], before: RuleSet, wanted: RuleSet
) -> dict[str, Mapping[str, Any] | None]:
    """What stands after an edit: `before` are the segments that answer, by `documents`; `wanted` those that are published."""
    by_id = {str(one["id"]): one for one in documents}
    known = {one.id: one for one in before.of_kind("realtime")}
    kept = terms_of(rules_of(known.values()))
    found: dict[str, Mapping[str, Any] | None] = {}
    for segment in wanted.of_kind("realtime"):
        old = known.get(segment.id)
        if segment.rule is None or (old is not None and old.version == segment.version):
            continue
        unknown = any(one in found and found[one] is None for one in segment.references)
        if unknown or lacking(kept, terms_of([segment.rule])):
            found[segment.id] = by_id[segment.id] if old is not None else None
    return found


def lacking(kept: Sequence[Term], needed: Sequence[Term]) -> list[Term]:
    """The needed terms of which visitors do not keep enough."""
    known = {one.base: one for one in kept}
    return [one for one in needed if one.base not in known or not _covers(known[one.base], one)]


def _covers(kept: Term, needed: Term) -> bool:
    far_enough = kept.reach is None or (needed.reach is not None and needed.reach <= kept.reach)
    return far_enough and kept.keep >= needed.keep and set(kept.columns) >= set(needed.columns)
