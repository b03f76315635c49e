"""Caps: a rule is untrusted input, so its size is checked before anything else, without recursion."""

import json
from typing import Any

import pytest
from segmentation.language import RuleError, Schema, Type, load_rule_set, parse_document
from segmentation.language.caps import MAX_BYTES, MAX_LIST, MAX_LITERALS
from segmentation.language.evaluate import Compiler, Evaluation, History
from segmentation.language.sql import LONGEST_QUERY, WRAPPING, members_query
from segmentation.language.times import zone

SCHEMA = Schema({"age": Type.NUMBER, "name": Type.STRING}, {"views": {"page": Type.STRING}})
ADULT = {">": [{"var": "attributes.age"}, 18]}


def document(rule: Any, identity: str = "s") -> dict[str, Any]:
    return {"id": identity, "name": "S", "audience": "a", "kind": "batch", "rule": rule}


def codes(rule: Any) -> list[tuple[str, str]]:
    try:
        load_rule_set([document(rule)], SCHEMA, "a")
    except RuleError as error:
        return [(problem.pointer, problem.code) for problem in error.problems]
    return []


def nested(times: int) -> Any:
    rule: Any = ADULT
    for _ in range(times):
        rule = {"!": [rule]}
    return rule


def test_thirty_two_operators_deep_is_deep_enough() -> None:
    # The comparison and its var are two of them.
    assert codes(nested(30)) == []


@pytest.mark.parametrize("times", [33, 100, 5_000, 200_000])
def test_deeper_is_refused_without_recursion(times: int) -> None:
    assert [code for _, code in codes(nested(times))] == ["too-deep"]


def test_depth_in_lists_and_unary_forms() -> None:
    rule: Any = 1
    for _ in range(2_000):
        rule = [rule]
    assert [code for _, code in codes({"==": [{"var": "attributes.age"}, rule]})] == ["too-deep"]
    rule = ADULT
    for _ in range(500):
        rule = {"!": rule}
    assert [code for _, code in codes(rule)] == ["too-deep"]


def test_ten_thousand_items_are_enough() -> None:
    rule = {"in": [{"var": "attributes.age"}, list(range(MAX_LIST))]}
    assert codes(rule) == []
    rule = {"in": [{"var": "attributes.age"}, list(range(MAX_LIST + 1))]}
    assert codes(rule) == [("/0/rule/in/1", "too-long")]


def test_a_quarter_of_a_mebibyte_is_enough() -> None:
    rule = {"==": [{"var": "attributes.name"}, "x" * (MAX_LITERALS - 100)]}
    assert codes(rule) == []
    rule = {"==": [{"var": "attributes.name"}, "x" * (MAX_BYTES - 100)]}
    assert codes(rule) == [("/0/rule", "too-large")]
    rule = {"==": [{"var": "attributes.name"}, "ä" * (MAX_BYTES // 2)]}
    assert codes(rule) == [("/0/rule", "too-large")]


def test_what_passes_at_save_fits_a_query() -> None:
    """Also where a list stands in several figures, and where each text has quotes to double."""
    names = [f"it's no. {i:06}" for i in range(4_000)]
    bought = {"filter": [{"var": "behaviors.views"}, {"in": [{"var": "page"}, names]}]}
    figures = [{"count": [{"within": [bought, "7d"]}]}, {"count_distinct": [bought, "page"]}]
    rule = {"and": [{">": [figure, 3]} for figure in figures] + [{"==": [{"last": [bought, "page"]}, "x"]}]}
    assert codes(rule) == []
    rules = load_rule_set([document(rule)], SCHEMA, "a")
    assert len(members_query(rules, "p", {"views": "v"}, 0).encode()) < LONGEST_QUERY - WRAPPING
    quotes = ["'" * 20 + f"{i:04}" for i in range(5_500)]  # written twice as long in SQL
    assert codes({"in": [{"var": "attributes.name"}, quotes]}) == [("/0/rule", "too-large")]


def test_a_wide_rule_is_checked_evaluated_and_written() -> None:
    """Ten thousand conditions side by side must not need ten thousand frames."""
    parts = [{"==": [{"var": "attributes.age"}, i]} for i in range(4_000)]
    rules = load_rule_set([document({"or": parts})], SCHEMA, "a")
    (segment,) = rules.segments
    assert segment.rule is not None
    evaluation = Evaluation(History({"age": 3_999.0}, {}), "k", 0, zone("UTC"))
    assert Compiler().compile(segment.rule)(evaluation, None) is True
    assert len(members_query(rules, "p", {"views": "v"}, 0)) > 4_000


def test_a_sum_of_many_counts_as_nested() -> None:
    """As a tree of twos, `+` of many numbers is as deep as they are many."""
    age = {"var": "attributes.age"}
    assert codes({">": [{"+": [age] * 31}, 1]}) == []
    assert [code for _, code in codes({">": [{"+": [age] * 33}, 1]})] == ["too-deep"]
    assert [code for _, code in codes({">": [{"*": [2] * 3_000}, age]})] == ["too-deep"]
    in_groups = {"+": [{"+": [age] * 20}] * 10}
    rules = load_rule_set([document({">": [in_groups, 199]})], SCHEMA, "a")
    assert rules.segments[0].rule is not None
    evaluation = Evaluation(History({"age": 1.0}, {}), "k", 0, zone("UTC"))
    assert Compiler().compile(rules.segments[0].rule)(evaluation, None) is True


def test_the_order_of_a_limit_keeps_the_same_caps() -> None:
    by: Any = {"var": "attributes.age"}
    for _ in range(20_000):
        by = {"-": [by]}
    with pytest.raises(RuleError) as refused:
        load_rule_set([document(ADULT) | {"limit": {"count": 1, "by": by}}], SCHEMA, "a")
    assert [problem.code for problem in refused.value.problems] == ["too-deep"]
    assert refused.value.problems[0].pointer.startswith("/0/limit/by")


def test_a_long_chain_of_segments() -> None:
    documents = [document(ADULT, "s0")]
    for i in range(1, 1_500):
        documents.append(document({"!": [{"in": [f"s{i - 1}", {"var": "segments"}]}]}, f"s{i}"))
    rules = load_rule_set(documents[::-1], SCHEMA, "a")
    assert [segment.id for segment in rules][:3] == ["s0", "s1", "s2"]
    assert len(rules.segments) == 1_500


def test_a_long_circle_of_segments_is_one_problem() -> None:
    documents = [
        document({"in": [f"s{(i + 1) % 1_000}", {"var": "segments"}]}, f"s{i}") for i in range(1_000)
    ]
    with pytest.raises(RuleError) as refused:
        load_rule_set(documents, SCHEMA, "a")
    assert [problem.code for problem in refused.value.problems] == ["cyclic-segments"]


def test_text_that_nests_too_deep_is_refused() -> None:
    with pytest.raises(RuleError) as refused:
        parse_document("[" * 200_000)
    assert refused.value.problems[0].code == "too-deep"


def test_numbers_of_too_many_digits_are_refused() -> None:
    with pytest.raises(RuleError) as refused:
        parse_document(f'{{"id": {"9" * 5_000}}}')
    assert refused.value.problems[0].code == "bad-json"


def test_documents_are_read_strictly() -> None:
    assert parse_document(json.dumps(document(ADULT)))["rule"] == ADULT
    with pytest.raises(RuleError, match="stands twice"):
        parse_document('{"rule": {"and": [], "and": []}}')
