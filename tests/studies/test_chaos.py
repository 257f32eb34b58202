"""Kills, storms of signals, full disks and several at once over a tiny study; ``make chaos`` makes hundreds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from chaos import KINDS, Chaos, Tally

ALONE = [kind for kind in KINDS if "worker" not in kind and kind != "disk full"]  # no processes of their own, no mounts


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forks where other threads are
def test_no_fault_loses_a_member_changes_a_number_or_hangs(tmp_path: Path) -> None:
    chaos, tally = Chaos(tmp_path), Tally()
    for kind in ALONE:
        chaos.try_out(kind, random.Random(f"test/{kind}/0"), tally)
    assert (tally.words, tally.lost, tally.wrong, tally.hangs) == ([], 0, 0, 0)
    assert tally.met >= tally.count // 2
