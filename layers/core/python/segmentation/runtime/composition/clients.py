"""boto3 clients, made once a process."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

SHORT = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
"""Where a visitor or a website waits."""
PATIENT = Config(connect_timeout=2, read_timeout=25, retries={"mode": "standard", "total_max_attempts": 1})
"""Where a person waits for another function, as long as API Gateway lets them; asked once, for it may start something."""
LONG = Config(
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=32,
    retries={"mode": "standard", "total_max_attempts": 5},
)
"""Where a batch works."""


@cache
def client(name: str, config: Config = LONG) -> Any:
    """A client of a service, of the region and endpoint that the environment names."""
    return boto3.client(name, config=config)  # type: ignore[call-overload]
