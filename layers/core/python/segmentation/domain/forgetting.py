"""A visitor to whom nothing has happened for longer than the longest window: the store lets the item go, and partners hear
that whoever was a member is none any more."""

from msgspec.structs import replace

from .membership import Change
from .profile import RETENTION, Profile, RealtimePart
from .programs import Evaluated, Programs
from .published import Published
from .visitor import Visitor


def is_over(part: RealtimePart, now: int) -> bool:
    """Whether a visitor is to be forgotten."""
    forgotten = part.forgotten_at
    return forgotten is not None and now >= forgotten


def forgotten(
    programs: Programs, published: Published, name: str, profile: Profile, before: RealtimePart, now: int
) -> Evaluated:
    """A visitor without the events that it had; `before` is the profile's real-time part.

    One that a batch run knows stays a member of what it is by no event; of another one nothing stays, as of somebody whom
    nobody knows.
    """
    empty = replace(profile, realtime=replace(before, state=Visitor.new().encode(), rules=""))
    evaluated = programs.evaluate(published, name, empty, [], now, ahead=True, anyway=True)
    part = evaluated.part
    if part is None:
        return evaluated
    if profile.batch is not None and profile.batch.owner is None:
        return replace(evaluated, part=replace(part, expires=now + RETENTION))
    left = tuple(Change(one, False, now) for one in before.members)
    untold = any(one.segment in published.wanted for one in left)
    gone = replace(part, state=b"", members=(), changes=left, due=None, untold=untold, quality=(), aliases={})
    return replace(evaluated, part=gone)
