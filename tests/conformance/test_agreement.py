"""Property tests: whatever the audience, the rules and the people, all readings agree.

`make fuzz` runs many more examples, at random; an ordinary test run repeats the same ones.
"""

from __future__ import annotations

import copy
import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from segmentation.language import Problem, RuleError, RuleSet, Schema, load_rule_set
from segmentation.language.check import Checker
from segmentation.language.evaluate import Compiler, Evaluation
from segmentation.language.normal import canonical, normalize
from segmentation.language.operators import READERS
from segmentation.language.times import zone

from .oracle import by_oracle
from .readings import Athena, Members, Tables, by_closures, by_index, by_visitor, history_of
from .strategies import LISTS, World, worlds
from .suite import AUDIENCE, segment

_COMMON: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "print_blob": False,
    "suppress_health_check": [
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
}
settings.register_profile("every-run", max_examples=40, derandomize=True, **_COMMON)
settings.register_profile("fuzz", max_examples=int(os.environ.get("EXAMPLES", "1500")), **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "every-run"))

COUNTED = {"pairs": 0, "oracle": 0, "visitor": 0, "sql": 0}
ARITHMETIC = {"add", "subtract", "multiply", "divide", "remainder"}


def loaded(world: World) -> RuleSet:
    """The rule set of a world; what real time refuses for its windows becomes a batch segment."""
    documents = [dict(document) for document in world.documents]
    try:
        return load_rule_set(documents, world.schema, AUDIENCE)
    except RuleError as error:
        problems = error.problems
    for problem in problems:
        assert problem.code == "window-too-long", problem
        documents[int(problem.pointer.split("/")[1])]["kind"] = "batch"
    return load_rule_set(documents, world.schema, AUDIENCE)


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


@given(world=worlds())
def test_all_readings_agree(world: World, athena: Athena) -> None:
    rules = loaded(world)
    expected = by_closures(rules, world.profiles, world.now)
    made = sum(segment.rule is not None for segment in rules)
    COUNTED["pairs"] += made * len(world.profiles)
    agree(world, expected, by_index(rules, world.profiles, world.now), "the index")
    if world.ids:
        found = by_visitor(rules, world.profiles, world.now, world.lead, expected)
        COUNTED["visitor"] += len(found) * len(world.profiles)
        agree(world, expected, found, "the visitor")
    answers = Tables(athena, world.schema, world.profiles).members(rules, world.now)
    COUNTED["sql"] += (len(answers) - len(LISTS)) * len(world.profiles)
    agree(world, expected, answers, "the SQL")
    lowered, left_out = by_oracle(rules, world.profiles, world.now)
    event(f"left out of the oracle: {sorted(set(left_out.values()))}")
    if world.large:  # beyond 2^53 the oracle's whole numbers are none of the language
        lowered = {n: keys for n, keys in lowered.items() if not computes(rules, n)}
    COUNTED["oracle"] += len(lowered) * len(world.profiles)
    agree(world, expected, lowered, "the oracle")


def computes(rules: RuleSet, name: str) -> bool:
    """Whether a segment, or one that it refers to, does arithmetic."""
    found = next(s for s in rules if s.id == name)
    own = found.rule is not None and any(node.op in ARITHMETIC for node in found.rule.walk())
    return own or any(computes(rules, other) for other in found.references)


def test_examples_are_enough() -> None:
    """The property test above looked at thousands of pairs, in each reading."""
    if COUNTED["pairs"] == 0:
        pytest.fail("run this file as a whole: this test counts what the one before it did")
    assert COUNTED["pairs"] >= 3_000, COUNTED
    assert min(COUNTED.values()) >= 1_000, COUNTED


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
            "behaviors.views",
            "segments",
            "7d",
            "today",
            "time",
            "a",
            "(a+)+",
        )
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(sorted(READERS)) | st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=25,
)


@settings(max_examples=5 * settings().max_examples)
@given(rule=JSON, kind=st.sampled_from(("batch", "realtime")), data=st.data())
def test_anything_is_checked_without_a_crash(rule: Any, kind: str, data: st.DataObject) -> None:
    world = data.draw(worlds(rules=0, people=0))
    documents = [segment("any", rule, kind)]
    for problem in problems_of(documents, world.schema):
        assert exists(documents, problem.pointer), f"{problem} points nowhere"


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
    try:
        load_rule_set(documents, schema, AUDIENCE)
    except RuleError as error:
        return error.problems
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
