"""Why a profile is in a segment, or is not: each condition's truth and the values behind it, as plain JSON.

    {"segment": "lapsed", "name": "Lapsed", "holds": false, "now": MOMENT,
     "changes": {"at": MOMENT, "to": true} | {"never": true} | {"not_before": MOMENT},
     "rule": NODE, "references": {"vip": {"name": ..., "holds": true, "computed": true, "rule": NODE}}}

A NODE is `{"op", "says", "holds", "decides"}` with the `children` of a group, or the `values` of a
comparison; `decides` marks the conditions that made the answer. A value is `{"says", "value"}`; of events
it also tells how many were looked at and selected, and the window's bounds: after `after`, up to and with
`until`. A MOMENT is `{"unix": seconds, "iso": local time with offset}`.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from .document import RuleSet, Segment
from .evaluate import Base, Compiler, Evaluation, Known, base_of
from .moments import changes, moments_of
from .sentence import Names, Speaker
from .times import Window, zone
from .tree import Aggregate, Node, Selection
from .types import Type

MOST_MOMENTS = 1_000
"""How many moments to come are looked at for the next change; beyond them it is said that none was found."""
LATEST_SHOWN = 3
"""How many of the selected events are named by their time."""

_GROUPS = ("and", "or", "not")
_OVER_ELEMENTS = ("some", "all", "array_count")

Explanation = dict[str, Any]


def explain(
    rule_set: RuleSet,
    segment_id: str,
    known: Known,
    key: str,
    now: int,
    given: Mapping[str, bool] | None = None,
    names: Names | None = None,
    kept: Callable[[Base], int] | None = None,
) -> Explanation:
    """Why the profile `key` is in a segment at `now`, or is not.

    `given` are memberships that are known from elsewhere (lists, the last batch run); other segments that
    the rule refers to are evaluated. `kept` says how many events of a base are kept at the most, where not
    all are. Raises `KeyError` for a segment that the set does not have.
    """
    by_id = {segment.id: segment for segment in rule_set}
    names = names or Names(segments={segment.id: segment.name for segment in rule_set})
    return _Explainer(by_id, rule_set.schema.time_zone, known, key, given or {}, names, kept).explain(
        by_id[segment_id], now
    )


class _Explainer:
    """One profile's explanation, from one compiler."""

    def __init__(
        self,
        segments: Mapping[str, Segment],
        time_zone: str,
        known: Known,
        key: str,
        given: Mapping[str, bool],
        names: Names,
        kept: Callable[[Base], int] | None,
    ) -> None:
        self._segments = segments
        self._zone = zone(time_zone)
        self._known = known
        self._key = key
        self._given = given
        self._kept = kept
        self._compiler = Compiler()
        self._say = Speaker(self._zone, names)

    def explain(self, segment: Segment, now: int) -> Explanation:
        """The explanation of a segment."""
        computed = self._needed(segment)
        at = self._moment(computed)
        evaluation = at(now)
        explanation: Explanation = {
            "segment": segment.id,
            "name": segment.name,
            "kind": segment.kind,
            "now": moment(now, self._zone),
        }
        if segment.rule is None:
            explanation |= {"holds": self._given.get(segment.id, False), "changes": {"never": True}}
            return explanation | {"rule": None, "references": {}}
        holds = self._compiler.compile(segment.rule)
        rules = [rule for one in (*computed, segment) if (rule := one.rule) is not None]
        changed, ended = changes(holds, moments_of(rules, self._compiler), at, now, MOST_MOMENTS)
        truth = bool(holds(evaluation, None))
        explanation["holds"] = truth
        if changed is not None:
            explanation["changes"] = {"at": moment(changed, self._zone), "to": not truth}
        elif ended is not None:
            explanation["changes"] = {"not_before": moment(ended, self._zone)}
        else:
            explanation["changes"] = {"never": True}
        if segment.limit is not None:
            explanation["limit"] = self._say.limit(segment.limit)
        explanation["rule"] = self._node(segment.rule, evaluation, decides=True)
        explanation["references"] = {
            name: self._reference(self._segments[name], evaluation) for name in sorted(segment.references)
        }
        return explanation

    def _needed(self, segment: Segment) -> list[Segment]:
        """The segments to evaluate before this one, in dependency order."""
        needed: set[str] = set()
        stack = list(segment.references)
        while stack:
            name = stack.pop()
            if name not in needed and name not in self._given:
                needed.add(name)
                stack.extend(self._segments[name].references)
        return [one for one in self._segments.values() if one.id in needed]

    def _moment(self, computed: list[Segment]) -> Callable[[int], Evaluation]:
        given = [name for name, truth in self._given.items() if truth]
        tests = [(one.id, self._compiler.compile(one.rule)) for one in computed if one.rule is not None]

        def at(now: int) -> Evaluation:
            evaluation = Evaluation(self._known, self._key, now, self._zone, given)
            for name, holds in tests:
                if holds(evaluation, None):
                    evaluation.segments.add(name)
            return evaluation

        return at

    def _reference(self, segment: Segment, evaluation: Evaluation) -> Explanation:
        computed = segment.id not in self._given and segment.rule is not None
        truth = segment.id in evaluation.segments
        reference: Explanation = {
            "name": segment.name,
            "kind": segment.kind,
            "holds": truth,
            "computed": computed,
            "rule": self._node(segment.rule, evaluation, decides=True) if computed and segment.rule else None,
        }
        if computed and segment.limit is not None:
            reference["limit"] = self._say.limit(segment.limit)
        return reference

    # Conditions

    def _node(self, node: Node, evaluation: Evaluation, *, decides: bool) -> Explanation:
        truth = bool(self._compiler.compile(node)(evaluation, None))
        entry: Explanation = {
            "op": node.op,
            "says": self._say.condition(node),
            "holds": truth,
            "decides": decides,
        }
        if node.op in _GROUPS:
            children = []
            for arg in node.args:
                holds = bool(self._compiler.compile(arg)(evaluation, None))
                children.append(
                    self._node(arg, evaluation, decides=decides and (node.op == "not" or holds is truth))
                )
            return entry | {"children": children}
        if node.op == "in_window":
            entry["window"] = self._bounds(*node.value.bounds(evaluation.now, evaluation.zone))
        if node.op == "in_segment":
            entry["segment"] = node.value
        entry["values"] = [value for arg in _varying(node) for value in self._values(arg, evaluation)]
        return entry

    # Values

    def _values(self, node: Node, evaluation: Evaluation) -> Iterator[Explanation]:
        """A value, and those that it is made of."""
        value = self._compiler.compile(node)(evaluation, None)
        entry: Explanation = {"says": self._say.value(node), "value": _plain(value)}
        if node.type is Type.TIMESTAMP and value is not None:
            entry["iso"] = moment(value, self._zone)["iso"]
        if isinstance(node.value, Aggregate):
            entry["events"] = self._events(node.value.events, evaluation)
        yield entry
        for arg in _varying(node):
            yield from self._values(arg, evaluation)

    def _events(self, selection: Selection, evaluation: Evaluation) -> Explanation:
        base, _ = base_of(selection)
        rows = evaluation.rows(base)
        selected = sorted(row.time for row in self._compiler.selection(selection)(evaluation))
        entry: Explanation = {
            "says": self._say.events(selection),
            "behavior": selection.behavior,
            "considered": sum(1 for row in rows if row.time <= evaluation.now),
            "selected": len(selected),
            "latest": [moment(time, self._zone) for time in selected[: -LATEST_SHOWN - 1 : -1]],
        }
        if selection.windows:
            entry["window"] = self._bounds(*_narrowest(selection.windows, evaluation))
        kept = self._kept(base) if self._kept is not None else None
        if kept is not None and entry["considered"] >= kept:
            entry["kept"] = kept
        if selection.follows:
            entry["followed_by"] = [
                {"negated": follow.negated, "seconds": follow.seconds}
                | {"events": self._events(follow.events, evaluation)}
                for follow in selection.follows
            ]
        return entry

    def _bounds(self, after: int | None, until: int) -> Explanation:
        return {
            "after": None if after is None else moment(after, self._zone),
            "until": moment(until, self._zone),
        }


def moment(second: int, time_zone: ZoneInfo) -> Explanation:
    """A moment as Unix seconds and as local time; beyond the calendar there is no text for it."""
    for place in (time_zone, dt.UTC):
        try:
            return {"unix": second, "iso": dt.datetime.fromtimestamp(second, place).isoformat()}
        except (OverflowError, ValueError):
            continue
    return {"unix": second, "iso": None}


def _varying(node: Node) -> Iterator[Node]:
    """The arguments that differ by profile; conditions on array elements are not among them."""
    args = node.args[:1] if node.op in _OVER_ELEMENTS else node.args
    return (arg for arg in args if arg.op != "constant")


def _narrowest(windows: tuple[Window, ...], evaluation: Evaluation) -> tuple[int | None, int]:
    bounds = [window.bounds(evaluation.now, evaluation.zone) for window in windows]
    lows = [low for low, _ in bounds if low is not None]
    return max(lows, default=None), min(evaluation.now, *(high for _, high in bounds))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


# As text


def as_text(explanation: Explanation) -> str:
    """An explanation for people to read."""
    place = "in" if explanation["holds"] else "not in"
    lines = [f"{place} segment {explanation['name']!r} at {explanation['now']['iso']}"]
    lines.append(_change_text(explanation["changes"], explanation["holds"]))
    if "limit" in explanation:
        lines.append(f"the rule alone; {explanation['limit']}")
    if explanation["rule"] is None:
        lines.append("a list: members are uploaded")
    else:
        lines.extend(_node_lines(explanation["rule"], 0))
    for name, reference in explanation["references"].items():
        lines.append(f"segment {name} ({reference['kind']}): {'in' if reference['holds'] else 'not in'}")
        if reference["rule"] is not None:
            lines.extend(_node_lines(reference["rule"], 1))
        else:
            lines.append("  as last computed")
    return "\n".join(lines)


def _change_text(change: Explanation, holds: bool) -> str:
    if "at" in change:
        verb = "leaves" if holds else "joins"
        return f"{verb} by itself at {change['at']['iso']}"
    if "not_before" in change:
        return f"does not change by itself before {change['not_before']['iso']}"
    return "does not change by itself"


_HEADERS = {"and": "all of:", "or": "any of:"}


def _node_lines(node: Explanation, depth: int) -> Iterator[str]:
    pad = "  " * depth
    mark = "yes" if node["holds"] else "no "
    star = "*" if node["decides"] else " "
    if node["op"] in _HEADERS:
        yield f"{pad}{star} {mark} {_HEADERS[node['op']]}"
        for child in node["children"]:
            yield from _node_lines(child, depth + 1)
        return
    yield f"{pad}{star} {mark} {node['says']}"
    leaf = node
    while leaf["op"] == "not":
        (leaf,) = leaf["children"]
        if leaf["op"] in _HEADERS:
            yield from _node_lines(leaf, depth + 1)
            return
    if "window" in leaf:
        yield f"{pad}        {_window_text(leaf['window'])}"
    for value in leaf["values"]:
        yield f"{pad}        {value['says']}: {_value_text(value)}"
        if "events" in value:
            yield from _events_lines(value["events"], f"{pad}        ")


def _events_lines(events: Explanation, pad: str) -> Iterator[str]:
    kept = f" (only the latest {events['kept']:,} are kept)" if "kept" in events else ""
    yield f"{pad}  {events['selected']:,} of {events['considered']:,} events count{kept}"
    if "window" in events:
        yield f"{pad}  {_window_text(events['window'])}"
    if events["latest"]:
        yield f"{pad}  latest: {', '.join(str(time['iso']) for time in events['latest'])}"
    for follow in events.get("followed_by", ()):
        negation = "not " if follow["negated"] else ""
        yield f"{pad}  {negation}followed by: {follow['events']['says']}"
        yield from _events_lines(follow["events"], f"{pad}  ")


def _window_text(window: Explanation) -> str:
    after = "" if window["after"] is None else f"after {window['after']['iso']}, "
    return f"{after}until {window['until']['iso']}"


def _value_text(value: Explanation) -> str:
    if value["value"] is None:
        return "missing"
    return str(value.get("iso", value["value"]))
