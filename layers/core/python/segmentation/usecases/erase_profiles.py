"""Finish requests to erase people: night after night through the lake, until nothing of them is found.

A pass goes through all files of an audience, for all requests that are due. Where it stands is kept, so that a pass may take
many invocations, and one that is cut off goes on; rewriting a file that was rewritten already finds nothing.
"""

import gzip
import json
import logging
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace

from segmentation.domain.audience import Audience
from segmentation.domain.erasure import (
    EXCLUDED,
    LAST_PASS,
    Erasure,
    excluded_path,
    key_hash,
    pass_path,
)
from segmentation.domain.errors import CorruptObject, SegmentationError, Unavailable
from segmentation.domain.event_lake import changes_folder, events_folder, links_folder
from segmentation.domain.kept_failures import FOLDERS, without_people
from segmentation.domain.lists import listed_table
from segmentation.domain.profile import profile_name
from segmentation.domain.published import Published
from segmentation.domain.run import stamped
from segmentation.ports import Clock, Lake, RuleSets, Tables

from .erase_visitor import EraseVisitor
from .erasure_requests import keep, requests_of
from .joined_keys import joined_to, still_theirs
from .kept_documents import current_pointer, current_run, read_json

SHORTEST = 30.0
"""Seconds that are left for a file to be begun."""
FILES_A_NOTE = 50
"""Files after which the place is written down."""

logger = logging.getLogger("segmentation.erase_profiles")


@dataclass(slots=True)
class Erased:
    """What came of an invocation."""

    open: int = 0
    late: int = 0
    done: int = 0
    rows: int = 0
    files: int = 0
    corrupt: int = 0
    failed: int = 0
    finished: bool = True


@dataclass(slots=True)
class _Pass:
    """A pass under way: for which requests, up to which file, and how many rows were found."""

    began: int
    requests: list[str]
    after: str = ""
    found: int = 0


@dataclass(frozen=True, slots=True)
class EraseProfiles:
    """The scheduled half. `store`: empties the profiles store for requests that were cut off before; `failures`: where
    what could not be processed is kept."""

    store: EraseVisitor
    lake: Lake
    tables: Tables
    rule_sets: RuleSets
    clock: Clock
    failures: Lake

    def __call__(self, seconds_left: Callable[[], float]) -> Erased:
        """Go on until nothing is due or the time is over."""
        result = Erased()
        for published in self.rule_sets.all().values():
            try:
                self._audience(published, seconds_left, result)
            except SegmentationError as error:
                logger.error("erasures of %s go on later: %s", published.audience.id, error)
                result.failed += 1
        return result

    def _audience(self, published: Published, seconds_left: Callable[[], float], result: Erased) -> None:
        audience, now = published.audience.id, self.clock.now()
        requests = {one.id: one for one in requests_of(self.lake, audience) if one.done is None}
        for one in requests.values():
            result.open += 1
            result.late += one.is_late(now)
            done = one if one.store else self.store.empty_store(published, one)
            if done.excluded is None:
                done = self._exclude(done)
            requests[one.id] = done
        going = self._going(audience) or self._begun(audience, requests, now)
        if going is not None:
            wanted = [requests[one] for one in going.requests if one in requests]
            if not self._walk(published, going, wanted, seconds_left, result):
                result.finished = False
                return
            for one in wanted:
                requests[one.id] = one.after_pass(going.began, going.found)
                keep(self.lake, requests[one.id])
            self.lake.delete([pass_path(audience)])
        for one in requests.values():
            if one.is_over(self._oldest(audience)):
                keep(self.lake, one.finished(now))
                result.done += 1

    def _exclude(self, request: Erasure) -> Erasure:
        """Tell later builds, by hashes: one file a request, so that twice is once."""
        hashes = sorted(map(key_hash, request.names))
        self.tables.write(
            excluded_path(request), EXCLUDED, [{"key_hash": one, "moment": request.moment} for one in hashes]
        )
        request = replace(request, excluded=self.clock.now())
        keep(self.lake, request)
        return request

    def _going(self, audience: str) -> _Pass | None:
        document = read_json(self.lake, pass_path(audience))
        return None if document is None else _Pass(**document)

    def _begun(self, audience: str, requests: dict[str, Erasure], now: int) -> _Pass | None:
        due = [one.id for one in requests.values() if one.is_due(now)]
        if not due:
            return None
        begun = _Pass(now, due)
        self._note(audience, begun)
        return begun

    def _note(self, audience: str, going: _Pass) -> None:
        self.lake.put(pass_path(audience), json.dumps(asdict(going)).encode())

    def _walk(
        self,
        published: Published,
        going: _Pass,
        requests: list[Erasure],
        seconds_left: Callable[[], float],
        result: Erased,
    ) -> bool:
        """Go through the files that were not gone through yet; whether all are."""
        audience = published.audience
        folders = [events_folder(audience.id, one) for one in audience.behaviors]
        folders += [changes_folder(audience.id), links_folder(audience.id), listed_table(audience).folder]
        folders += [f"syndication/{audience.id}/", f"lists/{audience.id}/"]
        for number, path in enumerate(self._files(folders, going.after)):
            if seconds_left() < SHORTEST:
                self._note(audience.id, going)
                return False
            going.found += self._clean(published, path, requests, result)
            going.after = path
            if number % FILES_A_NOTE == FILES_A_NOTE - 1:
                self._note(audience.id, going)
        names = {name for one in requests for name in one.names}
        for folder in FOLDERS if names else ():
            for path in self.failures.list(folder):
                if seconds_left() < SHORTEST:
                    self._note(audience.id, going)  # of what is cleaned nothing is found again
                    return False
                going.found += self._clean_failure(audience.id, path, names, result)
        return True

    def _clean_failure(self, audience: str, path: str, names: set[str], result: Erased) -> int:
        """Remove people from an object of what could not be processed."""
        stored = self.failures.get(path)
        if stored is None:
            return 0
        try:
            rest, rows = without_people(stored.data, audience, names)
        except (ValueError, KeyError, TypeError) as error:
            logger.error("%s is left as it is, and goes by age: %s", path, type(error).__name__)
            result.corrupt += 1
            return 0
        if rows and rest is None:
            self.failures.delete([path])
        elif rows and rest is not None:
            self.failures.put(path, rest)
        result.rows += rows
        result.files += bool(rows)
        return rows

    def _files(self, folders: list[str], after: str) -> Iterator[str]:
        for folder in sorted(folders):
            for path in self.lake.list(folder):
                if folder.startswith("lists/"):
                    wanted = "/unmatched/" in path
                else:
                    wanted = path.endswith((".parquet", ".json")) and "/_" not in path
                if wanted and path > after:
                    yield path

    def _learn(self, published: Published, path: str, requests: list[Erasure]) -> set[str]:
        """Keys of the people that a file of joined keys knows and they had forgotten. The requests are kept with them: the store
        is emptied of them too, and since something was found there is another pass."""
        rows = [row for batch in self.tables.read(path) for row in batch]
        learned: set[str] = set()
        for place, request in enumerate(requests):
            joined = joined_to(lambda: rows, request.names)
            new = still_theirs(self.store.profiles, published, request.names, joined, self.clock.now())
            if new:
                requests[place] = replace(request.knows(new), store=False)
                keep(self.lake, requests[place])
                learned |= new
        return learned

    def _clean(self, published: Published, path: str, requests: list[Erasure], result: Erased) -> int:
        """Remove people from one file; how many rows they had."""
        audience = published.audience
        try:
            if path.startswith("lists/"):
                rows = self._clean_rejected(audience, path, requests)
            elif path.endswith(".json"):
                rows = self._clean_page(audience, path, requests)
            else:
                values = {name for one in requests for name in one.names}
                column = "profile"
                if path.startswith("listed/"):
                    column = "key"  # a profile key as it is, any other key as a name
                    values |= _profile_keys_of(audience, requests)
                if path.startswith("links/"):
                    values |= self._learn(published, path, requests)
                    rows = self.tables.remove(path, "owner", values)
                    rows += self.tables.remove(path, "profile", values)
                else:
                    rows = self.tables.remove(path, column, values)
        except CorruptObject as error:
            logger.error("left as it is: %s", error)
            result.corrupt += 1
            return 0
        except Unavailable:
            if self.lake.get(path) is None:  # merged into another one, which this or the next pass finds
                return 1
            raise
        result.rows += rows
        result.files += bool(rows)
        return rows

    def _clean_rejected(self, audience: Audience, path: str, requests: list[Erasure]) -> int:
        """Remove people from the lines of an upload that matched nobody: `line,key`, compressed."""
        stored = self.lake.get(path)
        if stored is None:
            return 0
        keys = {name.encode() for one in requests for name in one.names}
        keys |= {key.encode() for key in _profile_keys_of(audience, requests)}
        try:
            lines = gzip.decompress(stored.data).splitlines(keepends=True)
        except (OSError, EOFError, zlib.error) as error:
            raise CorruptObject(path, type(error).__name__) from error
        kept = [line for line in lines if line.rstrip(b"\n").partition(b",")[2] not in keys]
        if len(kept) < len(lines):
            self.lake.put(path, gzip.compress(b"".join(kept), mtime=0))
        return len(lines) - len(kept)

    def _clean_page(self, audience: Audience, path: str, requests: list[Erasure]) -> int:
        """Remove people from a page of a run, unless partners have still to read there that they left."""
        run, name = path.split("/")[2], path.rpartition("/")[2]
        stored = self.lake.get(path) if name.startswith(("members-", "changes-")) else None
        if stored is None:
            return 0
        is_members, now, began = name.startswith("members-"), self.clock.now(), stamped(run)
        keys = {
            key
            for one in requests
            if is_members or began < one.moment or now - one.moment >= LAST_PASS
            for key in _profile_keys(audience, one)
        }
        page = json.loads(stored.data)
        kept = [one for one in page if (one if is_members else one[0]) not in keys]
        if len(kept) < len(page):
            self.lake.put(path, json.dumps(kept, separators=(",", ":")).encode())
        return len(page) - len(kept)

    def _oldest(self, audience: str) -> int | None:
        """When the oldest built version in use was begun: the current one, or that of the current run."""
        moments: list[int] = []
        pointer, record = current_pointer(self.lake, audience), current_run(self.lake, audience)
        if pointer is not None:
            moments.append(stamped(pointer["version"]))
        if record is not None:
            moments.append(stamped(record.audience_version))
        return min(moments, default=None)


def _profile_keys_of(audience: Audience, requests: Iterable[Erasure]) -> set[str]:
    return {key for one in requests for key in _profile_keys(audience, one)}


def _profile_keys(audience: Audience, request: Erasure) -> set[str]:
    prefix = profile_name(audience.master_key, "")
    return {name.removeprefix(prefix) for name in request.names if name.startswith(prefix)}
