"""Records of the event stream, as its readers get them."""

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import BadRecord
from .event import Event
from .published import Published


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A record and its place on the stream."""

    sequence: str
    data: bytes

    def event(self, sets: Mapping[str, Published]) -> tuple[Event, Published]:
        """The event and the rule set that it belongs to; `BadRecord` says why there is none.

        A bad record is reported alone. The stream delivers from it on again (what was done is done again, to
        no effect), halves the batch, and in the end puts the record whole where it can be replayed.
        """
        event = Event.from_json(self.data)
        published = sets.get(event.audience)
        if published is None or event.behavior not in published.audience.behaviors:
            raise BadRecord(f"no audience {event.audience!r} with a behavior {event.behavior!r}")
        return event, published
