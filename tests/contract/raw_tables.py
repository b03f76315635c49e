"""Audience documents over raw tables that a workshop makes."""

import datetime as dt
import hashlib
from typing import Any

NOW = 1_704_085_200  # 2024-01-01T05:00:00Z
EMAIL = {
    "name": "email",
    "table": "mails",
    "key": "id",
    "column": "address",
    "latest": "seen",
    "normalize": "email",
}
COOKIE = {"name": "td_client_id", "table": "devices", "key": "id", "column": "cookie"}
SALES = {
    "table": "sales",
    "key": "id",
    "time": "at",
    "id": ["nr"],
    "columns": {"amount": {"type": "number"}, "note": {"type": "string", "visibility": "pii"}},
}


def audience(**changes: Any) -> dict[str, Any]:
    return {
        "id": "shop",
        "name": "Shop",
        "database": "shop",
        "time_zone": "UTC",
        "master": {"table": "people", "key": "id"},
        "identities": ["id"],
        "attributes": [],
        "behaviors": {},
        **changes,
    }


def facts(**changes: Any) -> dict[str, Any]:
    return {"table": "facts", "key": "id", "columns": {"city": {"type": "string"}}, **changes}


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
