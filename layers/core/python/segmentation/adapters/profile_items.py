"""Parts of profiles as items of DynamoDB."""

import json
from collections.abc import Iterable
from typing import Any

from segmentation.domain.membership import Change
from segmentation.domain.profile import BatchPart, RealtimePart, shard_of
from segmentation.domain.stored_membership import Numberings, StoredMembership, decode, encode

Item = dict[str, Any]


def _strings(values: Iterable[str]) -> Item:
    return {"L": [{"S": value} for value in values]}


def _texts(item: Item, name: str) -> tuple[str, ...]:
    return tuple(one["S"] for one in item[name]["L"]) if name in item else ()


def realtime_item(identifier: str, part: RealtimePart) -> Item:
    """The item of a real-time part."""
    membership = encode(part.members, part.changes)
    item: Item = {
        "profile": {"S": identifier},
        "part": {"S": "realtime"},
        "revision": {"N": str(part.revision)},
        "state": {"B": part.state},
        "members": {"B": membership.members},
        "computed": {"N": str(part.computed)},
        "rules": {"S": part.rules},
        "batch": {"S": part.batch},
        "expires": {"N": str(part.expires)},
    }
    if membership.numbering:
        item["numbering"] = {"S": membership.numbering}
    if membership.changes is not None:
        item["changes"] = {"B": membership.changes}
    if part.due is not None:
        item["due"] = {"N": str(part.due)}
    if part.untold:
        item["untold"] = {"BOOL": True}
    if part.quality:
        item["quality"] = _strings(part.quality)
    sweep_at = part.sweep_at
    if sweep_at is not None:
        item["due_shard"] = {"S": str(shard_of(identifier))}
        item["sweep_at"] = {"N": str(sweep_at)}
    if part.alias is not None:
        item["alias"] = {"S": part.alias}
    if part.aliases:
        item["aliases"] = {"M": {name: {"N": str(at)} for name, at in part.aliases.items()}}
    if part.erased:
        item["erased"] = {"N": str(part.erased)}
    return item


def realtime_of(item: Item, numberings: Numberings) -> RealtimePart:
    """The real-time part of an item."""
    if "L" in item["members"]:
        item = {**item, **_of_first_layout(item)}
    stored = StoredMembership(
        item["numbering"]["S"] if "numbering" in item else "",
        bytes(item["members"]["B"]),
        bytes(item["changes"]["B"]) if "changes" in item else None,
    )
    read = decode(stored, item["profile"]["S"].partition("#")[0], numberings)
    # What nobody can read any more is nobody's: the next evaluation computes it anew of the state.
    members, changes = read or ((), ())
    return RealtimePart(
        revision=int(item["revision"]["N"]),
        state=bytes(item["state"]["B"]),
        members=members,
        changes=changes,
        computed=int(item["computed"]["N"]),
        rules=item["rules"]["S"] if read else "",
        batch=item["batch"]["S"],
        due=int(item["due"]["N"]) if "due" in item else None,
        untold="untold" in item,
        quality=_texts(item, "quality"),
        expires=int(item["expires"]["N"]),
        alias=item["alias"]["S"] if "alias" in item else None,
        aliases={name: int(at["N"]) for name, at in item["aliases"]["M"].items()}
        if "aliases" in item
        else {},
        erased=int(item["erased"]["N"]) if "erased" in item else 0,
    )


def _of_first_layout(item: Item) -> Item:
    """Membership as it was stored at first: lists, and changes to be told in an outbox. It is computed anew at once."""
    outbox = json.loads(item["outbox"]["S"]) if "outbox" in item else ()
    changes = [Change(one["segment"], one["joined"], one["moment"], one["event"]) for one in outbox]
    stored = encode(tuple(one["S"] for one in item["members"]["L"]), changes)
    told = {"changes": {"B": stored.changes}, "untold": {"BOOL": True}}
    return {"members": {"B": stored.members}, "due": item["computed"], **(told if changes else {})}


def batch_item(identifier: str, part: BatchPart) -> Item:
    """The item of a batch part."""
    item: Item = {
        "profile": {"S": identifier},
        "part": {"S": "batch"},
        "run": {"S": part.run},
        "now": {"N": str(part.now)},
        # One text: a list of a thousand costs a reader more than all the rest of its request.
        "segments": {"S": " ".join(part.segments)},
        "attributes": {"M": {name: _encode(value) for name, value in part.attributes.items()}},
    }
    if part.identities:
        item["identities"] = _strings(part.identities)
    if part.unjoined:
        item["unjoined"] = _strings(part.unjoined)
    if part.owner is not None:
        item["owner"] = {"S": part.owner}
    return item


def batch_of(item: Item) -> BatchPart:
    """The batch part of an item."""
    return BatchPart(
        run=item["run"]["S"],
        now=int(item["now"]["N"]),
        segments=tuple(item["segments"]["S"].split()),
        attributes={name: _decode(value) for name, value in item["attributes"]["M"].items()},
        identities=_texts(item, "identities"),
        unjoined=_texts(item, "unjoined"),
        owner=item["owner"]["S"] if "owner" in item else None,
    )


def _encode(value: Any) -> Item:
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case float():
            # DynamoDB numbers have 38 digits but a narrower range than doubles; the rest is kept as text.
            inside = value == 0 or 1e-120 < abs(value) < 1e120
            return {"N": repr(value)} if inside else {"M": {"double": {"S": repr(value)}}}
        case list() | tuple():
            return {"L": [_encode(one) for one in value]}
    raise TypeError(f"an attribute of type {type(value).__name__} cannot be kept")


def _decode(value: Item) -> Any:
    ((kind, content),) = value.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return int(content) if content.lstrip("-").isdigit() else float(content)
        case "M":
            return float(content["double"]["S"])
        case "L":
            return [_decode(one) for one in content]
    return content
