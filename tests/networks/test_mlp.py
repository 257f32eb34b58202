"""Fully connected families: layers as published."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gantlet.networks import MLP, BranchMixture, FullyConnected, StackelbergMixture


def widths(module: nn.Module) -> list[tuple[int, int]]:
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    return [(layer.in_features, layer.out_features) for layer in layers]


def kinds(module: nn.Module) -> str:
    return " ".join(type(layer).__name__ for layer in module.children())


def test_the_two_dimensional_networks() -> None:
    generator = MLP().generator(latent=2, shape=(2,))
    assert widths(generator) == [(2, 400), (400, 400), (400, 400), (400, 400), (400, 2)]
    assert kinds(generator) == "Linear ReLU Linear ReLU Linear ReLU Linear ReLU Linear Unflatten"
    discriminator = MLP().discriminator(shape=(2,))
    assert widths(discriminator) == [(2, 200), (200, 200), (200, 200), (200, 200), (200, 1)]
    assert {layer.negative_slope for layer in discriminator.modules() if isinstance(layer, nn.LeakyReLU)} == {0.2}


@pytest.mark.parametrize(("g_depth", "d_depth"), [(0, 1), (2, 3)])
def test_depths_count_hidden_layers(g_depth: int, d_depth: int) -> None:
    family = MLP(g_depth=g_depth, d_depth=d_depth, g_width=7, d_width=5)
    inside = {0: [(4, 2)], 2: [(4, 7), (7, 7), (7, 2)]}
    assert widths(family.generator(latent=4, shape=(2,))) == inside[g_depth]
    judged = {1: [(2, 5), (5, 1)], 3: [(2, 5), (5, 5), (5, 5), (5, 1)]}
    assert widths(family.discriminator(shape=(2,))) == judged[d_depth]


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        (StackelbergMixture(), [(2, 16), (16, 2)]),
        (StackelbergMixture(g_hidden=128), [(2, 128), (128, 2)]),
        (
            StackelbergMixture(g_hidden=128, g_depth=4),
            [(2, 128), (128, 256), (256, 512), (512, 1024), (1024, 2)],
        ),
        (BranchMixture(), [(2, 128), (128, 256), (256, 512), (512, 1024), (1024, 2)]),
    ],
)
def test_the_mixtures_generators(family: StackelbergMixture | BranchMixture, expected: list[tuple[int, int]]) -> None:
    assert widths(family.generator(latent=2, shape=(2,))) == expected
    assert widths(family.discriminator(shape=(2,))) == [(2, 512), (512, 256), (256, 1)]


@pytest.mark.parametrize("eps", [1e-5, 0.8])
def test_batch_norms_eps_and_momentum_are_not_confused(eps: float) -> None:
    norms = [
        layer
        for layer in BranchMixture(bn_eps=eps).generator(latent=2, shape=(2,)).modules()
        if isinstance(layer, nn.BatchNorm1d)
    ]
    assert [(norm.num_features, norm.eps, norm.momentum) for norm in norms] == [
        (256, eps, 0.1),
        (512, eps, 0.1),
        (1024, eps, 0.1),
    ]


def test_the_notebooks_slope() -> None:
    """One leaky layer by hand: scores of -1 pass as -0.01."""
    discriminator = FullyConnected(d_width=1).discriminator(shape=(1,))
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.fill_(1.0 if parameter.ndim == 2 else 0.0)
    assert discriminator(torch.tensor([[-1.0], [2.0]])).tolist() == pytest.approx([-1e-4, 2.0])


def test_samples_of_any_shape_keep_their_order() -> None:
    """A generator without hidden layers whose weights are the identity returns the latents, row by row."""
    generator = MLP(g_depth=0).generator(latent=6, shape=(2, 3))
    linear = next(layer for layer in generator.modules() if isinstance(layer, nn.Linear))
    with torch.no_grad():
        linear.weight.copy_(torch.eye(6))
        linear.bias.zero_()
    assert generator(torch.arange(6.0).unsqueeze(0)).tolist() == [[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]]
