"""Why in, or why not, by hand; over random rules: tests/properties."""

import json
from typing import Any

import pytest
from segmentation.domain.event import Event
from segmentation.domain.explained import explain_visitor
from segmentation.domain.visitor import BatchView, Program, Visitor, evaluate
from segmentation.language.evaluate import History, Row
from segmentation.language.explain import as_text, explain

from tests.unit.language.people import DAY, HOUR, NOW, PURCHASES, VISITS, history, rules


def purchase(time: int, department: str = "GROCERY") -> Row:
    return Row(time, f"{time}-{department}", {"department": department, "price": 10.0})


def why(rule: Any, known: History) -> dict[str, Any]:
    explanation = explain(rules(("x", "batch", rule)), "x", known, "k", NOW)
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
