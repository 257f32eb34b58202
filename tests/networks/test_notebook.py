"""The notebooks' convolutional pairs: order of layers, sides that are left, weights at the start."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from gantlet.errors import Refused
from gantlet.networks import NotebookConv, NotebookCritic

SHAPE = (1, 28, 28)


def kinds(module: nn.Module) -> str:
    return " ".join(type(layer).__name__ for layer in module.children())


def test_batch_norm_comes_after_the_rectifier() -> None:
    generator = NotebookConv(g_width=1, hidden=3).generator(latent=2, shape=SHAPE)
    expected = "Linear ReLU BatchNorm1d Linear ReLU BatchNorm1d Unflatten ConvTranspose2d ReLU BatchNorm2d"
    assert kinds(generator) == f"{expected} ConvTranspose2d Tanh"
    critic = NotebookCritic(d_width=1, d_norm="batch").discriminator(shape=SHAPE)
    assert kinds(critic).startswith("Conv2d LeakyReLU Conv2d LeakyReLU BatchNorm2d Flatten")


def test_leaky_rectifiers_and_pools_by_hand() -> None:
    """All weights 1 and biases 0 on an image of ones, or of minus ones: each pixel counts 25, then 25·25, …

    28 → 24 → 12 → 8 → 4: of one channel the pools leave 16 pixels, and a leaky rectifier passes 0.01 of a negative.
    """
    discriminator = NotebookConv(d_width=1, hidden=1).discriminator(shape=SHAPE)
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.fill_(1.0 if parameter.ndim > 1 else 0.0)
    score = 25.0 * 25 * 2 * 16
    assert discriminator(torch.ones(1, *SHAPE)).item() == pytest.approx(score)
    assert discriminator(-torch.ones(1, *SHAPE)).item() == pytest.approx(-score * 0.01**3)
    spot = torch.zeros(1, *SHAPE)
    spot[..., 0, 0] = 1  # a pool passes on the largest of its four pixels: the corner is seen once
    assert discriminator(spot).item() == pytest.approx(2.0)


@pytest.mark.parametrize("family", [NotebookConv(d_width=1, hidden=1), NotebookCritic(d_width=1, hidden=1)], ids=str)
@pytest.mark.parametrize("side", [16, 20, 28, 32, 64])
def test_any_fitting_side(family: NotebookConv | NotebookCritic, side: int) -> None:
    assert family.discriminator(shape=(2, side, side))(torch.zeros(3, 2, side, side)).shape == (3,)
    assert family.generator(latent=2, shape=(2, side, side))(torch.zeros(3, 2)).shape == (3, 2, side, side)


def test_the_critic_leaves_out_what_its_stride_leaves_over() -> None:
    """28 → 13 → 5: the last pixel of 13 is not seen, so neither are the last two rows and columns of the image."""
    critic = NotebookCritic(d_width=2, hidden=8).discriminator(shape=SHAPE).double()
    x = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=False)
    x.requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(x).sum(), x)
    seen = slope[0, 0].abs() > 0
    assert seen[:26, :26].all()
    assert not seen[26:].any()
    assert not seen[:, 26:].any()


def bounds(module: nn.Module) -> list[tuple[Any, float, float]]:
    """(layer, Xavier's bound √(6 / (fan in + fan out)), what its weights reach)."""
    found = list[tuple[Any, float, float]]()
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            area = layer.weight[0, 0].numel()
            bound = (6 / (area * (layer.weight.shape[0] + layer.weight.shape[1]))) ** 0.5
            found.append((layer, bound, layer.weight.abs().max().item()))
    return found


@pytest.mark.parametrize(
    "family", [NotebookConv(g_width=8, d_width=8, hidden=64), NotebookCritic(g_width=8, d_width=8, hidden=64)], ids=str
)
def test_weights_start_as_xavier_has_them(family: NotebookConv | NotebookCritic) -> None:
    """Only the convolutions of ``notebook-conv`` are PyTorch's own: uniform in ±1/√(fan in), with biases."""
    torch.manual_seed(0)
    for player in (family.generator(latent=20, shape=SHAPE), family.discriminator(shape=SHAPE)):
        for layer, bound, reach in bounds(player):
            if isinstance(family, NotebookConv) and isinstance(layer, nn.Conv2d):
                assert 0.9 < reach * layer.weight[0].numel() ** 0.5 <= 1 + 1e-6
                assert layer.bias is not None
                assert layer.bias.any()
            else:
                assert 0.9 < reach / bound <= 1 + 1e-6
                assert layer.bias is not None
                assert not layer.bias.any()


@pytest.mark.parametrize("side", [8, 12, 26, 30])
@pytest.mark.parametrize(("name", "family"), [("conv", NotebookConv()), ("critic", NotebookCritic())])
def test_other_sides_are_refused(name: str, family: NotebookConv | NotebookCritic, side: int) -> None:
    shape = (1, side, side)
    for build in (lambda: family.generator(latent=2, shape=shape), lambda: family.discriminator(shape=shape)):
        with pytest.raises(Refused, match=rf"'notebook-{name}' .* divisible by 4, of 16 pixels or more, .* 1×{side}"):
            build()
