"""Who may write events, read memberships and fetch members; and where changes are delivered.

Keys and tokens stand here as their SHA-256 only, up to two of each, so that a new one works before the old one goes.
"""

import hashlib
import hmac
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar
from urllib.parse import SplitResult, urlsplit

from segmentation.language.problems import Problem, did_you_mean, step

from .audience import Audience
from .checking import Findings, Node
from .identity import Normal
from .offers import Section, checked_attributes, checked_segments, parse_sections

MOST_TOKENS = 5
"""Personalization tokens in one request."""
MOST_SECRETS = 2
"""The one in use and the one that follows it, or that it follows."""
LONGEST_KEPT = 3_600
"""Seconds for which a token may let a browser keep an answer."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ORIGIN = re.compile(r"\*|https?://[^/\s]+")


class Use(StrEnum):
    """Where a token may stand. `public`: in a web page. `server`: nowhere but on a server; it is a secret."""

    PUBLIC = "public"
    SERVER = "server"


class Lookup(StrEnum):
    """Whose membership a public token reads by a guessable key, such as a customer number or an e-mail address.

    `signed`: of whoever comes with a signature of the key. `open`: of everybody whose key is guessed; for demos, and for
    keys that tell nothing.
    """

    SIGNED = "signed"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class WriteKey:
    """May write events; public, since it stands in a web page.

    `per_minute`: how many requests. `identities`: the identity columns that its events may carry unsigned; `None`: all.
    """

    id: str
    sha256: tuple[str, ...]
    origins: tuple[str, ...]
    per_minute: int | None = None
    identities: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """May read these segments, attributes and sections of one profile by one of its keys.

    `signed`: the key columns that need a signature beside the value. `max_age`: seconds for which a browser may keep an
    answer, if it does not change by itself sooner.
    """

    id: str
    sha256: tuple[str, ...]
    key_columns: tuple[str, ...]
    segments: frozenset[str]
    attributes: tuple[str, ...]
    origins: tuple[str, ...]
    use: Use = Use.PUBLIC
    signed: frozenset[str] = frozenset()
    per_minute: int | None = None
    max_age: int = 0
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True, slots=True)
class Partner:
    """May fetch members and changes of these segments; its token is a secret."""

    id: str
    sha256: tuple[str, ...]
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
    """Something that is known by the hashes of its keys only."""

    @property
    def sha256(self) -> tuple[str, ...]:
        """The keys' SHA-256 in hexadecimal."""
        ...


H = TypeVar("H", bound=Hashed)


def holder(known: Iterable[H], key: str) -> H | None:
    """The one of `known` that `key` belongs to; takes the same time wherever it stands."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    result = None
    for one in known:
        for known_digest in one.sha256:
            if hmac.compare_digest(known_digest, digest):
                result = one
    return result


def origin_allowed(origins: Collection[str], origin: str | None) -> bool:
    """Whether a browser on `origin` may use the key; a caller without an origin is no browser."""
    return origin is None or not origins or "*" in origins or origin in origins


def guessable(audience: Audience, column: str) -> bool:
    """Whether others can come by somebody's value of an identity: all but ids that only events carry, as cookies do."""
    identity = audience.keys.get(column)
    known = identity is not None and (
        identity.table is not None or identity.normal is Normal.EMAIL or identity.hashed
    )
    return known or column == audience.master_key


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
        node.only("id", "sha256", "origins", "description", "per_minute", "identities")
        identities = _identities(node, "identities", audience) if "identities" in node.value else None
        keys.append(
            WriteKey(
                node.text("id"),
                _digests(node),
                _origins(node),
                node.whole("per_minute", least=1),
                None if identities is None else frozenset(identities),
            )
        )
    for node in root.children("tokens"):
        tokens.append(_token(node, audience, segments))
    for node in root.children("partners"):
        node.only("id", "sha256", "segments", "description")
        partners.append(Partner(node.text("id"), _digests(node), checked_segments(node, segments)))
    for name in ("write_keys", "tokens", "partners"):
        _unique(root, name)
    return Access(tuple(keys), tuple(tokens), tuple(partners))


_TOKEN = (
    *("id", "sha256", "key_column", "key_columns", "segments", "attributes", "origins", "description"),
    *("use", "lookup", "per_minute", "max_age", "sections"),
)


def _token(node: Node, audience: Audience, segments: Collection[str]) -> Token:
    node.only(*_TOKEN)
    columns = _key_columns(node, audience)
    use = Use(node.one_of("use", set(Use), Use.PUBLIC))
    lookup = Lookup(node.one_of("lookup", set(Lookup), Lookup.SIGNED))
    needs_signature = use is Use.PUBLIC and lookup is Lookup.SIGNED
    return Token(
        id=node.text("id"),
        sha256=_digests(node),
        key_columns=columns,
        segments=checked_segments(node, segments),
        attributes=checked_attributes(node, audience),
        origins=_origins(node),
        use=use,
        signed=frozenset(one for one in columns if needs_signature and guessable(audience, one)),
        per_minute=node.whole("per_minute", least=1),
        max_age=node.whole("max_age", least=0, most=LONGEST_KEPT) or 0,
        sections=parse_sections(node, audience, segments),
    )


def _key_columns(node: Node, audience: Audience) -> tuple[str, ...]:
    if "key_columns" in node.value and "key_column" in node.value:
        node.found.add(node.at("key_column"), "field", "give 'key_column' or 'key_columns', not both")
    if "key_columns" in node.value:
        return _identities(node, "key_columns", audience, required=True)
    column = node.text("key_column")
    if column:
        _check_identity(node, node.at("key_column"), column, audience)
    return (column,)


def _identities(node: Node, name: str, audience: Audience, *, required: bool = False) -> tuple[str, ...]:
    columns = node.texts(name, required=required)
    for index, column in enumerate(columns):
        _check_identity(node, step(node.at(name), index), column, audience)
    return columns


def _check_identity(node: Node, pointer: str, column: str, audience: Audience) -> None:
    if column not in audience.identities:
        known = did_you_mean(column, audience.identities)
        node.found.add(pointer, "unknown-identity", f"{column!r} is no identity of the audience{known}")


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
                checked_segments(node, segments),
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
    ids: set[str] = set()
    digests: set[str] = set()
    for node in root.children(name):
        _stands_once(node, "id", [node.value.get("id")], ids, name)
        value = node.value.get("sha256")
        _stands_once(node, "sha256", value if isinstance(value, list) else [value], digests, name)


def _stands_once(node: Node, field: str, values: Iterable[object], seen: set[str], name: str) -> None:
    for value in values:
        if isinstance(value, str):
            if value in seen:
                node.found.add(node.at(field), "duplicate", f"another of {name!r} has this {field}")
            seen.add(value)


def _digests(node: Node) -> tuple[str, ...]:
    """One SHA-256, or two while a key is being replaced."""
    given = node.value.get("sha256")
    values = node.texts("sha256", required=True) if isinstance(given, list) else (node.text("sha256"),)
    if len(values) > MOST_SECRETS:
        node.found.add(
            node.at("sha256"), "sha256", f"at most {MOST_SECRETS} at a time: the one in use and its successor"
        )
    if any(value and not _SHA256.fullmatch(value) for value in values):
        node.found.add(
            node.at("sha256"), "sha256", "must be the key's SHA-256: 64 lower-case hexadecimal digits"
        )
    return values


def _origins(node: Node) -> tuple[str, ...]:
    origins = node.texts("origins")
    for index, origin in enumerate(origins):
        if not _ORIGIN.fullmatch(origin):
            message = f"{origin!r} is no origin: '*', or scheme and host such as 'https://shop.example'"
            node.found.add(step(node.at("origins"), index), "origin", message)
    return tuple(map(_as_browsers_write, origins))


def _as_browsers_write(origin: str) -> str:
    """An origin in lower case, without the port that goes without saying: what is compared with a header."""
    plain = origin.lower()
    return plain.removesuffix(":443" if plain.startswith("https:") else ":80")
