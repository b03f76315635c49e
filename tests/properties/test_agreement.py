"""Property tests: whatever the audience, the rules and the people, all readings agree.

`make fuzz` runs many more examples.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st
from segmentation.language import Problem, RuleError, RuleSet, Schema, load_rule_set
from segmentation.language.check import Checker
from segmentation.language.evaluate import Compiler, Evaluation
from segmentation.language.index import Index
from segmentation.language.normal import canonical, normalize
from segmentation.language.operators import READERS
from segmentation.language.sentence import segment_sentence
from segmentation.language.sql import members_query
from segmentation.language.times import zone

from tests.conformance.oracle import by_oracle
from tests.conformance.readings import (
    WAYS,
    Athena,
    Members,
    Tables,
    by_closures,
    by_index,
    by_visitor,
    history_of,
)
from tests.conformance.strategies import LISTS, World, loaded, worlds
from tests.conformance.suite import AUDIENCE, PUBLISHED, segment
from tests.examples import examples

ARITHMETIC = {"add", "subtract", "multiply", "divide", "remainder"}


def agree(world: World, expected: Members, found: Members, reading: str) -> None:
    rules = {d["id"]: d.get("rule") for d in world.documents}
    for name, keys in found.items():
        if keys != expected[name]:
            key = min(keys ^ expected[name])
            profile = next(p for p in world.profiles if p.key == key)
            raise AssertionError(
                f"{reading} says {key in keys}, the closures {key in expected[name]} of {key} and {name}, now {world.now}, "
                f"{world.schema.time_zone}, {world.lead} s ahead\n{json.dumps(rules[name], ensure_ascii=False)}\n"
                f"{ {n: t.value for n, t in world.schema.attributes.items()} } "
                f"{ {b: {n: t.value for n, t in c.items()} for b, c in world.schema.behaviors.items()} }\n{profile}"
            )


def test_all_readings_agree(athena: Athena) -> None:
    counted = dict.fromkeys(("pairs", "oracle", "visitor", "sql"), 0)

    @settings(max_examples=examples(40))
    @given(worlds(limits=True))
    def in_any_world(world: World) -> None:
        check(world, athena, counted)

    in_any_world()
    assert counted["pairs"] >= 3_000, "each example holds many pairs of a rule and a person"
    assert min(counted.values()) >= 1_000, counted


def check(world: World, athena: Athena, counted: dict[str, int]) -> None:
    rules = loaded(world)
    expected = by_closures(rules, world.profiles, world.now)
    made = sum(segment.rule is not None for segment in rules)
    counted["pairs"] += made * len(world.profiles)
    agree(world, expected, by_index(rules, world.profiles, world.now), "the index")
    if world.ids:
        found = by_visitor(rules, world.profiles, world.now, world.lead, expected)
        counted["visitor"] += len(found) * len(world.profiles)
        agree(world, expected, found, "the visitor")
    way = (None, *WAYS)[world.now % 3]
    answers = Tables(athena, world.schema, world.profiles).members(rules, world.now, way=way)
    event(f"SQL {way or 'in one step'}")
    counted["sql"] += (len(answers) - len(LISTS)) * len(world.profiles)
    agree(world, expected, answers, "the SQL")
    lowered, left_out = by_oracle(rules, world.profiles, world.now)
    event(f"left out of the oracle: {sorted(set(left_out.values()))}")
    if world.large:  # beyond 2^53 the oracle's whole numbers are none of the language
        lowered = {n: keys for n, keys in lowered.items() if not computes(rules, n)}
    counted["oracle"] += len(lowered) * len(world.profiles)
    agree(world, expected, lowered, "the oracle")


def computes(rules: RuleSet, name: str) -> bool:
    """Whether a segment, or one that it refers to, does arithmetic."""
    found = next(s for s in rules if s.id == name)
    own = found.rule is not None and any(node.op in ARITHMETIC for node in found.rule.walk())
    return own or any(computes(rules, other) for other in found.references)


@settings(max_examples=examples(40))
@given(world=worlds(rules=8, people=4))
def test_the_normal_form_means_the_same(world: World) -> None:
    rules = {d["id"]: d["rule"] for d in world.documents if "rule" in d}
    members = by_closures(loaded(world), world.profiles, world.now)
    compiler = Compiler()
    for name, rule in rules.items():
        checker = Checker(world.schema, {d["id"] for d in world.documents})
        tree = checker.rule(rule)
        assert tree is not None, checker.problems
        normal = normalize(tree)
        assert canonical(normalize(normal)) == canonical(normal), f"not stable: {rule}"
        holds = compiler.compile(tree)
        for profile in world.profiles:
            inside = {other for other, keys in members.items() if profile.key in keys}
            known = history_of(world.schema, profile)
            evaluation = Evaluation(known, profile.key, world.now, zone(world.schema.time_zone), inside)
            assert holds(evaluation, None) is (profile.key in members[name]), (rule, profile)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(
        (
            "attributes.string_0",
            "attributes.number_0",
            "attributes.timestamp_0",
            "behaviors.views",
            "segments",
            "7d",
            "today",
            "time",
            "a",
            "(a+)+",
            "\ud83d",
            "\x00",
            10**400,
            -(10**30),
            1e300,
        )
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(sorted(READERS)) | st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=25,
)


@settings(max_examples=examples(200))
@given(rule=JSON, kind=st.sampled_from(("batch", "realtime")), data=st.data())
def test_anything_is_checked_without_a_crash(rule: Any, kind: str, data: st.DataObject) -> None:
    world = data.draw(worlds(rules=0, people=0))
    documents = [segment("any", rule, kind)]
    for problem in problems_of(documents, world.schema):
        assert exists(documents, problem.pointer), f"{problem} points nowhere"


@settings(max_examples=examples(40))
@given(world=worlds(rules=6, people=0), junk=JSON, data=st.data())
def test_a_spoiled_rule_is_checked_without_a_crash(world: World, junk: Any, data: st.DataObject) -> None:
    """A valid rule in which one place is replaced by something else; problems point at places that exist."""
    documents = copy.deepcopy(list(world.documents))
    places: list[tuple[Any, Any]] = [(d, "rule") for d in documents if "rule" in d]
    for container, key in places:
        item = container[key]
        inside = item if isinstance(item, list | dict) else ()
        places.extend((item, k) for k in (inside if isinstance(inside, dict) else range(len(inside))))
    container, key = data.draw(st.sampled_from(places))
    container[key] = junk
    for problem in problems_of(documents, world.schema):
        assert exists(documents, problem.pointer), f"{problem} points nowhere"


def problems_of(documents: list[dict[str, Any]], schema: Schema) -> tuple[Problem, ...]:
    """What is wrong with documents. What is accepted is so by the published schema too, and everything can be made of it."""
    try:
        rules = load_rule_set(documents, schema, AUDIENCE)
    except RuleError as error:
        return error.problems
    refused = [error.message for document in documents for error in PUBLISHED.iter_errors(document)]
    assert refused == [], documents
    tables = {behavior: behavior for behavior in schema.behaviors}
    assert members_query(rules, "profiles", tables, 0, lists=lambda _: None).encode()
    for one in rules:
        assert segment_sentence(one, schema.time_zone).encode()
    Index.compile([(one.id, one.rule) for one in rules if one.rule], schema.time_zone).dump()
    return ()


def exists(document: Any, pointer: str) -> bool:
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list) and name.isdigit() and int(name) < len(document):
            document = document[int(name)]
        elif isinstance(document, dict) and name in document:
            document = document[name]
        else:
            return False
    return True
