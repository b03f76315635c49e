"""A small audience with everything that the tests need."""

import copy
import hashlib
from typing import Any

from segmentation.domain.published import Published, document_of, parse_published


def sha(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


AUDIENCE: dict[str, Any] = {
    "id": "shop",
    "name": "Shop",
    "database": "shop_db",
    "time_zone": "America/New_York",
    "master": {"table": "people", "key": "person_id"},
    "identities": ["person_id", "td_client_id"],
    "attributes": [
        {
            "table": "facts",
            "key": "person_id",
            "columns": {
                "country": {"type": "string"},
                "age": {"type": "number"},
                "income": {"type": "string", "visibility": "pii"},
                "born": {"type": "date"},
                "tags": {"type": "strings"},
                "iban": {"type": "string", "visibility": "blocked"},
            },
        }
    ],
    "behaviors": {
        "purchases": {
            "table": "sales",
            "key": "person_id",
            "time": "sold_at",
            "time_zone": "UTC",
            "id": ["basket", "item"],
            "lookups": [{"table": "items", "key": "item"}],
            "columns": {
                "amount": {"type": "number"},
                "item": {"type": "string"},
                "department": {"type": "string", "from": "items"},
            },
        },
        "mailings": {
            "table": "mail",
            "key": "person_id",
            "time": "sent_on",
            "columns": {"name": {"type": "string"}},
        },
    },
}

RAW: dict[str, dict[str, str]] = {
    "people": {"person_id": "bigint"},
    "facts": {
        "person_id": "bigint",
        "country": "string",
        "age": "double",
        "income": "string",
        "born": "date",
        "tags": "array<string>",
        "iban": "string",
    },
    "sales": {
        "person_id": "bigint",
        "sold_at": "timestamp",
        "basket": "bigint",
        "item": "bigint",
        "amount": "double",
    },
    "items": {"item": "bigint", "department": "string"},
    "mail": {"person_id": "bigint", "sent_on": "date", "name": "string"},
}
"""The raw tables, as the catalog knows them."""

SEGMENTS: list[dict[str, Any]] = [
    {
        "id": "adults",
        "name": "Adults",
        "audience": "shop",
        "kind": "batch",
        "rule": {">=": [{"var": "attributes.age"}, 18]},
    },
    {
        "id": "buyers",
        "name": "Buyers",
        "audience": "shop",
        "kind": "batch",
        "rule": {">": [{"count": [{"var": "behaviors.purchases"}]}, 0]},
    },
    {
        "id": "buying-now",
        "name": "Buying now",
        "audience": "shop",
        "kind": "realtime",
        "rule": {">=": [{"count": [{"within": [{"var": "behaviors.purchases"}, "1h"]}]}, 1]},
    },
    {
        "id": "germans-buying",
        "name": "Germans buying",
        "audience": "shop",
        "kind": "realtime",
        "rule": {
            "and": [
                {"==": [{"var": "attributes.country"}, "DE"]},
                {"in": ["buying-now", {"var": "segments"}]},
            ]
        },
    },
    {
        "id": "adults-buying",
        "name": "Adults buying",
        "audience": "shop",
        "kind": "realtime",
        "rule": {
            "and": [
                {"in": ["adults", {"var": "segments"}]},
                {">=": [{"count": [{"within": [{"var": "behaviors.purchases"}, "1h"]}]}, 2]},
            ]
        },
    },
]

ACCESS: dict[str, Any] = {
    "write_keys": [
        {"id": "site", "sha256": sha("write-key"), "origins": ["*"]},
        {"id": "own-site", "sha256": sha("own-write-key"), "origins": ["https://shop.example"]},
    ],
    "tokens": [
        {
            "id": "web",
            "sha256": sha("site-token"),
            "key_column": "person_id",
            "lookup": "open",
            "segments": ["adults", "buying-now", "germans-buying"],
            "attributes": ["country"],
            "origins": ["*"],
        },
        {
            "id": "own",
            "sha256": sha("own-token"),
            "key_column": "person_id",
            "lookup": "open",
            "segments": ["buyers"],
            "attributes": ["age"],
            "origins": ["https://shop.example"],
        },
    ],
    "partners": [{"id": "ads", "sha256": sha("partner-token"), "segments": ["adults", "buying-now"]}],
}

DESTINATIONS: list[dict[str, Any]] = [
    {
        "id": "hook",
        "type": "webhook",
        "audience": "shop",
        "segments": ["adults", "buying-now"],
        "url": "https://hooks.example/in",
    }
]


def documents() -> dict[str, Any]:
    """A copy of everything, to be changed by a test."""
    return copy.deepcopy(document_of(AUDIENCE, SEGMENTS, ACCESS, DESTINATIONS, "2024-01-01T00:00:00Z"))


def published(**changes: Any) -> Published:
    """The checked set."""
    return parse_published({**documents(), **changes})
