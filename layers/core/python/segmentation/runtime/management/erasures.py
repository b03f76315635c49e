"""The operation that lifts erasures. Erasing itself is a command of who keeps the stores (`python -m infra.privacy`)."""

from typing import Any

from .caller import Role
from .operation import Call, Done, Operation
from .shapes import people as shapes


def operations() -> list[Operation]:
    """The operation."""
    return [
        Operation("lift_erasure", "POST", "/v1/audiences/{audience}/erasures/lift", "Take an erased person in again",
                  Role.ADMIN, lifted, answer=shapes.Lifted, body=shapes.Profile, group="People",
                  description="For an erasure that was a mistake, or a person who comes back, named by one of their keys: later "
                  "builds and runs take the person in again, and an erasure that is still under way ends. What was erased stays "
                  "erased, and so do events of before that come late. Without a column the key is the master key."),
    ]  # fmt: skip


def lifted(api: Any, call: Call) -> Done:
    """Lift all erasures of a person."""
    body: shapes.Profile = call.body
    found = api.lift(call.path["audience"], body.column, body.key)
    return Done(shapes.Lifted([one.id for one in found]))
