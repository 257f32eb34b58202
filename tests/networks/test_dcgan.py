"""The small DCGAN: initialisation, where it normalises, which shapes it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gantlet.errors import Refused
from gantlet.networks import DCGAN28

SHAPE = (1, 28, 28)


def norms(module: nn.Module) -> list[str]:
    kinds = (nn.BatchNorm2d, nn.GroupNorm)
    return [type(layer).__name__ for layer in module.modules() if isinstance(layer, kinds)]


@pytest.mark.parametrize(
    ("family", "in_generator", "in_discriminator"),
    [
        (DCGAN28(width=4), ["BatchNorm2d"] * 2, ["BatchNorm2d"]),
        (DCGAN28(width=4, d_norm="layer"), ["BatchNorm2d"] * 2, ["GroupNorm"]),
        (DCGAN28(width=4, d_norm="none", g_norm="none"), [], []),
    ],
)
def test_no_normalisation_at_the_ends(family: DCGAN28, in_generator: list[str], in_discriminator: list[str]) -> None:
    assert norms(family.generator(latent=5, shape=SHAPE)) == in_generator
    assert norms(family.discriminator(shape=SHAPE)) == in_discriminator


def test_weights_start_at_a_deviation_of_one_fiftieth() -> None:
    torch.manual_seed(0)
    for module in (DCGAN28().generator(latent=64, shape=SHAPE), DCGAN28().discriminator(shape=SHAPE)):
        weights = [parameter for parameter in module.parameters() if parameter.ndim > 1]
        held = torch.cat([weight.flatten() for weight in weights])
        assert held.std().item() == pytest.approx(0.02, rel=0.02)
        assert abs(held.mean().item()) < 1e-3
        for name, parameter in module.named_parameters():
            if parameter.ndim == 1:
                assert ((parameter == 0) | (parameter == 1)).all(), name


def test_layer_norm_is_over_a_whole_sample() -> None:
    """Doubling a sample's features before the norm changes nothing after it, channel by channel or all at once."""
    discriminator = DCGAN28(width=4, d_norm="layer").discriminator(shape=SHAPE).double()
    norm = next(layer for layer in discriminator.modules() if isinstance(layer, nn.GroupNorm))
    x = torch.randn(3, 8, 7, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    flat = norm(x).flatten(1)
    assert torch.allclose(flat.mean(1), torch.zeros(3, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(flat.var(1, unbiased=False), torch.ones(3, dtype=torch.float64), atol=1e-4)


def test_each_pixel_sees_its_neighbourhood() -> None:
    """Stride 2 twice with 4×4 kernels: a change in one corner pixel moves the 7×7 map only in that corner."""
    discriminator = DCGAN28(width=4, d_norm="none").discriminator(shape=SHAPE)
    features = nn.Sequential(*list(discriminator.children())[:4])
    x = torch.zeros(1, *SHAPE)
    moved = x.clone()
    moved[0, 0, 0, 0] = 1
    rows, columns = (features(moved) - features(x)).abs().sum((0, 1)).nonzero(as_tuple=True)
    assert (rows.max().item(), columns.max().item()) == (0, 0)


@pytest.mark.parametrize("shape", [(2,), (28, 28), (1, 32, 32), (1, 28, 27), (1, 1, 28, 28)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    came = "×".join(str(size) for size in shape)
    for build in (lambda: DCGAN28().generator(latent=2, shape=shape), lambda: DCGAN28().discriminator(shape=shape)):
        with pytest.raises(Refused, match=f"a sample has the shape {came}: resize the images, or choose"):
            build()
