"""Answers in pages, as Athena's API gives them."""

from __future__ import annotations

from typing import Any

from infra.local.athena.errors import RequestRefused

JSON = dict[str, Any]


def page(name: str, items: Any, body: JSON, most: int) -> JSON:
    size = min(int(body.get("MaxResults") or most), most)
    token = body.get("NextToken") or "0"
    if not token.isdigit():
        raise RequestRefused("Invalid NextToken")
    start = int(token)
    page: JSON = {name: list(items[start : start + size])}
    if start + size < len(items):
        page["NextToken"] = str(start + size)
    return page
