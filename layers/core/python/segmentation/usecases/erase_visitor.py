"""Erase a person, named by any of their keys: at once in the profiles store, in the lake by `erase_profiles`.

The request is written down first, so that whatever is cut off after that is finished by the next pass.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from segmentation.domain.erasure import Erasure
from segmentation.domain.errors import Unavailable
from segmentation.domain.joining import Family
from segmentation.domain.membership import Change
from segmentation.domain.messages import realtime_message
from segmentation.domain.profile import RETENTION, RealtimePart, name_of, profile_id
from segmentation.domain.published import Published, strength
from segmentation.domain.run import stamp
from segmentation.ports import Clock, Lake, Profiles, Queue, RuleSets

from .erasure_requests import audience_of, keep
from .find_profiles import FindProfiles

MOST_TRIES = 10

logger = logging.getLogger("segmentation.erase_visitor")


@dataclass(frozen=True, slots=True)
class EraseVisitor:
    """Takes requests, and empties the profiles store for them."""

    profiles: Profiles
    lake: Lake
    rule_sets: RuleSets
    activations: Queue
    clock: Clock
    new_suffix: Callable[[], str]

    def __call__(self, audience: str, column: str, value: str) -> Erasure:
        """Erase whoever has this key (an identity column of the audience, and its value as a site would send it)."""
        published = audience_of(self.rule_sets, audience, column)
        now = self.clock.now()
        name = published.audience.key_name(column, value)
        request = Erasure(f"{stamp(now)}_{self.new_suffix()}", audience, now, ()).knows([name])
        if not keep(self.lake, request, new=True):
            raise Unavailable("another request has this id; send it again")
        return self.empty_store(published, request)

    def empty_store(self, published: Published, request: Erasure) -> Erasure:
        """Leave of the person that they were erased, under each of their keys; the request as it is kept then."""
        for _ in range(MOST_TRIES):
            now = self.clock.now()
            people = persons(self.profiles, published, request.names, now)
            request = request.knows(name_of(key) for one in people for key in (one.key, *one.others))
            # Before the store is touched: what is cut off from here on knows all keys already.
            keep(self.lake, request)
            self.activations.send(
                [message for one in people for message in _leaving(published, one, request)]
            )
            if self._overwrite(people, request):
                self.profiles.bar(
                    [profile_id(request.audience, name) for name in request.names], request.moment
                )
                request = replace(request, store=True)
                keep(self.lake, request)
                logger.info("request %s: the store is empty under %d keys", request.id, len(request.names))
                return request
        raise Unavailable(
            f"request {request.id}: the visitor is being written by others; the next pass goes on"
        )

    def _overwrite(self, people: list[Family], request: Erasure) -> bool:
        """Put what is left in place of each item as it was read; whether nobody wrote in between."""
        parts: dict[str, RealtimePart | None] = {}
        for one in people:
            parts |= {key: other.realtime for key, other in ((one.key, one.profile), *one.others.items())}
        writes = {
            key: _remains(part, request.moment)
            for key, part in parts.items()
            if part is None or part.erased < request.moment
        }
        saved = self.profiles.save(writes)
        if saved.failed:
            raise Unavailable(f"request {request.id}: {len(saved.failed)} items were not written")
        return not saved.lost


def persons(profiles: Profiles, published: Published, names: Iterable[str], now: int) -> list[Family]:
    """The people (usually one) that names lead to, with every key that leads there; all of them read."""
    find, rank = FindProfiles(profiles), strength({published.audience.id: published})
    asked: dict[str, tuple[str, ...]] = {profile_id(published.audience.id, name): () for name in names}
    while True:
        found = find(asked, rank, now)
        said = {key for one in found for key in _said(one)}
        # A key that was joined once, or that the raw tables knew, may be another's by now.
        ours = {one.key for one in found}
        others: dict[str, tuple[str, ...]] = dict.fromkeys(said - asked.keys(), ())
        leading = [one for one in find(others, rank, now) if one.key in ours] if others else []
        more = {key for one in (*found, *leading) for key in (one.key, *one.others)} - asked.keys()
        if not more:
            return found
        asked |= dict.fromkeys(sorted(more), ())


def _said(one: Family) -> set[str]:
    """The keys that a profile says it has, or had."""
    part, batch = one.profile.realtime, one.profile.batch
    names = {*(part.aliases if part else ()), *(batch.identities if batch else ())}
    return {profile_id(one.key.partition("#")[0], name) for name in names}


def _remains(part: RealtimePart | None, moment: int) -> RealtimePart:
    return RealtimePart(
        revision=part.revision + 1 if part else 1,
        state=b"",
        members=(),
        changes=tuple(Change(one, False, moment) for one in part.members) if part else (),
        computed=moment,
        rules="",
        expires=moment + RETENTION,
        erased=moment,
    )


def _leaving(published: Published, one: Family, request: Erasure) -> Iterator[dict[str, Any]]:
    """What partners are told: the person leaves whatever it is in."""
    inside = {one.key: set(one.profile.batch.segments) if one.profile.batch else set()}
    for key, part in ((one.key, one.profile.realtime), *((k, p) for k, p in one.apart().items())):
        if part is not None and part.erased < request.moment:
            inside.setdefault(key, set()).update(part.members)
    for key, segments in sorted(inside.items()):
        for segment in sorted(segments):
            change = Change(segment, False, request.moment)
            for destination in published.subscribers(segment):
                yield realtime_message(request.audience, destination.id, name_of(key), request.id, change)
