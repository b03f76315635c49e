"""A resource of the management API as commands use it: read, page by page, changed as it stands, waited for."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import typer

from infra.documents.remotes import ApiRemote

from .output import reported
from .session import connect

UNDER_WAY = ("running", "reading", "matching")
"""States of what is not at its end."""


@dataclass(frozen=True)
class Resource:
    """A path of the API. What is below it is named relative to it."""

    remote: ApiRemote
    path: str

    def below(self, *names: str) -> "Resource":
        """A resource below it, by the names on the way."""
        return Resource(self.remote, "/".join((self.path, *(quote(one, safe="") for one in names))))

    def get(self) -> Any:
        """What it is."""
        return self.remote.request("GET", self.path)

    def create(self, body: Any) -> Any:
        """Create a document in it; once, also where the answer is lost on the way."""
        return self.remote.request("POST", self.path, body, write=True)

    def begin(self, body: Any = None) -> Any:
        """Begin something that takes a while."""
        return self.remote.request("POST", self.path, body)

    def pages(self, **query: Any) -> list[Any]:
        """All items of all pages."""
        asked = "".join(f"&{name}={quote(str(one), safe='')}" for name, one in query.items() if one)
        items: list[Any] = []
        cursor = ""
        while True:
            page = self.remote.request("GET", f"{self.path}?limit=200{asked}{cursor}")
            items += page["items"]
            if page["next"] is None:
                return items
            cursor = f"&cursor={page['next']}"

    def current(self) -> dict[str, str]:
        """The header that binds a change to what stands now."""
        return {"If-Match": f'"{self.get()["etag"]}"'}

    def change(
        self, method: str, body: Any = None, *, below: str = "", header: dict[str, str] | None = None
    ) -> Any:
        """Change it as it stands now, or as it stood when `header` was asked for."""
        return self.remote.request(method, f"{self.path}{below}", body, header or self.current(), write=True)

    def finished(self, told: Any) -> Any:
        """What was begun in it, once it has come to its end; asked for more and more rarely."""
        pause = 0.2
        while told["state"] in UNDER_WAY:
            time.sleep(pause)
            pause = min(pause * 1.5, 3.0)
            told = self.below(told["id"]).get()
        return told


@contextmanager
def audience_at(url: str, audience: str, *names: str) -> Iterator[Resource]:
    """An audience (the only one, if none is named), or what is below it; errors are told, and end the command."""
    with reported():
        root = Resource(connect(url), "/v1/audiences")
        if not audience:
            known = [one["id"] for one in root.remote.request("GET", f"{root.path}?limit=2")["items"]]
            if len(known) != 1:
                raise typer.BadParameter("name one of several audiences", param_hint="--audience")
            (audience,) = known
        yield root.below(audience, *names)


@contextmanager
def audiences_at(url: str, *names: str) -> Iterator[Resource]:
    """All audiences, or what is below them; errors are told, and end the command."""
    with reported():
        yield Resource(connect(url), "/v1/audiences").below(*names)
