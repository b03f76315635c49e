"""What is known of profiles at a moment, brought up to date in memory; nothing is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.event import Event
from segmentation.domain.profile import Profile, name_of, profile_id
from segmentation.domain.programs import Programs
from segmentation.domain.published import Published, strength
from segmentation.ports import Profiles

from .find_profiles import FindProfiles


@dataclass(frozen=True, slots=True)
class Reading:
    """A profile at a moment.

    `members`: all its segments. `batch_run` is when its batch half was computed (Unix seconds); `until` the moment from
    which on membership may be another one by itself, `None` if it stays.
    """

    exists: bool
    key: str
    members: frozenset[str] = frozenset()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    batch_run: int | None = None
    until: int | None = None
    quality: tuple[str, ...] = ()
    """What the answer lacks; see `RealtimePart.quality`."""

    def shown(self, published: Published, names: Sequence[str]) -> dict[str, Any]:
        """Of these attributes, those that have a value and may leave now: a rule set may have hidden one since."""
        public = published.audience.public()
        return {
            name: value
            for name in names
            if name in public and (value := self.attributes.get(name)) is not None
        }


@dataclass(frozen=True, slots=True)
class ReadProfiles:
    """Reads the profiles store: one request, however many are asked for."""

    profiles: Profiles
    programs: Programs
    find: FindProfiles = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "find", FindProfiles(self.profiles))

    def __call__(
        self, asked: Sequence[tuple[Published, str]], now: int, events: Sequence[Event] = ()
    ) -> list[Reading]:
        """One reading for each audience and profile name; `events` that are not on record yet are counted.

        They join to the profile what weaker keys they carry, as they will on the stream. A stronger key is only said: nobody
        reads by saying it.
        """
        keys = {
            profile_id(published.audience.id, name): _weaker(published.audience.id, name, events)
            for published, name in asked
        }
        sets = {published.audience.id: published for published, _ in asked}
        found = self.find(keys, strength(sets), now, thorough=False)
        families = {identifier: family for family in found for identifier in family.asked}
        readings = []
        for published, name in asked:
            family = families[profile_id(published.audience.id, name)]
            root = name_of(family.key)
            theirs = [one for one in events if _may_be_of(one, root)]
            readings.append(self.reading(published, root, family.together(now), now, theirs))
        return readings

    def reading(
        self, published: Published, name: str, profile: Profile, now: int, events: Sequence[Event] = ()
    ) -> Reading:
        """A profile that was read, at `now`."""
        batch, part = profile.batch, profile.realtime
        if not profile.exists and not events:
            return Reading(exists=False, key=name.partition(":")[2])
        kept = part.members_at(now, published.version, batch.run if batch else "") if part else None
        if kept is not None and part is not None and not events:
            members, until = frozenset(kept), part.due
        else:
            # New rules, a new batch run, an event that is not on record, or time: what was computed is of another moment.
            visitor = self.programs.visitor_at(published, name, profile, now, events)
            members, until = frozenset(visitor.members), visitor.due
        return Reading(
            exists=True,
            key=name.partition(":")[2],
            members=members | frozenset(batch.segments if batch else ()),
            attributes=batch.attributes if batch else {},
            batch_run=batch.now if batch else None,
            until=until,
            quality=part.quality if part else (),
        )


def _weaker(audience: str, name: str, events: Sequence[Event]) -> list[str]:
    """The store's keys that events carry beside a name and that are weaker than it."""
    carried = [(one.profile, *one.also) for one in events]
    return [
        profile_id(audience, other)
        for names in carried
        if name in names
        for other in names[names.index(name) + 1 :]
    ]


def _may_be_of(event: Event, name: str) -> bool:
    """Whether an event can come to be a profile's: two keys of one column are two people, whatever they share."""
    return event.profile == name or event.profile.partition(":")[0] != name.partition(":")[0]
