"""The 4×4 pairs of the photographs and the 3×3 pair of Stacked MNIST: sides on the way, weights at the start."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gantlet.errors import Refused
from gantlet.networks import DCGAN4, StackedMNIST

Pair = DCGAN4 | StackedMNIST
NORMS = (nn.BatchNorm2d, nn.GroupNorm)


def sides(module: nn.Module, x: torch.Tensor) -> list[int]:
    """The side after each convolution."""
    found = list[int]()
    for layer in module.children():
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            found.append(x.shape[-1])
    return found


@pytest.mark.parametrize(
    ("family", "shape", "expected"),
    [
        (DCGAN4(width=1), (3, 64, 64), [4, 8, 16, 32, 64]),
        (DCGAN4(width=1), (3, 112, 112), [7, 14, 28, 56, 112]),
        (DCGAN4(width=1), (3, 32, 32), [2, 4, 8, 16, 32]),
        (DCGAN4(width=1), (1, 16, 16), [1, 2, 4, 8, 16]),
        (StackedMNIST(width=1), (3, 28, 28), [3, 7, 14, 28]),
    ],
)
def test_sides_on_the_way(family: Pair, shape: tuple[int, ...], expected: list[int]) -> None:
    assert sides(family.generator(latent=3, shape=shape), torch.zeros(2, 3)) == expected
    assert sides(family.discriminator(shape=shape), torch.zeros(2, *shape)) == [*expected[-2::-1], 1]


@pytest.mark.parametrize("family", [DCGAN4(width=16), StackedMNIST(width=8)], ids=str)
def test_weights_and_gains_have_a_deviation_of_one_fiftieth(family: Pair) -> None:
    torch.manual_seed(0)
    shape = (3, 28, 28) if isinstance(family, StackedMNIST) else (3, 32, 32)
    players = family.generator(latent=20, shape=shape), family.discriminator(shape=shape)
    layers = [layer for player in players for layer in player.modules()]
    norms = [layer for layer in layers if isinstance(layer, NORMS)]
    weights = torch.cat([p.flatten() for player in players for p in player.parameters() if p.ndim > 1])
    gains = torch.cat([norm.weight for norm in norms])
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    assert gains.mean().item() == pytest.approx(1.0, abs=0.005)
    assert gains.std().item() == pytest.approx(0.02, rel=0.15)
    assert not any(norm.bias.any() for norm in norms)


@pytest.mark.parametrize("family", [DCGAN4(width=16, init="default"), StackedMNIST(init="default")], ids=str)
def test_default_weights_are_pytorchs(family: Pair) -> None:
    """Uniform in ±1/√(fan in), gains 1."""
    torch.manual_seed(0)
    for layer in family.discriminator(shape=(3, 28, 28) if isinstance(family, StackedMNIST) else (3, 32, 32)).modules():
        if isinstance(layer, nn.Conv2d):
            bound = layer.weight[0].numel() ** -0.5
            assert 0.9 * bound < layer.weight.abs().max().item() <= bound
        if isinstance(layer, NORMS):
            assert (layer.weight == 1).all()


@pytest.mark.parametrize("family", [DCGAN4(width=16, init="xavier"), StackedMNIST(init="xavier")], ids=str)
def test_xavier_weights_are_uniform_by_fan_in_and_fan_out(family: Pair) -> None:
    """Uniform in ±√(6 / (fan in + fan out)), gains 1."""
    torch.manual_seed(0)
    for layer in family.discriminator(shape=(3, 28, 28) if isinstance(family, StackedMNIST) else (3, 32, 32)).modules():
        if isinstance(layer, nn.Conv2d):
            bound = (6 / (layer.weight[0].numel() + layer.weight[:, 0].numel())) ** 0.5
            assert 0.9 * bound < layer.weight.abs().max().item() <= bound
        if isinstance(layer, NORMS):
            assert (layer.weight == 1).all()


@pytest.mark.parametrize("family", [DCGAN4(width=1), StackedMNIST(width=1)], ids=str)
def test_ends_are_free_of_batch_norm(family: Pair) -> None:
    shape = (1, 28, 28) if isinstance(family, StackedMNIST) else (1, 16, 16)
    for player, free in ((family.generator(latent=2, shape=shape), 1), (family.discriminator(shape=shape), 2)):
        kinds = [type(layer) for layer in player.children()]
        assert kinds.count(nn.Conv2d) + kinds.count(nn.ConvTranspose2d) - kinds.count(nn.BatchNorm2d) == free
        assert not any(layer.bias is not None for layer in player.children() if isinstance(layer, nn.Conv2d))
    assert [type(layer) for layer in family.discriminator(shape=shape).children()][:3] == [
        nn.Conv2d,
        nn.LeakyReLU,
        nn.Conv2d,
    ]


@pytest.mark.parametrize(
    ("family", "shape", "words"),
    [
        (DCGAN4(), (3, 28, 28), r"'dcgan4' .* divisible by 16, but .* 3×28×28:"),
        (DCGAN4(), (2,), r"'dcgan4' .* shape 2:"),
        (StackedMNIST(), (3, 32, 32), r"'stacked-mnist' .* of 28 pixels, but .* 3×32×32:"),
    ],
)
def test_other_shapes_are_refused(family: Pair, shape: tuple[int, ...], words: str) -> None:
    for build in (lambda: family.generator(latent=2, shape=shape), lambda: family.discriminator(shape=shape)):
        with pytest.raises(Refused, match=words):
            build()
