"""Orthogonal regularisation: which weights count, and for whom."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gantlet.objectives.base import DiscriminatorOutput
from gantlet.penalties.orthogonal import Orthogonal, OrthogonalGenerator, orthogonality_gap


def discriminate(x: Tensor) -> DiscriminatorOutput:
    return DiscriminatorOutput(x.squeeze(-1))


def test_orthogonal_filters_cost_nothing_whatever_their_length() -> None:
    held = {"weight": torch.tensor([[[3.0, 0.0, 0.0], [0.0, 0.1, 0.1]]])}
    assert orthogonality_gap(held, 1).tolist() == [0.0]


def test_a_product_counts_twice_per_pair() -> None:
    """Rows (1, 2), (3, 1) and (0, 1): products 5, 2 and 1, so 2 · (25 + 4 + 1)."""
    assert orthogonality_gap({"weight": torch.tensor([[[1.0, 2.0], [3.0, 1.0], [0.0, 1.0]]])}, 1).tolist() == [60.0]


def test_kernels_are_flattened_per_output() -> None:
    """Two outputs with kernels of ones, 3·2·2 numbers: products 12, so 2 · 144."""
    assert orthogonality_gap({"kernel": torch.ones(1, 2, 3, 2, 2)}, 1).tolist() == [288.0]


def test_biases_and_gains_do_not_count() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    held = {name: part.detach().unsqueeze(0) for name, part in module.named_parameters()}
    alone = {"0.weight": held["0.weight"]}
    assert orthogonality_gap(held, 1).item() == orthogonality_gap(alone, 1).item() > 0
    assert orthogonality_gap({"bias": torch.ones(3, 7)}, 3).tolist() == [0.0] * 3


def test_weights_add_up() -> None:
    held = {"a": torch.ones(1, 2, 1), "b": torch.ones(1, 2, 3)}
    assert orthogonality_gap(held, 1).item() == 2 * 1 + 2 * 9


@pytest.mark.parametrize("weight", [0.5, torch.tensor([0.5, 2.0]).reshape(2, 1, 1)])
def test_the_discriminator_is_one_and_the_generators_are_many(weight: float | Tensor) -> None:
    """S = 2, K = 3. Discriminators of gap 2 and 32; generator n has 2·n⁴, in the order of members, then team."""
    fake = torch.zeros(2, 3, 5, 1)
    factor = torch.tensor([0.5, 0.5 if isinstance(weight, float) else 2.0]).reshape(2, 1)
    held = {"w": torch.tensor([1.0, 2.0]).reshape(2, 1, 1).expand(2, 2, 1)}
    value = Orthogonal(weight=weight)(discriminate, real=fake, fake=fake, parameters=held)
    assert torch.equal(value, factor * torch.tensor([[2.0], [32.0]]).expand(2, 3))
    held = {"w": torch.arange(6.0).reshape(6, 1, 1).expand(6, 2, 1)}
    value = OrthogonalGenerator(weight=weight)(discriminate, real=fake, fake=fake, parameters=held)
    assert torch.equal(value, factor * (2 * torch.arange(6.0) ** 4).reshape(2, 3))


def test_descent_makes_filters_orthogonal_and_keeps_them() -> None:
    weight = torch.tensor([[[1.0, 0.5], [0.5, 1.0]]]).requires_grad_()
    for _ in range(200):
        (slope,) = torch.autograd.grad(orthogonality_gap({"w": weight}, 1).sum(), weight)
        weight = (weight - 0.05 * slope).detach().requires_grad_()
    rows = weight.detach()[0]
    assert float(rows[0] @ rows[1]) == pytest.approx(0, abs=1e-4)
    assert rows.norm(dim=-1).min() > 0.5
