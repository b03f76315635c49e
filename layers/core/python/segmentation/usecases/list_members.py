"""Give a partner the members of a batch segment, page by page, all of one run."""

import json
from dataclasses import dataclass
from typing import Any

from segmentation.domain.access import Partner, holder
from segmentation.domain.errors import Forbidden, Gone, NotFound, Unauthorized
from segmentation.domain.publication import page_at, page_count
from segmentation.domain.published import Published
from segmentation.domain.run import KINDS
from segmentation.domain.syndication import MembersCursor, contents_path, index_path, page_path
from segmentation.ports import Lake, RuleSets


@dataclass(frozen=True, slots=True)
class ListMembers:
    """Members of a segment."""

    lake: Lake
    rule_sets: RuleSets

    def __call__(
        self, bearer: str | None, audience: str, segment: str, cursor: str | None = None
    ) -> dict[str, Any]:
        """One page; `next` leads to the following one and is null on the last."""
        grant(self.rule_sets, bearer, audience, segment)
        return members_page(self.lake, audience, segment, cursor)


def members_page(lake: Lake, audience: str, segment: str, cursor: str | None = None) -> dict[str, Any]:
    """A page of the members of a segment: the first of the last published run, or the one that a cursor leads to."""
    at = MembersCursor.parse(cursor) if cursor else _first(lake, audience)
    stored = lake.get(contents_path(audience, at.run, segment))
    if stored is None:
        if cursor:
            raise Gone("this cursor's run is no longer kept; start again without a cursor")
        raise NotFound(f"segment {segment!r} was not in the last published run")
    contents = json.loads(stored.data)
    if contents["members"] is None:
        message = f"members of {segment!r} were not listed with run {at.run}: the audience is large, and no partner had it"
        raise NotFound(f"{message}; export them, or wait for the next run after giving it to a partner")
    members = page_of(lake, audience, at.run, segment, "members", contents["members"], at.page)
    more = at.page + 1 < page_count(contents["members"])
    following = str(MembersCursor(at.run, at.page + 1)) if more else None
    return {"run": at.run, "now": contents["now"], "members": members, "next": following}


def _first(lake: Lake, audience: str) -> MembersCursor:
    runs = published_runs(lake, audience)
    if not runs:
        raise NotFound("no run of this audience is published yet")
    return MembersCursor(runs[-1], 0)


def page_of(
    lake: Lake, audience: str, run: str, segment: str, kind: str, pages: list[list[int]], number: int
) -> list[Any]:
    """The entries of a page; of a segment without any there is one page, an empty one."""
    place = page_at(pages, number)
    if place is None and number == 0:
        return []
    stored = lake.get(page_path(audience, run, segment, kind, *place)) if place else None
    if stored is None:
        raise Gone("this cursor's page is no longer kept; start again without a cursor")
    return list(json.loads(stored.data))


def published_runs(lake: Lake, audience: str) -> list[str]:
    """The published runs, oldest first."""
    stored = lake.get(index_path(audience))
    return [] if stored is None else list(json.loads(stored.data)["runs"])


def grant(rule_sets: RuleSets, bearer: str | None, audience: str, segment: str) -> tuple[Published, Partner]:
    """The partner that may fetch the segment; a stranger does not learn what exists."""
    if not bearer:
        raise Unauthorized("send the partner token as the header 'Authorization: Bearer <token>'")
    published = rule_sets.all().get(audience)
    partner = holder(published.access.partners, bearer) if published else None
    if published is None or partner is None:
        raise Unauthorized("unknown partner token, or not one of this audience")
    if segment not in partner.segments:
        raise Forbidden(f"this token was not given segment {segment!r}")
    if published.kinds.get(segment) not in KINDS:
        raise NotFound(f"{segment!r} is no batch segment or list; only those have members to list")
    return published, partner
