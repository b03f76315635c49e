"""Whose a personalization token is, and of whom it may read."""

from collections.abc import Mapping
from dataclasses import dataclass

from segmentation.domain.access import Token, Use, holder, origin_allowed
from segmentation.domain.batch_room import LONGEST_KEY
from segmentation.domain.errors import BadRequest, Forbidden, TooMany
from segmentation.domain.published import Published
from segmentation.domain.signing import SUFFIX, is_signed
from segmentation.ports import Limits, RuleSets, SigningSecrets


@dataclass(frozen=True, slots=True)
class Tokens:
    """Looks tokens up. A message never repeats a token or a key's value."""

    rule_sets: RuleSets
    limits: Limits
    secrets: SigningSecrets

    def find(self, text: str) -> tuple[Published, Token] | None:
        """The audience and the token; every audience is looked at, so that time tells nothing."""
        found = None
        for published in self.rule_sets.all().values():
            token = holder(published.access.tokens, text)
            if token is not None:
                found = published, token
        return found

    def admit(
        self, published: Published, token: Token, origin: str | None, now: int, named: str = "this token"
    ) -> None:
        """Let a request in, or say why not."""
        if token.use is Use.SERVER and origin is not None:
            raise Forbidden(f"{named} is a secret of a server; a web page must have a public one")
        if not origin_allowed(token.origins, origin):
            raise Forbidden(f"{named} may not be used from this origin; add it to the token's origins")
        if token.per_minute is not None:
            name = f"{published.audience.id}/tokens/{token.id}"
            if wait := self.limits.take(name, token.per_minute, now):
                raise TooMany(f"{named} may be asked {token.per_minute} times a minute", wait)

    def key(
        self, published: Published, token: Token, said: Mapping[str, object], now: int
    ) -> tuple[str, str] | None:
        """The column and value of whom a request is about: the token's first column that is given, and signed if need be.

        Nothing if none is given; `Forbidden` if one is, but not so that this token may read by it.
        """
        unsigned = None
        for column in token.key_columns:
            value = said.get(column)
            if value is None or value == "" or isinstance(value, bool) or not isinstance(value, str | int):
                continue
            text = str(value)
            if len(text) > LONGEST_KEY:
                raise BadRequest(f"{column!r} has more than {LONGEST_KEY} characters")
            if column not in token.signed or self._is_signed(published, column, text, said, now):
                return column, text
            unsigned = unsigned or column
        if unsigned is not None:
            raise Forbidden(
                f"{unsigned!r} can be guessed, so a public token reads by it with a signature only: "
                f"send one that is valid now as '{unsigned}{SUFFIX}'"
            )
        return None

    def _is_signed(
        self, published: Published, column: str, value: str, said: Mapping[str, object], now: int
    ) -> bool:
        if not said.get(column + SUFFIX):
            return False
        return is_signed(self.secrets.signing(), published.audience.id, column, value, said, now)
