"""Answer a website, generation 1: which exposed segments and attributes a profile has, now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segmentation.domain.access import MOST_TOKENS, Token
from segmentation.domain.errors import BadRequest, Unauthorized
from segmentation.domain.published import Published
from segmentation.ports import Clock

from .read_profiles import ReadProfiles
from .tokens import Tokens


@dataclass(frozen=True, slots=True)
class Personalize:
    """The lookup of the browser SDK."""

    tokens: Tokens
    read: ReadProfiles
    clock: Clock

    def __call__(
        self, tokens: Sequence[str], keys: Mapping[str, str], origin: str | None = None
    ) -> list[dict[str, Any]]:
        """One entry for each token whose profile is known; none known is `[]`. `keys`: values and signatures by column."""
        if not tokens:
            raise BadRequest("the query needs token=<personalization token>")
        if len(tokens) > MOST_TOKENS:
            raise BadRequest(f"{len(tokens)} tokens in one request; at most {MOST_TOKENS}")
        now = self.clock.now()
        asked = [self._resolve(place, text, keys, origin, now) for place, text in enumerate(tokens, 1)]
        names = [
            (published, published.audience.key_name(column, value)) for published, _, column, value in asked
        ]
        readings = self.read(names, now)
        return [
            {
                "values": sorted(reading.members & token.segments),
                "attributes": reading.shown(published, token.attributes),
                "key": {column: value},
                "audienceId": published.audience.id,
            }
            for (published, token, column, value), reading in zip(asked, readings, strict=True)
            if reading.exists
        ]

    def _resolve(
        self, place: int, text: str, keys: Mapping[str, str], origin: str | None, now: int
    ) -> tuple[Published, Token, str, str]:
        found = self.tokens.find(text)
        if found is None:
            raise Unauthorized(f"token {place} is unknown")
        published, token = found
        self.tokens.admit(published, token, origin, now, f"token {place}")
        key = self.tokens.key(published, token, keys, now)
        if key is None:
            wanted = " or ".join(f"key.{column}=<value>" for column in token.key_columns)
            raise BadRequest(f"token {place} needs {wanted} in the query")
        return published, token, *key
