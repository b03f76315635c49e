"""Where the published members and changes of a run stand, and the cursors that lead through them."""

import re
from dataclasses import dataclass

from .errors import BadRequest

PAGE = 1_000
"""Profiles in a page, at the most."""
MOST_RUNS = 400
"""Runs whose changes can be asked for."""

_MEMBERS_CURSOR = re.compile(r"([0-9a-z_]{1,64})\.([0-9]{1,7})", re.ASCII)
_CHANGES_CURSOR = re.compile(r"([0-9a-z_]{1,64})(?:\.([0-9]{1,7}))?", re.ASCII)


def index_path(audience: str) -> str:
    """The index of an audience: its published runs, oldest first."""
    return f"syndication/{audience}/index.json"


def page_path(audience: str, run: str, segment: str, kind: str, part: int, page: int) -> str:
    """A page of a segment's `members`, or of its `changes`, that one part of the publication made."""
    return f"syndication/{audience}/{run}/{segment}/{kind}-{part:06d}-{page:05d}.json"


def contents_path(audience: str, run: str, segment: str) -> str:
    """Which pages a segment has in a run: of each part that made any, how many."""
    return f"syndication/{audience}/{run}/{segment}/contents.json"


@dataclass(frozen=True, slots=True)
class MembersCursor:
    """A page of one run: all pages of a reader are of the same run."""

    run: str
    page: int

    def __str__(self) -> str:
        return f"{self.run}.{self.page}"

    @classmethod
    def parse(cls, text: str) -> "MembersCursor":
        """From a request."""
        match = _MEMBERS_CURSOR.fullmatch(text)
        if match is None:
            raise BadRequest("'cursor' must be the 'next' of an earlier answer, unchanged")
        return cls(match[1], int(match[2]))


@dataclass(frozen=True, slots=True)
class ChangesCursor:
    """The next page of a run's changes to read; without one, all of the run's were read."""

    run: str
    page: int | None = None

    def __str__(self) -> str:
        return self.run if self.page is None else f"{self.run}.{self.page}"

    @classmethod
    def parse(cls, text: str) -> "ChangesCursor":
        """From a request."""
        match = _CHANGES_CURSOR.fullmatch(text)
        if match is None:
            raise BadRequest("'since' must be a run, or the 'next' of an earlier answer, unchanged")
        return cls(match[1], int(match[2]) if match[2] else None)
