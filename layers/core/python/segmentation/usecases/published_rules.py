"""The published rules that a use case works on, with a draft in them too; a name that is unknown is said."""

from collections.abc import Mapping
from typing import Any

from segmentation.domain.errors import NotFound
from segmentation.domain.published import Published
from segmentation.language import RuleSet, load_rule_set
from segmentation.language.document import Segment, check_segment
from segmentation.ports import RuleSets


def published_one(rule_sets: RuleSets, audience: str) -> Published:
    """The rule set of an audience. Raises `NotFound`."""
    published = rule_sets.all().get(audience)
    if published is None:
        raise NotFound(f"no rule set of audience {audience!r} is published")
    return published


def chosen(rule_sets: RuleSets, audience: str | None) -> list[Published]:
    """One by name, or all. Raises `NotFound`."""
    if audience is not None:
        return [published_one(rule_sets, audience)]
    sets: Mapping[str, Published] = rule_sets.all()
    return [sets[name] for name in sorted(sets)]


def with_draft(published: Published, document: Mapping[str, Any]) -> tuple[RuleSet, Segment]:
    """The published segments with an unsaved one in its place, or beside them.

    Raises `RuleError`, with pointers into the draft where it alone is wrong, else (a circle of references) into the
    list of all documents.
    """
    audience = published.audience
    name = document.get("id")
    others = {one.id: one.kind for one in published.rules if one.id != name}
    known = {**others, str(name): str(document.get("kind"))}
    check_segment(document, audience.schema(), audience.id, known)
    kept = [one for one in published.document["segments"] if one["id"] != name]
    rules = load_rule_set([*kept, document], audience.schema(), audience.id)
    return rules, segment_of(rules, str(name))


def segment_of(rules: RuleSet, name: str) -> Segment:
    """A segment of a rule set. Raises `NotFound`."""
    for one in rules:
        if one.id == name:
            return one
    raise NotFound(f"audience {rules.audience!r} has no segment {name!r}")
