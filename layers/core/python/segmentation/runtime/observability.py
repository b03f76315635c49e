"""Logs and metrics of a function, by Powertools; made at the first invocation, nothing at import.

Never logged: keys, tokens, profile ids, columns. Use cases log through the standard library, and what
they did comes back as a result that a handler turns into metrics. Traces are Lambda's own (X-Ray, active).
"""

import logging
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit

Handler = Callable[[Any, Any], Any]


@cache
def logger() -> Logger:
    """The function's logger; the core's loggers write through it, in its format."""
    made = Logger()
    logging.getLogger("segmentation")
    copy_config_to_registered_loggers(source_logger=made, include={"segmentation"})
    logging.getLogger("segmentation").addHandler(_Measured())
    return made


class _Measured(logging.Handler):
    """Counts log records that name a `metric`: what is found deep inside, and goes on all the same."""

    def emit(self, record: logging.LogRecord) -> None:
        name = getattr(record, "metric", None)
        if name is not None:
            measure(**{name: 1})


@cache
def _metrics() -> Metrics:
    return Metrics()


def measure(**counts: int) -> None:
    """Metrics of this invocation, by name."""
    for name, count in counts.items():
        _metrics().add_metric(name=name, unit=MetricUnit.Count, value=count)


def observed(handler: Handler) -> Handler:
    """A handler whose log lines carry the request, whose metrics are written and whose crash is logged."""

    @wraps(handler)
    def observing(event: Any, context: Any) -> Any:
        log = logger()
        log.append_keys(function_request_id=getattr(context, "aws_request_id", None))
        try:
            return handler(event, context)
        except Exception:
            log.exception("the invocation failed")
            raise
        finally:
            if _metrics().metric_set:
                _metrics().flush_metrics()

    return observing
