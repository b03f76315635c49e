"""Requests to erase people, as they are written down; and the audience that one names."""

import json
from collections.abc import Iterator

from segmentation.domain.erasure import Erasure, request_path, requests_folder
from segmentation.domain.errors import NotFound
from segmentation.domain.published import Published
from segmentation.ports import Lake, RuleSets

from .kept_documents import read_json
from .published_rules import published_one


def audience_of(rule_sets: RuleSets, audience: str, column: str | None) -> Published:
    """The rule set of an audience with that identity column, if one is named; `NotFound` says what is unknown."""
    published = published_one(rule_sets, audience)
    if column is not None and column not in published.audience.identities:
        known = ", ".join(published.audience.identities)
        raise NotFound(f"{column!r} is no identity of audience {audience!r}; its identities are {known}")
    return published


def keep(lake: Lake, request: Erasure, *, new: bool = False) -> bool:
    """Write a request down."""
    data = json.dumps(request.to_document()).encode()
    return lake.put(request_path(request.audience, request.id), data, expected="" if new else None)


def requests_of(lake: Lake, audience: str) -> Iterator[Erasure]:
    """Those of an audience, also the ones that are done or lifted."""
    for path in lake.list(requests_folder(audience)):
        document = read_json(lake, path)
        if document is not None:  # else it was forgotten meanwhile
            yield Erasure.from_document(document)
