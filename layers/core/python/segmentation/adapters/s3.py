"""The lake on S3, and the rule sets that stand in it."""

import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import Unavailable
from segmentation.domain.published import Published, parse_published, program_path, read_published
from segmentation.language import RuleError
from segmentation.ports import Entry, Stored

from .aws_errors import code_of

MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
BEYOND = frozenset({"InvalidRange", "416"})
REFUSED_SETS = "RuleSetsRefused"
"""The metric of rule sets that cannot be loaded."""
REPORT = 60.0
"""Seconds between two words of one refused rule set."""
MOST_BACK = 20
"""Versions of a rule set among which a good one is looked for."""
REFUSED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})

logger = logging.getLogger("segmentation.s3")


class S3Lake:
    """Objects of one bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def get(self, path: str) -> Stored | None:
        """An object, or nothing."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=path)
            return Stored(answer["Body"].read(), answer["ETag"])
        except ClientError as error:
            if code_of(error) in MISSING:
                return None
            raise Unavailable(f"{path} cannot be read: {code_of(error)}") from error
        except BotoCoreError as error:
            raise Unavailable(f"{path} cannot be read: {type(error).__name__}") from error

    def range(self, path: str, first: int, size: int) -> bytes:
        """Some of an object's bytes; none beyond its end."""
        wanted = f"bytes={first}-{first + size - 1}"
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=path, Range=wanted)
            data: bytes = answer["Body"].read()
        except ClientError as error:
            if code_of(error) in BEYOND:
                return b""
            raise Unavailable(f"{path} cannot be read: {code_of(error)}") from error
        except BotoCoreError as error:
            raise Unavailable(f"{path} cannot be read: {type(error).__name__}") from error
        return data

    def put(self, path: str, data: bytes, *, expected: str | None = None) -> bool:
        """Put an object whole; with `expected`, only over that very content (or, "", over nothing)."""
        condition = {} if expected is None else {"IfMatch": expected} if expected else {"IfNoneMatch": "*"}
        kind = "application/json" if path.endswith(".json") else "application/octet-stream"
        try:
            self._client.put_object(Bucket=self._bucket, Key=path, Body=data, ContentType=kind, **condition)
        except ClientError as error:
            if expected is not None and code_of(error) in REFUSED | MISSING:
                return False
            raise Unavailable(f"{path} cannot be written: {code_of(error)}") from error
        except BotoCoreError as error:
            raise Unavailable(f"{path} cannot be written: {type(error).__name__}") from error
        return True

    def list(self, prefix: str) -> Iterator[str]:
        """Paths below a prefix, sorted."""
        for path, _ in self.tags(prefix):
            yield path

    def entries(self, prefix: str) -> Iterator[Entry]:
        """The objects below a prefix, sorted by path."""
        for one in self._listed(prefix):
            yield Entry(one["Key"], one["Size"], int(one["LastModified"].timestamp()))

    def tags(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Paths below a prefix, sorted, each with its tag."""
        for one in self._listed(prefix):
            yield one["Key"], one["ETag"]

    def earlier(self, path: str, most: int) -> Iterator[bytes]:
        """What an object was before, the latest first, as far as the bucket keeps versions."""
        try:
            answer = self._client.list_object_versions(Bucket=self._bucket, Prefix=path, MaxKeys=most)
            for one in answer.get("Versions", ()):
                if one["Key"] == path and not one["IsLatest"]:
                    version = {"Bucket": self._bucket, "Key": path, "VersionId": one["VersionId"]}
                    yield self._client.get_object(**version)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"versions of {path} cannot be read: {type(error).__name__}") from error

    def _listed(self, prefix: str) -> Iterator[Mapping[str, Any]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        try:
            for page in pages:
                yield from page.get("Contents", ())
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"{prefix} cannot be listed: {type(error).__name__}") from error

    def delete_prefix(self, prefix: str) -> None:
        """Remove everything below a prefix."""
        if not prefix.endswith("/"):
            raise ValueError("a prefix to delete must end in '/'")
        self.delete(list(self.list(prefix)))

    def delete(self, paths: Collection[str]) -> None:
        """Remove objects, a thousand a request."""
        keys = [{"Key": path} for path in paths]
        for start in range(0, len(keys), 1_000):
            wanted = {"Objects": keys[start : start + 1_000], "Quiet": True}
            try:
                answer = self._client.delete_objects(Bucket=self._bucket, Delete=wanted)
            except (ClientError, BotoCoreError) as error:
                raise Unavailable(f"objects cannot be removed: {type(error).__name__}") from error
            if errors := answer.get("Errors"):
                raise Unavailable(f"{len(errors)} objects cannot be removed, first {errors[0].get('Key')}")

    def uri(self, path: str) -> str:
        """As Athena names it."""
        return f"s3://{self._bucket}/{path}"


class S3Uploads:
    """Presigned addresses of one bucket; who has one may put, or fetch, that one object, and nothing else."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def url(self, path: str, seconds: int) -> str:
        """Where the object is put."""
        return self._signed("put_object", path, seconds)

    def reading(self, path: str, seconds: int) -> str:
        """Where the object is fetched."""
        return self._signed("get_object", path, seconds)

    def _signed(self, operation: str, path: str, seconds: int) -> str:
        params = {"Bucket": self._bucket, "Key": path}
        return str(self._client.generate_presigned_url(operation, Params=params, ExpiresIn=seconds))


class S3RuleSets:
    """The rule sets of the lake. Every few seconds one listing tells which of them changed.

    `compiled`: take segments as they were checked and compiled when they were published. Somebody waits for the request
    that happens to find a new rule set, and reading thousands of segments anew takes seconds.
    """

    def __init__(
        self,
        lake: S3Lake,
        fresh: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
        *,
        compiled: bool = False,
    ) -> None:
        self._lake = lake
        self._fresh = fresh
        self._compiled = compiled
        self._clock = clock
        self._looked: float | None = None
        self._tags: dict[str, str] = {}
        self._sets: dict[str, Published] = {}
        self._refused: dict[str, str] = {}
        self._reported = 0.0

    def all(self) -> Mapping[str, Published]:
        """The last good rule set of each audience. A broken new one, or a lake out of reach, changes nothing."""
        if self._looked is None or self._clock() - self._looked >= self._fresh:
            try:
                self._look()
            except Unavailable as error:
                if self._looked is None:
                    raise
                logger.warning("rule sets cannot be looked up, the last ones stay: %s", error)
            self._looked = self._clock()
        return self._sets

    def _look(self) -> None:
        tags = {path: tag for path, tag in self._lake.tags("rules/") if path.endswith("/ruleset.json")}
        sets = {path.split("/")[1]: path for path in tags}
        kept = {audience: one for audience, one in self._sets.items() if audience in sets}
        for audience, path in sets.items():
            if self._tags.get(path) == tags[path]:
                continue
            stored = self._lake.get(path)
            if stored is None:
                continue
            try:
                kept[audience] = self._read(audience, stored.data)
                self._refused.pop(path, None)
            except (RuleError, ValueError) as error:
                self._refused[path] = str(error)
                self._reported = -REPORT
                if audience not in kept and (good := self._last_good(audience, path)) is not None:
                    kept[audience] = good
        self._tags, self._sets = tags, kept
        self._report(tags)

    def _last_good(self, audience: str, path: str) -> Published | None:
        """The rule set that others still run by, for a function that starts while the newest one is broken."""
        for data in self._lake.earlier(path, MOST_BACK):
            try:
                return self._read(audience, data)
            except (RuleError, ValueError):
                continue
        return None

    def _read(self, audience: str, data: bytes) -> Published:
        published = self._parsed(audience, json.loads(data))
        if published.audience.id != audience:
            raise ValueError(f"it is of audience {published.audience.id!r}")
        return published

    def _parsed(self, audience: str, document: Any) -> Published:
        if (
            self._compiled
            and isinstance(document, dict)
            and isinstance(version := document.get("version"), str)
        ):
            program = self._lake.get(program_path(audience, version))
            if program is not None:
                return read_published(document, program.data)
        return parse_published(document)

    def _report(self, tags: Mapping[str, str]) -> None:
        """Say what is refused, when it is found and every minute until it is mended."""
        self._refused = {path: why for path, why in self._refused.items() if path in tags}
        if not self._refused or self._clock() - self._reported < REPORT:
            return
        self._reported = self._clock()
        for path, why in self._refused.items():
            logger.error(
                "rule set %s is refused, the last good one stays: %s",
                path,
                why,
                extra={"metric": REFUSED_SETS},
            )
