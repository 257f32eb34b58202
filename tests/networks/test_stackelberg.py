"""Stackelberg teams: outputs with a logit for each generator, where batch norm is, how weights start.

Legend: ``S`` stacked discriminators, ``B`` batch, ``K`` generators.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from gantlet.errors import Refused
from gantlet.networks import StackelbergCIFAR, StackelbergFashion, StackelbergMNIST
from gantlet.objectives.base import DiscriminatorOutput
from gantlet.training.stack import Stack, refuses_vmap

FAMILIES = [
    (StackelbergMNIST(g_hidden=2, d_hidden=4), (1, 5, 5)),
    (StackelbergFashion(g_hidden=2, d_hidden=4), (3,)),
    (StackelbergCIFAR(g_width=2, d_width=2, d_norm="layer"), (3, 8, 8)),
    (StackelbergCIFAR(g_width=2, d_width=2), (3, 8, 8)),
]
every_family = pytest.mark.parametrize(("family", "shape"), FAMILIES, ids=str)


def kinds(module: nn.Module) -> str:
    return " ".join(type(layer).__name__ for layer in module.children())


@every_family
def test_a_teams_verdict_names_the_generator(family: Any, shape: tuple[int, ...]) -> None:
    discriminator = family.discriminator(shape=shape, generators=3).double()
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    output = discriminator(x)
    assert isinstance(output, DiscriminatorOutput)
    assert output.score.shape == (4,)
    assert output.generator_logits is not None
    assert output.generator_logits.shape == (4, 3)
    (output.score.sum() + output.generator_logits.logsumexp(-1).sum()).backward()
    weights = [parameter for parameter in discriminator.parameters() if parameter.ndim > 1]
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in weights)


@every_family
def test_verdicts_of_a_stack(family: Any, shape: tuple[int, ...]) -> None:
    discriminators = [family.discriminator(shape=shape, generators=3) for _ in range(2)]
    assert refuses_vmap(discriminators[0], torch.zeros(4, *shape)) is None
    stack = Stack(discriminators, form="stacked", seeds=(0, 1), device=torch.device("cpu"), dtype=torch.float64)
    x = torch.randn(2, 4, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    together = stack(x)  # {"score": [S, B], "generator_logits": [S, B, K]}
    for n, discriminator in enumerate(discriminators):
        alone = discriminator.double()(x[n])
        assert torch.allclose(together["score"][n], alone.score, rtol=1e-11, atol=1e-14)
        assert torch.allclose(together["generator_logits"][n], alone.generator_logits, rtol=1e-11, atol=1e-14)


@every_family
def test_alone_there_is_a_score_only(family: Any, shape: tuple[int, ...]) -> None:
    discriminator = family.discriminator(shape=shape)
    assert kinds(discriminator).endswith("Linear Score")
    team = family.discriminator(shape=shape, generators=2)
    size, features = (sum(p.numel() for p in module.parameters()) for module in (discriminator, team))
    assert features - size == 2 * (discriminator[-2].in_features + 1)


def test_where_batch_norm_is() -> None:
    mnist = StackelbergMNIST().generator(latent=2, shape=(1, 4, 4))
    assert kinds(mnist) == "Linear BatchNorm1d LeakyReLU " * 2 + "Linear Tanh Unflatten"
    fashion = StackelbergFashion().generator(latent=2, shape=(1, 4, 4))
    assert kinds(fashion) == "Linear LeakyReLU " + "Linear BatchNorm1d LeakyReLU " * 3 + "Linear Tanh Unflatten"
    cifar = StackelbergCIFAR(g_width=1, d_width=1)
    assert kinds(cifar.discriminator(shape=(1, 8, 8))).startswith("ZeroPad2d Conv2d BatchNorm2d LeakyReLU ZeroPad2d")
    assert "Norm" not in kinds(cifar.generator(latent=2, shape=(1, 8, 8)))


@pytest.mark.parametrize("eps", [1e-5, 0.8])
@pytest.mark.parametrize("family", [StackelbergMNIST, StackelbergFashion])
def test_the_eps_of_the_published_code(family: Any, eps: float) -> None:
    norms = [
        layer
        for layer in family(g_hidden=4, bn_eps=eps).generator(latent=2, shape=(3,)).modules()
        if isinstance(layer, nn.BatchNorm1d)
    ]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(eps, 0.1)}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [(1, [(4, 3)]), (2, [(8, 4), (4, 3)]), (3, [(16, 8), (8, 4), (4, 3)])],
)
def test_scales_of_the_generator(layers: int, expected: list[tuple[int, int]]) -> None:
    generator = StackelbergCIFAR(g_width=4, g_layers=layers).generator(latent=2, shape=(3, 16, 16))
    ups = [layer for layer in generator.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert [(up.in_channels, up.out_channels) for up in ups] == expected
    (first,) = (layer for layer in generator.modules() if isinstance(layer, nn.Linear))
    assert first.out_features == expected[0][0] * (16 // 2**layers) ** 2


def test_how_the_cifar_pair_starts() -> None:
    """Truncation at two deviations leaves 0.8796 of a deviation: √(1 - 2·2·φ(2) / (2Φ(2) - 1))."""
    torch.manual_seed(0)
    family = StackelbergCIFAR(g_width=16, d_width=16)
    discriminator, generator = (
        family.discriminator(shape=(3, 32, 32), generators=9),
        family.generator(latent=20, shape=(3, 32, 32)),
    )
    convolutions = torch.cat(
        [layer.weight.flatten() for layer in discriminator.modules() if isinstance(layer, nn.Conv2d)]
    )
    assert convolutions.abs().max().item() <= 0.04
    assert convolutions.std().item() == pytest.approx(0.8796 * 0.02, rel=0.02)
    heads = torch.cat([layer.weight.flatten() for layer in discriminator.modules() if isinstance(layer, nn.Linear)])
    assert heads.std().item() == pytest.approx(0.01, rel=0.05)
    weights = torch.cat([p.flatten() for p in generator.parameters() if p.ndim > 1])
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    for module in (discriminator, generator):
        assert not any(p.any() for name, p in module.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize(("layers", "unit"), [(2, 8), (4, 16)])
def test_other_sides_are_refused(layers: int, unit: int) -> None:
    family = StackelbergCIFAR(g_layers=layers)
    for build in (
        lambda: family.generator(latent=2, shape=(1, 28, 28)),
        lambda: family.discriminator(shape=(1, 28, 28)),
    ):
        with pytest.raises(Refused, match=rf"'stackelberg-cifar' .* divisible by {unit}, but .* 1×28×28:"):
            build()
