"""Trying a network out: what is found, and that nothing is left behind."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gantlet.networks.inspection import BATCH, has_batch_statistics, try_out
from gantlet.objectives.base import DiscriminatorOutput


class MinibatchDeviation(nn.Module):
    """A statistic of the batch as one more feature, no batch norm."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(-1) + x.std(0).mean()


class CodeSeesTheBatch(nn.Module):
    def forward(self, x: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(score=x.sum(-1), code=x - x.mean(0))


@pytest.mark.parametrize(
    ("module", "found"),
    [
        (nn.Linear(3, 1), False),
        (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 1)), True),
        (nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2), nn.Linear(2, 1)), False),
        (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2).eval(), nn.Linear(2, 1)), True),
        (nn.Sequential(nn.Linear(3, 20), nn.Dropout(0.5), nn.Linear(20, 1)), False),
        (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 1), nn.Tanh()).double().float(), True),
        (MinibatchDeviation(), True),
        (CodeSeesTheBatch(), True),
    ],
)
def test_what_mixes_samples_is_found(module: nn.Module, found: bool) -> None:
    assert has_batch_statistics(module, (3,)) == found


def test_small_scores_are_no_hiding_place() -> None:
    """Weights of deviation 1e-4: the scores are tiny, their dependence is not."""
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 1, bias=False))
    last = module[2]
    assert isinstance(last, nn.Linear)
    nn.init.normal_(last.weight, std=1e-4)
    assert has_batch_statistics(module, (3,))


def test_nothing_is_left_behind() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1)).eval()
    module[2].train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    try_out(module, torch.randn(BATCH, 3, generator=torch.Generator().manual_seed(0)))
    has_batch_statistics(module, (3,))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert [part.training for part in module] == [False, False, True, False]
    assert all(parameter.grad is None for parameter in module.parameters())
