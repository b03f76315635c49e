"""Requests to erase people, as they are written down; and the audience that one names."""

import json

from segmentation.domain.erasure import Erasure, request_path
from segmentation.domain.errors import NotFound
from segmentation.domain.published import Published
from segmentation.ports import Lake, RuleSets


def audience_of(rule_sets: RuleSets, audience: str, column: str | None) -> Published:
    """The rule set of an audience with that identity column, if one is named; `NotFound` says what is unknown."""
    published = rule_sets.all().get(audience)
    if published is None:
        raise NotFound(f"no rule set of audience {audience!r} is published")
    if column is not None and column not in published.audience.identities:
        known = ", ".join(published.audience.identities)
        raise NotFound(f"{column!r} is no identity of audience {audience!r}; its identities are {known}")
    return published


def keep(lake: Lake, request: Erasure, *, new: bool = False) -> bool:
    """Write a request down."""
    data = json.dumps(request.to_document()).encode()
    return lake.put(request_path(request.audience, request.id), data, expected="" if new else None)
