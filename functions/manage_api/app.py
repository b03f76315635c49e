"""The management API: documents, runs and states for the console, the command line and other people's tools."""

from segmentation.runtime import starting  # isort: skip - before everything else

import os
from functools import cache
from typing import Any

from segmentation.runtime.composition.manage_api import ManageApi, compose
from segmentation.runtime.http import Answer
from segmentation.runtime.management.serve import serve
from segmentation.runtime.observability import observed

starting.started()


@cache
def application() -> ManageApi:
    """The use cases, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], _context: Any) -> Answer:
    """Answer one request."""
    return serve(event, application())
