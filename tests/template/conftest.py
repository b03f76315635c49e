"""The template and the nested one, as data."""

from __future__ import annotations

import pytest

from tests.template.templates import ROOT, Template, load


@pytest.fixture(scope="session")
def template() -> Template:
    return load(ROOT / "template.yaml")


@pytest.fixture(scope="session")
def observability() -> Template:
    return load(ROOT / "infra/observability.yaml")
