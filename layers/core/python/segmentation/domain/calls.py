"""Segment-compatible calls as records of behaviors, as an audience's document maps them.

    "calls": {
      "user_id": "customer_id",                  the identity that userId is
      "anonymous_id": "td_client_id",            the identity that anonymousId is
      "events": {"Order Completed": {"behavior": "purchases", "each": "products"}},
      "track": {"behavior": "actions"},          every other event
      "page": {"behavior": "pageviews", "columns": {"campaign": "context.campaign.name"}},
      "identify": {"behavior": "traits"}
    }

A record has a call's properties (or traits) by their names, the columns that are mapped by a path, and of what every
call says as much as its behavior declares columns for: `event`, `name`, `category`, `group_id`, `url`, `path`, `title`,
`referrer`, `search`, `ip`, `user_agent`. A kind of call that is not mapped is accepted and not kept.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation.language.problems import did_you_mean, step
from segmentation.language.values import parse_time

from .checking import Node
from .errors import BadRequest, TooLarge
from .privacy import PREFERENCES

KINDS = ("track", "page", "screen", "identify", "group", "alias")
SHORT = {"t": "track", "p": "page", "s": "screen", "i": "identify", "g": "group", "a": "alias"}
MOST_EACH = 100
"""Records of one call."""
LEAST_SKEW = 2
"""Seconds by which a client's clock must be wrong before its times are corrected: less is the way here."""

_FILLED: Mapping[str, Sequence[str]] = {
    "event": ("event",),
    "name": ("name",),
    "category": ("category",),
    "group_id": ("groupId",),
    "url": ("context.page.url",),
    "path": ("context.page.path",),
    "title": ("context.page.title",),
    "referrer": ("context.page.referrer",),
    "search": ("context.page.search",),
    "ip": ("context.ip",),
    "user_agent": ("context.userAgent",),
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a kind of call goes. `each`: the property whose objects become one record each."""

    behavior: str
    columns: Mapping[str, str] = field(default_factory=dict)
    each: str | None = None


@dataclass(frozen=True, slots=True)
class Calls:
    """How an audience takes calls."""

    user_id: str | None
    anonymous_id: str | None
    kinds: Mapping[str, Target] = field(default_factory=dict)
    events: Mapping[str, Target] = field(default_factory=dict)

    def target(self, call: Mapping[str, Any]) -> Target | None:
        """Where a call goes, if anywhere."""
        kind = call.get("type")
        if kind == "track" and call.get("event") in self.events:
            return self.events[call["event"]]
        return self.kinds.get(str(kind))

    def records(
        self, call: Mapping[str, Any], target: Target, declared: Collection[str], identities: Collection[str]
    ) -> list[dict[str, Any]]:
        """A call as records of its behavior, without their time. `declared` are the behavior's columns."""
        kind = call["type"]
        said = call.get("traits" if kind in ("identify", "group") else "properties")
        # Some languages write an object without members as a list without any.
        if said is not None and said != [] and not isinstance(said, Mapping):
            raise BadRequest("'traits' and 'properties' must be objects")
        # Who it is says userId or anonymousId, not a property that happens to be called so.
        base = {name: value for name, value in (said or {}).items() if name not in identities}
        rows: list[Any] = [base]
        if target.each is not None:
            rows = base.pop(target.each, None) or []
            if not isinstance(rows, list) or not all(isinstance(one, Mapping) for one in rows):
                raise BadRequest(f"the property {target.each!r} must be a list of objects")
            if len(rows) > MOST_EACH:
                raise TooLarge(f"{len(rows)} of {target.each!r} in one call; at most {MOST_EACH}")
        common = self._common(call, declared)
        return [{**common, **base, **row, **_mapped(call, row, target), **self._who(call)} for row in rows]

    def _common(self, call: Mapping[str, Any], declared: Collection[str]) -> dict[str, Any]:
        common = {
            column: value
            for column, paths in _FILLED.items()
            if column in declared
            for path in paths
            if (value := at_path(call, path)) is not None
        }
        preferences = at_path(call, "context.consent.categoryPreferences")
        return common if preferences is None else {**common, PREFERENCES: preferences}

    def _who(self, call: Mapping[str, Any]) -> dict[str, Any]:
        anonymous = call.get("anonymousId")
        if call["type"] == "alias":  # from what was known before: an anonymous id, in nearly all cases
            anonymous = call.get("previousId") or anonymous
        who: dict[str, Any] = {}
        if self.user_id is not None and call.get("userId") not in (None, ""):
            who[self.user_id] = call["userId"]
        if self.anonymous_id is not None and anonymous not in (None, ""):
            who[self.anonymous_id] = anonymous
        return who


def _mapped(call: Mapping[str, Any], row: Mapping[str, Any], target: Target) -> dict[str, Any]:
    found = {}
    for column, path in target.columns.items():
        value = at_path(row, path.removeprefix("each.")) if path.startswith("each.") else at_path(call, path)
        if value is not None:
            found[column] = value
    return found


def at_path(value: object, path: str) -> Any:
    """The member of nested objects that a path such as `context.page.url` names, if it is there."""
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def time_of(call: Mapping[str, Any], sent: object, now: int) -> int:
    """When a call happened: its own time, put right by how far the client's clock was off when it sent."""
    time = parse_time(call.get("timestamp") or call.get("originalTimestamp"))
    if time is None:
        return now
    sent_at = parse_time(call.get("sentAt") or sent)
    skew = 0 if sent_at is None else now - sent_at
    return max(0, time + skew) if abs(skew) >= LEAST_SKEW else time


def parse_calls(root: Node, behaviors: Collection[str], identities: Collection[str]) -> Calls | None:
    """The member `calls` of an audience document; problems are noted in its findings."""
    if "calls" not in root.value:
        return None
    node = root.child("calls")
    if node is None:
        return None
    node.only("user_id", "anonymous_id", "events", *KINDS)
    names = {}
    for name in ("user_id", "anonymous_id"):
        names[name] = node.text(name) if name in node.value else None
        if names[name] and names[name] not in identities:
            known = did_you_mean(str(names[name]), identities)
            node.found.add(
                node.at(name), "unknown-identity", f"{names[name]!r} is no identity of the audience{known}"
            )
    if not any(names.values()):
        node.found.add(node.pointer, "calls", "name the identity of 'user_id' or of 'anonymous_id'")
    kinds = {}
    for kind in KINDS:
        if kind in node.value and (one := node.child(kind)) is not None:
            kinds[kind] = _target(one, behaviors)
    events = {name: _target(one, behaviors) for name, one in node.entries("events")}
    return Calls(names["user_id"], names["anonymous_id"], kinds, events)


def _target(node: Node, behaviors: Collection[str]) -> Target:
    node.only("behavior", "columns", "each")
    behavior = node.text("behavior")
    if behavior and behavior not in behaviors:
        message = f"unknown behavior {behavior!r}{did_you_mean(behavior, behaviors)}"
        node.found.add(node.at("behavior"), "unknown-behavior", message)
    columns = node.value.get("columns", {})
    if not isinstance(columns, Mapping) or not all(isinstance(one, str) and one for one in columns.values()):
        node.found.add(node.at("columns"), "type", "'columns' must be an object of columns and paths")
        columns = {}
    each = node.text("each") if "each" in node.value else None
    for column, path in columns.items():
        if path.startswith("each.") and each is None:
            message = "a path that begins with 'each.' needs 'each', the property that holds the objects"
            node.found.add(step(node.at("columns"), column), "path", message)
    return Target(behavior, dict(columns), each)
