"""Talking to the embedded cloud as its clients do."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from infra.demo.stage import AUDIENCE, EVENTS_PATH, WRITE_KEY, Stage


def post(
    stage: Stage,
    body: Any,
    path: str = EVENTS_PATH,
    key: str | None = WRITE_KEY,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Any]:
    """POST; the status and the answer's JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/vnd.treasuredata.v1+json", **(headers or {})}
    if key is not None:
        sent["Authorization"] = f"TD1 {key}"
    return _open(urllib.request.Request(stage.api + path, data, sent))


def get(stage: Stage, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
    """GET; the status and the answer's JSON."""
    return _open(urllib.request.Request(stage.api + path, headers=dict(headers or {})))


def _open(request: urllib.request.Request) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait for something to become true; how long it took."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - started


def bearer(stage: Stage) -> dict[str, str]:
    return {"Authorization": f"Bearer {stage.partner_token}"}


def segment_path(segment: str, what: str) -> str:
    return f"/v1/audiences/{AUDIENCE}/segments/{segment}/{what}"
