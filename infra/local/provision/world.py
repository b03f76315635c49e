"""Where resources are created, and what comes of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from infra.local.invocations import FunctionSpec


@dataclass(frozen=True, slots=True)
class Physical:
    """A created resource: what Ref answers, and what Fn::GetAtt answers."""

    logical_id: str
    type: str
    ref: Any
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mapped:
    """An event source mapping or a schedule: its logical id and its resolved properties."""

    logical_id: str
    properties: Mapping[str, Any]
    arn: str = ""


@dataclass(frozen=True, slots=True)
class Api:
    """An HTTP API: its routes and authorizers as SAM writes them, and where this cloud serves it."""

    logical_id: str
    id: str
    url: str
    paths: Mapping[str, Any]
    authorizers: Mapping[str, Any]


@dataclass
class World:
    """Where resources are created, and what this cloud itself must run. `main_url`: where the template's own HTTP API is served;
    `open_api`: a new address for one of a nested stack."""

    endpoint_url: str
    main_url: str
    open_api: Callable[[], str]
    region: str
    account: str
    functions: dict[str, FunctionSpec] = field(default_factory=dict)
    mappings: list[Mapped] = field(default_factory=list)
    schedules: list[Mapped] = field(default_factory=list)
    rules: list[Mapped] = field(default_factory=list)
    invoke_configs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    layers: dict[str, Path] = field(default_factory=dict)
    apis: list[Api] = field(default_factory=list)
    _session: boto3.Session | None = None
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client of this cloud."""
        if service not in self._clients:
            self._session = self._session or boto3.Session(
                aws_access_key_id="local",
                aws_secret_access_key="local",
                aws_session_token="local",
                region_name=self.region,
            )
            make: Any = self._session.client  # its stubs know literal names only
            self._clients[service] = make(
                service,
                endpoint_url=self.endpoint_url,
                config=Config(max_pool_connections=64, retries={"mode": "standard"}, read_timeout=900),
            )
        return self._clients[service]

    def close(self) -> None:
        """Close the connections of the clients."""
        for client in self._clients.values():
            client.close()

    def arn(self, service: str, resource: str, region: bool = True) -> str:
        """An ARN in this cloud."""
        return f"arn:aws:{service}:{self.region if region else ''}:{self.account}:{resource}"


def function_name(reference: str) -> str:
    """The name in a function's ARN, in that of a version or alias, in an integration's URI, or the name itself."""
    found = re.search(r":function:([A-Za-z0-9_-]+)", reference)
    return found.group(1) if found else reference
