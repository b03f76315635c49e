"""AWS clients, made once a process by botocore, on which boto3 stands.

Somebody waits for a cold start, so what costs time in it and serves nobody here is left out: boto3's resources and
transfers (15 ms of import), a walk through the folders of all 440 services at each client's birth, and half of what
reading a service's description takes. `tests/budget` holds what is imported.
"""

import gzip
import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec
from botocore.config import Config
from botocore.loaders import JSONFileLoader, Loader
from botocore.session import Session

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
ENDINGS: Mapping[str, Callable[..., Any]] = {".json.gz": gzip.open, ".json": open}


@cache
def client(name: str, config: Config = LONG) -> Any:
    """A client of a service, of the region and endpoint that the environment names."""
    return _session().create_client(name, config=config)


@cache
def _session() -> Session:
    """One for all clients: they share credentials and what was read of botocore's data."""
    session = Session()
    session.register_component("data_loader", Descriptions(file_loader=Documents()))
    return session


class Documents(JSONFileLoader):
    """Botocore's JSON files, as plain dicts: no caller changes their order."""

    def load_file(self, file_path: str) -> Any:
        """The document of a path without its ending; nothing if there is none."""
        for ending, opened in ENDINGS.items():
            try:
                with opened(f"{file_path}{ending}", "rb") as file:
                    return msgspec.json.decode(file.read())
            except FileNotFoundError:
                continue
        return None


class Descriptions(Loader):
    """What botocore knows of services, looked up for the one that is asked for."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - as botocore calls it
        """Services that have a folder; whether it holds what is wanted, shows when that is read."""
        return [
            name for path in self.search_paths if os.path.isdir(path) for name in sorted(os.listdir(path))
        ]
