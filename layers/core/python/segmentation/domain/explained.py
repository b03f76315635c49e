"""Why a visitor is in a segment at this moment, or is not, from what is kept of the visitor."""

from typing import Any

from segmentation.language import RuleSet
from segmentation.language.explain import explain
from segmentation.language.sentence import Names

from .visitor import BatchView, Program, Visitor, known_of


def explain_visitor(
    rule_set: RuleSet,
    program: Program,
    segment: str,
    key: str,
    visitor: Visitor,
    batch: BatchView | None,
    now: int,
    names: Names | None = None,
) -> dict[str, Any]:
    """An explanation (see `segmentation.language.explain`) of a real-time segment.

    Batch segments and lists are taken as the last run left them. Raises `KeyError` for a segment that the
    rule set does not have, `ValueError` for one that is not evaluated in real time.
    """
    view = batch or BatchView()
    given = {one.id: one.id in view.segments for one in rule_set if one.kind != "realtime"}
    if segment in given:
        raise ValueError(f"{segment!r} is no real-time segment; explain it from the profile's whole history")
    return explain(
        rule_set,
        segment,
        known_of(program, visitor, view),
        key,
        now,
        given,
        names,
        kept=lambda base: program.term(base).keep,
    )
