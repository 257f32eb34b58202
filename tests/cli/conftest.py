"""What the tests of the command line share: a short report, unless one asks for ``real_report``, and signals as a terminal has them."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def short_unless_real(short_report: None) -> None:
    """The ``short_report``, for each of them."""


@pytest.fixture(autouse=True)
def hangups_are_heard() -> Iterator[None]:
    """Whoever runs the tests under ``nohup`` has SIGHUP ignored, which commands respect and processes inherit."""
    before = signal.getsignal(signal.SIGHUP)
    if before == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    if before == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, before)
