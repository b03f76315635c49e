"""The operations on the removal of audiences."""

from typing import Any

from segmentation.domain.removal import Removal
from segmentation.domain.run import instant

from .caller import Role
from .operation import Call, Done, Operation, Parameter
from .shapes import runs as shapes

_AUDIENCE = "/v1/audiences/{audience}"
_FORCE = Parameter("force", bool, "Even though documents stand in it, or a run is under way", False)


def operations() -> list[Operation]:
    """The operations."""
    return [
        Operation("delete_audience", "DELETE", _AUDIENCE, "Remove an audience with everything that was made of it",
                  Role.ADMIN, removed, answer=shapes.Removal, status=202, changes=True, query=(_FORCE,), errors=(409,),
                  group="Audiences",
                  description="Refused with the names of the documents that stand in it and of the run that is under way, "
                  "unless it is forced. Its rules go at once, so that nothing of it is collected, computed or served; profiles, "
                  "built tables, runs, events and the documents' history follow within hours, which `removal` shows. Nothing "
                  "can bring it back but the versions that S3 keeps for a month. Sending it again does no harm."),
        Operation("get_removal", "GET", f"{_AUDIENCE}/removal", "How far the removal of an audience is, or when it was done",
                  Role.VIEWER, read, answer=shapes.Removal, group="Audiences"),
    ]  # fmt: skip


def removed(api: Any, call: Call) -> Done:
    """Ask for a removal."""
    audience = call.path["audience"]
    found = api.removal(audience, call.caller.id, expected=call.if_match, force=call.query["force"])
    return Done(_removal(found), location=f"/v1/audiences/{audience}/removal")


def read(api: Any, call: Call) -> Done:
    """How far it is."""
    return Done(_removal(api.removal.state(call.path["audience"])))


def _removal(one: Removal) -> shapes.Removal:
    return shapes.Removal(
        audience=one.audience,
        state="removed" if one.ended else "removing",
        step=one.step,
        asked=instant(one.asked),
        by=one.by,
        since=instant(one.since),
        ended=instant(one.ended) if one.ended else None,
    )
