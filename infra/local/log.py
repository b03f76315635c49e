"""A log that a person can read: one line an event, prefixed by who speaks."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, TextIO

Log = Callable[[str, str], None]
"""Takes who speaks and what it says (one line or several)."""

_BORING = {
    "level", "message", "timestamp", "location", "service", "cold_start", "function_name", "function_memory_size",
    "function_arn", "function_request_id", "xray_trace_id", "logger", "requestId", "stack_trace", "stackTrace",
    "exception", "exception_name", "errorMessage", "errorType", "_aws",
}  # fmt: skip


class ConsoleLog:
    """Writes the log to a stream, with the time and the speaker in front."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, source: str, text: str) -> None:
        moment = datetime.now().strftime("%H:%M:%S.%f")[:-3]  # noqa: DTZ005 - the reader's own clock
        lines = readable(text).splitlines() or [""]
        block = "".join(f"{moment} {source:<20} | {line}\n" for line in lines)
        with self._lock:
            stream = self._stream or sys.stderr
            stream.write(block)
            stream.flush()


def readable(line: str) -> str:
    """A JSON log record as one line of text (and its traceback below); any other line as it stands."""
    if not line.startswith("{"):
        return line
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict):
        return line
    if "_aws" in record:
        return "metrics " + " ".join(
            f"{name}={_short(value)}"
            for name, value in record.items()
            if name not in _BORING and isinstance(value, int | float | list)
        )
    if "level" not in record:
        return line
    message = record.get("message") or ": ".join(
        str(record[name]) for name in ("errorType", "errorMessage") if record.get(name)
    )
    extra = "".join(f" {name}={_short(value)}" for name, value in record.items() if name not in _BORING)
    text = f"{record['level']} {message if isinstance(message, str) else _short(message)}{extra}"
    for name in ("exception", "stackTrace"):
        trace = record.get(name)
        if isinstance(trace, list):
            text += "\n" + "\n".join(str(item).rstrip("\n") for item in trace)
        elif trace:
            text += f"\n{trace}"
    return text


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
