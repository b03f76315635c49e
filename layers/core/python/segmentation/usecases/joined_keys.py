"""Keys that were joined to a person, as the lake knows them.

A profile remembers the last two hundred of its aliases; `links/` in the lake has all of them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from segmentation.domain.profile import name_of, profile_id
from segmentation.domain.published import Published, strength
from segmentation.ports import Profiles

from .find_profiles import FindProfiles


def joined_to(links: Callable[[], Iterable[Mapping[str, Any]]], names: Collection[str]) -> set[str]:
    """The keys that were joined to some of these names, and to those, and are none of them.

    `links` goes through rows of `links/`. They are everybody's, so none is held: they are gone through once more for each
    link of the longest chain.
    """
    found = set(names)
    while new := {row["profile"] for row in links() if row["owner"] in found} - found:
        found |= new
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
