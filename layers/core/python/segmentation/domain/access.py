"""Who may write events, read memberships and fetch members; and where changes are delivered."""

import hashlib
import hmac
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import SplitResult, urlsplit

from segmentation.language.problems import Problem, did_you_mean, step

from .audience import Audience, Visibility
from .checking import Findings, Node

MOST_TOKENS = 5
"""Personalization tokens in one request."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ORIGIN = re.compile(r"\*|https?://[^/\s]+")


@dataclass(frozen=True, slots=True)
class WriteKey:
    """May write events; public, since it stands in a web page."""

    id: str
    sha256: str
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """May read these segments and attributes of one profile by its key; public, as a write key is."""

    id: str
    sha256: str
    key_column: str
    segments: frozenset[str]
    attributes: tuple[str, ...]
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Partner:
    """May fetch members and changes of these segments; its token is a secret."""

    id: str
    sha256: str
    segments: frozenset[str]


@dataclass(frozen=True, slots=True)
class Access:
    """All that was given out for one audience."""

    write_keys: tuple[WriteKey, ...] = ()
    tokens: tuple[Token, ...] = ()
    partners: tuple[Partner, ...] = ()


@dataclass(frozen=True, slots=True)
class Destination:
    """Where joiners and leavers of some segments are delivered."""

    id: str
    type: str
    audience: str
    segments: frozenset[str]
    url: str


class Hashed(Protocol):
    """Something that is known by the hash of a key only."""

    @property
    def sha256(self) -> str:
        """The key's SHA-256 in hexadecimal."""
        ...


H = TypeVar("H", bound=Hashed)


def holder(known: Iterable[H], key: str) -> H | None:
    """The one of `known` that `key` belongs to; takes the same time wherever it stands."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    result = None
    for one in known:
        if hmac.compare_digest(one.sha256, digest):
            result = one
    return result


def origin_allowed(origins: Collection[str], origin: str | None) -> bool:
    """Whether a browser on `origin` may use the key; a caller without an origin is no browser."""
    return origin is None or not origins or "*" in origins or origin in origins


def parse_access(document: object, audience: Audience, segments: Collection[str]) -> Access:
    """Check an access document against its audience; `RuleError` lists all of its problems."""
    found = Findings()
    root = Node.of(document, "", found, "an access document")
    access = Access() if root is None else _access(root, audience, segments)
    found.raise_if_any()
    return access


def _access(root: Node, audience: Audience, segments: Collection[str]) -> Access:
    root.only("audience", "write_keys", "tokens", "partners")
    keys, tokens, partners = [], [], []
    for node in root.children("write_keys"):
        node.only("id", "sha256", "origins", "description")
        keys.append(WriteKey(node.text("id"), _digest(node), _origins(node)))
    for node in root.children("tokens"):
        node.only("id", "sha256", "key_column", "segments", "attributes", "origins", "description")
        column = node.text("key_column")
        if column and column not in audience.identities:
            known = did_you_mean(column, audience.identities)
            node.found.add(
                node.at("key_column"), "unknown-identity", f"{column!r} is no identity of the audience{known}"
            )
        tokens.append(
            Token(
                node.text("id"),
                _digest(node),
                column,
                _segments(node, segments),
                _attributes(node, audience),
                _origins(node),
            )
        )
    for node in root.children("partners"):
        node.only("id", "sha256", "segments", "description")
        partners.append(Partner(node.text("id"), _digest(node), _segments(node, segments)))
    for name in ("write_keys", "tokens", "partners"):
        _unique(root, name)
    return Access(tuple(keys), tuple(tokens), tuple(partners))


def parse_destinations(
    documents: object, audience: Audience, segments: Collection[str]
) -> tuple[Destination, ...]:
    """Check the destinations of an audience; `RuleError` lists all of their problems."""
    found = Findings()
    root = Node({"destinations": documents}, "", found)
    destinations = []
    for node in root.children("destinations"):
        node.only("id", "type", "audience", "segments", "url", "description")
        if node.text("audience") not in ("", audience.id):
            node.found.add(
                node.at("audience"), "audience", f"this rule set is of the audience {audience.id!r}"
            )
        url = node.text("url")
        parts = _split(url)
        if url and (
            parts is None or parts.scheme not in ("https", "http") or not parts.hostname or parts.username
        ):
            node.found.add(node.at("url"), "url", "must be an https:// address with a host and no user in it")
        destinations.append(
            Destination(
                node.text("id"),
                node.one_of("type", {"webhook"}, "webhook"),
                audience.id,
                _segments(node, segments),
                url,
            )
        )
    _unique(root, "destinations")
    # The pointers were made under a root of our own: /destinations/0 -> /0.
    found.problems[:] = [
        Problem(problem.pointer.removeprefix("/destinations"), problem.code, problem.message)
        for problem in found.problems
    ]
    found.raise_if_any()
    return tuple(destinations)


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _unique(root: Node, name: str) -> None:
    for field in ("id", "sha256"):
        seen: set[str] = set()
        for node in root.children(name):
            value = node.value.get(field)
            if isinstance(value, str) and value in seen:
                node.found.add(node.at(field), "duplicate", f"another of {name!r} has this {field}")
            elif isinstance(value, str):
                seen.add(value)


def _digest(node: Node) -> str:
    value = node.text("sha256")
    if value and not _SHA256.fullmatch(value):
        node.found.add(
            node.at("sha256"), "sha256", "must be the key's SHA-256: 64 lower-case hexadecimal digits"
        )
    return value


def _origins(node: Node) -> tuple[str, ...]:
    origins = node.texts("origins")
    for index, origin in enumerate(origins):
        if not _ORIGIN.fullmatch(origin):
            message = f"{origin!r} is no origin: '*', or scheme and host such as 'https://shop.example'"
            node.found.add(step(node.at("origins"), index), "origin", message)
    return origins


def _segments(node: Node, known: Collection[str]) -> frozenset[str]:
    segments = node.texts("segments")
    for index, segment in enumerate(segments):
        if segment not in known:
            message = f"unknown segment {segment!r}{did_you_mean(segment, known)}"
            node.found.add(step(node.at("segments"), index), "unknown-segment", message)
    return frozenset(segments)


def _attributes(node: Node, audience: Audience) -> tuple[str, ...]:
    attributes, public = node.texts("attributes"), audience.public()
    columns = {column.name: column for table in audience.attributes for column in table.columns}
    for index, name in enumerate(attributes):
        pointer = step(node.at("attributes"), index)
        if name not in columns:
            message = f"unknown attribute {name!r}{did_you_mean(name, public)}"
            node.found.add(pointer, "unknown-attribute", message)
        elif (visibility := columns[name].visibility) is not Visibility.CLEAR:
            message = f"attribute {name!r} is {visibility}; only clear ones may leave by a public route"
            node.found.add(pointer, "not-clear", message)
    return attributes
