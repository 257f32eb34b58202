"""What the tests of studies share: a short report, unless one asks for ``real_report``."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def short_unless_real(short_report: None) -> None:
    """The ``short_report``, for each of them."""
