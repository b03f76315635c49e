"""Members of a segment, and why somebody is in it."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .common import Json


class MemberPage(Struct):
    """Keys of members, all pages of one run."""

    run: str
    now: str
    members: list[str]
    next: str | None


class NewExport(Struct, forbid_unknown_fields=True):
    """An export to start. Keys that a spreadsheet would take for a formula get an apostrophe in front, unless `exact`."""

    exact: bool = False


class Export(Struct):
    """All members as one file. `url` is there when it is done and can be fetched without signing in until `expires`."""

    id: str
    state: Literal["running", "done", "failed"]
    url: str | None
    expires: str | None
    error: str | None


class Profile(Struct, forbid_unknown_fields=True):
    """A profile by one of its keys. It stands in the body, so that it stands in no log of addresses."""

    key: Annotated[str, Meta(min_length=1, max_length=1_000)]
    column: Annotated[str, Meta(max_length=128)] = ""


class Lifted(Struct):
    """The erasures that were lifted."""

    requests: list[str]


class Why(Struct):
    """Why a profile is in a segment, or is not: the truth of each condition, and the values behind it."""

    segment: str
    holds: bool
    as_of: str
    explanation: Json
    text: list[str]


class Explanation(Struct):
    """An explanation as it stands. `why` is there when it is done. One without an `id` was done at once."""

    id: str
    state: Literal["running", "done", "failed"]
    why: Why | None
    error: str | None
