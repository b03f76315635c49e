"""An operation of the management API as a declaration, and the finding of the one that a request asks for."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from segmentation.domain.errors import MethodNotAllowed, NotFound
from segmentation.language.problems import did_you_mean

from .caller import Caller, Role

MOST_ITEMS = 200
"""Items of one page."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query. `type` is a type that msgspec converts text to."""

    name: str
    type: Any
    description: str
    default: Any = None


CURSOR = Parameter("cursor", str, "`next` of an earlier answer, unchanged", "")
LIMIT = Parameter("limit", int, f"Items of a page, at most {MOST_ITEMS}", 50)


@dataclass(slots=True)
class Call:
    """A request to an operation, read and checked. `if_match` is the tag that the caller names, or `*`."""

    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any = None
    if_match: str = ""
    if_none_match: str = ""
    key: str = ""
    content: str = ""
    places: dict[tuple[str, str], str] = field(default_factory=dict)
    """Where in the request's body a document stands, for the pointers of its problems."""


@dataclass(frozen=True, slots=True)
class Done:
    """What an operation answers: the body, and headers that say more of it."""

    body: Any
    tag: str = ""
    location: str = ""
    status: int = 0
    """0: the operation's own."""


Handler = Callable[[Any, Call], Done]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path. `changes`: it needs `If-Match`. What creates or changes takes `Idempotency-Key`."""

    id: str
    method: str
    path: str
    summary: str
    role: Role
    handler: Handler
    answer: Any
    body: Any = None
    query: tuple[Parameter, ...] = ()
    status: int = 200
    changes: bool = False
    creates: bool = False
    tagged: bool = False
    """Its answer has an ETag, and `If-None-Match` is answered."""
    ready: bool = False
    """What it starts may be done at once: the answer is 200 then."""
    errors: tuple[int, ...] = ()
    """Statuses beside those that its declaration implies."""
    description: str = ""
    group: str = ""

    @property
    def is_write(self) -> bool:
        """It makes a version, and sent again with the same key it makes none."""
        return self.creates or self.changes


@dataclass(frozen=True, slots=True)
class Router:
    """Finds operations by method and path. Literal parts win over parameters."""

    operations: Sequence[Operation]
    _patterns: list[tuple[re.Pattern[str], dict[str, Operation]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        by_path: dict[str, dict[str, Operation]] = {}
        for one in self.operations:
            if one.method in by_path.setdefault(one.path, {}):
                raise ValueError(f"two operations {one.method} {one.path}")
            by_path[one.path][one.method] = one
        for path in sorted(by_path, key=lambda path: [part.startswith("{") for part in path.split("/")]):
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))
            self._patterns.append((re.compile(pattern, re.S), by_path[path]))

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        """The operation and its path parameters, decoded. `NotFound`, `MethodNotAllowed`."""
        for pattern, methods in self._patterns:
            if match := pattern.fullmatch(path):
                operation = methods.get("GET" if method == "HEAD" else method)
                if operation is None:
                    raise MethodNotAllowed(f"{method} is not known here; known: {', '.join(sorted(methods))}")
                return operation, {name: unquote(value) for name, value in match.groupdict().items()}
        known = {one.path.split("/")[-1] for one in self.operations} - {""}
        words = (one for one in known if not one.startswith("{"))
        raise NotFound(f"there is nothing at this path{did_you_mean(path.rsplit('/', 1)[-1], words)}")

    def allowed(self, path: str) -> list[str]:
        """The methods of a path."""
        return next((sorted(methods) for pattern, methods in self._patterns if pattern.fullmatch(path)), [])
