"""What Lambda tells CloudWatch of a function that reads a stream: how old the records were, and whether it failed."""

from __future__ import annotations

import threading
import time
from typing import Any

from infra.local.provision.world import World

SECONDS = 1.0
"""Between two reports of one reader, so that a busy stream does not spend its time on them."""


class StreamMetrics:
    """The metrics of one reader: noted for each batch, told now and then."""

    def __init__(self, world: World, function: str) -> None:
        self._world = world
        self._dimensions = [{"Name": "FunctionName", "Value": function}]
        self._lock = threading.Lock()
        self._age: float | None = None
        self._errors = 0
        self._told = 0.0

    def note(self, age: float, failed: bool) -> None:
        """A batch was handed over, whose last record was so many seconds old then."""
        with self._lock:
            self._age = max(self._age or 0.0, age)
            self._errors += failed
        if time.monotonic() - self._told >= SECONDS:
            self.tell()

    def tell(self) -> None:
        """Tell what was noted since the last time."""
        with self._lock:
            age, errors, self._age, self._errors = self._age, self._errors, None, 0
        if age is None:
            return
        self._told = time.monotonic()
        values = (("IteratorAge", age * 1_000, "Milliseconds"), ("Errors", float(errors), "Count"))
        data: list[Any] = [
            {"MetricName": name, "Dimensions": self._dimensions, "Value": value, "Unit": unit}
            for name, value, unit in values
        ]
        self._world.client("cloudwatch").put_metric_data(Namespace="AWS/Lambda", MetricData=data)
