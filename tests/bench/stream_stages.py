"""Of which stages an event's time is made, in the bench of the stream: a stopwatch around what each of them calls."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient
from segmentation.adapters import dynamodb as store
from segmentation.domain import event as events
from segmentation.domain.visitor import evaluation, state
from segmentation.language.index import Index

from functions.evaluate_events import app

STAGES = ("decode", "state", "evaluate", "encode", "AWS client", "other")


@dataclass
class Stopwatch:
    """CPU by stage; a stage within another one is taken out of that."""

    spent: Counter[str] = field(default_factory=Counter)
    _inner: list[float] = field(default_factory=lambda: [0.0])

    def around(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            self._inner.append(0.0)
            try:
                return work(*arguments, **options)
            finally:
                took = time.perf_counter() - began
                self.spent[stage] += took - self._inner.pop()
                self._inner[-1] += took

        return timed


@contextmanager
def watched(watch: Stopwatch) -> Iterator[None]:
    """The stages under a stopwatch."""
    places: list[tuple[Any, str, str]] = [
        (app, "kinesis_records", "decode"),
        (events.Event, "from_json", "decode"),
        (evaluation, "take_in", "state"),
        (evaluation, "encode_within", "state"),
        (state.Visitor, "decode", "state"),
        (Index, "start", "evaluate"),
        (Index, "update", "evaluate"),
        (Index, "members", "evaluate"),
        (store, "realtime_item", "encode"),
        (store, "realtime_of", "encode"),
        (store, "batch_of", "encode"),
        (BaseClient, "_make_api_call", "AWS client"),
    ]
    with ExitStack() as stack:
        for owner, name, stage in places:
            found = owner.__dict__[name] if isinstance(owner, type) else getattr(owner, name)
            made: Any = watch.around(stage, getattr(owner, name))
            if isinstance(found, classmethod):
                made = staticmethod(made)
            stack.enter_context(patch.object(owner, name, made))
        yield
