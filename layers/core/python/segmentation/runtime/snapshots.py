"""SnapStart: what is made before Lambda takes the picture that a function starts from.

Clients are made then, so that no visitor waits for them; data is not read, for it would be old when the picture is used.
"""

from collections.abc import Callable
from typing import Any


def before_snapshot(prepare: Callable[[], Any]) -> None:
    """Let `prepare` run before a snapshot; where the runtime takes none, never."""
    try:
        from snapshot_restore_py import register_before_snapshot
    except ImportError:  # a runtime that knows no snapshots
        return
    register_before_snapshot(prepare)
