"""Take uploads in: read the files, match them, and make them the list, by one conditional put.

Nothing is kept only in memory, and whatever is done may be cut off and done again, by another invocation or by two at
once: a part that is written twice has the same rows, an upload is written only over the state that was read, and a list
remembers which uploads it took. Until the commit the list is what it was.

    waiting -> reading -> matching -> committed
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from segmentation.domain.audience import Audience
from segmentation.domain.errors import (
    NotBuilt,
    NotFound,
    QueryFailed,
    Unavailable,
)
from segmentation.domain.list_rows import (
    Malformed,
    text_of,
)
from segmentation.domain.list_sql import report_query, unmatched_query
from segmentation.domain.list_upload import (
    MOST_ATTEMPTS,
    Cursor,
    Mode,
    Upload,
    UploadState,
)
from segmentation.domain.lists import (
    COLUMNS,
    MOST_UPLOADS,
    Lists,
    ListVersion,
    listed_table,
    member_key,
    members_folder,
)
from segmentation.domain.pipeline import Outcome
from segmentation.domain.published import Published
from segmentation.ports import Clock, Lake, LakeCatalog, Queue, RuleSets, Tables, Warehouse

from .clean_lists import clean_lists
from .current_build import current_build, current_lists
from .merge_lists import MergeLists
from .upload_list import OPEN, change_lists, message, open_path, read_upload, save_upload
from .upload_rows import Refused, Row, rows_of

ROWS_A_PART = 200_000
LEAST_SECONDS = 30.0
"""With less time left reading goes on in another invocation."""
STALE_SECONDS = 300
"""An upload that nobody has worked on for so long is taken up again."""

FORGOTTEN_SECONDS = 86_400
"""An upload that is not completed within so long is cancelled."""

logger = logging.getLogger("segmentation.import_lists")


@dataclass(slots=True)
class Imported:
    """What came of one invocation."""

    committed: list[Upload] = field(default_factory=list)
    failed: list[Upload] = field(default_factory=list)
    removed: int = 0


@dataclass(frozen=True, slots=True)
class ImportLists:
    """Carries uploads on. `kept_seconds`: how long members are kept that are on no list any more."""

    lake: Lake
    tables: Tables
    warehouse: Warehouse
    lake_catalog: LakeCatalog
    rule_sets: RuleSets
    clock: Clock
    imports: Queue
    kept_seconds: int
    rows_a_part: int = ROWS_A_PART

    @property
    def merge_lists(self) -> MergeLists:
        """Of many uploads one."""
        return MergeLists(self.lake, self.warehouse, self.lake_catalog, self.clock)

    def __call__(
        self, audience: str, segment: str, upload: str, seconds_left: Callable[[], float]
    ) -> Imported:
        """Go on with an upload as far as it goes now."""
        done = Imported()
        try:
            found, tag = read_upload(self.lake, audience, segment, upload)
        except NotFound:  # the list was deleted meanwhile
            return done
        self._advance(found, tag, seconds_left, done)
        return done

    def query_ended(self, query: str, seconds_left: Callable[[], float]) -> Imported:
        """Go on with what waits for a query; a query of somebody else's is none of ours."""
        done = Imported()
        for published in self.rule_sets.all().values():
            lists = current_lists(self.lake, published.audience.id).lists.values()
            if any(one.merge is not None and one.merge.query == query for one in lists):
                self.merge_lists(published.audience)
        for found, tag in self._open():
            if query in found.queries.values():
                self._advance(found, tag, seconds_left, done)
        return done

    def sweep(self, seconds_left: Callable[[], float]) -> Imported:
        """Merge what was appended, take up what was lost on its way, and remove what is on no list any more."""
        done = Imported()
        for published in self.rule_sets.all().values():
            self.merge_lists(published.audience)
        for found, tag in self._open():
            if found.is_over:
                self._finish(found)
            elif found.state is UploadState.WAITING:
                self._forget(found, tag)
            elif found.state is UploadState.MATCHING:
                self._advance(found, tag, seconds_left, done)
            elif self.clock.now() - found.updated >= STALE_SECONDS:
                self.imports.send([message(found)])
        for published in self.rule_sets.all().values():
            done.removed += clean_lists(self.lake, published, self.clock.now(), self.kept_seconds)
        return done

    def _forget(self, upload: Upload, tag: str) -> None:
        """An upload that nobody completed is none."""
        if self.clock.now() - upload.created < FORGOTTEN_SECONDS:
            return
        error = "it was begun and never completed"
        ended = replace(upload, state=UploadState.CANCELLED, error=error, updated=self.clock.now())
        if save_upload(self.lake, ended, tag):
            self._finish(ended)

    def _open(self) -> Iterator[tuple[Upload, str]]:
        for path in list(self.lake.list(OPEN)):
            audience, segment, upload = path.removeprefix(OPEN).split("/")
            try:
                yield read_upload(self.lake, audience, segment, upload)
            except NotFound:
                self.lake.delete([path])

    def _advance(self, upload: Upload, tag: str, seconds_left: Callable[[], float], done: Imported) -> None:
        try:
            published = self._published(upload)
            if upload.state is UploadState.READING:
                at = self._read(published, upload, tag, seconds_left)
                if at is None:
                    return
                upload, tag = at
            if upload.state is UploadState.MATCHING:
                at = self._match(published, upload, tag)
                if at is None:
                    return
                upload, tag = at
                if not self._commit(upload):
                    return
                upload = replace(upload, state=UploadState.COMMITTED, updated=self.clock.now())
                if save_upload(self.lake, upload, tag):
                    done.committed.append(upload)
        except Refused as refused:
            # Parts of it may have been saved on the way here.
            upload, tag = read_upload(self.lake, upload.audience, upload.segment, upload.id)
            if not upload.is_over:
                upload = replace(upload.failed(str(refused)), updated=self.clock.now())
                logger.error("upload %s to list %s failed: %s", upload.id, upload.segment, refused)
                if not save_upload(self.lake, upload, tag):
                    return
                done.failed.append(upload)
        if upload.is_over:
            self._finish(upload)

    def _published(self, upload: Upload) -> Published:
        published = self.rule_sets.all().get(upload.audience)
        if published is None:
            raise Unavailable(f"no rule set of audience {upload.audience!r} can be read")
        if not any(one.id == upload.segment and one.kind == "list" for one in published.rules):
            raise Refused(f"there is no list {upload.segment!r} any more")
        return published

    def _finish(self, upload: Upload) -> None:
        """What was sent is not kept longer than it is needed; members that nobody took go too."""
        if upload.state is not UploadState.COMMITTED:
            for query in upload.queries.values():
                self.warehouse.stop(query)
        taken = upload.id in current_lists(self.lake, upload.audience).of(upload.segment).taken
        self.lake.delete_prefix(upload.path("data/"))
        if not taken:
            self.lake.delete_prefix(members_folder(upload.audience, upload.segment, upload.id))
        self.lake.delete([open_path(upload)])

    # Reading

    def _read(
        self, published: Published, upload: Upload, tag: str, seconds_left: Callable[[], float]
    ) -> tuple[Upload, str] | None:
        """Read on, a part after another; nothing: somebody else goes on with it."""
        rows = rows_of(self.lake, self.tables, upload)
        while True:
            members, malformed, last = self._part(published.audience, upload, rows)
            upload = self._kept(upload, members, malformed)
            if last is None:
                break
            upload = replace(upload, cursor=last)
            if seconds_left() < LEAST_SECONDS:
                if self._saved(upload, tag) is not None:
                    self.imports.send([message(upload)])
                return None
            again = self._saved(upload, tag)
            if again is None:
                return None
            tag = again
        if not upload.report.rows:
            reasons = ", ".join(f"{why}: {n}" for why, n in sorted(upload.report.reasons.items()))
            raise Refused(
                f"no row could be taken ({reasons or 'the files have none'}); the list stays as it is"
            )
        upload = replace(upload, state=UploadState.MATCHING)
        tag_now = self._saved(upload, tag)
        return None if tag_now is None else (upload, tag_now)

    def _saved(self, upload: Upload, tag: str) -> str | None:
        upload = replace(upload, updated=self.clock.now())
        if not save_upload(self.lake, upload, tag):
            return None
        return read_upload(self.lake, upload.audience, upload.segment, upload.id)[1]

    def _part(
        self, audience: Audience, upload: Upload, rows: Iterator[Row]
    ) -> tuple[list[dict[str, Any]], list[tuple[int, int, str]], Cursor | None]:
        """The members and the malformed rows of the next part, and where it ends (nothing: at the very end)."""
        members: list[dict[str, Any]] = []
        malformed: list[tuple[int, int, str]] = []
        for row in rows:
            try:
                if isinstance(row.value, Malformed):
                    raise row.value
                key = member_key(audience, upload.identity, text_of(row.value), hashed=upload.hashed)
                members.append({"segment": upload.segment, "key": key, "line": row.line})
            except Malformed as error:
                malformed.append((row.file + 1, row.line, str(error)))
            if len(members) + len(malformed) >= self.rows_a_part:
                return members, malformed, row.after
        return members, malformed, None

    def _kept(
        self, upload: Upload, members: list[dict[str, Any]], malformed: list[tuple[int, int, str]]
    ) -> Upload:
        name = f"part-{upload.parts:05}"
        if members:
            folder = members_folder(upload.audience, upload.segment, upload.id)
            self.tables.write(f"{folder}{name}.parquet", COLUMNS, members)
        if malformed:
            lines = "".join(f"{file},{line},{why}\n" for file, line, why in malformed)
            self.lake.put(upload.path(f"malformed/{name}.csv"), f"file,line,reason\n{lines}".encode())
        report = upload.report.noted(len(members), malformed)
        return replace(upload, parts=upload.parts + 1, report=report)

    # Matching

    def _match(self, published: Published, upload: Upload, tag: str) -> tuple[Upload, str] | None:
        """Have it counted who is known; nothing: the queries have not ended yet."""
        audience = published.audience
        self.lake_catalog.register([listed_table(audience)], {})
        try:
            build = current_build(self.lake, audience)
        except NotBuilt:
            return upload, tag  # there is nobody yet whom it could match
        if upload.identity not in (audience.master_key, *build.identities):
            return upload, tag  # nor anybody who is known by this
        profiles = build.whole.profiles_table
        while True:
            if upload.queries:
                statuses = self.warehouse.statuses(list(upload.queries.values()))
                found = [statuses.get(one) for one in upload.queries.values()]
                if any(one is not None and one.outcome is Outcome.ACTIVE for one in found):
                    return None
                if all(one is not None and one.outcome is Outcome.SUCCEEDED for one in found):
                    _, keys, matched = self.warehouse.results(upload.queries["report"])[0]
                    report = replace(upload.report, keys=int(keys or 0), matched=int(matched or 0))
                    return replace(upload, report=report), tag
                reasons = {one.reason for one in found if one is not None and one.reason}
                if upload.attempt >= MOST_ATTEMPTS:
                    raise Refused(f"it could not be matched: {'; '.join(sorted(reasons))}")
                logger.warning("upload %s is matched again: %s", upload.id, "; ".join(sorted(reasons)))
            again = self._asked(audience, profiles, replace(upload, attempt=upload.attempt + 1), tag)
            if again is None:
                return None
            upload, tag = again

    def _asked(
        self, audience: Audience, profiles: str, upload: Upload, tag: str
    ) -> tuple[Upload, str] | None:
        """Start the queries of an attempt and keep their ids; the same attempt is never started twice."""
        target = self.lake.uri(upload.path(f"unmatched/{upload.attempt}/"))
        about = (audience, profiles, upload.segment, upload.id, upload.identity)
        texts = {"report": report_query(*about), "unmatched": unmatched_query(*about, target)}
        queries = {}
        for name, sql in texts.items():
            parts = (upload.audience, upload.segment, upload.id, name, str(upload.attempt), profiles)
            token = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
            try:
                queries[name] = self.warehouse.start(f"list_{name}", sql, token)
            except QueryFailed as error:
                raise Refused(f"it could not be matched: {error.reason}") from error
        upload = replace(upload, queries=queries)
        again = self._saved(upload, tag)
        return None if again is None else (upload, again)

    # Committing

    def _commit(self, upload: Upload) -> bool:
        """Make it the list, or of the list; not yet, where others have to become one first: the sweep looks again."""
        now = self.clock.now()
        version = ListVersion(upload.id, upload.identity, upload.report.rows)

        def taken(lists: Lists) -> Lists:
            state = lists.of(upload.segment)
            if upload.id in state.taken:
                return lists
            if upload.mode is Mode.REPLACE:
                return lists.having(upload.segment, state.replaced(version, now))
            if len(state.uploads) >= MOST_UPLOADS:
                return lists
            return lists.having(upload.segment, state.appended(version))

        if upload.id in change_lists(self.lake, upload.audience, taken).of(upload.segment).taken:
            return True
        logger.warning("upload %s waits: list %s has %d uploads", upload.id, upload.segment, MOST_UPLOADS)
        return False
