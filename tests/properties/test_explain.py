"""Why in, or why not: the truth, and the exact moment at which it changes, over random rules."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from segmentation.language.evaluate import Compiler, Evaluation, History, Row
from segmentation.language.explain import as_text, explain
from segmentation.language.times import zone

from tests.examples import examples
from tests.unit.language.people import HOUR, NOW, PURCHASES, SCHEMA, VISITS, history, rules

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


@settings(max_examples=examples(150))
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
