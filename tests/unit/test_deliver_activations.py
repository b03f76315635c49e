import base64
import json
import time
from typing import Any

import pytest
from segmentation.domain.errors import Forbidden, Unavailable
from segmentation.ports import Answer
from segmentation.usecases.deliver_activations import DeliverActivations, Delivered, QueueMessage
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.fakes import (
    FakeSecrets,
    FakeWebhooks,
    FixedClock,
    MemoryLake,
    MemoryQueue,
    StaticRuleSets,
)
from tests.fakes.documents import documents, published


class Deliverer:
    def __init__(self) -> None:
        self.webhooks, self.lake, self.queue = FakeWebhooks(), MemoryLake(), MemoryQueue()
        self.sets = StaticRuleSets({"shop": published()})
        self.clock = FixedClock(int(time.time()))  # the verifier looks at its own clock
        self.call = DeliverActivations(
            self.webhooks, self.sets, FakeSecrets(), self.queue, self.lake, self.clock
        )

    def deliver(self, *bodies: Any) -> Delivered:
        return self.call(
            QueueMessage(f"m{n}", f"r{n}", one if isinstance(one, str) else json.dumps(one))
            for n, one in enumerate(bodies)
        )


def message(**changes: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "audience": "shop",
        "destination": "hook",
        "segment": "adults",
        "joined": ["person_id:1"],
        "left": ["person_id:2"],
        "now": 5,
        "run": "r1",
        **changes,
    }


@pytest.fixture
def deliverer() -> Deliverer:
    return Deliverer()


def test_a_webhook_is_what_a_standard_verifier_expects(deliverer: Deliverer) -> None:
    assert deliverer.deliver(message()) == Delivered(delivered=1)
    ((url, headers, body),) = deliverer.webhooks.posts
    assert url == "https://hooks.example/in"
    verifier = Webhook(base64.b64encode(FakeSecrets().secret).decode())
    assert verifier.verify(body, headers) == {
        "type": "membership.changed",
        "segment": "adults",
        "audience": "shop",
        "run": "r1",
        "joined": ["person_id:1"],
        "left": ["person_id:2"],
        "now": 5,
    }
    assert headers["webhook-id"] == "msg_1"
    with pytest.raises(WebhookVerificationError):
        verifier.verify(body + b" ", headers)


def test_an_event_is_named_instead_of_a_run(deliverer: Deliverer) -> None:
    deliverer.deliver(message(segment="buying-now", run=None, event="e1"))
    payload = json.loads(deliverer.webhooks.posts[0][2])
    assert payload["event"] == "e1"
    assert "run" not in payload


@pytest.mark.parametrize(
    "answer", [Answer(500), Answer(404), Answer(302), Unavailable("no answer"), Forbidden("private")]
)
def test_a_failed_delivery_comes_back_alone(deliverer: Deliverer, answer: Any) -> None:
    deliverer.webhooks.answers = [Answer(200), answer, Answer(204)]
    assert deliverer.deliver(message(), message(), message()) == Delivered(delivered=2, failed=["m1"])


def test_the_receiver_can_ask_for_patience(deliverer: Deliverer) -> None:
    deliverer.webhooks.answers = [Answer(429, 120), Answer(503, 10**9)]
    assert deliverer.deliver(message(), message()).failed == ["m0", "m1"]
    assert deliverer.queue.delays == [("r0", 120), ("r1", 43_200)]


def test_a_receiver_that_is_gone_is_not_called_again(deliverer: Deliverer) -> None:
    deliverer.webhooks.answers = [Answer(410)]
    assert deliverer.deliver(message(), message()) == Delivered(dropped=2)
    assert len(deliverer.webhooks.posts) == 1
    record = deliverer.lake.json("destinations/shop/hook/disabled.json")
    assert record["reason"] == "answered 410 Gone"


def test_another_url_enables_a_destination_again(deliverer: Deliverer) -> None:
    deliverer.webhooks.answers = [Answer(410)]
    deliverer.deliver(message())
    document = documents()
    document["destinations"][0]["url"] = "https://new.example/in"
    deliverer.sets.sets["shop"] = published(**document)
    assert deliverer.deliver(message()) == Delivered(delivered=1)


@pytest.mark.parametrize("changes", [{"destination": "removed"}, {"segment": "buyers"}])
def test_what_nobody_wants_any_more_is_dropped(deliverer: Deliverer, changes: dict[str, str]) -> None:
    assert deliverer.deliver(message(**changes)) == Delivered(dropped=1)
    assert not deliverer.webhooks.posts


@pytest.mark.parametrize(
    "body", ["{", "[]", "{}", '{"joined": 1, "left": []}', json.dumps({**message(), "x": 1})]
)
def test_a_poison_message_ends_among_the_dead_letters(deliverer: Deliverer, body: str) -> None:
    assert deliverer.deliver(body, message()) == Delivered(delivered=1, failed=["m0"])


def test_without_a_rule_set_nothing_is_dropped(deliverer: Deliverer) -> None:
    assert deliverer.deliver(message(audience="other")).failed == ["m0"]
