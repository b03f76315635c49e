"""Find profiles by any of their keys: one request where a key is its profile's own, or where it leads is remembered."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from segmentation.domain.joining import Family, families
from segmentation.domain.profile import Profile
from segmentation.ports import Profiles

MOST_HINTS = 20_000
"""Aliases that are remembered in memory."""
MOST_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class FindProfiles:
    """Reads the store. What is remembered saves requests and decides nothing: aliases are always read anew."""

    profiles: Profiles
    hints: dict[str, str] = field(default_factory=dict)

    def __call__(
        self,
        asked: Mapping[str, Collection[str]],
        rank: Callable[[str], int],
        now: int,
        *,
        thorough: bool = True,
    ) -> list[Family]:
        """Whose these keys are (store keys, each with those that were met together with it).

        `thorough`: look at every key that the raw tables know of them, to join what is apart. `Unavailable` when not all
        can be read.
        """
        read: dict[str, Profile] = {}
        missing = {*asked, *(self.hints[key] for key in asked if key in self.hints)}
        for _ in range(MOST_ROUNDS):
            read.update(self.profiles.read(missing))
            found, missing = families(asked, read, rank, now, thorough=thorough)
            if not missing:
                self._remember(found)
                return found
        raise ValueError("keys lead to ever more keys")

    def _remember(self, found: list[Family]) -> None:
        for family in found:
            for key in family.asked:
                if key != family.key:
                    self.hints.pop(key, None)
                    self.hints[key] = family.key
        while len(self.hints) > MOST_HINTS:
            del self.hints[next(iter(self.hints))]
