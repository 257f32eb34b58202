"""Two processes that train one member together make the updates that one process makes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

import games
from division_cases import divisible
from gantlet.training.checkpoint import snapshot
from gantlet.training.fleet import Fleet
from training import together

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Tensor]]]:
    """What each of two ranks holds after training every blueprint."""
    folder = tmp_path_factory.mktemp("ranks")
    begun = Fleet(together.drawn(divisible(1)["team"]), games.dataset())
    torch.save(snapshot(games.train(begun, 7)), folder / "begun.pt")
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(
            [sys.executable, together.__file__, str(rank), str(folder)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [rank.communicate(timeout=300)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said
    return [torch.load(folder / f"kept-{rank}.pt", weights_only=False) for rank in range(2)]


def gap(left: dict[str, Tensor], right: dict[str, Tensor]) -> float:
    """The largest relative difference of anything that a checkpoint holds."""
    assert left.keys() == right.keys()
    pairs = [(left[name].double(), right[name].double()) for name in left]
    return max(float((one - other).norm() / other.norm().clamp(min=1.0)) for one, other in pairs)


def test_two_ranks_train_as_one_process(kept: list[dict[str, dict[str, Tensor]]]) -> None:
    found: dict[str, tuple[float, float]] = {}
    for name, sheet, near in together.sheets():
        alone = snapshot(games.train(Fleet(sheet, games.dataset())))[0]
        found[name] = gap(kept[0][name], alone), near
    assert len(found) > 25
    assert {name: far for name, far in found.items() if not far[0] < far[1]} == {}


def test_all_ranks_hold_the_same_bits(kept: list[dict[str, dict[str, Tensor]]]) -> None:
    first, second = kept
    differ: dict[str, Any] = {name: gap(first[name], second[name]) for name in first if gap(first[name], second[name])}
    assert differ == {}


def test_a_checkpoint_of_one_process_goes_on_with_two(kept: list[dict[str, dict[str, Tensor]]]) -> None:
    alone = Fleet(together.drawn(divisible(1)["team"]), games.dataset())
    assert gap(kept[0]["resumed"], snapshot(games.train(alone))[0]) < 1e-10


def test_batch_norm_by_rank_is_another_training(kept: list[dict[str, dict[str, Tensor]]]) -> None:
    assert gap(kept[0]["per rank"], kept[0]["batch norm in both"]) > 1e-4
    assert kept[0]["per rank"]["generator/buffer/1.num_batches_tracked"].item() == together.STEPS
