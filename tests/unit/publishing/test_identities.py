"""Keys that lead to a profile, as runs publish them."""

import itertools

import pytest
from msgspec.structs import replace
from segmentation.domain.profile import RealtimePart
from segmentation.domain.publication import Task

from tests.fakes.publisher import (
    NOW,
    Publisher,
)

A, B = "email:a", "email:b"


def owners(publisher: Publisher) -> dict[str, str | None]:
    return {key.partition("#")[2]: part.owner for key, part in publisher.profiles.batch.items()}


def test_identity_keys_lead_to_their_profile(publisher: Publisher) -> None:
    publisher.publish("shop", publisher.run({"1", "2"}, keys={"1": [A], "2": [B]}))
    assert owners(publisher) == {"person_id:1": None, "person_id:2": None, A: "person_id:1", B: "person_id:2"}
    assert publisher.profiles.batch["shop#person_id:1"].identities == (A,)
    assert publisher.profiles.batch["shop#person_id:1"].unjoined == ()


def test_a_key_goes_to_another_profile_or_to_nobody(publisher: Publisher) -> None:
    everyone = {"1", "2"}
    publisher.publish("shop", publisher.run(everyone, keys={"1": [A, B]}))
    moved = publisher.run(everyone, everyone, keys={"1": [], "2": [A]}, lost={"1": [A, B]})
    publisher.publish("shop", moved)
    assert (owners(publisher)[A], owners(publisher)[B]) == ("person_id:2", "")
    publisher.publish("shop", moved)
    assert (owners(publisher)[A], owners(publisher)[B]) == ("person_id:2", "")


def test_a_link_that_stands_is_not_written_again(publisher: Publisher) -> None:
    publisher.publish("shop", publisher.run({"1"}, keys={"1": [A]}))
    again = publisher.run({"1"}, {"1"}, keys={"1": [A, B]}, new={"1": [B]})
    publisher.profiles.room = 2  # the profile, and the new link
    publisher.publish("shop", again)
    assert owners(publisher) == {"person_id:1": None, A: "person_id:1", B: "person_id:1"}
    assert publisher.profiles.batch["shop#person_id:1"].identities == (A, B)
    assert publisher.profiles.batch[f"shop#{A}"].run < again


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_runs_that_overtake_each_other_leave_each_key_where_the_last_one_says(
    publisher: Publisher, order: tuple[int, ...]
) -> None:
    """A goes from 1 to 2 and is nobody's in the end; B goes from 2 to 1 and back."""
    everyone = {"1", "2"}
    runs = [
        publisher.run(everyone, keys={"1": [A], "2": [B]}),
        publisher.run(everyone, everyone, {"1": [B], "2": [A]}, lost={"1": [A], "2": [B]}),
        publisher.run(everyone, everyone, {"1": [], "2": [B]}, lost={"1": [B], "2": [A]}, new={"2": [B]}),
    ]
    publisher.do(Task("shop", runs[2]))  # plans all of them
    tasks = [Task.from_document(one) for one in publisher.tasks.messages]
    publisher.tasks.messages.clear()
    for index in order:
        for task in tasks:
            if task.run == runs[index]:
                publisher.do(task)
    assert owners(publisher) == {"person_id:1": None, "person_id:2": None, A: "", B: "person_id:2"}


def test_a_key_that_the_stream_knew_before_is_said_to_be_apart(publisher: Publisher) -> None:
    part = RealtimePart(1, b"state", (), (), NOW, "r")
    publisher.profiles.realtime |= {
        f"shop#{A}": part,
        f"shop#{B}": replace(part, state=b"", alias="person_id:1"),
    }
    publisher.publish("shop", publisher.run({"1"}, keys={"1": [A, B]}))
    assert publisher.profiles.batch["shop#person_id:1"].unjoined == (A,)


def test_nobody_who_was_erased_is_published(publisher: Publisher) -> None:
    publisher.profiles.bar(["shop#person_id:1", f"shop#{A}"], NOW)
    publisher.publish("shop", publisher.run({"1", "2"}, keys={"1": [A], "2": [B]}))
    assert owners(publisher) == {"person_id:2": None, B: "person_id:2"}
