"""LSGAN: two transposed convolutions a scale, batch norm over each feature of the first layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gantlet.errors import Refused
from gantlet.networks import DCGAN, LSGAN


def test_the_sides_double_at_every_other_layer_and_at_the_end() -> None:
    x, sides = torch.zeros(2, 3), list[tuple[int, int]]()
    for layer in LSGAN(width=1).generator(latent=3, shape=(1, 32, 32)).children():
        x = layer(x)
        if isinstance(layer, nn.ReLU) and x.ndim == 4:
            sides.append((x.shape[1], x.shape[-1]))
    # The base of 2 pixels, 4 channels comes from the linear layer.
    assert sides == [(4, 4), (4, 4), (4, 8), (4, 8), (2, 16), (1, 32)]


def test_the_first_layer_is_normalised_feature_by_feature() -> None:
    """Each of the 4·w·base² features has mean 0 and deviation 1 over the batch, so a channel's pixels may differ."""
    torch.manual_seed(0)
    generator = LSGAN(width=1).generator(latent=3, shape=(1, 32, 32)).double()
    first = nn.Sequential(*list(generator.children())[:2])
    normed = first(100 * torch.randn(16, 3, dtype=torch.float64))
    assert normed.shape == (16, 4 * 2 * 2)
    assert torch.allclose(normed.mean(0), torch.zeros(16, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(normed.var(0, unbiased=False), torch.ones(16, dtype=torch.float64), atol=1e-4)


def test_the_discriminator_is_dcgans() -> None:
    """The same weights from the same seed, the same scores."""
    discriminators = list[nn.Module]()
    for family in (LSGAN(width=2), DCGAN(width=2)):
        torch.manual_seed(3)
        discriminators.append(family.discriminator(shape=(3, 64, 64)))
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(discriminators[0](x), discriminators[1](x))


@pytest.mark.parametrize("side", [8, 24, 28, 40])
def test_other_sides_are_refused(side: int) -> None:
    shape = (1, side, side)
    for build in (lambda: LSGAN().generator(latent=2, shape=shape), lambda: LSGAN().discriminator(shape=shape)):
        with pytest.raises(Refused, match=rf"'lsgan' .* divisible by 16, but .* shape 1×{side}×{side}:"):
            build()
