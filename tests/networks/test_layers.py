"""Shared building blocks: initialisation, heads, and which images fit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gantlet.errors import Refused
from gantlet.networks.layers import Heads, heads, initialised, normal, normalisation, square_image


def test_only_maps_are_drawn_anew() -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(50, 50), nn.Sequential(nn.Conv2d(5, 50, 5), nn.BatchNorm2d(50)), nn.ConvTranspose2d(5, 50, 5)]
    module = nn.Sequential(*initialised(layers, normal(0.3)))
    for name, parameter in module.named_parameters():
        if parameter.ndim > 1:
            assert parameter.std().item() == pytest.approx(0.3, rel=0.05), name
        else:
            assert torch.equal(parameter.data, torch.full((50,), float(name == "1.1.weight"))), name


def test_both_heads_see_the_same_features() -> None:
    discriminator = Heads(3, generators=2).double()
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    output = discriminator(x)
    assert torch.allclose(output.score, x @ discriminator.score.weight[0] + discriminator.score.bias)
    assert torch.allclose(output.generator_logits, x @ discriminator.generator.weight.T + discriminator.generator.bias)


def test_one_generator_needs_no_second_head() -> None:
    one, team = nn.Sequential(*heads(3, generators=1)), nn.Sequential(*heads(3, generators=2))
    assert [sum(p.numel() for p in discriminator.parameters()) for discriminator in (one, team)] == [4, 4 + 8]


def test_layer_norm_is_over_all_of_a_sample() -> None:
    (norm,) = normalisation("layer", 6)
    x = torch.randn(2, 6, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 7 + 3
    normed = norm.double()(x).flatten(1)
    assert torch.allclose(normed.mean(1), torch.zeros(2, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(normed.var(1, unbiased=False), torch.ones(2, dtype=torch.float64), rtol=1e-5)


@pytest.mark.parametrize("shape", [(8,), (8, 8), (1, 8, 9), (1, 9, 9), (1, 8, 8, 8), (1, 0, 0), (0, 8, 8)])
def test_an_image_that_does_not_fit_is_refused(shape: tuple[int, ...]) -> None:
    came = "×".join(str(size) for size in shape)
    expected = f"The network 'some' is made for square images with sides even, but a sample has the shape {came}: "
    with pytest.raises(Refused) as caught:
        square_image("some", shape, fits=lambda side: side % 2 == 0, sides="even")
    assert str(caught.value).startswith(expected)


def test_without_a_rule_layers_stay_as_pytorch_makes_them() -> None:
    layer = nn.Linear(3, 2)
    before = [parameter.detach().clone() for parameter in layer.parameters()]
    (after,) = initialised([layer], None)
    assert after is layer
    assert all(kept.equal(was) for kept, was in zip(layer.parameters(), before, strict=True))
    (drawn,) = initialised([layer], nn.init.zeros_)
    assert all(bool((parameter == 0).all()) for parameter in drawn.parameters())
