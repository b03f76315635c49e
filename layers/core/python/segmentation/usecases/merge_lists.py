"""Make one upload of many that were appended to a list, so that a list takes as many as come.

The merge is noted with the list, then its query is started under a token of its own, then the list names what it wrote,
by one conditional put; each may be done twice or by two at once. Who is on the list is the same before and after.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from segmentation.domain.audience import Audience
from segmentation.domain.errors import QueryFailed, Unavailable
from segmentation.domain.list_sql import merge_query
from segmentation.domain.lists import ListMerge, Lists, ListState, listed_table, members_folder
from segmentation.domain.pipeline import Outcome
from segmentation.ports import Clock, Lake, LakeCatalog, Warehouse

from .current_build import current_lists
from .upload_list import change_lists

logger = logging.getLogger("segmentation.import_lists")


@dataclass(frozen=True, slots=True)
class MergeLists:
    """Begins merges and carries them on."""

    lake: Lake
    warehouse: Warehouse
    lake_catalog: LakeCatalog
    clock: Clock

    def __call__(self, audience: Audience) -> None:
        """Go on with the lists of an audience as far as it goes now."""
        for segment, state in current_lists(self.lake, audience.id).lists.items():
            try:
                self._list(audience, segment, state)
            except Unavailable as error:
                logger.warning("list %s is merged later: %s", segment, error)

    def _list(self, audience: Audience, segment: str, state: ListState) -> None:
        now = self.clock.now()
        merge = state.merge
        if merge is None:
            if state.merging(now).merge is None:
                return
            merge = self._change(audience, segment, None, lambda one: one.merging(now))
        if merge is not None and not merge.query and merge.due <= now:
            merge = self._started(audience, segment, merge)
        if merge is None or not merge.query:
            return
        status = self.warehouse.statuses([merge.query]).get(merge.query)
        if status is None or status.outcome is not Outcome.ACTIVE:
            if status is not None and status.outcome is Outcome.SUCCEEDED:
                self._change(audience, segment, merge, lambda one: one.merged(now))
                logger.info("%d uploads to list %s are one", len(merge.sources), segment)
            else:
                logger.warning(
                    "list %s is merged again: %s", segment, status.reason if status else "forgotten"
                )
                self._change(audience, segment, merge, lambda one: one.merge_failed(now))

    def _started(self, audience: Audience, segment: str, merge: ListMerge) -> ListMerge | None:
        self.lake_catalog.register([listed_table(audience)], {})
        target = self.lake.uri(members_folder(audience.id, segment, merge.id))
        token = hashlib.sha256("\x1f".join((audience.id, segment, merge.id)).encode()).hexdigest()
        try:
            query = self.warehouse.start(
                "list_merge", merge_query(audience, segment, merge.sources, target), token
            )
        except QueryFailed as error:
            logger.error("list %s cannot be merged: %s", segment, error.reason)
            now = self.clock.now()
            return self._change(audience, segment, merge, lambda one: one.merge_failed(now))
        return self._change(
            audience, segment, merge, lambda one: replace(one, merge=replace(merge, query=query))
        )

    def _change(
        self,
        audience: Audience,
        segment: str,
        seen: ListMerge | None,
        change: Callable[[ListState], ListState],
    ) -> ListMerge | None:
        """Change a list whose merge is still the one that was seen; the merge as it then stands."""

        def changed(lists: Lists) -> Lists:
            state = lists.of(segment)
            return lists.having(segment, change(state)) if state.merge == seen else lists

        return change_lists(self.lake, audience.id, changed).of(segment).merge
