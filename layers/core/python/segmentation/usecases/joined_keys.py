"""Keys that were joined to a person, as the lake knows them.

A profile remembers the last two hundred of its aliases; `links/` in the lake has all of them.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from segmentation.domain.profile import name_of, profile_id
from segmentation.domain.published import Published, strength
from segmentation.ports import Profiles

from .find_profiles import FindProfiles


def joined_to(rows: Iterable[Mapping[str, Any]], names: Collection[str]) -> set[str]:
    """Of rows of `links/`: the keys that were joined to some of these names, and to those, and are none of them."""
    of: dict[str, set[str]] = {}
    for row in rows:
        of.setdefault(row["owner"], set()).add(row["profile"])
    found, waiting = set(names), list(names)
    while waiting:
        new = of.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found - set(names)


def still_theirs(
    profiles: Profiles, published: Published, names: Collection[str], joined: Collection[str], now: int
) -> set[str]:
    """Those of the joined keys that lead to no other person by now: whoever comes next to a browser has its cookie too."""
    if not joined:
        return set()
    audience = published.audience.id
    theirs = {profile_id(audience, one) for one in (*names, *joined)}
    asked = {profile_id(audience, one): () for one in sorted(joined)}
    found = FindProfiles(profiles)(asked, strength({audience: published}), now, thorough=False)
    return {name_of(key) for one in found if one.key in theirs for key in one.asked}
