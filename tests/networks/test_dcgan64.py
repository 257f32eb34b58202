"""DCGAN at any scale: how many scales, where it normalises, how weights start, which sides fit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gantlet.errors import Refused
from gantlet.networks import DCGAN

KINDS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.GroupNorm)


def built(family: DCGAN, side: int = 64) -> tuple[nn.Module, nn.Module]:
    shape = (3, side, side)
    return family.generator(latent=5, shape=shape), family.discriminator(shape=shape)


def marks(module: nn.Module) -> str:
    """The chain of layers, one letter each, lower case without a bias."""
    letters = dict(zip(KINDS, "LCTBG", strict=True))
    found = [layer for layer in module.modules() if isinstance(layer, KINDS)]
    return "".join(letters[type(layer)] if layer.bias is not None else letters[type(layer)].lower() for layer in found)


@pytest.mark.parametrize(
    ("family", "generator", "discriminator"),
    [
        (DCGAN(width=1), "lBtBtBtBT", "CcBcBcBL"),
        (DCGAN(width=1, first_norm=False, d_norm="layer"), "LtBtBtBT", "CcGcGcGL"),
        (DCGAN(width=1, g_norm="none", d_norm="none"), "LTTTT", "CCCCL"),
    ],
)
def test_a_normalised_layer_has_no_bias_and_the_ends_are_free(
    family: DCGAN, generator: str, discriminator: str
) -> None:
    assert tuple(marks(player) for player in built(family)) == (generator, discriminator)


@pytest.mark.parametrize(
    ("side", "base", "scales"),
    [(8, 4, 1), (14, 7, 1), (16, 4, 2), (28, 7, 2), (32, 4, 3), (40, 5, 3), (48, 6, 3), (64, 4, 4), (112, 7, 4)],
)
def test_scales_follow_the_image(side: int, base: int, scales: int) -> None:
    with torch.device("meta"):
        generator, discriminator = built(DCGAN(width=2, d_width=3), side)
    ups = [layer for layer in generator.modules() if isinstance(layer, nn.ConvTranspose2d)]
    downs = [layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d)]
    assert [up.in_channels for up in ups] == [2 * 2**scale for scale in range(scales, 0, -1)]
    assert [down.out_channels for down in downs] == [3 * 2**scale for scale in range(scales)]
    (last,) = (layer for layer in discriminator.modules() if isinstance(layer, nn.Linear))
    assert last.in_features == 3 * 2 ** (scales - 1) * base**2


@pytest.mark.parametrize("side", [1, 4, 7, 9, 15, 18, 26, 36, 44, 100])
def test_other_sides_are_refused(side: int) -> None:
    for build in (
        lambda: DCGAN().generator(latent=2, shape=(1, side, side)),
        lambda: DCGAN().discriminator(shape=(1, side, side)),
    ):
        with pytest.raises(Refused, match=rf"'dcgan' .* halve evenly to 4–7 pixels .* shape 1×{side}×{side}:"):
            build()


def test_sides_may_differ() -> None:
    generator, discriminator = (
        DCGAN(width=2).generator(latent=5, shape=(3, 32, 48)),
        DCGAN(width=2).discriminator(shape=(3, 32, 48)),
    )
    made = generator(torch.randn(4, 5))
    assert made.shape == (4, 3, 32, 48)
    assert discriminator(made).shape == (4,)
    (last,) = (layer for layer in discriminator.modules() if isinstance(layer, nn.Linear))
    assert last.in_features == 2 * 4 * 4 * 6


def test_xavier_follows_the_fans() -> None:
    """Uniform in ±a with a = √(6 / (fan in + fan out)) and a kernel's area in both fans; biases 0, gains 1."""
    torch.manual_seed(0)
    for player in built(DCGAN(width=16, init="xavier", g_norm="none"), 32):
        for layer in player.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                area = layer.weight[0, 0].numel()
                bound = (6 / (area * (layer.weight.shape[0] + layer.weight.shape[1]))) ** 0.5
                reach = layer.weight.abs().max().item()
                assert 0.95 * bound < reach <= bound * (1 + 1e-6)
                assert layer.bias is None or not layer.bias.any()


def test_normal_has_a_deviation_of_one_fiftieth() -> None:
    torch.manual_seed(0)
    for player in built(DCGAN(width=16), 32):
        weights = torch.cat([parameter.flatten() for parameter in player.parameters() if parameter.ndim > 1])
        assert weights.std().item() == pytest.approx(0.02, rel=0.02)
        others = torch.cat([parameter for parameter in player.parameters() if parameter.ndim == 1])
        assert ((others == 0) | (others == 1)).all()


def test_layers_are_aligned_as_published() -> None:
    """The discriminator's feature i sees pixels 2i - 1 to 2i + 3: pixel 3 moves features 0, 1 and 2, pixel 0 only 0."""
    discriminator = DCGAN(width=1).discriminator(shape=(1, 8, 8))
    features = nn.Sequential(*list(discriminator.children())[:2])
    for pixel, expected in ((0, [0]), (3, [0, 1, 2]), (7, [2, 3])):
        x = torch.zeros(1, 1, 8, 8)
        x[0, 0, pixel, pixel] = 1
        moved = (features(x) - features(torch.zeros_like(x))).detach().diagonal(dim1=2, dim2=3).squeeze()
        assert moved.nonzero().flatten().tolist() == expected
