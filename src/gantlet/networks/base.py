"""What a network family is: a way to build both players for a sample shape.

Networks are plain ``torch.nn`` modules without a member axis: a generator maps latents ``[B, latent]`` to samples
``[B, *x]``; a discriminator maps samples to scores ``[B]`` or to a whole :class:`~gantlet.objectives.base.DiscriminatorOutput`.
Stacking many of them is the business of ``training``.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import nn

__all__ = ["Family"]


@runtime_checkable
class Family(Protocol):
    """A pair of architectures, as a frozen dataclass of settings."""

    @property
    def provides(self) -> frozenset[str]:
        """What its discriminator offers: of ``no_batch_statistics``, ``autoencoder``, ``spectral_norm``."""
        ...

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:
        """A fresh generator, initialised from torch's global random state."""
        ...

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:
        """A fresh discriminator; ``generators`` sizes its which-generator head where it has one."""
        ...
