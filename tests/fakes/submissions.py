"""Requests of sites that send events, and what came of them."""

import json
from collections.abc import Sequence
from typing import Any

from segmentation.usecases.collect_events import Receipt, Submission

RECORD = {"person_id": 5, "time": 1_699_999_000, "basket": 1, "item": 2, "amount": "much", "other": [1]}


def count(receipts: Sequence[Receipt]) -> int:
    """How many were kept; none of them has a problem."""
    assert not any(one.problem for one in receipts)
    return sum(one.event is not None for one in receipts)


def submission(body: Any, **changes: Any) -> Submission:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given: dict[str, Any] = {
        "database": "shop_db",
        "table": "purchases",
        "body": data,
        "authorization": "TD1 write-key",
    }
    return Submission(**{**given, **changes})
