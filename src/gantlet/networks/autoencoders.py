r"""Discriminators that are auto-encoders, and the fully connected pair of them, for samples of any shape (flattened).

The energy of a sample is how badly it is reconstructed, :math:`r = x - \mathrm{Dec}(\mathrm{Enc}(x))` of n numbers:

=======  =================================  ===================================================================
energy   formula                            whose
=======  =================================  ===================================================================
``l2``   :math:`\lVert r \rVert_2`          EBGAN: un-squared, over the whole sample; its margin is in this unit
``l1``   :math:`\tfrac1n \sum_i |r_i|`      BEGAN
``mse``  :math:`\tfrac1n \sum_i r_i^2`      common EBGAN code
=======  =================================  ===================================================================

References:
    | Energy-based generative adversarial network (Zhao et al., 2017), https://arxiv.org/abs/1609.03126
    | BEGAN: boundary equilibrium generative adversarial networks (Berthelot et al., 2017),
      https://arxiv.org/abs/1703.10717

Legend: ``B`` batch, ``*x`` sample shape, ``d`` features of the code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from gantlet.objectives.base import DiscriminatorOutput
from gantlet.settings import setting

from .layers import Output, dense, dense_generator

__all__ = ["AutoEncoder", "DenseAutoEncoder", "Energy", "energy"]

Energy = Literal["l2", "l1", "mse"]
"""How a residual becomes a number; see the module."""


@dataclass(frozen=True)
class DenseAutoEncoder:
    """One hidden layer on either side of a linear code, against a generator of two hidden layers.

    Example:
        >>> output = DenseAutoEncoder(code=3).discriminator(shape=(2,))(torch.zeros(5, 2))
        >>> output.score.shape, output.code.shape
        (torch.Size([5]), torch.Size([5, 3]))
    """

    g_width: int = setting(256, "width of the generator's two hidden layers", low=1)
    d_width: int = setting(256, "width of the hidden layers on either side of the code", low=1)
    code: int = setting(32, "dimension of the code", low=1)
    energy: Energy = setting("l2", "how a residual becomes the score (EBGAN l2, BEGAN l1)", choices=("l2", "l1", "mse"))
    output: Output = setting("linear", "how the generator ends", choices=("linear", "tanh"))
    provides = frozenset(
        {"autoencoder", "no_batch_statistics"}
    )  # an auto-encoder in which no layer mixes the samples of a batch

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, *x]
        """Two hidden layers with rectifiers."""
        sizes = [latent, self.g_width, self.g_width, math.prod(shape)]
        return dense_generator(dense(sizes, nn.ReLU), output=self.output, shape=shape)

    def discriminator(
        self, *, shape: tuple[int, ...], generators: int = 1
    ) -> nn.Module:  # [B, *x] -> DiscriminatorOutput [B], code [B, d]
        """Encoder and decoder, each with one hidden layer of leaky rectifiers; both end linearly."""
        size = math.prod(shape)
        return AutoEncoder(
            nn.Sequential(nn.Flatten(), *dense([size, self.d_width, self.code], _leaky)),
            nn.Sequential(*dense([self.code, self.d_width, size], _leaky), nn.Unflatten(-1, shape)),
            kind=self.energy,
            features=self.code,
        )


class AutoEncoder(nn.Module):
    """An encoder and a decoder as a discriminator: the score is the energy, the code is the encoder's output.

    Arguments:
        encoder: ``[B, *x]`` to a code of any shape.
        decoder: A code to ``[B, *x]``.
        kind: How the residual becomes the score.
        features: Dimension of the code, ``d`` of the output's ``[B, d]``.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, kind: Energy, features: int) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.kind: Energy = kind
        self.features = features

    def forward(self, x: Tensor) -> DiscriminatorOutput:  # [B, *x] -> [B], [B, d]
        """Reconstruct and compare."""
        code = self.encoder(x)
        return DiscriminatorOutput(energy(x - self.decoder(code), self.kind), code=code.flatten(1))


def energy(residual: Tensor, kind: Energy) -> Tensor:  # [B, *x] -> [B]
    """One number per sample of what a reconstruction missed; see the module.

    Where nothing was missed, the gradient and the second derivatives of ``l2`` are zero, not nan.

    Example:
        >>> residual = torch.tensor([[3.0, -4.0], [0.0, 0.0]])
        >>> [energy(residual, kind).tolist() for kind in ("l2", "l1", "mse")]
        [[5.0, 0.0], [3.5, 0.0], [12.5, 0.0]]
    """
    flat = residual.flatten(1)
    if kind == "l1":
        return flat.abs().mean(1)
    if kind == "mse":
        return flat.square().mean(1)
    squared = flat.square().sum(1)
    # == 0 rather than > 0: a nan must stay one.
    perfect = squared == 0
    return torch.where(perfect, 0.0, torch.where(perfect, 1.0, squared).sqrt())


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)
