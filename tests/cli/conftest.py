"""What the tests of the command line share: a short report."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def short_unless_real(request: pytest.FixtureRequest) -> None:
    """The ``short_report``, unless ``real_report`` asks for the real one."""
    if "real_report" not in request.fixturenames:
        request.getfixturevalue("short_report")


@pytest.fixture
def real_report() -> None:
    """Asks for the real report, see ``short_report``."""
