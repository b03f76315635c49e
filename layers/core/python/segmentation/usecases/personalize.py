"""Answer a website: which exposed segments and attributes a profile has, now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segmentation.domain.access import MOST_TOKENS, Token, holder, origin_allowed
from segmentation.domain.errors import BadRequest, Forbidden, Unauthorized
from segmentation.domain.profile import Profile, profile_id, profile_name
from segmentation.domain.programs import Programs
from segmentation.domain.published import Published
from segmentation.ports import Clock, Profiles, RuleSets


@dataclass(frozen=True, slots=True)
class Personalize:
    """The lookup of generation 1. Stale memberships are brought up to date in memory; nothing is written."""

    profiles: Profiles
    rule_sets: RuleSets
    programs: Programs
    clock: Clock

    def __call__(
        self, tokens: Sequence[str], keys: Mapping[str, str], origin: str | None = None
    ) -> list[dict[str, Any]]:
        """One entry for each token whose profile is known; none known is `[]`."""
        if not tokens:
            raise BadRequest("the query needs token=<personalization token>")
        if len(tokens) > MOST_TOKENS:
            raise BadRequest(f"{len(tokens)} tokens in one request; at most {MOST_TOKENS}")
        asked = [self._resolve(position, token, keys, origin) for position, token in enumerate(tokens)]
        profiles = self.profiles.read({identifier for *_, identifier in asked})
        now = self.clock.now()
        answer = []
        for published, token, value, identifier in asked:
            profile = profiles.get(identifier, Profile())
            if profile.exists:
                answer.append(self._entry(published, token, value, profile, now))
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
        self, published: Published, token: Token, value: str, profile: Profile, now: int
    ) -> dict[str, Any]:
        batch = profile.batch
        members = set(batch.segments) if batch else set()
        members |= self._realtime(published, profile_name(token.key_column, value), profile, now)
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
