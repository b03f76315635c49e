"""Runs functions as Lambda runs them: the real runtime client in processes of their own, driven by the Runtime API.

A worker is one process (`python -m awslambdaric <handler>`) with its own small Runtime API server; a function
is a pool of workers; they start at the first invocation that needs them, and again after a crash.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Mapping

from infra.local.activity import Activity
from infra.local.errors import CloudError
from infra.local.invocations import PAYLOAD_LIMIT, FunctionSpec, Invocation, failure
from infra.local.log import Log
from infra.local.worker import Worker


class Function:
    """A function of the template: at most `max_concurrency` workers, started when needed."""

    def __init__(
        self, spec: FunctionSpec, environment: Mapping[str, str], log: Log, activity: Activity
    ) -> None:
        self.spec = spec
        self._environment = environment
        self._log = log
        self._activity = activity
        self._slots = threading.BoundedSemaphore(spec.max_concurrency)
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._stopped = False

    def invoke(self, payload: bytes, patience: float | None = None) -> Invocation | None:
        """Invoke synchronously; None if no worker came free within `patience` seconds."""
        if len(payload) > PAYLOAD_LIMIT:
            return Invocation(
                "",
                failure("RequestEntityTooLargeException", f"{len(payload)} bytes exceed {PAYLOAD_LIMIT}"),
                "TooLarge",
                "",
                0.0,
            )
        with self._activity.during():
            if not self._slots.acquire(timeout=patience):
                return None
            try:
                worker = self._take()
                result = worker.invoke(payload)
                self._give_back(worker)
                return result
            finally:
                self._slots.release()

    def kill(self) -> int:
        """Kill every process of the function, wherever it stands; answers how many."""
        with self._lock:
            workers = list(self._all)
        for worker in workers:
            worker.kill()
        return len(workers)

    def stop(self) -> None:
        """End every process."""
        with self._lock:
            self._stopped = True
            workers, self._all, self._idle = self._all, set(), []
        for worker in workers:
            worker.stop()

    def _take(self) -> Worker:
        with self._lock:
            if self._stopped:
                raise CloudError(f"{self.spec.logical_id}: the cloud is stopping")
            dead = [worker for worker in self._idle if not worker.alive]
            self._idle = [worker for worker in self._idle if worker.alive]
            self._all.difference_update(dead)
            worker = self._idle.pop() if self._idle else None
            if worker is None:
                worker = Worker(self.spec, self._environment, self._log)
                self._all.add(worker)
        for old in dead:
            old.stop()
        return worker

    def _give_back(self, worker: Worker) -> None:
        with self._lock:
            if worker.alive and worker in self._all:
                self._idle.append(worker)
                return
            self._all.discard(worker)
        worker.stop()


def environment(spec: FunctionSpec, endpoint_url: str, region: str) -> dict[str, str]:
    """The environment variables of a function's process: Lambda's, the template's, and where AWS is."""
    path = [str(spec.code), *(str(layer / "python") for layer in spec.layers)]
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", "/tmp"),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUTF8": "1",
        "LAMBDA_TASK_ROOT": str(spec.code),
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{spec.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group or f"/aws/lambda/{spec.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{time.strftime('%Y/%m/%d')}/[$LATEST]{uuid.uuid4().hex}",
        "AWS_LAMBDA_LOG_FORMAT": spec.log_format,
        "_HANDLER": spec.handler,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_EC2_METADATA_DISABLED": "true",
        **spec.environment,
    }
