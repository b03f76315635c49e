"""The browser module stays small enough to be pasted."""

import gzip
from pathlib import Path

SNIPPET = Path(__file__).parents[2] / "infra/web/segmentation.js"


def test_it_is_tiny_and_needs_nothing() -> None:
    text = SNIPPET.read_text(encoding="utf-8")
    assert len(gzip.compress(text.encode(), 9, mtime=0)) < 2_000
    assert not any(line.startswith("import ") for line in text.splitlines())
