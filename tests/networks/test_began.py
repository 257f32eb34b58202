"""BEGAN's pair: layers as counted, padding of the strided convolutions, the L1 energy, an unbounded generator."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gantlet.errors import Refused
from gantlet.networks.autoencoders import AutoEncoder
from gantlet.networks.began import BEGAN


def auto_encoder(family: BEGAN, side: int) -> AutoEncoder:
    discriminator = family.discriminator(shape=(3, side, side))
    assert isinstance(discriminator, AutoEncoder)
    return discriminator


def chain(module: nn.Module) -> str:
    """Layers in short: channels of convolutions (↓ for stride 2), e for ELU, up, numbers of linear layers in brackets."""
    words: list[str] = []
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            words.append(f"{layer.out_channels}{'↓' if layer.stride == (2, 2) else ''}")
        elif isinstance(layer, nn.Linear):
            words.append(f"[{layer.out_features}]")
        elif isinstance(layer, nn.ELU | nn.Upsample | nn.Tanh):
            words.append({nn.ELU: "e", nn.Upsample: "up", nn.Tanh: "tanh"}[type(layer)])
    return " ".join(words)


def test_layers_as_published() -> None:
    with torch.device("meta"):
        discriminator = auto_encoder(BEGAN(width=1, code=7), 64)
        generator = BEGAN(width=1, output="tanh").generator(latent=7, shape=(3, 64, 64))
    assert chain(discriminator.encoder) == "1 e 1 e 1 e 2↓ e 2 e 2 e 3↓ e 3 e 3 e 4↓ e 4 e 4 e 4 e [7]"
    assert chain(discriminator.decoder) == "[64] 1 e 1 e up 1 e 1 e up 1 e 1 e up 1 e 1 e 3"
    assert chain(generator) == f"{chain(discriminator.decoder)} tanh"


def test_parameters_of_both_halves_as_published() -> None:
    with torch.device("meta"):
        discriminator = auto_encoder(BEGAN(), 64)
    counts = [
        sum(parameter.numel() for parameter in part.parameters())
        for part in (discriminator.encoder, discriminator.decoder)
    ]
    assert counts == [16_260_800, 1_716_611]


@pytest.mark.parametrize(("side", "base", "deepest"), [(16, 8, 2), (28, 7, 3), (32, 8, 3), (64, 8, 4), (128, 8, 5)])
def test_the_base_has_seven_or_eight_pixels(side: int, base: int, deepest: int) -> None:
    with torch.device("meta"):
        discriminator = auto_encoder(BEGAN(width=5, code=6), side)
        assert discriminator(torch.zeros(2, 3, side, side)).code.shape == (2, 6)
    layers = [layer for layer in discriminator.modules() if isinstance(layer, nn.Linear)]
    sizes = [(layer.in_features, layer.out_features) for layer in layers]
    assert sizes == [(5 * deepest * base**2, 6), (6, 5 * base**2)]


def test_upsampling_repeats_pixels() -> None:
    layers = BEGAN(width=1).generator(latent=2, shape=(3, 16, 16)).children()
    up = next(layer for layer in layers if isinstance(layer, nn.Upsample))
    assert up(torch.tensor([[[[1.0, 2.0]]]])).tolist() == [[[[1.0, 1.0, 2.0, 2.0]] * 2]]


def test_strided_convolutions_pad_right_and_bottom() -> None:
    """A kernel of ones sums rows and columns 2i … 2i + 2: of all ones 9 everywhere, but 6 and 4 at the far ends."""
    encoder = auto_encoder(BEGAN(width=1), 16).encoder
    layers = list(encoder.children())
    at = next(i for i, layer in enumerate(layers) if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2))
    with torch.no_grad():
        layers[at].weight.fill_(1.0)
        sums = nn.Sequential(*layers[at - 1 : at + 1])(torch.ones(1, 1, 4, 4))
    assert sums[0, 0].tolist() == sums[0, 1].tolist() == [[9.0, 6.0], [6.0, 4.0]]


def test_a_decoder_that_says_nothing_leaves_the_mean_of_absolute_pixels() -> None:
    discriminator = auto_encoder(BEGAN(width=2, code=3), 16)
    with torch.no_grad():
        for parameter in discriminator.decoder.parameters():
            parameter.zero_()
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    expected = [sum(abs(value) for value in sample.flatten().tolist()) / 768 for sample in x]
    assert discriminator(x).score.tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("output", "bounded"), [("linear", False), ("tanh", True)])
def test_pixels_are_bounded_only_by_tanh(output: str, bounded: bool) -> None:
    torch.manual_seed(0)
    generator = BEGAN(width=4, output=output).generator(latent=5, shape=(3, 16, 16))
    reach = generator(30 * torch.randn(4, 5)).abs().max().item()
    assert (reach <= 1) is bounded


def test_decoder_and_generator_do_not_share_weights() -> None:
    torch.manual_seed(0)
    family = BEGAN(width=2, code=5)
    decoder, generator = auto_encoder(family, 16).decoder, family.generator(latent=5, shape=(3, 16, 16))
    ours, theirs = decoder.state_dict(), generator.state_dict()
    assert {name: value.shape for name, value in ours.items()} == {name: v.shape for name, v in theirs.items()}
    assert not any(torch.equal(ours[name], theirs[name]) for name in ours if name.endswith("weight"))


def test_a_size_that_leaves_a_large_base_is_refused() -> None:
    with pytest.raises(Refused, match=r"'began' is made for images .* 4–8 pixels"):
        BEGAN().generator(latent=4, shape=(3, 50, 50))
