"""What the template says of a function, and what comes of invoking it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAYLOAD_LIMIT = 6 * 1024 * 1024 + 100 * 1024
"""Lambda refuses larger requests and responses of a synchronous invocation."""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """What the template says of a function."""

    logical_id: str
    name: str
    arn: str
    handler: str
    runtime: str
    role: str
    memory: int
    timeout: float
    environment: Mapping[str, str]
    code: Path
    layers: tuple[Path, ...] = ()
    log_group: str = ""
    log_format: str = "Text"
    max_concurrency: int = 2


@dataclass(frozen=True, slots=True)
class Invocation:
    """The outcome of an invocation; `error` is None, or Lambda's name for the kind of failure."""

    request_id: str
    payload: bytes
    error: str | None
    log: str
    seconds: float

    def json(self) -> Any:
        """The payload as a value."""
        return json.loads(self.payload) if self.payload else None


def failure(kind: str, message: str, trace: list[str] | None = None) -> bytes:
    """The payload of a failed invocation, as Lambda words it."""
    return json.dumps({"errorType": kind, "errorMessage": message, "stackTrace": trace or []}).encode()
