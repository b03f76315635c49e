"""Names by dot, or by text where the name is no Python word: `attribute.age`, `attribute["age"]`."""

from collections.abc import Callable
from typing import Generic, TypeVar

from .constants import AuthoringError

T = TypeVar("T")


class Names(Generic[T]):
    """What is made of a name; whether it exists is checked when the documents are emitted."""

    def __init__(self, make: Callable[[str], T]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> T:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._make(name)

    def __getitem__(self, name: str) -> T:
        if not isinstance(name, str):
            raise AuthoringError(f"a name is text, not {name!r}")
        return self._make(name)

    __call__ = __getitem__
