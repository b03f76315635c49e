"""Why in, or why not: by hand, and as properties over random rules."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segmentation.domain.event import Event
from segmentation.domain.explained import explain_visitor
from segmentation.domain.visitor import BatchView, Program, Visitor, evaluate
from segmentation.language import RuleSet, Schema, Type, load_rule_set
from segmentation.language.evaluate import Compiler, Evaluation, History, Row
from segmentation.language.explain import as_text, explain
from segmentation.language.times import zone

HOUR, DAY = 3_600, 86_400
NOW = 1_772_366_400  # 2026-03-01T12:00:00Z, a Sunday, 07:00 in New York; clocks go forward a week later
SCHEMA = Schema(
    attributes={"age": Type.NUMBER, "signed_up": Type.TIMESTAMP, "birthday": Type.DATE, "tags": Type.STRINGS},
    behaviors={
        "purchases": {"department": Type.STRING, "price": Type.NUMBER, "shipped": Type.TIMESTAMP},
        "visits": {},
    },
    time_zone="America/New_York",
)
PURCHASES = {"var": "behaviors.purchases"}
VISITS = {"var": "behaviors.visits"}


def rules(*documents: tuple[str, str, Any]) -> RuleSet:
    return load_rule_set(
        [
            {"id": name, "name": name.title(), "audience": "a", "kind": kind}
            | ({} if rule is None else {"rule": rule})
            for name, kind, rule in documents
        ],
        SCHEMA,
        "a",
    )


def history(attributes: Mapping[str, Any] | None = None, **behaviors: Sequence[Row]) -> History:
    return History(attributes or {}, behaviors)


def purchase(time: int, department: str = "GROCERY", price: float = 10.0, **more: Any) -> Row:
    return Row(time, f"{time}-{department}", {"department": department, "price": price, **more})


def why(rule: Any, known: History, now: int = NOW) -> dict[str, Any]:
    explanation = explain(rules(("x", "batch", rule)), "x", known, "k", now)
    assert json.loads(json.dumps(explanation)) == explanation
    return explanation


class TestByHand:
    def test_a_count_in_a_window_shows_its_events_its_bounds_and_when_it_ends(self) -> None:
        grocery = {"filter": [PURCHASES, {"==": [{"var": "department"}, "GROCERY"]}]}
        known = history(
            purchases=[
                purchase(NOW - 40 * DAY),
                purchase(NOW - 20 * DAY),
                purchase(NOW - DAY),
                purchase(NOW, "FUEL"),
            ]
        )
        explanation = why({">=": [{"count": [{"within": [grocery, "30d"]}]}, 2]}, known)
        assert explanation["holds"] is True
        assert explanation["changes"] == {
            "at": {"unix": NOW + 10 * DAY, "iso": "2026-03-11T08:00:00-04:00"},
            "to": False,
        }
        (value,) = explanation["rule"]["values"]
        assert value["value"] == 2
        events = value["events"]
        assert (events["considered"], events["selected"]) == (3, 2)
        assert events["window"]["after"] == {"unix": NOW - 30 * DAY, "iso": "2026-01-30T07:00:00-05:00"}
        assert events["window"]["until"]["unix"] == NOW
        assert [moment["unix"] for moment in events["latest"]] == [NOW - DAY, NOW - 20 * DAY]

    def test_someone_joins_by_itself_when_nothing_happened_for_long_enough(self) -> None:
        known = history(purchases=[purchase(NOW - 13 * DAY)])
        explanation = why({"==": [{"count": [{"within": [PURCHASES, "14d"]}]}, 0]}, known)
        assert explanation["holds"] is False
        assert explanation["changes"]["at"]["unix"] == NOW + DAY
        assert explanation["changes"]["to"] is True

    def test_what_time_cannot_change_never_changes(self) -> None:
        assert why({">=": [{"var": "attributes.age"}, 18]}, history({"age": 3.0}))["changes"] == {
            "never": True
        }
        once = {">=": [{"count": [PURCHASES]}, 1]}
        assert why(once, history(purchases=[purchase(NOW - DAY)]))["changes"] == {"never": True}

    def test_the_conditions_that_decide_are_marked(self) -> None:
        rule = {
            "and": [
                {">=": [{"var": "attributes.age"}, 18]},
                {"or": [{"<": [{"var": "attributes.age"}, 65]}, {"in": ["vip", {"var": "attributes.tags"}]}]},
            ]
        }

        def decided_by(known: History) -> list[str]:
            found, stack = [], [why(rule, known)["rule"]]
            while stack:
                node = stack.pop()
                stack.extend(node.get("children", ()))
                if node["decides"] and "children" not in node:
                    found.append(node["says"])
            return sorted(found)

        assert decided_by(history({"age": 30.0})) == ["age is at least 18", "age is less than 65"]
        assert decided_by(history({"age": 10.0, "tags": ("vip",)})) == ["age is at least 18"]
        assert decided_by(history({"age": 80.0})) == ["age is less than 65", 'tags contains "vip"']

    def test_a_missing_value_is_shown_as_missing(self) -> None:
        explanation = why({"!": [{"<": [{"var": "attributes.age"}, 18]}]}, history())
        assert explanation["holds"] is True
        (inner,) = explanation["rule"]["children"]
        assert inner["values"] == [{"says": "age", "value": None}]
        assert "age: missing" in as_text(explanation)

    def test_the_window_of_an_attribute_is_in_local_time(self) -> None:
        known = history({"signed_up": NOW - 10 * DAY})
        explanation = why({"during": [{"var": "attributes.signed_up"}, "last month"]}, known)
        assert explanation["holds"] is True
        window = explanation["rule"]["window"]
        # `until` is in the window still, `after` is not.
        assert window["after"]["iso"] == "2026-01-31T23:59:59-05:00"
        assert window["until"]["iso"] == "2026-02-28T23:59:59-05:00"

    @pytest.mark.parametrize(
        ("phrase", "born", "holds", "changes"),
        [
            ("last month", "2026-02-10", True, "2026-04-01T00:00:00-04:00"),
            ("last month", "2026-03-10", False, "2026-04-01T00:00:00-04:00"),
            ("last month", "2026-01-31", False, None),
            ("this year", "2027-05-01", False, "2027-01-01T00:00:00-05:00"),
            ("tomorrow", "2026-03-02", True, "2026-03-02T00:00:00-05:00"),
            ("next week", "2026-03-16", False, "2026-03-09T00:00:00-04:00"),
            ("today", "9999-12-31", False, None),
        ],
    )
    def test_calendar_periods_change_at_their_borders(
        self, phrase: str, born: str, holds: bool, changes: str | None
    ) -> None:
        rule = {"during": [{"var": "attributes.birthday"}, phrase]}
        explanation = why(rule, history({"birthday": born}))
        assert explanation["holds"] is holds
        assert explanation["changes"].get("at", {}).get("iso") == changes

    def test_a_sequence_shows_both_kinds_of_events(self) -> None:
        carts = {"within": [{"not_followed_by": [VISITS, PURCHASES, "1h"]}, "7d"]}
        known = history(
            visits=[Row(NOW - 5 * HOUR, "v1"), Row(NOW - 600, "v2")],
            purchases=[purchase(NOW - 4 * HOUR - 60)],
        )
        explanation = why({">=": [{"count": [carts]}, 1]}, known)
        (value,) = explanation["rule"]["values"]
        (follow,) = value["events"]["followed_by"]
        assert follow["negated"] is True
        assert follow["events"]["behavior"] == "purchases"
        assert explanation["holds"] is False
        assert explanation["changes"]["at"]["unix"] == NOW - 600 + HOUR

    def test_arithmetic_shows_the_whole_and_its_parts(self) -> None:
        rule = {">": [{"/": [{"sum": [PURCHASES, "price"]}, {"var": "attributes.age"}]}, 2]}
        values = why(rule, history({"age": 4.0}, purchases=[purchase(NOW)]))["rule"]["values"]
        assert [(v["says"], v["value"]) for v in values] == [
            ("the total price of purchases divided by age", 2.5),
            ("the total price of purchases", 10.0),
            ("age", 4.0),
        ]

    def test_referenced_segments_are_explained_one_level_deep(self) -> None:
        rule_set = rules(
            ("base", "batch", {">=": [{"count": [{"within": [PURCHASES, "2d"]}]}, 1]}),
            ("middle", "batch", {"!": [{"in": ["base", {"var": "segments"}]}]}),
            (
                "top",
                "batch",
                {"and": [{"in": ["middle", {"var": "segments"}]}, {"in": ["staff", {"var": "segments"}]}]},
            ),
            ("staff", "list", None),
        )
        known = history(purchases=[purchase(NOW - DAY)])
        explanation = explain(rule_set, "top", known, "k", NOW, given={"staff": True})
        assert explanation["holds"] is False
        # The change comes from two levels below.
        assert explanation["changes"] == {
            "at": {"unix": NOW + DAY, "iso": "2026-03-02T07:00:00-05:00"},
            "to": True,
        }
        middle = explanation["references"]["middle"]
        assert (middle["holds"], middle["computed"]) == (False, True)
        assert middle["rule"]["says"] == 'is not in segment "Base"'
        assert explanation["references"]["staff"]["rule"] is None
        assert explanation["references"]["staff"]["holds"] is True
        assert "base" not in explanation["references"]

    def test_the_text_reads_from_the_answer_down(self) -> None:
        rule = {
            "and": [
                {">=": [{"count": [{"within": [PURCHASES, "30d"]}]}, 1]},
                {"!": [{"in": ["vip", {"var": "attributes.tags"}]}]},
            ]
        }
        known = history({"tags": ("vip",)}, purchases=[purchase(NOW - DAY), purchase(NOW - 60 * DAY)])
        assert as_text(why(rule, known)) == (
            "not in segment 'X' at 2026-03-01T07:00:00-05:00\n"
            "does not change by itself\n"
            "* no  all of:\n"
            "    yes has at least one purchase in the last 30 days\n"
            "          the number of purchases in the last 30 days: 1.0\n"
            "            1 of 2 events count\n"
            "            after 2026-01-30T07:00:00-05:00, until 2026-03-01T07:00:00-05:00\n"
            "            latest: 2026-02-28T07:00:00-05:00\n"
            '  * no  tags does not contain "vip" (or is missing)\n'
            "          tags: ['vip']"
        )


class TestVisitors:
    RULES = rules(
        ("loyal", "batch", {">=": [{"var": "attributes.age"}, 18]}),
        (
            "shopping",
            "realtime",
            {
                "and": [
                    {">=": [{"count": [{"within": [PURCHASES, "1h"]}]}, 2]},
                    {"in": ["loyal", {"var": "segments"}]},
                ]
            },
        ),
    )

    def visitor(self, *times: int) -> tuple[Program, Visitor]:
        program = Program(self.RULES)
        events = [Event(f"e{time}", "a", "purchases", "k", time, time, {"price": 1}) for time in times]
        return program, evaluate(program, "k", Visitor.new(), None, events, NOW).visitor

    def test_the_kept_events_explain_and_the_batch_part_is_given(self) -> None:
        program, visitor = self.visitor(NOW - 1800, NOW - 60)
        batch = BatchView(frozenset({"loyal"}))
        explanation = explain_visitor(self.RULES, program, "shopping", "k", visitor, batch, NOW)
        assert explanation["holds"] is True
        assert explanation["changes"]["at"]["unix"] == NOW - 1800 + HOUR
        assert explanation["references"]["loyal"] == {
            "name": "Loyal",
            "kind": "batch",
            "holds": True,
            "computed": False,
            "rule": None,
        }
        without = explain_visitor(self.RULES, program, "shopping", "k", visitor, None, NOW)
        assert (without["holds"], without["changes"]) == (False, {"never": True})

    def test_it_is_said_where_only_the_latest_events_are_kept(self) -> None:
        program, visitor = self.visitor(*range(NOW - 500, NOW, 50))
        explanation = explain_visitor(self.RULES, program, "shopping", "k", visitor, None, NOW)
        events = next(child for child in explanation["rule"]["children"] if child["op"] == "le")["values"][0][
            "events"
        ]
        assert events["kept"] == events["considered"] == 3
        assert "(only the latest 3 are kept)" in as_text(explanation)

    def test_a_batch_segment_is_not_explained_from_a_visitor(self) -> None:
        program, visitor = self.visitor()
        with pytest.raises(ValueError, match="no real-time segment"):
            explain_visitor(self.RULES, program, "loyal", "k", visitor, None, NOW)


# Random rules whose every border lies on a whole hour, so that looking at each hour misses nothing.

HORIZON = 45 * 24
hours = st.integers(1, 24 * 12).map(lambda n: f"{n}h")
phrases = st.sampled_from(["today", "yesterday", "this week", "last week", "this month", "last month"])
future = st.sampled_from(["tomorrow", "next week", "next month", "this quarter"])


def spans(subject: Any) -> st.SearchStrategy[Any]:
    """Windows over events or a moment, the past ones."""
    offset = st.tuples(st.integers(1, 200), st.integers(1, 200)).map(lambda p: (p[0] + p[1], p[1]))
    return st.one_of(
        hours.map(lambda d: {"within": [subject, d]}),
        offset.map(lambda pair: {"within": [subject, f"{pair[0]}h", f"{pair[1]}h"]}),
        hours.map(lambda d: {"older_than": [subject, d]}),
        phrases.map(lambda p: {"during": [subject, p]}),
    )


def moments_in(subject: Any) -> st.SearchStrategy[Any]:
    """Windows over a moment, those to come too."""
    return st.one_of(
        spans(subject),
        hours.map(lambda d: {"within_next": [subject, d]}),
        future.map(lambda p: {"during": [subject, p]}),
    )


def column_condition() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.just({"==": [{"var": "department"}, "GROCERY"]}),
        st.just({">": [{"var": "price"}, 5]}),
        moments_in({"var": "shipped"}),
        moments_in({"var": "shipped"}).map(lambda c: {"!": [c]}),
    )


events = st.one_of(
    st.just(PURCHASES),
    st.just(VISITS),
    column_condition().map(lambda c: {"filter": [PURCHASES, c]}),
).flatmap(lambda e: st.one_of(st.just(e), spans(e)))
sequences = st.builds(
    lambda op, a, b, gap, window: {"within": [{op: [a, b, gap]}, window]},
    st.sampled_from(["followed_by", "not_followed_by"]),
    events,
    events,
    hours,
    hours,
)
conditions = st.one_of(
    st.builds(
        lambda op, e, n: {op: [{"count": [e]}, n]},
        st.sampled_from([">=", "<", "==", "!="]),
        st.one_of(events, sequences),
        st.integers(0, 3),
    ),
    events.flatmap(lambda e: moments_in({"max": [e, "time"]})),
    events.flatmap(lambda e: moments_in({"first": [e, "time"]})),
    moments_in({"var": "attributes.signed_up"}),
    moments_in({"var": "attributes.birthday"}),
    st.builds(lambda e, f: {">": [{"count": [e]}, {"count": [f]}]}, events, events),
)
rule_trees = st.recursive(
    conditions,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda c: {"and": c}),
        st.lists(inner, min_size=1, max_size=3).map(lambda c: {"or": c}),
        inner.map(lambda c: {"!": [c]}),
    ),
    max_leaves=4,
)
times = st.integers(-24 * 20, 24 * 5).map(lambda n: NOW + n * HOUR)
rows = st.builds(
    lambda time, department, price, shipped: Row(
        time, f"{time}-{department}", {"department": department, "price": price, "shipped": shipped}
    ),
    times,
    st.sampled_from(["GROCERY", "FUEL", None]),
    st.sampled_from([1.0, 9.0, None]),
    st.one_of(st.none(), times),
)
profiles = st.builds(
    lambda signed_up, birthday, purchases, visits: history(
        {"signed_up": signed_up, "birthday": birthday},
        purchases=purchases,
        visits=[Row(time, str(i)) for i, time in enumerate(visits)],
    ),
    st.one_of(st.none(), times),
    st.one_of(
        st.none(), st.sampled_from(["2026-02-10", "2026-03-01", "2026-03-02", "2026-03-09", "2026-04-02"])
    ),
    st.lists(rows, max_size=5),
    st.lists(times, max_size=4),
)


@settings(max_examples=150, deadline=None)
@given(rule_trees, profiles)
def test_the_truth_is_the_closure_s_and_the_change_is_exact(rule: Any, known: History) -> None:
    rule_set = rules(("x", "batch", rule))
    explanation = explain(rule_set, "x", known, "k", NOW)
    tree = rule_set.segments[0].rule
    assert tree is not None
    holds = Compiler().compile(tree)

    def truth(moment: int) -> bool:
        return bool(holds(Evaluation(known, "k", moment, zone(SCHEMA.time_zone)), None))

    assert explanation["holds"] is truth(NOW)
    assert explanation["rule"]["holds"] is truth(NOW)
    changed = next(
        (n for n in range(NOW + HOUR, NOW + HORIZON * HOUR, HOUR) if truth(n) is not explanation["holds"]),
        None,
    )
    change = explanation["changes"]
    if "at" in change:
        moment = change["at"]["unix"]
        assert change["to"] is truth(moment) is not explanation["holds"]
        assert truth(moment - 1) is explanation["holds"]
        assert changed == moment or (changed is None and moment >= NOW + HORIZON * HOUR)
    else:
        assert change == {"never": True}
        assert changed is None
    assert as_text(explanation)
