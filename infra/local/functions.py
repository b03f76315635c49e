"""All functions of the cloud: synchronous and asynchronous invocation, and Lambda's own API for both."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from infra.local.activity import Activity
from infra.local.errors import CloudError
from infra.local.invocations import Invocation
from infra.local.log import Log
from infra.local.provision.world import World, function_name
from infra.local.runtime import Function, environment

ASYNC_RETRY_SECONDS = (1.0, 2.0)
"""Lambda waits a minute, then two; here nobody wants to."""
_PATH = re.compile(r"/2015-03-31/functions(?:/(?P<name>[^/]+)(?P<rest>/invocations|/configuration)?)?/?")


class Functions:
    """The functions of a provisioned template, by name, ARN or logical id."""

    def __init__(self, world: World, log: Log, activity: Activity) -> None:
        self._world = world
        self._log = log
        self._activity = activity
        self._functions = {
            name: Function(spec, environment(spec, world.endpoint_url, world.region), log, activity)
            for name, spec in world.functions.items()
        }
        self._logical = {spec.logical_id: name for name, spec in world.functions.items()}
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="async-invoke")
        self._stopping = threading.Event()

    def find(self, reference: str) -> Function:
        """A function by its name, its ARN or its logical id."""
        name = self._logical.get(reference, function_name(reference))
        if name not in self._functions:
            raise CloudError(
                f"there is no function {reference}; there are {', '.join(sorted(self._logical))}"
            )
        return self._functions[name]

    def invoke(self, reference: str, payload: bytes, patience: float | None = None) -> Invocation | None:
        """Invoke synchronously; None if no process came free within `patience` seconds."""
        return self.find(reference).invoke(payload, patience)

    def invoke_later(self, reference: str, payload: bytes) -> str:
        """Invoke asynchronously, with Lambda's retries, and its destinations after the last."""
        function, request_id = self.find(reference), str(uuid.uuid4())
        self._activity.begin()
        self._pool.submit(self._run_later, function, payload, request_id)
        return request_id

    def kill(self, reference: str) -> int:
        """Kill the processes of a function, in the middle of whatever they do."""
        return self.find(reference).kill()

    def stop(self) -> None:
        """End every process."""
        self._stopping.set()
        for function in self._functions.values():
            function.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run_later(self, function: Function, payload: bytes, request_id: str) -> None:
        try:
            config = self._world.invoke_configs.get(function.spec.name, {})
            retries = config.get("MaximumRetryAttempts")
            attempts = 1 + (2 if retries is None else int(retries))
            result: Invocation | None = None
            for attempt in range(attempts):
                result = function.invoke(payload)
                if result is None or result.error is None or self._stopping.is_set():
                    break
                if attempt + 1 < attempts:
                    self._stopping.wait(ASYNC_RETRY_SECONDS[min(attempt, 1)])
            assert result is not None
            where = "OnSuccess" if result.error is None else "OnFailure"
            if result.error is not None and not self._stopping.is_set():
                self._log(function.spec.logical_id, f"failed {attempts} times: {describe(result)}")
            target = ((config.get("DestinationConfig") or {}).get(where) or {}).get("Destination")
            if target:
                self._send(target, function, payload, request_id, attempts, result)
        except CloudError as error:  # the cloud stops
            self._log(function.spec.logical_id, str(error))
        finally:
            self._activity.end()

    def _send(
        self,
        target: str,
        function: Function,
        payload: bytes,
        request_id: str,
        attempts: int,
        result: Invocation,
    ) -> None:
        record = {
            "version": "1.0",
            "timestamp": timestamp(),
            "requestContext": {
                "requestId": request_id,
                "functionArn": f"{function.spec.arn}:$LATEST",
                "condition": "Success" if result.error is None else "RetriesExhausted",
                "approximateInvokeCount": attempts,
            },
            "requestPayload": json.loads(payload or b"null"),
            "responseContext": response_context(result),
            "responsePayload": json.loads(result.payload or b"null"),
        }
        service = target.split(":")[2]
        if service == "sqs":
            send_to_queue(self._world, target, json.dumps(record))
        elif service == "lambda":
            self.invoke_later(target, json.dumps(record).encode())
        else:
            raise CloudError(f"{function.spec.logical_id}: unknown kind of destination {target}")

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Lambda's HTTP API: Invoke, GetFunction, GetFunctionConfiguration, ListFunctions."""
        found = _PATH.fullmatch(environ["PATH_INFO"])
        headers: dict[str, str] = {}
        if not found:
            status, body = (
                501,
                _fault("NotImplemented", f"the embedded cloud does not know {environ['PATH_INFO']}"),
            )
        elif found["name"] is None:
            listed = [_configuration(function) for function in self._functions.values()]
            status, body = 200, json.dumps({"Functions": listed}).encode()
        else:
            try:
                function = self.find(unquote(found["name"]))
            except CloudError as error:
                status, body = 404, _fault("ResourceNotFoundException", str(error))
                headers["x-amzn-ErrorType"] = "ResourceNotFoundException"
            else:
                if found["rest"] == "/invocations":
                    status, body, headers = self._invoke_api(function, environ)
                else:
                    configuration = _configuration(function)
                    answer = configuration if found["rest"] else {"Configuration": configuration}
                    status, body = 200, json.dumps(answer).encode()
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
        return [body]

    def _invoke_api(self, function: Function, environ: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        payload: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}"
        kind = environ.get("HTTP_X_AMZ_INVOCATION_TYPE", "RequestResponse")
        try:
            json.loads(payload)
        except ValueError as error:
            message = f"Could not parse request body into json: {error}"
            fault = "InvalidRequestContentException"
            return 400, _fault(fault, message), {"x-amzn-ErrorType": fault}
        if kind == "DryRun":
            return 204, b"", {}
        if kind == "Event":
            return 202, b"", {"x-amzn-RequestId": self.invoke_later(function.spec.name, payload)}
        result = function.invoke(payload)
        assert result is not None
        if result.error == "TooLarge":
            fault = "RequestTooLargeException"
            return 413, _fault(fault, "Request must be smaller than 6 MB"), {"x-amzn-ErrorType": fault}
        headers = {"X-Amz-Executed-Version": "$LATEST", "x-amzn-RequestId": result.request_id}
        if result.error is not None:
            headers["X-Amz-Function-Error"] = result.error
        if environ.get("HTTP_X_AMZ_LOG_TYPE") == "Tail":
            headers["X-Amz-Log-Result"] = base64.b64encode(result.log.encode()[-4096:]).decode()
        return 200, result.payload, headers


def describe(result: Invocation) -> str:
    """A failed invocation in one line."""
    try:
        error = json.loads(result.payload)
        return f"{error.get('errorType')}: {error.get('errorMessage')}"
    except (ValueError, AttributeError):
        return result.payload.decode("utf-8", "replace")


def response_context(result: Invocation) -> dict[str, Any]:
    """What Lambda's invocation records say of the last answer."""
    context: dict[str, Any] = {"statusCode": 200, "executedVersion": "$LATEST"}
    if result.error is not None:
        context["functionError"] = result.error
    return context


def timestamp(seconds: float | None = None) -> str:
    """An instant as Lambda's invocation records write it."""
    moment = datetime.fromtimestamp(time.time() if seconds is None else seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def send_to_queue(world: World, arn: str, body: str) -> None:
    """Put a message into the queue with this ARN."""
    client = world.client("sqs")
    url = client.get_queue_url(QueueName=arn.rsplit(":", 1)[1])["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody=body)


def _configuration(function: Function) -> dict[str, Any]:
    spec = function.spec
    return {
        "FunctionName": spec.name,
        "FunctionArn": spec.arn,
        "Runtime": spec.runtime,
        "Role": spec.role,
        "Handler": spec.handler,
        "Timeout": int(spec.timeout),
        "MemorySize": spec.memory,
        "Version": "$LATEST",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "Environment": {"Variables": dict(spec.environment)},
    }


def _fault(kind: str, message: str) -> bytes:
    return json.dumps({"Type": "User", "Code": kind, "Message": message, "message": message}).encode()
