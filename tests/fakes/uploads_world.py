"""A world of uploads to lists, over fakes."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.list_upload import Upload
from segmentation.domain.lists import members_folder
from segmentation.usecases.current_build import current_lists
from segmentation.usecases.import_lists import ImportLists
from segmentation.usecases.upload_list import UploadList

from tests.fakes import (
    FakeUploads,
    FakeWarehouse,
    FixedClock,
    MemoryLake,
    MemoryLakeCatalog,
    MemoryQueue,
    MemoryTables,
    StaticRuleSets,
)
from tests.fakes.documents import documents, published

EMAIL = {"name": "email", "table": "contacts", "normalize": "email", "visibility": "pii"}
POINTER = {
    "version": "v1",
    "rows": {"profiles": 3},
    "tables": {"profiles": "people_v1", "behaviors": {}},
    "layout": {"identities": ["email"]},
}


class Killed(BaseException):
    """The process is gone."""


def rules(*lists: str) -> dict[str, Any]:
    document = documents()
    document["audience"]["identities"] = ["person_id", "td_client_id", EMAIL]
    document["segments"] += [
        {"id": one, "name": one, "audience": "shop", "kind": "list"} for one in lists or ("vip", "staff")
    ]
    return document


@dataclass
class World:
    lake: MemoryLake = field(default_factory=MemoryLake)
    tables: MemoryTables = field(default_factory=MemoryTables)
    warehouse: FakeWarehouse = field(default_factory=FakeWarehouse)
    clock: FixedClock = field(default_factory=FixedClock)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    catalog: MemoryLakeCatalog = field(default_factory=MemoryLakeCatalog)
    rows_a_part: int = 3

    def __post_init__(self) -> None:
        numbers = itertools.count(1)
        self.sets = StaticRuleSets({"shop": published(**rules())})
        self.uploads = UploadList(
            self.lake, FakeUploads(), self.sets, self.clock, self.queue, lambda: f"{next(numbers):04x}"
        )
        self.jobs = ImportLists(
            self.lake,
            self.tables,
            self.warehouse,
            self.catalog,
            self.sets,
            self.clock,
            self.queue,
            kept_seconds=1_000,
            rows_a_part=self.rows_a_part,
        )
        self.lake.put("audiences/shop/current.json", json.dumps(POINTER).encode())
        self.warehouse.answers["list_report"] = [("4", "3", "2")]
        self.warehouse.answers["list_unmatched"] = []
        self.warehouse.answers["list_merge"] = []

    def begin(self, *files: bytes, segment: str = "vip", **options: Any) -> Upload:
        """An upload whose files are there."""
        started = self.uploads.start("shop", segment, **options)
        for number, data in enumerate(files, start=1):
            path = started.urls[0].removeprefix("https://lake.example/").split("?")[0]
            self.lake.put(path.removesuffix("00001") + f"{number:05}", data)
        return self.uploads.complete("shop", segment, started.upload.id)

    def work(self, seconds_left: Callable[[], float] = lambda: 900.0) -> None:
        """Take the messages until there are none."""
        for _ in range(100):
            if not self.queue.messages:
                return
            one = self.queue.messages.pop(0)
            self.jobs(one["audience"], one["segment"], one["upload"], seconds_left)
        raise AssertionError("it does not end")

    def taken(self, *files: bytes, **options: Any) -> Upload:
        upload = self.begin(*files, **options)
        self.work()
        return self.status(upload)

    def status(self, upload: Upload) -> Upload:
        return self.uploads.status("shop", upload.segment, upload.id)

    def members(self, segment: str = "vip") -> list[tuple[str, int]]:
        """Keys and lines of a list as it is now."""
        found = []
        for upload in current_lists(self.lake, "shop").of(segment).uploads:
            folder = members_folder("shop", segment, upload.id)
            for path in sorted(self.tables.objects):
                if path.startswith(folder):
                    found += [(row["key"], row["line"]) for row in self.tables.objects[path]]
        return found
