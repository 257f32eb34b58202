"""Stacked discriminators that discriminator each sample alone can be differentiated twice, as gradient penalties do.

Legend: ``N`` networks in a stack, ``B`` batch.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from gantlet.networks.autoencoders import DenseAutoEncoder
from gantlet.networks.began import BEGAN
from gantlet.networks.bogonet import BogoNet
from gantlet.networks.ebgan import EBGAN
from gantlet.networks.r3gan import R3GAN
from gantlet.networks.resnet import ResNet
from gantlet.objectives.base import DiscriminatorOutput


def penalised(template: nn.Module, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
    """The sum of a two-sided gradient penalty of N stacked discriminators on ``[N, B, *x]``."""

    def score(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:  # [B, *x] -> [B]
        said = functional_call(template, {**parameters, **buffers}, (x,))
        return said.score if isinstance(said, DiscriminatorOutput) else said

    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(vmap(score)(parameters, buffers, x).sum(), x, create_graph=True)
    return (slope.flatten(2).square().sum(-1).sqrt() - 1).square().sum()


@pytest.mark.parametrize(
    "family",
    [
        DenseAutoEncoder(d_width=4, code=3),
        EBGAN(width=2, d_norm="none"),
        pytest.param(BEGAN(width=2, code=3), marks=pytest.mark.slow),
        ResNet(width=2),
        R3GAN(width=2, blocks=1, groups=2),
        *(BogoNet(family=kind, width=2) for kind in ("mlp", "dcgan", "resnet")),
    ],
    ids=str,
)
def test_a_gradient_penalty_through_a_stack_has_the_slope_of_finite_differences(family: Any) -> None:
    modules: list[nn.Module] = []
    for seed in range(2):
        torch.manual_seed(seed)
        modules.append(family.discriminator(shape=(1, 16, 16)).double())
    template = copy.deepcopy(modules[0])
    parameters, buffers = stack_module_state(modules)
    generator = torch.Generator().manual_seed(0)
    # Off the starting point, where branches at zero would hide the parameters inside them.
    with torch.no_grad():
        for value in parameters.values():
            value.add_(torch.randn(value.shape, generator=generator, dtype=value.dtype), alpha=0.1)
    x = torch.randn(2, 2, 1, 16, 16, generator=generator, dtype=torch.float64)
    way = {n: torch.randn(p.shape, generator=generator, dtype=p.dtype) for n, p in parameters.items()}

    penalised(template, parameters, buffers, x).backward()
    slope = sum(float((p.grad * way[n]).sum()) for n, p in parameters.items() if p.grad is not None)

    def at(h: float) -> float:
        moved = {n: p.detach() + h * way[n] for n, p in parameters.items()}
        return float(penalised(template, moved, buffers, x).detach())

    h = 1e-7
    assert slope == pytest.approx((at(h) - at(-h)) / (2 * h), rel=1e-5)
