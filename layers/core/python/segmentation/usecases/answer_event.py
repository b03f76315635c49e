"""Answer a website, generation 2: take an event in and say, with it counted, what to show."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.access import Token, Use, origin_allowed
from segmentation.domain.bodies import read_json, records_of
from segmentation.domain.errors import BadRequest, Forbidden, TooLarge
from segmentation.domain.event import Event
from segmentation.domain.offers import Entry, Section, entry_of
from segmentation.domain.published import Published

from .collect_events import MOST_REQUEST_BYTES, CollectEvents, Receipt, Submission
from .read_profiles import Reading, ReadProfiles
from .tokens import Tokens

NO_TOKEN = 3000
UNKNOWN_TOKEN = 3001
BAD_FORMAT = 3003
INVALID_EVENT = 3004
BAD_ORIGIN = 3007


class Refused(BadRequest):
    """A request of generation 2 that is refused; `code` is the number that its clients know."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class AnswerEvent:
    """The personalization endpoint. The event goes to the stream as any other, under the id that it was counted by here."""

    collect: CollectEvents
    tokens: Tokens
    read: ReadProfiles
    _entries: dict[tuple[str, str], dict[tuple[str, str], Entry]] = field(default_factory=dict)

    def __call__(self, request: Submission, token_text: str | None, *, public: bool) -> dict[str, Any]:
        """The sections that the visitor gets. `public`: the request came in by the browsers' path."""
        if not token_text:
            raise Refused(NO_TOKEN, "send the personalization token as the header 'WP13n-Token'")
        found = self.tokens.find(token_text)
        if found is None:
            raise Refused(UNKNOWN_TOKEN, "unknown personalization token")
        token = found[1]
        self._check_origin(token, request.origin, public)
        published, behavior, key, now = self.collect.admit(request)
        if published.audience.id != found[0].audience.id:
            raise Refused(UNKNOWN_TOKEN, "the personalization token is of another audience than the table")
        self.tokens.admit(published, token, request.origin, now)
        record = self._record(request)
        receipt = Receipt(unkept="empty")
        if record:
            receipt = self.collect.door.receive(published, key, behavior, record, request.sender, now)
        if receipt.problem is not None:
            raise Refused(INVALID_EVENT, str(receipt.problem))
        # An event that is not kept is not evaluated either. Kept last: who is told of an error may send it again.
        event = receipt.event
        reading = self._read(published, token, record if event else {}, event, now)
        self.collect.door.keep([receipt])
        return {"offers": self._offers(published, token, reading, now)}

    def _check_origin(self, token: Token, origin: str | None, public: bool) -> None:
        if public and origin is None:
            raise Refused(BAD_ORIGIN, "a request by /public comes from a web page and has an Origin")
        if public and token.use is Use.SERVER:
            raise Refused(BAD_ORIGIN, "this token is a secret of a server; a web page must have a public one")
        if not origin_allowed(token.origins, origin):
            raise Refused(
                BAD_ORIGIN, "this token may not be used from this origin; add it to the token's origins"
            )

    def _record(self, request: Submission) -> Mapping[str, Any]:
        try:
            records = records_of(
                read_json(request.body or b"{}", request.encoding, MOST_REQUEST_BYTES),
                1,
                request.content_type,
            )
        except TooLarge as error:
            raise Refused(INVALID_EVENT, f"send one event: {error}") from error
        except BadRequest as error:
            raise Refused(BAD_FORMAT, str(error)) from error
        return records[0] if records else {}

    def _read(
        self,
        published: Published,
        token: Token,
        record: Mapping[str, Any],
        event: Event | None,
        now: int,
    ) -> Reading:
        """The profile that the token may read by what the event carries; nobody's, where there is no such key."""
        try:
            key = self.tokens.key(published, token, record, now)
        except Forbidden:
            key = None
        if key is None:
            return Reading(exists=False, key="")
        name = published.audience.key_name(*key)
        (reading,) = self.read([(published, name)], now, [event] if event is not None else [])
        return reading

    def _offers(self, published: Published, token: Token, reading: Reading, now: int) -> dict[str, Any]:
        entries = self._compiled(published)
        return {
            section.name: _shown(published, section, reading)
            for section in token.sections
            if entries[token.id, section.name](reading.key, reading.attributes, reading.members, now)
        }

    def _compiled(self, published: Published) -> dict[tuple[str, str], Entry]:
        """The criteria of all tokens, compiled once a rule set."""
        version = published.audience.id, published.version
        if version not in self._entries:
            for old in [one for one in self._entries if one[0] == published.audience.id]:
                del self._entries[old]
            self._entries[version] = {
                (token.id, section.name): entry_of(section, published.audience)
                for token in published.access.tokens
                for section in token.sections
            }
        return self._entries[version]


def _shown(published: Published, section: Section, reading: Reading) -> dict[str, Any]:
    attributes = reading.shown(published, section.attributes)
    for name, text in section.texts.items():
        filled = text.fill(reading.shown(published, sorted(text.attributes)))
        if filled is not None:
            attributes[name] = filled
    inside = reading.members & section.segments
    realtime = {one for one in inside if published.kinds.get(one) == "realtime"}
    return {
        "attributes": attributes,
        "batch_segments": _listed(inside - realtime),
        "realtime_segments": _listed(realtime),
    }


def _listed(segments: Collection[str]) -> list[dict[str, str]]:
    return [{"id": one} for one in sorted(segments)]


def error_document(status: int, message: str, error: Exception) -> dict[str, Any]:
    """An error as these clients read it."""
    code = error.code if isinstance(error, Refused) else status
    return {"code": code, "message": message}
