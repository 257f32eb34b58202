"""R3GAN's pair: what zero-initialised branches imply at the start, and its resampling."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gantlet.errors import Refused
from gantlet.networks.r3gan import R3GAN, FixupBlock, _Down, _Up

SHAPE = (2, 16, 16)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def blocks(module: nn.Module) -> list[FixupBlock]:
    return [layer for layer in module.modules() if isinstance(layer, FixupBlock)]


def test_both_players_start_linear() -> None:
    """Every block starts as the identity and nothing else bends: f(2a - 3b) = 2 f(a) - 3 f(b)."""
    torch.manual_seed(0)
    family = R3GAN(width=4, groups=2)
    discriminator, generator = (
        family.discriminator(shape=SHAPE).double(),
        family.generator(latent=5, shape=SHAPE).double(),
    )
    for module, inputs in ((discriminator, SHAPE), (generator, (5,))):
        a, b = draw(3, *inputs), draw(3, *inputs, seed=1)
        torch.testing.assert_close(module(2 * a - 3 * b), 2 * module(a) - 3 * module(b), rtol=1e-10, atol=1e-10)
        with torch.no_grad():
            for block in blocks(module):
                block.narrow.weight.fill_(0.1)
        assert (module(2 * a - 3 * b) - 2 * module(a) + 3 * module(b)).abs().max() > 0.01


def test_a_block_is_an_inverted_bottleneck() -> None:
    torch.manual_seed(0)
    block = FixupBlock(4, groups=2, depth=3).double()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    x = draw(2, 4, 5, 5)
    p = dict(block.named_parameters())
    h = torch.einsum("oi,bihw->bohw", p["widen.weight"][..., 0, 0], x) + p["widen.bias"].reshape(-1, 1, 1)
    h = torch.where(h > 0, h, 0.2 * h)
    halves = [functional.conv2d(h[:, 4 * g : 4 * g + 4], p["mix.weight"][4 * g : 4 * g + 4], padding=1) for g in (0, 1)]
    h = torch.cat(halves, 1) + p["mix.bias"].reshape(-1, 1, 1)
    h = torch.where(h > 0, h, 0.2 * h)
    expected = x + torch.einsum("oi,bihw->bohw", p["narrow.weight"][..., 0, 0], h)
    torch.testing.assert_close(block(x), expected, rtol=1e-12, atol=1e-12)


def test_branches_start_smaller_in_deeper_networks() -> None:
    """He's variance for slope 0.2 times the root of 1 / L: L = 16 halves the deviation."""
    torch.manual_seed(0)
    for depth, factor in ((1, 1.0), (16, 0.25)):
        block = FixupBlock(64, groups=4, depth=depth)
        for layer in (block.widen, block.mix):
            variance = layer.weight.var().item()
            assert variance == pytest.approx(factor * 2 / 1.04 / layer.weight[0].numel(), rel=0.1)
        assert not block.narrow.weight.any()


def test_the_depth_counts_every_block() -> None:
    """16 pixels have three scales: with two blocks each the first branch is scaled by 6 to the power -1/4."""
    torch.manual_seed(0)
    discriminator = R3GAN(width=64, blocks=2).discriminator(shape=SHAPE)
    assert len(blocks(discriminator)) == 6
    for block in blocks(discriminator):
        fan_in = block.widen.in_channels
        assert block.widen.weight.var().item() == pytest.approx(6**-0.5 * 2 / 1.04 / fan_in, rel=0.1)


@pytest.mark.parametrize(
    ("side", "base", "widths"), [(16, 4, [4, 8, 16]), (28, 7, [4, 8, 16]), (64, 4, [4, 8, 16, 16, 16])]
)
def test_channels_and_groups_per_scale(side: int, base: int, widths: list[int]) -> None:
    """The number of channels in a group stays: 2·4 channels in 2 groups are 4 of them."""
    with torch.device("meta"):
        family = R3GAN(width=4, blocks=1, groups=2)
        discriminator, generator = (
            family.discriminator(shape=(3, side, side)),
            family.generator(latent=5, shape=(3, side, side)),
        )
        assert generator(torch.zeros(2, 5)).shape == (2, 3, side, side)
        assert discriminator(torch.zeros(2, 3, side, side)).shape == (2,)
    assert [block.widen.in_channels for block in blocks(discriminator)] == widths
    assert [block.widen.in_channels for block in blocks(generator)] == widths[::-1]
    for block in blocks(discriminator) + blocks(generator):
        assert block.mix.out_channels / block.mix.groups == 4
    kernels = [
        layer.kernel_size for layer in discriminator.children() if isinstance(layer, nn.Conv2d) and layer.groups > 1
    ]
    assert kernels == [(base, base)]


def test_upsampling_is_bilinear() -> None:
    x = draw(2, 3, 5, 4)
    expected = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    torch.testing.assert_close(_Up()(x), expected)


def test_downsampling_weighs_one_three_three_one() -> None:
    x = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    x[0, 0, 3, 4] = 64.0  # row 3 weighs 3 and 1 eighths in the outputs 1 and 2, column 4 weighs 1 and 3
    assert _Down()(x)[0, 0].tolist() == [[0, 0, 0, 0], [0, 3, 9, 0], [0, 1, 3, 0], [0, 0, 0, 0]]
    ones = torch.ones(1, 1, 6, 6)
    torch.testing.assert_close(_Down()(ones), torch.ones(1, 1, 3, 3))


def test_downsampling_is_the_adjoint_of_upsampling() -> None:
    """⟨Up x, y⟩ = 4 ⟨x, Down y⟩, at the edges, too."""
    x, y = draw(1, 1, 3, 4), draw(1, 1, 6, 8, seed=1)
    torch.testing.assert_close((_Up()(x) * y).sum(), 4 * (x * _Down()(y)).sum())


def test_the_latent_multiplies_a_learned_picture() -> None:
    torch.manual_seed(0)
    basis = next(iter(R3GAN(width=4, groups=2).generator(latent=3, shape=SHAPE).children())).double()
    p = dict(basis.named_parameters())
    z = draw(5, 3)
    expected = torch.einsum("bl,ol,ohw->bohw", z, p["modulate.weight"], p["picture"])
    torch.testing.assert_close(basis(z), expected)


def test_groups_that_do_not_divide_are_refused() -> None:
    with pytest.raises(Refused, match=r"groups=4 does not divide 2·width=6 channels evenly"):
        R3GAN(width=3).generator(latent=2, shape=SHAPE)
