"""Remove members that have been on no list for long, and lists that are no segments any more."""

import logging
from collections.abc import Sequence

from segmentation.domain.errors import Unavailable
from segmentation.domain.lists import Lists, list_folder, members_folder
from segmentation.domain.published import Published
from segmentation.ports import Lake

from .current_build import current_lists
from .upload_list import change_lists

logger = logging.getLogger("segmentation.clean_lists")


def clean_lists(lake: Lake, published: Published, now: int, kept_seconds: int) -> int:
    """How many uploads were removed.

    A list that is no segment any more is emptied first; runs that were planned with it may still read it for as long
    as superseded things are kept. That nobody refers to it was seen to when its segment was deleted.
    """
    audience = published.audience.id
    known = {one.id for one in published.rules.of_kind("list")}
    removed = 0
    for segment, state in current_lists(lake, audience).lists.items():
        gone = [one for one, at in state.dropped.items() if now - at > kept_seconds]
        try:
            if segment not in known and state.uploads:
                _empty(lake, audience, segment, now)
            elif segment not in known and len(gone) == len(state.dropped):
                _remove(lake, audience, segment, gone)
            elif gone:
                _clean(lake, audience, segment, gone)
        except Unavailable as error:
            logger.warning("list %s is cleaned later: %s", segment, error)
            continue
        removed += len(gone)
    return removed


def _empty(lake: Lake, audience: str, segment: str, now: int) -> None:
    def change(lists: Lists) -> Lists:
        return lists.having(segment, lists.of(segment).emptied(now))

    change_lists(lake, audience, change)


def _clean(lake: Lake, audience: str, segment: str, gone: Sequence[str]) -> None:
    """Objects first: what is forgotten before it is removed would stay for ever."""

    def change(lists: Lists) -> Lists:
        return lists.having(segment, lists.of(segment).cleaned(gone))

    for upload in gone:
        lake.delete_prefix(members_folder(audience, segment, upload))
    change_lists(lake, audience, change)


def _remove(lake: Lake, audience: str, segment: str, gone: Sequence[str]) -> None:
    for upload in gone:
        lake.delete_prefix(members_folder(audience, segment, upload))
    lake.delete_prefix(list_folder(audience, segment))
    change_lists(lake, audience, lambda lists: lists.without(segment))
