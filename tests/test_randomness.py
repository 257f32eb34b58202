"""Keyed randomness: torch's own random state is seeded where code draws from it, and is the user's again afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import terminal
from gantlet.randomness import seeded

DROPS = """
from torch import nn

def discriminator():
    return nn.Sequential(nn.Linear(2, 16), nn.Dropout(0.5), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0))
"""


def test_what_is_drawn_meanwhile_is_that_of_torch_manual_seed() -> None:
    def drawn() -> list[torch.Tensor]:
        return [torch.rand(5), nn.functional.dropout(torch.ones(50)), *nn.Linear(3, 4).parameters()]

    torch.manual_seed(2**62 + 1)
    expected = drawn()
    with seeded(2**62 + 1):
        found = drawn()
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_the_random_state_is_put_back_after_an_error_too() -> None:
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match="within"), seeded(1):
        raise ValueError(f"within, after {torch.rand(1)}")
    assert torch.equal(before, torch.get_rng_state())


def test_one_gpu_is_seeded_and_put_back_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = tuple(torch.Generator().manual_seed(place) for place in range(3))
    before = [gpu.get_state() for gpu in gpus]

    def keeps(device: int) -> Any:
        return gpus[device].get_state()

    def puts_back(state: torch.Tensor, device: int) -> None:
        gpus[device].set_state(state)

    monkeypatch.setattr(torch.cuda, "default_generators", gpus)
    monkeypatch.setattr(torch.cuda, "get_rng_state", keeps)
    monkeypatch.setattr(torch.cuda, "set_rng_state", puts_back)
    with seeded(7, torch.device("cuda", 1)):
        assert torch.equal(torch.rand(4, generator=gpus[1]), torch.rand(4, generator=torch.Generator().manual_seed(7)))
        assert [torch.equal(gpu.get_state(), state) for gpu, state in zip(gpus, before, strict=True)] == [1, 0, 1]
    assert all(torch.equal(gpu.get_state(), state) for gpu, state in zip(gpus, before, strict=True))


def test_no_study_seeds_every_device(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise AssertionError("torch.manual_seed reseeds the generators of all GPUs")

    monkeypatch.setattr(torch, "manual_seed", refuse)
    (tmp_path / "drops.py").write_text(DROPS)
    state = torch.get_rng_state()
    store = terminal.study(folder, "vanilla", f"discriminator={tmp_path / 'drops.py'}:discriminator", seeds="2")
    assert {row["status"] for row in terminal.results(store).values()} == {"finished"}
    assert torch.equal(state, torch.get_rng_state())


def test_masks_on_a_gpu_of_apple_are_seeded_and_its_state_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its generator is one of its own, so that masks were others whenever a member was replayed."""
    state = [torch.tensor([7], dtype=torch.uint8)]
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: state[0])
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda new: state.__setitem__(0, new))
    monkeypatch.setattr(torch.mps, "manual_seed", lambda seed: state.__setitem__(0, torch.tensor([seed])))
    with seeded(3, torch.device("mps")):
        assert state[0].tolist() == [3]
    assert state[0].tolist() == [7]
