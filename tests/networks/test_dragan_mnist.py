"""The smallest DRAGAN pair, restated in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gantlet.networks import DRAGANMNIST


def arrays(module: nn.Module) -> list[np.ndarray]:
    return [parameter.detach().numpy() for parameter in module.parameters()]


@pytest.mark.parametrize("output", ["linear", "tanh", "sigmoid"])
def test_the_generator_by_hand(output: str) -> None:
    generator = DRAGANMNIST(hidden=6, output=output).generator(latent=4, shape=(2, 3)).double()  # type: ignore[arg-type]
    z = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    into, shift, out, offset = arrays(generator)
    last = np.maximum(z.numpy() @ into.T + shift, 0) @ out.T + offset
    ends = {"linear": last, "tanh": np.tanh(last), "sigmoid": 2 / (1 + np.exp(-last)) - 1}
    np.testing.assert_allclose(generator(z).detach().numpy(), ends[output].reshape(5, 2, 3), rtol=1e-12)


def test_the_discriminator_by_hand() -> None:
    discriminator = DRAGANMNIST(hidden=6).discriminator(shape=(2, 3)).double()
    x = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    into, shift, out, offset = arrays(discriminator)
    expected = np.maximum(x.numpy().reshape(5, 6) @ into.T + shift, 0) @ out[0] + offset
    np.testing.assert_allclose(discriminator(x).detach().numpy(), expected, rtol=1e-12)


def test_weights_start_by_the_number_of_inputs() -> None:
    """Deviation 1 / √(inputs / 2), biases 0."""
    torch.manual_seed(0)
    for player in (DRAGANMNIST().generator(latent=100, shape=(1, 28, 28)), DRAGANMNIST().discriminator(shape=(784,))):
        for layer in (layer for layer in player.modules() if isinstance(layer, nn.Linear)):
            rough = 0.2 if layer.out_features == 1 else 0.02
            assert layer.weight.std().item() == pytest.approx((layer.in_features / 2) ** -0.5, rel=rough)
            assert not layer.bias.any()
