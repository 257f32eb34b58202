"""EBGAN's pair: the generator is DCGAN's, the auto-encoder is a mirror, and its energy is over the whole image."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gantlet.errors import Refused
from gantlet.networks.autoencoders import AutoEncoder
from gantlet.networks.dcgan64 import DCGAN
from gantlet.networks.ebgan import EBGAN


def auto_encoder(family: EBGAN, side: int, channels: int = 3) -> AutoEncoder:
    discriminator = family.discriminator(shape=(channels, side, side))
    assert isinstance(discriminator, AutoEncoder)
    return discriminator


def test_the_generator_is_dcgans_with_four_by_four_kernels() -> None:
    """Layer by layer: from the same seed they draw the same weights and make the same images."""
    reference = DCGAN(width=2, kernel_size=4, first_norm=False, init="xavier")
    made: list[torch.Tensor] = []
    for family in (EBGAN(width=2), reference):
        torch.manual_seed(0)
        module = family.generator(latent=5, shape=(3, 28, 28))
        made.append(module(torch.randn(4, 5)))
    assert torch.equal(*made)


@pytest.mark.parametrize(
    ("side", "widths"), [(64, [64, 128, 256]), (32, [64, 128, 256]), (28, [64, 128]), (16, [64, 128])]
)
def test_the_decoder_mirrors_the_encoder(side: int, widths: list[int]) -> None:
    with torch.device("meta"):
        discriminator = auto_encoder(EBGAN(), side)
        code = discriminator.encoder(torch.zeros(2, 3, side, side))
    down = [layer for layer in discriminator.encoder.modules() if isinstance(layer, nn.Conv2d)]
    up = [layer for layer in discriminator.decoder.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert [layer.out_channels for layer in down] == widths
    assert [(layer.out_channels, layer.in_channels) for layer in reversed(up)] == [
        (layer.in_channels, layer.out_channels) for layer in down
    ]
    assert tuple(code.shape) == (2, widths[-1], side >> len(widths), side >> len(widths))
    assert discriminator.features == code[0].numel()


@pytest.mark.parametrize(("d_norm", "inside"), [("batch", [4, 2]), ("none", [])])
def test_no_normalisation_at_the_ends(d_norm: str, inside: list[int]) -> None:
    """A norm takes the bias's place; the first layer and the reconstruction have none."""
    discriminator = auto_encoder(EBGAN(width=2, d_norm=d_norm), 28)
    norms = [layer.num_features for layer in discriminator.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert norms == inside
    convolutions = [layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    unbiased = sum(layer.bias is None for layer in convolutions)
    assert (len(convolutions), unbiased) == (4, len(inside))
    assert convolutions[0].bias is not None
    assert convolutions[-1].bias is not None


def test_a_decoder_that_says_nothing_leaves_the_norm_of_the_image() -> None:
    """So the energy starts near the root of the sum of all squared pixels, here 2·√(3·16·16) and 0."""
    discriminator = auto_encoder(EBGAN(width=2), 16)
    last = discriminator.decoder[-1]
    with torch.no_grad():
        last.weight.zero_()  # biases start at zero
    x = torch.zeros(2, 3, 16, 16)
    x[0] = -2
    assert discriminator(x).score.tolist() == pytest.approx([2 * 768**0.5, 0.0], rel=1e-6)


def test_weights_start_as_xaviers() -> None:
    """Uniform within ±√(6 / (fan in + fan out)): they nearly reach the bound and have a third of its square as variance."""
    torch.manual_seed(0)
    discriminator = auto_encoder(EBGAN(width=16), 32)
    for layer in (layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)):
        bound = (6 / (16 * (layer.in_channels + layer.out_channels))) ** 0.5
        assert 0.95 * bound < layer.weight.abs().max().item() <= bound
        assert layer.weight.square().mean().item() == pytest.approx(bound**2 / 3, rel=0.1)
        assert layer.bias is None or not layer.bias.any()


def test_more_than_three_scales_are_not_taken() -> None:
    with torch.device("meta"):
        assert auto_encoder(EBGAN(width=4), 128).features == 4 * 4 * 16 * 16
    with pytest.raises(Refused, match="'ebgan' is made for images"):
        EBGAN().discriminator(shape=(3, 31, 31))
