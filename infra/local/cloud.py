"""The embedded cloud as one object: start it, use it, stop it."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from werkzeug.serving import BaseWSGIServer

from infra.local.activity import Activity
from infra.local.changes import CHANGES
from infra.local.clock import Clock, system_clock
from infra.local.dynamodb_streams import stream_readers
from infra.local.errors import CloudError, FunctionError
from infra.local.events import EventBus
from infra.local.functions import Functions
from infra.local.http_api import HttpApi
from infra.local.issuer import CLIENT, Issuer
from infra.local.kinesis import shard_readers
from infra.local.log import ConsoleLog, Log
from infra.local.provision.stack import Stack
from infra.local.provision.table import PROVISIONERS
from infra.local.provision.world import Mapped, World
from infra.local.quiet import QuietHandler, QuietTlsHandler, serve
from infra.local.schedules import schedules
from infra.local.sources import Source
from infra.local.sqs import QueueReader
from infra.local.template import load, parameter_names
from infra.local.tls import server_context

ROOT = Path(__file__).parents[2]
ACCOUNT = "123456789012"


class Cloud:
    """A template, alive: its resources in moto, its functions in processes, its event sources polling.

    Ports: `api_port` for the HTTP API of the template, the next ones for those of its nested stacks, `aws_port` for all
    AWS APIs; 0 takes any free one. `issuer` issues tokens of a development key: where the template has the parameters
    JwtIssuer and JwtAudience, and they are not given, they name it. `https_port`: the HTTP API over TLS too, under a
    certificate that nobody signed.
    `sqs_retry_seconds` brings back what a function did not finish sooner than the queue's visibility time-out.
    """

    def __init__(
        self,
        template_path: Path | str = ROOT / "template.yaml",
        parameters: Mapping[str, str] | None = None,
        api_port: int = 8000,
        aws_port: int = 4566,
        log: Log | None = None,
        clock: Clock = system_clock,
        stack_name: str = "segmentation",
        region: str = "us-east-1",
        sqs_retry_seconds: float | None = None,
        https_port: int | None = None,
    ) -> None:
        self._template_path = Path(template_path)
        self._parameters = dict(parameters or {})
        self._api_port = api_port
        self._aws_port = aws_port
        self._https_port = https_port
        self._https_url: str | None = None
        self._log: Log = log or ConsoleLog()
        self._clock = clock
        self._stack_name = stack_name
        self._region = region
        self._sqs_retry_seconds = sqs_retry_seconds
        self._activity = Activity()
        self._sources: list[Source] = []
        self._servers: list[BaseWSGIServer] = []
        self._apis: dict[str, _Late] = {}
        self.issuer = Issuer()
        self._functions: Functions | None = None
        self._world: World | None = None
        self._endpoint: subprocess.Popen[str] | None = None
        self.events: EventBus | None = None
        self.outputs: dict[str, str] = {}
        """The outputs of the template, with this cloud's own addresses."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def api_url(self) -> str:
        """Where the HTTP API of the template answers."""
        return self._running.main_url

    @property
    def https_url(self) -> str:
        """Where it answers over TLS."""
        if self._https_url is None:
            raise CloudError("the cloud was started without https_port")
        return self._https_url

    @property
    def endpoint_url(self) -> str:
        """Where every AWS API answers (AWS_ENDPOINT_URL)."""
        return self._running.endpoint_url

    @property
    def _running(self) -> World:
        if self._world is None:
            raise CloudError("the cloud is not running; start it, or use it in a `with` statement")
        return self._world

    def client(self, service: str) -> Any:
        """A boto3 client of this cloud."""
        return self._running.client(service)

    def start(self) -> None:
        """Create everything; when this returns, the cloud is ready."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def invoke(self, function: str, payload: Any = None) -> Any:
        """Invoke a function by its logical id or name; raises `FunctionError` with its traceback if it fails."""
        if self._functions is None:
            raise CloudError("the cloud is not running")
        result = self._functions.invoke(function, json.dumps(payload if payload is not None else {}).encode())
        assert result is not None
        if result.error is not None:
            raise FunctionError(function, json.loads(result.payload))
        return result.json()

    def kill(self, function: str) -> int:
        """Kill the processes of a function, in the middle of whatever they do; answers how many there were."""
        if self._functions is None:
            raise CloudError("the cloud is not running")
        return self._functions.kill(function)

    def idle(self, timeout: float = 60.0) -> None:
        """Wait until nothing is under way and no event source has anything left; batching windows end at once."""
        asked, deadline = time.monotonic(), time.monotonic() + timeout
        for source in self._sources:
            source.flush.set()
        try:
            while True:
                since = max(asked, self._activity.last)
                busy = [source.name for source in self._sources if source.quiet_since <= since]
                if not busy and not self._activity.busy:
                    return
                for source in self._sources:
                    if source.name in busy:
                        source.wake.set()
                if time.monotonic() > deadline:
                    what = ", ".join(busy) or "an invocation"
                    raise CloudError(f"still busy after {timeout:g} s: {what}; the log says with what")
                time.sleep(0.01)
        finally:
            for source in self._sources:
                source.flush.clear()

    def stop(self) -> None:
        """Stop everything, in order: no process is left behind."""
        for source in self._sources:
            source.stop()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        if self._functions is not None:
            self._functions.stop()
        for source in self._sources:
            source.join(2)
        if self._world is not None:
            self._world.close()
        if self._endpoint is not None and self._endpoint.stdin is not None:
            self._endpoint.stdin.close()
            try:
                self._endpoint.wait(5)
            except subprocess.TimeoutExpired:
                self._endpoint.kill()
                self._endpoint.wait()
            if self._endpoint.stdout is not None:
                self._endpoint.stdout.close()
        self._sources, self._servers, self._functions = [], [], None
        self._world, self._endpoint = None, None

    def _start(self) -> None:
        internal, main = _Late(), _Late()
        lambda_port = self._serve(0, internal)
        self._endpoint = self._start_endpoint(lambda_port)
        main_url = f"http://127.0.0.1:{self._serve(self._api_port, main)}"
        self._apis = {main_url: main}
        if self._https_port is not None:
            port = self._serve(self._https_port, main, server_context())
            self._https_url = f"https://127.0.0.1:{port}"
        self.issuer.url = f"http://127.0.0.1:{self._serve(0, self.issuer)}"
        known = {"JwtIssuer": self.issuer.url, "JwtAudience": CLIENT}
        wanted = {name: known[name] for name in known.keys() & parameter_names(self._template_path)}
        # while the endpoint starts
        template = load(self._template_path, {**wanted, **self._parameters}, self._region)
        world = World(
            endpoint_url=self._wait_for_endpoint(self._endpoint),
            main_url=main_url,
            open_api=self._open_api,
            region=self._region,
            account=ACCOUNT,
        )
        stack = Stack(template, self._stack_name, world, PROVISIONERS)
        stack.provision()
        self.outputs = stack.outputs()
        self._functions = Functions(world, self._log, self._activity)
        self.events = internal.application = EventBus(world, self._functions, self._log, self._activity)
        for api in world.apis:
            self._apis[api.url].application = HttpApi(api, world, self._functions, self._log)
        for mapped in world.mappings:
            self._sources += self._mapping(mapped, world)
        self._sources += schedules(world, self._functions, self._log, self._clock)
        self._world = world
        for source in self._sources:
            source.start()
        for service in sorted({source.service for source in self._sources} - {""}):
            threading.Thread(target=self._watch, args=(service, world.endpoint_url), daemon=True).start()

    def _watch(self, service: str, endpoint_url: str) -> None:
        """Wake the sources of a service up whenever the endpoint says that it was written to."""
        connection = http.client.HTTPConnection(urlsplit(endpoint_url).netloc)
        seen = 0
        try:
            while True:
                connection.request("GET", f"{CHANGES}{service}/{seen}")
                seen = int(connection.getresponse().read())
                for source in self._sources:
                    if source.service == service:
                        source.wake.set()
        except (OSError, ValueError, http.client.HTTPException):  # the cloud stops
            connection.close()

    def _mapping(self, mapped: Mapped, world: World) -> list[Source]:
        assert self._functions is not None
        if str(mapped.properties.get("Enabled", True)).lower() == "false":
            return []
        service = mapped.properties["EventSourceArn"].split(":")[2]
        if service == "kinesis":
            return shard_readers(mapped, world, self._functions, self._log)
        if service == "dynamodb":
            return stream_readers(mapped, world, self._functions, self._log)
        if service == "sqs":
            return [QueueReader(mapped, world, self._functions, self._log, self._sqs_retry_seconds)]
        raise CloudError(f"{mapped.logical_id}: the embedded cloud does not know event sources of {service}")

    def _serve(self, port: int, application: Callable[..., Any], tls: ssl.SSLContext | None = None) -> int:
        server = serve(port, application, QuietHandler if tls is None else QuietTlsHandler, tls)
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        self._servers.append(server)
        return server.port

    def _open_api(self) -> str:
        """An address for one more HTTP API."""
        late, port = _Late(), self._api_port + len(self._apis) if self._api_port else 0
        url = f"http://127.0.0.1:{self._serve(port, late)}"
        self._apis[url] = late
        return url

    def _start_endpoint(self, lambda_port: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "infra.local.front",
                *("--port", str(self._aws_port), "--region", self._region, "--account", ACCOUNT),
                *("--functions", f"127.0.0.1:{lambda_port}"),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _wait_for_endpoint(self, process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            if line.startswith("ready "):
                threading.Thread(target=self._relay, args=(process,), daemon=True).start()
                return line.split()[1]
            if line.startswith("error: "):
                raise CloudError(line.removeprefix("error: ").strip())
            said.append(line)
        raise CloudError("the AWS endpoint did not start:\n" + "".join(said))

    def _relay(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                self._log("aws", line.rstrip("\n"))
        except ValueError:  # closed while stopping
            pass


class _Late:
    """A WSGI application that is known only after its server has a port."""

    def __init__(self) -> None:
        self.application: Callable[..., Any] | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if self.application is None:
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return [b""]
        return self.application(environ, start_response)
