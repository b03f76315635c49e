"""How the endpoint's process tells the one that runs the functions what has happened in a service."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any

EVENTS = "/_local/events"
ATHENA_CHANGE = "Athena Query State Change"


def put_event(functions: str, source: str, kind: str, detail: Mapping[str, Any]) -> None:
    """Hand an event to the process that runs the functions. One that nobody takes is lost, as on AWS it may be."""
    connection = http.client.HTTPConnection(functions, timeout=10)
    try:
        body = json.dumps({"source": source, "detail-type": kind, "detail": detail})
        connection.request("POST", EVENTS, body, {"Content-Type": "application/json"})
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):  # the cloud stops, or never had functions
        pass
    finally:
        connection.close()
