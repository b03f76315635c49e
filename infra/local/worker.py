"""One process of a function: the real runtime client, driven by a Runtime API server of its own."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.local.invocations import PAYLOAD_LIMIT, FunctionSpec, Invocation, failure
from infra.local.log import Log

INIT_LIMIT_SECONDS = 60.0
"""Lambda allows 10 s; this machine may be starting everything else at the same moment."""


@dataclass(slots=True)
class _Call:
    request_id: str
    payload: bytes
    done: threading.Event = field(default_factory=threading.Event)
    response: bytes = b""
    error: str | None = None
    log: list[str] = field(default_factory=list)

    def finish(self, response: bytes, error: str | None = None) -> None:
        if not self.done.is_set():
            self.response, self.error = response, error
            self.done.set()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        super().__init__(("127.0.0.1", 0), _RuntimeApi)

    def handlefailure(self, request: Any, client_address: Any) -> None:
        """A process that was killed drops its connection: that is no error of the server."""


class _RuntimeApi(BaseHTTPRequestHandler):
    """The Lambda Runtime API for one worker."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        worker = self.server.worker
        worker.ready.set()
        call = worker.calls.get()
        if call is None:  # stopping
            self.close_connection = True
            return
        spec = worker.spec
        self._answer(
            200,
            call.payload,
            {
                "Lambda-Runtime-Aws-Request-Id": call.request_id,
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + spec.timeout) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": spec.arn,
                "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
                "Content-Type": "application/json",
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        worker = self.server.worker
        if self.path.endswith("/runtime/init/error"):
            worker.init_error = body
            worker.ready.set()
        elif (call := worker.current) is not None and f"/{call.request_id}/" in self.path:
            # The last lines that the handler printed are on their way through a pipe; the answer overtakes them.
            if self.path.endswith("/error"):
                call.finish(body, "Unhandled")
            elif len(body) > PAYLOAD_LIMIT:
                call.finish(
                    failure(
                        "Function.ResponseSizeTooLarge",
                        f"Response payload size ({len(body)} bytes) exceeded maximum allowed payload size"
                        f" ({PAYLOAD_LIMIT} bytes).",
                    ),
                    "Unhandled",
                )
            else:
                call.finish(body)
        self._answer(202, b'{"status":"OK"}', {"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} OK", *(f"{name}: {value}" for name, value in headers.items())]
        lines += [f"Content-Length: {len(body)}", "", ""]
        self.wfile.write("\r\n".join(lines).encode("latin-1") + body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the functions' own lines are the log."""


class Worker:
    """One process of a function."""

    def __init__(self, spec: FunctionSpec, environment: Mapping[str, str], log: Log) -> None:
        self.spec = spec
        self.calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self.ready = threading.Event()
        self.current: _Call | None = None
        self.init_error: bytes | None = None
        self._log = log
        self._tail: deque[str] = deque(maxlen=50)
        self._ended = False
        self._started = time.monotonic()
        self._server = _Server(self)
        host, port = self._server.server_address[:2]
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", spec.handler],
            cwd=spec.code,
            env={**environment, "AWS_LAMBDA_RUNTIME_API": f"{host!s}:{port}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the cloud, which then stops its processes in order
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def alive(self) -> bool:
        """Can this worker take another invocation?"""
        return self._process.poll() is None and self.init_error is None

    def invoke(self, payload: bytes) -> Invocation:
        """Hand one event to the process and wait for its answer, its end or its deadline."""
        call = _Call(str(uuid.uuid4()), payload)
        self.current = call
        cold = not self.ready.is_set()
        if not self.ready.wait(INIT_LIMIT_SECONDS):
            self.kill()
            call.finish(
                failure("Sandbox.Timedout", f"Init did not end in {INIT_LIMIT_SECONDS:.0f} s"), "Unhandled"
            )
        elif self.init_error is not None:
            self._reader.join(1)
            call.finish(self.init_error, "Unhandled")
        elif cold:
            self._log(self.spec.logical_id, f"started in {(time.monotonic() - self._started) * 1000:.0f} ms")
        began = time.monotonic()
        if self._ended:  # it was killed between two invocations
            call.finish(failure("Runtime.ExitError", "the process has ended"), "Unhandled")
        if not call.done.is_set():
            self.calls.put(call)
            if not call.done.wait(self.spec.timeout):
                self.kill()
                call.finish(
                    failure(
                        "Sandbox.Timedout",
                        f"RequestId: {call.request_id} Error: Task timed out after {self.spec.timeout:.2f} seconds",
                    ),
                    "Unhandled",
                )
                self._log(
                    self.spec.logical_id, f"timed out after {self.spec.timeout:g} s; its process was killed"
                )
        self.current = None
        return Invocation(
            call.request_id, call.response, call.error, "\n".join(call.log), time.monotonic() - began
        )

    def kill(self) -> None:
        """End the process and whatever it started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End the process and the server."""
        self.calls.put(None)
        self.kill()
        self._process.wait()
        self._server.shutdown()
        self._server.server_close()
        self._reader.join(1)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for raw in lines:
                # awslambdaric sends a traceback as one line, with carriage returns between
                line = raw.decode("utf-8", "replace").rstrip("\n").replace("\r", "\n").replace("\u00a0", " ")
                if (call := self.current) is not None:
                    call.log.append(line)
                self._tail.append(line)
                if line.strip():
                    self._log(self.spec.logical_id, line)

    def _watch(self) -> None:
        code = self._process.wait()
        self._ended = True
        self._reader.join(1)
        if not self.ready.is_set():  # ended before it asked for work, without a word through the API
            self.init_error = failure(
                "Runtime.ExitError", "Runtime exited " + _how(code) + "\n" + "\n".join(self._tail)
            )
            self.ready.set()
        if (call := self.current) is not None and not call.done.is_set() and self.init_error is None:
            self._log(
                self.spec.logical_id, f"its process ended in the middle of an invocation ({_how(code)})"
            )
            call.finish(
                failure(
                    "Runtime.ExitError",
                    f"RequestId: {call.request_id} Error: Runtime exited {_how(code)}",
                    list(self._tail) if code >= 0 else [],
                ),
                "Unhandled",
            )


def _how(code: int) -> str:
    return f"on signal {signal.Signals(-code).name}" if code < 0 else f"with exit status {code}"
