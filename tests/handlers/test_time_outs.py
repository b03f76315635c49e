"""Functions that are cut off in the middle of their work, and whose batch is delivered again to a new process."""

import time as clock
from typing import Any

import pytest
from segmentation.adapters.clock import SystemClock
from segmentation.domain.event import Event

from functions.evaluate_events import app as evaluate_events
from functions.sweep_memberships import app as sweep_memberships
from tests.fakes.deadline import Cut, cut_after
from tests.handlers.batches import failures, kinesis
from tests.handlers.conftest import CONTEXT, Aws, forget

CUTS = 23
"""At so many places, evenly over the lines that an invocation runs."""


def people(cut: int) -> tuple[str, str]:
    """Two visitors of their own for each cut."""
    return f"person_id:{cut}-a", f"person_id:{cut}-b"


def events(cut: int) -> list[bytes]:
    """Two events of each, and one of them that joins a cookie."""
    now = int(clock.time())
    found = [
        Event(f"{name}-{number}", "shop", "purchases", name, now, now, {"amount": 1})
        for name in people(cut)
        for number in range(2)
    ]
    cookie = Event(f"{cut}-c", "shop", "purchases", people(cut)[0], now, now, {}, (f"td_client_id:{cut}",))
    return [one.to_json() for one in (*found, cookie)]


def told(aws: Aws) -> dict[str, list[tuple[str, str]]]:
    """Who joined and left what, each message once however often it was sent."""
    messages: dict[str, Any] = {}
    while found := aws.messages(aws.activations):
        messages |= {one["id"]: one for one in found}
    said: dict[str, list[tuple[str, str]]] = {}
    for one in messages.values():
        for kind in ("joined", "left"):
            for name in one[kind]:
                said.setdefault(name, []).append((kind, one["segment"]))
    return said


def members(aws: Aws, name: str) -> Any:
    key = {"profile": {"S": f"shop#{name}"}, "part": {"S": "realtime"}}
    item = aws.dynamodb.get_item(TableName="profiles", Key=key, ConsistentRead=True)["Item"]
    return item["members"], "untold" in item


def test_an_evaluation_that_is_cut_anywhere_ends_as_if_it_had_not_been(aws: Aws) -> None:
    for warm in (-1, 0):  # what is done once a process is over then
        forget()
        with cut_after() as whole:
            assert failures(evaluate_events.handler(kinesis(*events(warm)), CONTEXT)) == []
    expected = [members(aws, one)[0] for one in people(0)]
    assert whole.run > 500
    lost = 0
    for cut in range(1, CUTS + 1):
        forget()
        batch = kinesis(*events(cut))
        with pytest.raises(Cut), cut_after(max(1, whole.run * cut // (CUTS + 2))):
            evaluate_events.handler(batch, CONTEXT)
        key = {"profile": {"S": f"shop#{people(cut)[1]}"}, "part": {"S": "realtime"}}
        lost += "Item" not in aws.dynamodb.get_item(TableName="profiles", Key=key)
        forget()
        assert failures(evaluate_events.handler(batch, CONTEXT)) == []
        assert [members(aws, one)[0] for one in people(cut)] == expected
        assert [members(aws, one)[1] for one in people(cut)] == [False, False]
    assert 0 < lost < CUTS  # some were cut before they wrote, some after
    said = told(aws)
    assert {name: sorted(said[name]) for cut in range(CUTS + 1) for name in people(cut)} == {
        name: [("joined", "buying-now")] for cut in range(CUTS + 1) for name in people(cut)
    }


def test_a_sweep_that_is_cut_anywhere_is_made_good_by_the_next(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cut in range(CUTS + 1):
        assert failures(evaluate_events.handler(kinesis(*events(cut)), CONTEXT)) == []
    told(aws)
    hours = iter(range(2, 100))
    later = 0

    def now(_: Any) -> int:
        return int(clock.time()) + later

    monkeypatch.setattr(SystemClock, "now", now)
    later = next(hours) * 3_600
    for cut in range(1, CUTS + 1):
        forget()
        with pytest.raises(Cut), cut_after(cut * 400):
            sweep_memberships.handler({}, CONTEXT)
        later += 60
    forget()
    sweep_memberships.handler({}, CONTEXT)
    said = told(aws)
    assert said == {name: [("left", "buying-now")] for cut in range(CUTS + 1) for name in people(cut)}
