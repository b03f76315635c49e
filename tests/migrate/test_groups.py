"""Groups, match logic and limits."""

from typing import Any

import pytest

from infra.migrate.match_logic import MatchLogicError, parse_match_logic

from .sources import ADULT, AGE, DE, IS_ADULT, IS_DE, IS_NEW, NEW, group, rule, run


class TestGroups:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            (rule(DE, ADULT), {"and": [IS_DE, IS_ADULT]}),
            (rule(DE, ADULT, kind="Or"), {"or": [IS_DE, IS_ADULT]}),
            (
                {"type": "Or", "conditions": [group("And", DE, ADULT), group("And", NEW)]},
                {"or": [{"and": [IS_DE, IS_ADULT]}, IS_NEW]},
            ),
            (
                {"type": "And", "conditions": [group("And", DE), group("And", ADULT, NEW)]},
                {"and": [IS_DE, IS_ADULT, IS_NEW]},
            ),
            (
                rule(DE, ADULT, NEW, kind="Composite", expr="A AND (B OR NOT C)"),
                {"and": [IS_DE, {"or": [IS_ADULT, {"!": [IS_NEW]}]}]},
            ),
            (
                {
                    "type": "Composite",
                    "expr": "1 or 2 and 3",
                    "conditions": [group("And", DE), group("And", ADULT), group("And", NEW)],
                },
                {"or": [IS_DE, {"and": [IS_ADULT, IS_NEW]}]},
            ),
        ],
    )
    def test_groups_are_carried(self, source: Any, expected: Any) -> None:
        migration = run(source)
        assert (migration.problems, migration.document and migration.document["rule"]) == ((), expected)

    def test_a_condition_that_the_match_logic_leaves_out_is_noted(self) -> None:
        migration = run(rule(DE, ADULT, NEW, kind="Composite", expr="A and C"))
        assert migration.document is not None
        assert migration.document["rule"] == {"and": [IS_DE, IS_NEW]}
        assert ("/conditions/0/conditions/1", "unused-condition") in [
            (n.pointer, n.code) for n in migration.notes
        ]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "a condition is missing"),
            ("A and", "a condition is missing"),
            ("(A or B", "not closed"),
            ("A B", "stands where"),
            ("A and D", "no condition 'D' among 3"),
            ("0 or 1", "no condition '0'"),
            ("A + B", "neither a condition"),
            ("AA", "no condition 'AA'"),
        ],
    )
    def test_match_logic_that_cannot_be_read_is_refused(self, text: str, message: str) -> None:
        with pytest.raises(MatchLogicError, match=message):
            parse_match_logic(text, 3)

    def test_match_logic_takes_marks_for_words(self) -> None:
        assert parse_match_logic("!(A && B) || c", 3) == ("or", [("not", [("and", [0, 1])]), 2])


class TestLimits:
    def test_a_limit_is_carried(self) -> None:
        order = [{"type": "Column", "column": "age", "order": "ascending"}]
        source = rule(DE) | {"limit": {"type": "Percent", "number": 10, "orderColumns": order}}
        document = run(source).document
        assert document is not None
        assert document["limit"] == {"percent": 10, "by": AGE, "order": "ascending"}

    def test_a_limit_without_order_draws_a_stable_share(self) -> None:
        source = rule(DE) | {"limit": {"type": "Count", "number": 100}}
        migration = run(source)
        assert migration.document is not None
        assert migration.document["limit"] == {"count": 100, "by": {"bucket": ["limit"]}}
        assert [note.code for note in migration.notes] == ["unordered-limit"]
