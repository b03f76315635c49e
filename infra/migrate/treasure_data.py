"""Treasure Data's segment rules as documents of the rule language.

What has no equal is refused, everything at once, each problem with a JSON Pointer into the source. What is
carried with a difference is noted. The differences that matter most:

- SQL drops people whose value is missing from a negated comparison; here a complement includes them. The
  converter keeps them out, by asking for the value's presence beside each negation (`keep_missing_out`).
- `exclude` takes a condition's complement: whoever does not fulfil it stays, missing values included.
- A count of events is 0 for people without any, so "fewer than 3" includes them.
- Windows are half-open, slide with now and are exact to the second; months have no fixed length.
- `all` of an empty array is false.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.audience import Audience
from segmentation.language import RuleError, check_segment
from segmentation.language.problems import did_you_mean, step
from segmentation.language.types import SEGMENT_ID

from .match_logic import MatchLogicError, parse_match_logic
from .report import Note, Report
from .td_operators import OPERATORS, Operators, complement, joined
from .td_subjects import Subjects

__all__ = ["OPERATORS", "Migration", "Options", "convert"]


_NEVER_CARRIED = {
    "FunnelStageReference": "funnel stages are no segments here; convert the stage's own rule",
    "AbTestVariantReference": 'A/B variants are stable shares here: {"<": [{"bucket": ["test-name"]}, 50]}',
    "PredictiveScoreReference": "publish the score as an attribute and compare that",
    "MlAttributeReference": "publish the attribute with the audience and compare that",
}

_VALUE_FIELDS = ("type", "leftValue", "operator", "arrayMatching", "exclude", "limit")


@dataclass(frozen=True)
class Options:
    """How to convert: `references` maps ids there to segment ids here."""

    references: Mapping[str, str] = field(default_factory=dict)
    keep_missing_out: bool = True
    approximate_months: bool = False
    identifier: str = ""
    name: str = ""
    kind: str = "batch"


@dataclass(frozen=True)
class Migration:
    """The document, if everything could be carried, and what there is to know about it."""

    document: dict[str, Any] | None
    problems: tuple[Any, ...]
    notes: tuple[Note, ...]


def convert(source: Mapping[str, Any], audience: Audience, options: Options | None = None) -> Migration:
    """Convert a rule, or a segment with its `rule`."""
    return _Converter(audience, options or Options()).run(source)


class _Converter:
    def __init__(self, audience: Audience, options: Options) -> None:
        self.audience = audience
        self.schema = audience.schema()
        self.options = options
        self.report = Report()
        self._operators = Operators(
            self.report, self.schema, options.keep_missing_out, approximate=options.approximate_months
        )
        self._subjects = Subjects(self.report, audience, self._operators)

    # The document

    def run(self, source: Mapping[str, Any]) -> Migration:
        """Everything, ending with the check of the rule language itself."""
        whole = "rule" in source and "conditions" not in source
        rule_source, pointer = (source["rule"], "/rule") if whole else (source, "")
        rule = self._rule(rule_source, pointer)
        document = self._head(source if whole else {}) | {"rule": rule}
        limit = rule_source.get("limit") if isinstance(rule_source, Mapping) else None
        if limit is not None:
            document["limit"] = self._limit(limit, step(pointer, "limit"))
        if not self.report.problems:
            self._check(document, pointer)
        problems = tuple(self.report.problems)
        return Migration(None if problems else document, problems, tuple(self.report.notes))

    def _head(self, source: Mapping[str, Any]) -> dict[str, Any]:
        name = self.options.name or str(source.get("name") or "Migrated segment")
        identifier = self.options.identifier or _slug(name)
        document = {"id": identifier, "name": name, "audience": self.audience.id, "kind": self.options.kind}
        description = source.get("description")
        return document | (
            {"description": description} if isinstance(description, str) and description else {}
        )

    def _check(self, document: dict[str, Any], pointer: str) -> None:
        known = dict.fromkeys(self.options.references.values(), "batch")
        try:
            check_segment(document, self.schema, self.audience.id, known)
        except RuleError as error:
            for problem in error.problems:
                message = f"the converted document is refused at {problem.pointer}: {problem.message}"
                of_size = problem.pointer in ("/limit", "/limit/count", "/limit/percent")
                place = step(step(pointer, "limit"), "number") if of_size else ""
                self.report.refuse(place, problem.code, message)

    def _limit(self, limit: Any, pointer: str) -> Any:
        whole = self.report.mapping(limit, pointer)
        orders = (
            None
            if whole is None
            else self.report.items(whole.get("orderColumns"), step(pointer, "orderColumns"))
        )
        if whole is None or orders is None:
            return None
        self.report.only(whole, ("type", "number", "orderColumns"), pointer)
        if whole.get("type") not in ("Count", "Percent"):
            message = f"{whole.get('type')!r} is no kind of limit; Count and Percent are"
            return self.report.refuse(step(pointer, "type"), "unknown-limit", message)
        number = whole.get("number")
        size = {"percent" if whole.get("type") == "Percent" else "count": number}
        if not orders:
            message = "the limit names no order; the members are drawn by a stable share instead"
            self.report.note(pointer, "unordered-limit", message)
            return size | {"by": {"bucket": ["limit"]}}
        below = step(step(pointer, "orderColumns"), 0)
        if len(orders) > 1:
            return self.report.refuse(
                below, "limit-order", "a limit orders by one value; keep one of the columns"
            )
        order = self.report.mapping(orders[0], below)
        if order is None:
            return None
        if order.get("type") != "Column":
            message = 'ordering by "the aggregation" is not carried; write the limit\'s "by" yourself'
            return self.report.refuse(below, "limit-order", message)
        self.report.only(order, ("type", "column", "order"), below)
        attribute = self._subjects.attribute(order.get("column"), step(below, "column"))
        direction = order.get("order", "descending")
        return None if attribute is None else size | {"by": attribute.expression, "order": direction}

    # Groups and references

    def _rule(self, rule: Any, pointer: str) -> Any | None:
        if not isinstance(rule, Mapping) or not rule.get("conditions"):
            message = "the rule has no condition, so it means everyone; a segment here needs a condition"
            return self.report.refuse(pointer, "empty-rule", message)
        self.report.only(rule, ("type", "conditions", "expr", "limit"), pointer)
        return self._group(rule, pointer, self._set)

    def _set(self, conditions: Any, pointer: str) -> Any | None:
        if isinstance(conditions, Mapping) and "conditions" in conditions:
            if not conditions["conditions"]:
                return self.report.refuse(pointer, "empty-group", "the set has no condition; delete it")
            self.report.only(conditions, ("type", "conditions", "expr", "description"), pointer)
            if conditions.get("description"):
                message = "groups have no descriptions here; it is left out, say it in the segment's"
                self.report.note(step(pointer, "description"), "description-left-out", message)
            return self._group(conditions, pointer, self._condition)
        return self._condition(conditions, pointer)

    def _group(self, group: Mapping[str, Any], pointer: str, convert_one: Any) -> Any | None:
        below = step(pointer, "conditions")
        conditions = self.report.items(group["conditions"], below)
        if conditions is None:
            return None
        parts = [convert_one(item, step(below, i)) for i, item in enumerate(conditions)]
        kind = group.get("type")
        if kind == "Composite":
            return self._composite(group.get("expr"), parts, pointer)
        if kind not in ("And", "Or"):
            return self.report.refuse(
                pointer, "unknown-group", f"{kind!r} is no kind of group; And, Or, Composite are"
            )
        return None if None in parts else joined(kind.lower(), parts)

    def _composite(self, expr: Any, parts: list[Any], pointer: str) -> Any | None:
        try:
            logic = parse_match_logic(str(expr or ""), len(parts))
        except MatchLogicError as error:
            return self.report.refuse(step(pointer, "expr"), "match-logic", f"{expr!r}: {error}")
        used: set[int] = set()

        def build(tree: Any) -> Any:
            if isinstance(tree, int):
                used.add(tree)
                return parts[tree]
            word, operands = tree
            built = [build(operand) for operand in operands]
            return {"!": built} if word == "not" else joined(word, built)

        if None in parts:
            return None
        built = build(logic)
        for index in sorted(set(range(len(parts))) - used):
            place = step(step(pointer, "conditions"), index)
            self.report.note(
                place, "unused-condition", "the match logic does not name this condition; it is left out"
            )
        return built

    def _condition(self, condition: Any, pointer: str) -> Any | None:
        if not isinstance(condition, Mapping):
            return self.report.refuse(pointer, "not-a-condition", "a condition is an object")
        kind = condition.get("type")
        if kind == "Reference":
            return self._reference(condition, pointer)
        if isinstance(kind, str) and kind in _NEVER_CARRIED:
            return self.report.refuse(pointer, "reference", f"{kind} is not carried: {_NEVER_CARRIED[kind]}")
        if kind != "Value":
            return self.report.refuse(pointer, "unknown-condition", f"{kind!r} is no kind of condition")
        self.report.only(condition, _VALUE_FIELDS, pointer)
        if condition.get("limit") is not None:
            message = "a limit on one condition is not carried; make the condition a segment with a limit"
            self.report.refuse(step(pointer, "limit"), "condition-limit", message)
        subject = self._subjects.left(condition.get("leftValue"), step(pointer, "leftValue"))
        operator = condition.get("operator")
        if subject is None:
            return None
        test = self._operators.applied(subject, operator, condition.get("arrayMatching"), pointer)
        excluded = self.report.flag(condition, "exclude", pointer)
        if test is None or not excluded:
            return test
        if not subject.sure:
            message = (
                "the condition is excluded: people for whom it does not hold stay, missing values included"
            )
            self.report.note(pointer, "excluded", message)
        return complement(test)

    def _reference(self, condition: Mapping[str, Any], pointer: str) -> Any | None:
        identity = str(condition.get("id"))
        segment = self.options.references.get(identity)
        if segment is None:
            hint = did_you_mean(identity, self.options.references)
            message = f"segment {identity!r} is not in the list of references; pass its id here{hint}"
            return self.report.refuse(step(pointer, "id"), "unknown-reference", message)
        member = {"in": [segment, {"var": "segments"}]}
        self.report.only(condition, ("type", "id", "exclude"), pointer)
        return {"!": [member]} if self.report.flag(condition, "exclude", pointer) else member


def _slug(name: str) -> str:
    words = "".join(char if char.isascii() and char.isalnum() else "-" for char in name.lower())
    slug = "-".join(part for part in words.split("-") if part)[:64]
    return slug if SEGMENT_ID.fullmatch(slug) else "migrated-segment"
