"""EventBridge's default bus: events of AWS services, rules with a pattern, functions as targets.

The endpoint's process puts events here over HTTP; what is not an event goes to the functions' own API.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from infra.local.activity import Activity
from infra.local.errors import TemplateError
from infra.local.event_post import ATHENA_CHANGE, EVENTS
from infra.local.functions import Functions
from infra.local.log import Log
from infra.local.provision.world import Mapped, World

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
_RULE = {"EventPattern", "State", "Targets"}
_TARGET = {"Arn", "Id", "RetryPolicy"}


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether an event has, at every place that the pattern names, one of the values that it lists there."""
    for name, wanted in pattern.items():
        if isinstance(wanted, Mapping):
            inner = event.get(name)
            if not isinstance(inner, Mapping) or not matches(wanted, inner):
                return False
        elif event.get(name) not in wanted:
            return False
    return True


class EventRule:
    """One rule with a pattern, and its targets."""

    def __init__(self, mapped: Mapped, functions: Functions) -> None:
        self.name = mapped.logical_id
        self.pattern = mapped.properties["EventPattern"]
        self.targets = mapped.properties["Targets"]
        _check(self.name, self.pattern)
        if unknown := sorted(mapped.properties.keys() - _RULE):
            raise TemplateError(
                f"{self.name}: the embedded cloud does not know {', '.join(unknown)} of a rule"
            )
        for target in self.targets:
            if unknown := sorted(target.keys() - _TARGET):
                raise TemplateError(
                    f"{self.name}: the embedded cloud does not know {', '.join(unknown)} of a rule's target"
                )
            functions.find(target["Arn"])


def _check(name: str, pattern: Any) -> None:
    """Only lists of exact values are known: prefix, anything-but and the like are refused."""
    for key, wanted in pattern.items():
        if isinstance(wanted, Mapping):
            _check(name, wanted)
        elif not isinstance(wanted, list) or any(isinstance(one, Mapping) for one in wanted):
            raise TemplateError(
                f"{name}: the embedded cloud knows patterns of exact values only, not {wanted!r} of {key}"
            )


class EventBus:
    """Takes events, and everything else on the internal port to the functions."""

    def __init__(self, world: World, functions: Functions, log: Log, activity: Activity) -> None:
        self._world = world
        self._functions = functions
        self._log = log
        self._activity = activity
        self._under_way: set[str] = set()
        self.lose: Callable[[Mapping[str, Any]], bool] = lambda _: False
        """For tests: which events get lost."""
        self.rules = [
            EventRule(mapped, functions)
            for mapped in world.rules
            if "EventPattern" in mapped.properties and mapped.properties.get("State", "ENABLED") == "ENABLED"
        ]

    def put(self, source: str, kind: str, detail: Mapping[str, Any]) -> None:
        """Invoke the targets of every rule that the event matches."""
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": kind,
            "source": source,
            "account": self._world.account,
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._world.region,
            "resources": [],
            "detail": dict(detail),
        }
        try:
            if not self.lose(event):
                for rule in self.rules:
                    if matches(rule.pattern, event):
                        for target in rule.targets:
                            self._functions.invoke_later(target["Arn"], json.dumps(event).encode())
        finally:
            self._note(kind, detail)

    def _note(self, kind: str, detail: Mapping[str, Any]) -> None:
        """The cloud is not idle while a query runs."""
        if kind != ATHENA_CHANGE:
            return
        query = str(detail["queryExecutionId"])
        if detail["currentState"] not in ENDED and query not in self._under_way:
            self._under_way.add(query)
            self._activity.begin()
        elif detail["currentState"] in ENDED and query in self._under_way:
            self._under_way.discard(query)
            self._activity.end()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        if environ["PATH_INFO"] != EVENTS:
            return self._functions(environ, start_response)
        body = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        self.put(body["source"], body["detail-type"], body["detail"])
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]
