"""What the lake says in JSON: which build and run of an audience are current, and what a run committed."""

import json
from collections.abc import Mapping
from typing import Any

from segmentation.domain.errors import NotBuilt
from segmentation.domain.run import RunRecord, pointer_path, run_path, run_pointer_path
from segmentation.ports import Lake


def read_json(lake: Lake, path: str) -> Any | None:
    """The document at a path; `None` where nothing lies."""
    stored = lake.get(path)
    return None if stored is None else json.loads(stored.data)


def current_pointer(lake: Lake, audience: str) -> Mapping[str, Any] | None:
    """The pointer to the built version that is current (`BuildSteps.commit` writes it); `None` before the first build."""
    pointer: Mapping[str, Any] | None = read_json(lake, pointer_path(audience))
    return pointer


def built_pointer(lake: Lake, audience: str) -> Mapping[str, Any]:
    """The same pointer. Raises `NotBuilt` before the first build."""
    pointer = current_pointer(lake, audience)
    if pointer is None:
        raise NotBuilt(f"audience {audience!r} is not built yet; start a build first")
    return pointer


def current_run(lake: Lake, audience: str) -> RunRecord | None:
    """The run whose members are current; `None` before the first one."""
    return _record(lake, run_pointer_path(audience))


def committed_run(lake: Lake, audience: str, run: str) -> RunRecord | None:
    """What a run committed; `None` of one that did not, or that is no longer kept."""
    return _record(lake, run_path(audience, run, "run.json"))


def _record(lake: Lake, path: str) -> RunRecord | None:
    document = read_json(lake, path)
    return None if document is None else RunRecord.from_document(document)
