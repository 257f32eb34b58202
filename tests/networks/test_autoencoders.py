"""Auto-encoding discriminators: energies, outputs and the dense pair, against answers by hand.

Legend: ``B`` batch.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gantlet.networks.autoencoders import AutoEncoder, DenseAutoEncoder, Energy, energy
from gantlet.objectives.base import DiscriminatorOutput


def output(discriminator: nn.Module, x: Tensor) -> DiscriminatorOutput:
    said = discriminator(x)
    assert isinstance(said, DiscriminatorOutput)
    return said


@pytest.mark.parametrize("kind", ["l2", "l1", "mse"])
def test_energies_agree_with_numpy_sample_by_sample(kind: Energy) -> None:
    r = np.random.default_rng(0).normal(size=(3, 2, 4, 5)) * np.array([1.0, 2.0, 7.0]).reshape(3, 1, 1, 1)
    flat = r.reshape(3, 40)
    expected = {
        "l2": np.linalg.norm(flat, axis=1),
        "l1": np.abs(flat).sum(1) / 40,
        "mse": (flat**2).sum(1) / 40,
    }[kind]
    np.testing.assert_allclose(energy(torch.from_numpy(r), kind).numpy(), expected, rtol=1e-13)


@pytest.mark.parametrize("kind", ["l2", "l1", "mse"])
def test_gradients_agree_with_finite_differences(kind: Energy) -> None:
    residual = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda r: energy(r, kind), residual)
    assert torch.autograd.gradgradcheck(lambda r: energy(r, kind), residual)


def test_a_perfect_reconstruction_has_zero_derivatives_of_both_orders() -> None:
    residual = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(energy(residual, "l2").sum(), residual, create_graph=True)
    (second,) = torch.autograd.grad(slope.square().sum() + slope.sum(), residual)
    assert slope.tolist() == second.tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("kind", ["l2", "l1", "mse"])
def test_a_broken_reconstruction_is_not_hidden(kind: Energy) -> None:
    assert energy(torch.tensor([[float("nan"), 0.0], [0.0, 0.0]]), kind).isnan().tolist() == [True, False]


@pytest.mark.parametrize(("kind", "expected"), [("l2", 3.84), ("l1", 1.92), ("mse", 3.84**2 / 2)])
def test_an_identity_misses_what_its_rectifiers_take(kind: Energy, expected: float) -> None:
    """With unit weights (3, -4) passes two leaky rectifiers and returns as (3, -4 · 0.2²): 3.84 is missed."""
    discriminator = DenseAutoEncoder(d_width=2, code=2, energy=kind).discriminator(shape=(2,))
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.copy_(torch.eye(2) if parameter.ndim == 2 else torch.zeros(2))
    said = output(discriminator, torch.tensor([[3.0, -4.0], [1.0, 2.0]]))
    assert said.score.tolist() == pytest.approx([expected, 0.0], rel=1e-6)
    assert said.code is not None
    torch.testing.assert_close(said.code, torch.tensor([[3.0, -0.8], [1.0, 2.0]]))


def test_the_code_is_what_the_encoder_says_flattened() -> None:
    encoder, decoder = nn.Conv2d(1, 2, 2, stride=2), nn.ConvTranspose2d(2, 1, 2, stride=2)
    discriminator = AutoEncoder(encoder, decoder, kind="l1", features=8)
    x = torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    said = output(discriminator, x)
    assert said.code is not None
    assert torch.equal(said.code, encoder(x).reshape(3, discriminator.features))
    torch.testing.assert_close(said.score, (x - decoder(encoder(x))).abs().sum((1, 2, 3)) / 16)


def test_layers_of_the_dense_pair() -> None:
    family = DenseAutoEncoder(g_width=5, d_width=7, code=3)
    discriminator, generator = family.discriminator(shape=(1, 2, 4)), family.generator(latent=6, shape=(1, 2, 4))
    expected = {discriminator: [8, 7, 3, 7, 8], generator: [6, 5, 5, 8]}
    for module, sizes in expected.items():
        layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
        assert [(layer.in_features, layer.out_features) for layer in layers] == list(pairwise(sizes))


def test_code_and_reconstruction_are_linear_at_their_ends() -> None:
    """Twice the last weights of a part are twice its output, whatever its size and sign."""
    torch.manual_seed(0)
    discriminator = DenseAutoEncoder(d_width=7, code=3).discriminator(shape=(2,))
    assert isinstance(discriminator, AutoEncoder)
    for part, inputs in ((discriminator.encoder, 2), (discriminator.decoder, 3)):
        x = 10 * torch.randn(20, inputs)
        last = [layer for layer in part.modules() if isinstance(layer, nn.Linear)][-1]
        before = part(x)
        with torch.no_grad():
            last.weight *= 2
            last.bias *= 2
        torch.testing.assert_close(part(x), 2 * before)
        assert before.min() < 0 < before.max()
