"""The residual pair of WGAN-GP: blocks restated, channels per scale, norms, initial deviations."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gantlet.networks.resnet import Resample, ResidualBlock, ResNet


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def blocks(module: nn.Module) -> list[ResidualBlock]:
    return [layer for layer in module.modules() if isinstance(layer, ResidualBlock)]


@pytest.mark.parametrize(
    ("side", "up", "down"),
    [
        (64, [8, 8, 4, 2, 1], [1, 2, 4, 8, 8]),
        (28, [2, 2, 1], [1, 2, 2]),
        (32, [4, 4, 2, 1], [1, 2, 4, 4]),
        (128, [8, 8, 8, 4, 2, 1], [1, 2, 4, 8, 8, 8]),
        (8, [1, 1], [1, 1]),
    ],
)
def test_channels_of_the_blocks(side: int, up: list[int], down: list[int]) -> None:
    with torch.device("meta"):
        family = ResNet(width=1)
        players = (family.generator(latent=3, shape=(3, side, side)), family.discriminator(shape=(3, side, side)))
    for module, channels in zip(players, (up, down), strict=True):
        shortcuts = [block.shortcut for block in blocks(module)]
        pairs = [(layer.in_channels, layer.out_channels) for layer in shortcuts if isinstance(layer, nn.Conv2d)]
        assert pairs == list(pairwise(channels))


@pytest.mark.parametrize("resample", ["up", "down", "none"])
def test_a_block_is_what_the_paper_says(resample: Resample) -> None:
    """Restated with the shortcut in the paper's order, upsampling before the 1×1 convolution."""
    torch.manual_seed(0)
    block = ResidualBlock(2, 3, resample=resample, norm=lambda n: nn.GroupNorm(1, n)).double()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    p = dict(block.named_parameters())
    x = draw(2, 2, 4, 4)

    def enlarged(h: Tensor) -> Tensor:
        return h.repeat_interleave(2, -1).repeat_interleave(2, -2) if resample == "up" else h

    def reduced(h: Tensor) -> Tensor:
        if resample != "down":
            return h
        return (h[..., ::2, ::2] + h[..., 1::2, ::2] + h[..., ::2, 1::2] + h[..., 1::2, 1::2]) / 4

    h = functional.group_norm(x, 1, p["before.0.weight"], p["before.0.bias"]).relu()
    h = functional.conv2d(enlarged(h), p["after.0.weight"], padding=1)
    h = functional.group_norm(h, 1, p["after.1.weight"], p["after.1.bias"]).relu()
    h = reduced(functional.conv2d(h, p["after.3.weight"], p["after.3.bias"], padding=1))
    beside = functional.conv2d(reduced(enlarged(x)), p["shortcut.weight"], p["shortcut.bias"])
    torch.testing.assert_close(block(x), h + beside, rtol=1e-12, atol=1e-12)


def test_the_first_convolution_changes_the_channels_only_upwards() -> None:
    shapes = {
        resample: [
            tuple(layer.weight.shape[:2])
            for layer in ResidualBlock(2, 5, resample=resample, norm=nn.Identity).after
            if isinstance(layer, nn.Conv2d)
        ]
        for resample in ("up", "down", "none")
    }
    assert shapes == {"up": [(5, 2), (5, 5)], "down": [(2, 2), (5, 2)], "none": [(5, 2), (5, 5)]}


def test_a_block_that_changes_nothing_has_a_bare_shortcut() -> None:
    """With its second convolution at zero the block then is the identity."""
    block = ResidualBlock(3, 3, resample="none", norm=nn.Identity, activation=nn.Tanh, kernel=5)
    with torch.no_grad():
        for parameter in list(block.parameters())[-2:]:
            parameter.zero_()
    x = draw(2, 3, 6, 6).float()
    assert torch.equal(block(x), x)


def test_the_critic_has_layer_norms_within_blocks_only_and_the_generator_batch_norms() -> None:
    family = ResNet(width=2)
    critic, generator = family.discriminator(shape=(1, 16, 16)), family.generator(latent=3, shape=(1, 16, 16))
    norms = [layer for layer in critic.modules() if isinstance(layer, nn.GroupNorm)]
    assert [(layer.num_groups, layer.num_channels) for layer in norms] == [(1, 2), (1, 2), (1, 4), (1, 4)]
    found = [layer.num_features for layer in generator.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert found == [4, 4, 4, 2, 2]  # two per block, one before the image
    bare = ResNet(width=2, d_norm="none", g_norm="none")
    for module in (bare.discriminator(shape=(1, 16, 16)), bare.generator(latent=3, shape=(1, 16, 16))):
        assert not any(isinstance(layer, nn.GroupNorm | nn.BatchNorm2d) for layer in module.modules())


def test_the_critics_score_is_linear_in_its_last_features() -> None:
    """No norm and no rectifier stands before the last layer: doubling the last block's output doubles the score."""
    torch.manual_seed(0)
    critic = ResNet(width=2).discriminator(shape=(1, 16, 16)).double()
    end = nn.Sequential(*list(critic.children())[-3:])
    features = draw(3, 4, 4, 4)
    assert features.min() < 0
    torch.testing.assert_close(end(2 * features), 2 * end(features))


def test_blocks_start_at_hes_deviation_and_all_else_at_xaviers() -> None:
    torch.manual_seed(0)
    generator = ResNet(width=32).generator(latent=32, shape=(3, 16, 16))
    inside = {id(layer) for block in blocks(generator) for layer in block.after}
    for layer in generator.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            fan_in, fan_out = layer.weight[0].numel(), layer.weight.transpose(0, 1)[0].numel()
            expected = 2 / fan_in if id(layer) in inside else 2 / (fan_in + fan_out)
            assert layer.weight.var().item() == pytest.approx(expected, rel=0.15)
            assert layer.bias is None or not layer.bias.any()
