"""Visitors with more events than ids are remembered: what is delivered again as it was changes nothing, ever."""

from typing import Any

import pytest
from hypothesis import given, settings
from segmentation.domain.visitor import intake
from segmentation.domain.visitor.state import DAY, FORGOTTEN, Visitor

from tests.examples import examples
from tests.fakes.states import DAY as WITHIN_A_DAY
from tests.fakes.states import NOW, Stream, event, shop
from tests.properties.arrival_histories import check, histories

FEW = 2


@pytest.fixture(scope="module")
def few() -> Any:
    """A memory of two ids."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "MOST_IDS", FEW)
        yield


@pytest.mark.usefixtures("few")
@settings(max_examples=examples(80))
@given(histories(contested=False))
def test_however_events_arrive_whose_ids_are_forgotten(
    case: tuple[list[tuple[Any, ...]], dict[int, str]],
) -> None:
    check(*case, ids=False)


@pytest.fixture
def stream(few: None) -> Stream:
    return Stream(
        shop(twice={">=": [{"count": [WITHIN_A_DAY]}, 2]}, many={">=": [{"count": [WITHIN_A_DAY]}, 4]})
    )


def kept(stream: Stream) -> list[str]:
    (rows,) = Visitor.decode(stream.part().state).rows.values()
    return [row.id for row in rows]


def test_a_forgotten_id_whose_event_is_kept_counts_once_at_another_time_too(stream: Stream) -> None:
    stream.deliver(*(event(f"e{n}", time=NOW - 60 + n) for n in range(3)))
    stream.deliver(event("e0", time=NOW - 5))
    assert kept(stream) == ["e0", "e1", "e2"]


def test_beyond_the_bound_an_id_with_another_time_counts_and_the_answer_says_that_it_may(
    stream: Stream,
) -> None:
    """The bound itself: the first content is let go, its id is forgotten, and only the lake still knows it."""
    result = stream.deliver(*(event(f"e{n}", time=NOW - 60 + n) for n in range(2)))
    assert (stream.part().quality, result.forgetful) == ((), 0)
    result = stream.deliver(*(event(f"e{n}", time=NOW - 60 + n) for n in range(2, 7)))
    assert (stream.part().quality, result.forgetful) == (("ids",), 1)
    assert kept(stream) == ["e2", "e3", "e4", "e5", "e6"]
    stream.deliver(event("e1", time=NOW - 59))  # as it was
    assert kept(stream) == ["e2", "e3", "e4", "e5", "e6"]
    stream.deliver(event("e0", time=NOW - 1))
    assert kept(stream) == ["e3", "e4", "e5", "e6", "e0"]


def test_the_answer_is_whole_again_when_the_forgotten_ids_would_have_gone_by_age(stream: Stream) -> None:
    stream.deliver(*(event(f"e{n}") for n in range(4)))
    assert FORGOTTEN in Visitor.decode(stream.part().state).lost
    stream.clock.time += 6 * DAY
    stream.deliver(event("f1", time=stream.clock.time))
    assert stream.part().quality == ("ids",)
    stream.clock.time += 2 * DAY
    stream.deliver(event("f2", time=stream.clock.time))
    assert stream.part().quality == ()
