"""Which keys are one person's.

An event that carries two keys joins them: the weaker key becomes an alias of the stronger one's profile, and stays it.
The raw tables say the same of the keys that they know, by a batch part that names its owner. Two profiles whose own keys
are of one column (two customer ids) are two people, whatever they share: they are never joined, and what they share
stays with whoever had it first. There is no way back: a key that was joined is not taken apart again.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import msgspec
from msgspec.structs import replace

from .membership import Change
from .profile import RETENTION, Profile, RealtimePart, name_of, profile_id
from .published import Published
from .visitor import Visitor
from .visitor.joining import joined

MOST_ALIASES = 200
"""Joined keys that a profile remembers, the last written; the others are looked at again when an event carries them."""
MOST_ALIAS_BYTES = 32_000
"""Of their names, which stand in the profile's item; two hundred usual ones have a third of that."""
MOST_JOINS = 50
"""Keys joined in one write; what is left is joined by the next event that carries it."""
REFRESH = 100 * 86_400
"""Seconds after which an alias in use is written anew: it must not expire before its profile."""

logger = logging.getLogger("segmentation.joining")


def following(key: str, profile: Profile) -> str | None:
    """The store's key that a key leads to, if it is not a profile of its own."""
    if profile.realtime is not None and profile.realtime.alias is not None:
        name = profile.realtime.alias
    elif profile.batch is not None and profile.batch.owner:
        name = profile.batch.owner
    else:
        return None
    return profile_id(key.partition("#")[0], name)


def path(key: str, read: Mapping[str, Profile]) -> list[str]:
    """The keys from one to its profile, or to the first that was not read.

    Keys that lead to each other are a fault that holds up nobody: one of them is taken for the profile, whichever of them is
    asked for, and what is written next leads there.
    """
    found = [key]
    while (profile := read.get(found[-1])) is not None:
        after = following(found[-1], profile)
        if after is None:
            return found
        if after in found:
            end = min(found[found.index(after) :])
            logger.error("%d keys lead to each other", len(found) - found.index(after))
            return [*(one for one in found if one != end), end]
        found.append(after)
    return found


def unjoined(key: str, profile: Profile, also: Collection[str], now: int, *, thorough: bool) -> Iterator[str]:
    """The keys that are to be looked at beside a profile's own.

    `also`: those that events carry. `thorough`: all that the raw tables know, too; else those of them that had events of
    their own when the last run was published.
    """
    stated: Collection[str] = ()
    if profile.batch is not None:
        stated = profile.batch.identities if thorough else profile.batch.unjoined
    if not also and not stated:
        return
    audience, known = key.partition("#")[0], profile.realtime.aliases if profile.realtime else {}
    for one in dict.fromkeys((*also, *(profile_id(audience, name) for name in stated))):
        if one != key and now - known.get(name_of(one), -REFRESH) >= REFRESH:
            yield one


class Family(msgspec.Struct):
    """The keys of one person. `key` is the profile's; `asked` those that were asked for."""

    key: str
    profile: Profile
    asked: list[str] = msgspec.field(default_factory=list)
    others: dict[str, Profile] = msgspec.field(default_factory=dict)
    """Every other key that was met, and how it was read."""
    conflicts: int = 0
    """How often an event said that two people are one."""

    def apart(self) -> dict[str, RealtimePart]:
        """The others that have a state of their own."""
        return {
            key: one.realtime
            for key, one in self.others.items()
            if one.realtime is not None and one.realtime.state
        }

    def stale(self, now: int) -> list[str]:
        """The others that are not known to lead here straight away, as many as one write may hold."""
        known = self.profile.realtime.aliases if self.profile.realtime else {}
        return [one for one in self.others if now - known.get(name_of(one), -REFRESH) >= REFRESH][:MOST_JOINS]

    def together(self, now: int) -> Profile:
        """The profile with the states of those apart in its own."""
        if not self.others:
            return self.profile
        apart = {key: part for key, part in self.apart().items() if key in set(self.stale(now))}
        erased = max(
            (one.realtime.erased for one in (self.profile, *self.others.values()) if one.realtime), default=0
        )
        part = self.profile.realtime
        if not apart and (part is None or part.erased == erased):
            return self.profile
        before = part or RealtimePart(0, b"", (), (), 0, "")
        own = Visitor.decode(before.state) if before.state else Visitor.new()
        state = joined(own, [Visitor.decode(one.state) for one in apart.values()])
        expires = max([before.expires, *(one.expires for one in apart.values())])
        # Rules of "" are nobody's: what was computed is of the profile before.
        one = replace(before, state=state.encode(), rules="", expires=expires, erased=erased)
        return replace(self.profile, realtime=one)


def families(
    asked: Mapping[str, Collection[str]],
    read: Mapping[str, Profile],
    rank: Callable[[str], int],
    now: int,
    *,
    thorough: bool,
) -> tuple[list[Family], set[str]]:
    """Whose the keys are, or (second) the keys that must be read before that can be said.

    `asked`: keys, each with those that were met together with it. `rank`: how strong a key is, 0 the strongest.
    """
    missing: set[str] = set()
    paths: dict[str, list[str]] = {}

    def profile_of(key: str) -> str | None:
        if key not in paths:
            paths[key] = path(key, read)
        if paths[key][-1] in read:
            return paths[key][-1]
        missing.add(paths[key][-1])
        return None

    edges: list[tuple[str, str]] = []
    for key, also in asked.items():
        root = profile_of(key)
        if root is None:
            continue
        for one in unjoined(root, read[root], also, now, thorough=thorough):
            end = profile_of(one)
            if end is not None:
                edges.append((root, end))
    if missing:
        return [], missing
    leads, conflicts = _united(edges, rank)
    found: dict[str, Family] = {}

    for key in asked:
        root = leads(paths[key][-1])
        if root not in found:
            found[root] = Family(root, read[root], conflicts=conflicts.get(root, 0))
        found[root].asked.append(key)
    for steps in paths.values():
        person = found.get(leads(steps[-1]))
        if person is not None:
            for step in steps:
                if step != person.key:
                    person.others[step] = read[step]
    return list(found.values()), set()


def _united(
    edges: Iterable[tuple[str, str]], rank: Callable[[str], int]
) -> tuple[Callable[[str], str], dict[str, int]]:
    """Where each profile leads, of pairs that are said to be one person; and the pairs that were refused, by profile."""
    above: dict[str, str] = {}
    conflicts: dict[str, int] = {}

    def leads(key: str) -> str:
        while key in above:
            key = above[key]
        return key

    for pair in edges:
        strong, weak = sorted(map(leads, pair), key=lambda key: (rank(key), key))
        if strong == weak:
            continue
        if _column(strong) == _column(weak):
            for key in (strong, weak):
                conflicts[key] = conflicts.get(key, 0) + 1
        else:
            above[weak] = strong
    return leads, conflicts


def as_alias(part: RealtimePart | None, name: str, published: Published, now: int) -> RealtimePart:
    """What is written under a key that was joined to the profile of a name: it leaves what it was in."""
    left = tuple(Change(segment, False, now) for segment in part.members) if part else ()
    return RealtimePart(
        revision=part.revision + 1 if part else 1,
        state=b"",
        members=(),
        changes=left,
        computed=now,
        rules=published.version,
        untold=any(published.subscribers(one.segment) for one in left),
        expires=now + RETENTION,
        alias=name,
        erased=part.erased if part else 0,
    )


def remembered(known: Mapping[str, int], names: Iterable[str], now: int) -> dict[str, int]:
    """A profile's aliases with those that were written now; the first written go where they are too many or too long."""
    together = {**known, **dict.fromkeys(names, now)}
    kept = sorted(together.items(), key=lambda item: (item[1], item[0]))[-MOST_ALIASES:]
    size = sum(len(name.encode()) for name, _ in kept)
    while size > MOST_ALIAS_BYTES:
        size -= len(kept.pop(0)[0].encode())
    return dict(kept)


def _column(key: str) -> str:
    return name_of(key).partition(":")[0]
