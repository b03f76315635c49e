"""However events arrive, a visitor comes out as if each had arrived once, in order, and nothing had failed.

Random histories: duplicates, late, shuffled and future events, other contents under a known id, batches delivered again
after a failure in part, two functions at once of which one has a slow clock, deaths before and after each request,
requests that are refused, sweeps in between. The oracle keeps all events and evaluates the rules afresh, by the
closures, at every second at which something can change.

`make histories` tries thousands.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from segmentation.domain.event import Event
from segmentation.domain.membership import change_id
from segmentation.domain.messages import message_id

from tests.examples import examples
from tests.properties.arrival_histories import check, histories, play
from tests.properties.arrival_world import (
    NOW,
    PUBLISHED,
)

# ----------------------------------------------------------------------------------- random histories


@settings(max_examples=examples(150))
@given(histories())
def test_however_events_arrive(case: tuple[list[tuple[Any, ...]], dict[int, str]]) -> None:
    check(*case)


def test_the_history_of_a_change_bears_the_id_that_was_told() -> None:
    one = Event("e1", "shop", "purchases", "person_id:1", NOW, NOW, {"item": "a"})
    world = play([("deliver", 0, [one])], {})
    part = world.store.realtime["shop#person_id:1"]
    ids = [change_id("shop#person_id:1", PUBLISHED.version, change) for change in part.changes]
    assert [message["id"] for message in world.queue.messages] == [message_id(one, "hook") for one in ids]
    assert len(set(ids)) == len(ids) > 3


@pytest.mark.parametrize("fault", ["sees twice", "forgets the late", "tells at the sweep"])
def test_a_faulty_evaluator_is_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle is no echo of what it checks."""
    from segmentation.domain.visitor import evaluation, intake

    if fault == "sees twice":
        monkeypatch.setattr(intake, "_merged", lambda kept, new: sorted((*kept, *new), key=lambda r: r[:2]))
        monkeypatch.setattr(intake, "short_id", lambda behavior, event: id(object()))
    elif fault == "forgets the late":
        monkeypatch.setattr(intake, "_merged", lambda kept, new: (*kept, *new))
    else:
        monkeypatch.setattr(evaluation, "_steps", lambda *_: iter(()))
    late = Event("e1", "shop", "purchases", "person_id:1", NOW - 3_000, NOW, {"item": "b"})
    soon = Event("e2", "shop", "purchases", "person_id:1", NOW, NOW, {"item": "a"})
    history = [("deliver", 0, [soon]), ("deliver", 0, [soon, late]), ("wait", 700), ("sweep", 0)]
    with pytest.raises(AssertionError):
        check(history, {})
