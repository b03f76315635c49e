"""Answer a website: which exposed segments and attributes a profile has, now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.access import MOST_TOKENS, Token, holder, origin_allowed
from segmentation.domain.errors import BadRequest, Forbidden, Unauthorized
from segmentation.domain.profile import Profile, profile_id
from segmentation.domain.programs import Programs
from segmentation.domain.published import Published, strength
from segmentation.ports import Clock, Profiles, RuleSets

from .find_profiles import FindProfiles


@dataclass(frozen=True, slots=True)
class Personalize:
    """The lookup of generation 1. Stale memberships are brought up to date in memory; nothing is written."""

    profiles: Profiles
    rule_sets: RuleSets
    programs: Programs
    clock: Clock
    find: FindProfiles = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "find", FindProfiles(self.profiles))

    def __call__(
        self, tokens: Sequence[str], keys: Mapping[str, str], origin: str | None = None
    ) -> list[dict[str, Any]]:
        """One entry for each token whose profile is known; none known is `[]`."""
        if not tokens:
            raise BadRequest("the query needs token=<personalization token>")
        if len(tokens) > MOST_TOKENS:
            raise BadRequest(f"{len(tokens)} tokens in one request; at most {MOST_TOKENS}")
        asked = [self._resolve(position, token, keys, origin) for position, token in enumerate(tokens)]
        now = self.clock.now()
        keys_asked: dict[str, tuple[str, ...]] = {identifier: () for *_, identifier in asked}
        found = self.find(keys_asked, strength(self.rule_sets.all()), now, thorough=False)
        families = {identifier: family for family in found for identifier in family.asked}
        answer = []
        for published, token, value, identifier in asked:
            family = families[identifier]
            profile = family.together(now)
            if profile.exists:
                name = family.key.partition("#")[2]
                answer.append(self._entry(published, token, value, name, profile, now))
        return answer

    def _resolve(
        self, position: int, text: str, keys: Mapping[str, str], origin: str | None
    ) -> tuple[Published, Token, str, str]:
        for published in self.rule_sets.all().values():
            token = holder(published.access.tokens, text)
            if token is None:
                continue
            if not origin_allowed(token.origins, origin):
                raise Forbidden(
                    f"token {position + 1} may not be used from this origin; add it to the token's origins"
                )
            value = keys.get(token.key_column)
            if not value:
                raise BadRequest(f"token {position + 1} needs key.{token.key_column}=<value> in the query")
            name = published.audience.key_name(token.key_column, value)
            return published, token, value, profile_id(published.audience.id, name)
        raise Unauthorized(f"token {position + 1} is unknown")

    def _entry(
        self, published: Published, token: Token, value: str, name: str, profile: Profile, now: int
    ) -> dict[str, Any]:
        batch = profile.batch
        members = set(batch.segments) if batch else set()
        members |= self._realtime(published, name, profile, now)
        attributes = batch.attributes if batch else {}
        exposed = [name for name in token.attributes if name in published.audience.public()]
        return {
            "values": sorted(members & token.segments),
            "attributes": {name: attributes[name] for name in exposed if attributes.get(name) is not None},
            "key": {token.key_column: value},
            "audienceId": published.audience.id,
        }

    def _realtime(self, published: Published, name: str, profile: Profile, now: int) -> set[str]:
        run = profile.batch.run if profile.batch else ""
        kept = profile.realtime.members_at(now, published.version, run) if profile.realtime else None
        if kept is not None:
            return kept
        # New rules, a new batch run, or no event yet: what was computed is of another time.
        return set(self.programs.outcome(published, name, profile, (), now).visitor.members)
