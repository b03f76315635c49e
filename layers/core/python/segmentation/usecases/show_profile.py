"""Answer whoever has a token, plainly: a profile's exposed segments and attributes, and until when that stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segmentation.domain.errors import Forbidden, NotFound, Unauthorized
from segmentation.domain.signing import SUFFIX
from segmentation.ports import Clock

from .read_profiles import ReadProfiles
from .tokens import Tokens


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer, and for how many seconds a browser may keep it."""

    body: Mapping[str, Any]
    seconds: int


@dataclass(frozen=True, slots=True)
class ShowProfile:
    """The native read API."""

    tokens: Tokens
    read: ReadProfiles
    clock: Clock

    def __call__(
        self,
        token_text: str | None,
        column: str,
        value: str,
        part: str = "",
        segment: str = "",
        signature: str | None = None,
        origin: str | None = None,
    ) -> Shown:
        """What the token exposes of a profile: all, or its `segments` or `attributes`, or membership of one segment.

        A profile that nobody knows is in no segment: that is an answer, and says no more than any other.
        """
        found = self.tokens.find(token_text) if token_text else None
        if found is None:
            raise Unauthorized(
                "send a personalization token as 'Authorization: Bearer <token>' or token=<token>"
            )
        published, token = found
        now = self.clock.now()
        self.tokens.admit(published, token, origin, now)
        if column not in token.key_columns:
            raise Forbidden(f"this token reads by {' or '.join(token.key_columns)}, not by {column!r}")
        if segment and segment not in token.segments:
            raise NotFound(f"this token exposes no segment {segment!r}")
        key = self.tokens.key(published, token, {column: value, column + SUFFIX: signature}, now)
        if key is None:
            raise NotFound("the key's value is empty")
        (reading,) = self.read([(published, published.audience.key_name(*key))], now)
        segments = sorted(reading.members & token.segments)
        body: dict[str, Any] = {"audience": published.audience.id, "key": {column: value}}
        if segment:
            body |= {"segment": segment, "member": segment in segments}
        else:
            body |= {} if part == "attributes" else {"segments": segments}
            body |= {} if part == "segments" else {"attributes": reading.shown(published, token.attributes)}
        body |= {"now": now, "batch_now": reading.batch_run, "until": reading.until}
        if reading.quality and part != "attributes":
            body["quality"] = list(reading.quality)
        seconds = token.max_age if reading.until is None else min(token.max_age, reading.until - now)
        return Shown(body, max(0, seconds))
