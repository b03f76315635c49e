"""Upload members of a list: where the files go, that they are there, and what came of them."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from segmentation.domain.audience import Audience
from segmentation.domain.errors import BadRequest, Conflict, NotFound, Unavailable
from segmentation.domain.list_upload import DELIMITERS, Format, Mode, Upload, UploadState
from segmentation.domain.lists import UPLOAD_ID, Lists, identities_for_lists, list_folder, lists_path
from segmentation.domain.run import run_id
from segmentation.language.problems import did_you_mean
from segmentation.ports import Clock, Lake, Queue, RuleSets, Uploads

from .published_rules import published_one, segment_of

MOST_FILES = 1_000
URL_SECONDS = 3_600
"""How long files may be put to the addresses that are given out."""
MOST_RACES = 20
OPEN = "lists_open/"
"""Where it is noted which uploads have not ended."""


@dataclass(frozen=True, slots=True)
class Started:
    """An upload, and where its files are put (HTTPS PUT of the bytes, in this order), for so many seconds."""

    upload: Upload
    urls: tuple[str, ...]
    seconds: int = URL_SECONDS


@dataclass(frozen=True, slots=True)
class Rejected:
    """Addresses of files (HTTPS GET) with the rows of an upload that are on no list of people, for so many seconds.

    `malformed`: `file,line,reason`; `unmatched`: `line,key` without a header, compressed with gzip, the key as profiles have it.
    """

    malformed: tuple[str, ...]
    unmatched: tuple[str, ...]
    seconds: int = URL_SECONDS


@dataclass(frozen=True, slots=True)
class UploadList:
    """Uploads, as a person or a program makes them."""

    lake: Lake
    uploads: Uploads
    rule_sets: RuleSets
    clock: Clock
    imports: Queue
    new_suffix: Callable[[], str]

    def start(
        self,
        audience: str,
        segment: str,
        *,
        identity: str | None = None,
        column: str | None = None,
        format: str = "csv",
        mode: str = "replace",
        delimiter: str = ",",
        hashed: bool = False,
        files: int = 1,
    ) -> Started:
        """Begin an upload by an identity column (the master key, unless said), which the files call `column`.

        CSV has a header in each file. Raises `NotFound`, and `BadRequest` with all that is wrong.
        """
        known = self._list(audience, segment)
        identity = identity or known.master_key
        problems = list(_problems(known, identity, format, mode, delimiter, hashed=hashed, files=files))
        if problems:
            raise BadRequest("; ".join(problems))
        now = self.clock.now()
        upload = Upload(
            id=run_id(now, self.new_suffix()),
            audience=audience,
            segment=segment,
            identity=identity,
            column=column or identity,
            format=Format(format),
            mode=Mode(mode),
            delimiter=delimiter,
            hashed=hashed,
            created=now,
            updated=now,
        )
        self.lake.put(open_path(upload), b"{}")
        self.lake.put(upload.path("upload.json"), json.dumps(upload.to_document()).encode(), expected="")
        names = [upload.path(f"data/{number:05}") for number in range(1, files + 1)]
        return Started(upload, tuple(self.uploads.url(name, URL_SECONDS) for name in names))

    def complete(self, audience: str, segment: str, upload: str) -> Upload:
        """The files are there: take them in. To say so again does no harm. Raises `BadRequest`: there are none."""
        self._list(audience, segment)
        found, tag = self._read(audience, segment, upload)
        if found.state is UploadState.WAITING:
            if next(iter(self.lake.list(found.path("data/"))), None) is None:
                raise BadRequest("no file was put to the upload's addresses; put one, then complete it")
            found = self._save(replace(found, state=UploadState.READING, updated=self.clock.now()), tag)
        if found.state is UploadState.READING:
            self.imports.send([message(found)])
        return found

    def cancel(self, audience: str, segment: str, upload: str) -> Upload:
        """Take nothing in; an upload that is committed already stays."""
        found, tag = self._read(audience, segment, upload)
        if found.is_over:
            return found
        now = self.clock.now()
        return self._save(replace(found, state=UploadState.CANCELLED, updated=now), tag)

    def status(self, audience: str, segment: str, upload: str) -> Upload:
        """How an upload stands, with its report."""
        return self._read(audience, segment, upload)[0]

    def rejected(self, audience: str, segment: str, upload: str) -> Rejected:
        """The rows that could not be taken, and those that matched nobody. Who asks has been allowed to see people."""
        found = self.status(audience, segment, upload)

        def files(folder: str) -> tuple[str, ...]:
            return tuple(self.uploads.reading(one, URL_SECONDS) for one in self.lake.list(found.path(folder)))

        matched = found.report.matched is not None
        return Rejected(files("malformed/"), files(f"unmatched/{found.attempt}/") if matched else ())

    def history(self, audience: str, segment: str, most: int = 50) -> list[Upload]:
        """The latest uploads of a list, latest first."""
        self._list(audience, segment)
        paths = [p for p in self.lake.list(list_folder(audience, segment)) if p.endswith("/upload.json")]
        stored = [self.lake.get(path) for path in sorted(paths, reverse=True)[:most]]
        return [Upload.from_document(json.loads(one.data)) for one in stored if one is not None]

    def empty(self, audience: str, segment: str) -> None:
        """Nobody is on the list from the next run on; it stays, and may be referred to."""
        self._list(audience, segment)
        now = self.clock.now()
        change_lists(self.lake, audience, lambda lists: lists.having(segment, lists.of(segment).emptied(now)))

    def _list(self, audience: str, segment: str) -> Audience:
        published = published_one(self.rule_sets, audience)
        if segment_of(published.rules, segment).kind != "list":
            raise BadRequest(
                f"segment {segment!r} is no list; members are uploaded to segments of kind 'list'"
            )
        return published.audience

    def _read(self, audience: str, segment: str, upload: str) -> tuple[Upload, str]:
        return read_upload(self.lake, audience, segment, upload)

    def _save(self, upload: Upload, tag: str) -> Upload:
        if not save_upload(self.lake, upload, tag):
            raise Conflict(f"upload {upload.id} was changed by somebody else meanwhile; ask for it again")
        return upload


def _problems(
    audience: Audience, identity: str, format_: str, mode: str, delimiter: str, *, hashed: bool, files: int
) -> Iterator[str]:
    known = identities_for_lists(audience)
    if identity not in known:
        hint = did_you_mean(identity, known)
        yield f"'identity': {identity!r} is no column that people are known by in raw tables{hint}"
    elif hashed and (identity == audience.master_key or not audience.keys[identity].hashed):
        yield f"'hashed': {identity!r} is kept as it is, so SHA-256 values of it match nobody; send it plain"
    if format_ not in set(Format):
        yield f"'format': {format_!r} is none of {', '.join(Format)}"
    if mode not in set(Mode):
        yield f"'mode': {mode!r} is none of {', '.join(Mode)}"
    if delimiter not in DELIMITERS:
        yield f"'delimiter': {delimiter!r} is none of comma, semicolon, tab and |"
    if not 1 <= files <= MOST_FILES:
        yield f"'files': from 1 to {MOST_FILES}, each of at most 5 GB"


def message(upload: Upload) -> Mapping[str, Any]:
    """What asks for an upload to be taken in."""
    return {"audience": upload.audience, "segment": upload.segment, "upload": upload.id}


def open_path(upload: Upload) -> str:
    """Notes that an upload has not ended."""
    return f"{OPEN}{upload.audience}/{upload.segment}/{upload.id}"


def read_upload(lake: Lake, audience: str, segment: str, upload: str) -> tuple[Upload, str]:
    """An upload and its tag. Raises `NotFound`."""
    names = (audience, segment)
    stored = None
    if UPLOAD_ID.fullmatch(upload) and all(re.fullmatch(r"[a-z0-9-]+", name) for name in names):
        stored = lake.get(f"{list_folder(audience, segment)}{upload}/upload.json")
    if stored is None:
        raise NotFound(f"list {segment!r} of audience {audience!r} has no upload {upload!r}")
    return Upload.from_document(json.loads(stored.data)), stored.tag


def save_upload(lake: Lake, upload: Upload, tag: str) -> bool:
    """Write an upload, if nobody did meanwhile."""
    return lake.put(upload.path("upload.json"), json.dumps(upload.to_document()).encode(), expected=tag)


def change_lists(lake: Lake, audience: str, change: Callable[[Lists], Lists]) -> Lists:
    """Change the lists of an audience, all at once or not at all; of two who do so at once one goes second."""
    for _ in range(MOST_RACES):
        stored = lake.get(lists_path(audience))
        before = Lists() if stored is None else Lists.from_document(json.loads(stored.data))
        after = change(before)
        if after == before:
            return after
        data = json.dumps(after.to_document(), indent=1).encode()
        if lake.put(lists_path(audience), data, expected=stored.tag if stored else ""):
            return after
    raise Unavailable(f"the lists of audience {audience!r} are being changed by others; try again")
