r"""Consistency regularisation: the scores of a sample and of its augmentation T(x) are pushed together.

.. math::
    λ\, \mathbb{E}_i (D(r_i) - D(T(r_i)))^2 \quad [{} + λ\, \mathbb{E}_i (D(f_i) - D(T(f_i)))^2]

The second term (``fakes``) makes it balanced. Images ``[C, H, W]`` are mirrored left to right with probability 1/2 and
moved by whole pixels, uniformly up to ``shift`` each way (at most up to the last row or column); what comes in from
outside repeats the border, so that no colour is preferred. Samples of any other shape get a normal jitter, in standard
deviations of all numbers of their batch.

The gradient goes through both scores. No input gradient is taken, so batch statistics are allowed: samples and augmentations
are batches of their own.

Reference:
    | Consistency regularization for generative adversarial networks (Zhang et al., 2020),
      https://arxiv.org/abs/1910.12027
    | Improved consistency regularization for GANs (Zhao et al., 2021), https://arxiv.org/abs/2002.04724

Legend: ``S`` members, ``K`` generators of a team, ``J`` batches scored separately, ``B`` batch, ``C`` colour channels,
``H`` rows, ``W`` columns, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from gantlet.settings import setting

from .base import DiscriminatorFunction, Draw
from .input_gradient import across, batch_std

__all__ = ["Consistency", "mirrored_and_moved"]


@dataclass(frozen=True)
class Consistency:
    """Pushes the scores of augmented samples towards those of the samples themselves.

    ``weight`` and ``jitter`` are numbers or tensors that broadcast against scores (per member ``[S, 1, 1]``). Every
    generator of a team is given the same value of the real samples' term, so that their mean is it.

    Example:
        >>> from gantlet.objectives.base import DiscriminatorOutput
        >>> discriminate = lambda x: DiscriminatorOutput(3 * x.squeeze(-1))
        >>> real = torch.tensor([[[[1.0], [3.0]]]])  # σ = 1: a jitter of 0.1 moves the score by 0.3, 0.3² · 10
        >>> noise = {"real": torch.tensor([[[[1.0], [-1.0]]]])}
        >>> Consistency(jitter=0.1)(discriminate, real=real, fake=real, noise=noise)
        tensor([[0.9000]])
    """

    player: ClassVar[Literal["generator", "discriminator"]] = "discriminator"
    requires: ClassVar[frozenset[str]] = frozenset()
    needs: ClassVar[frozenset[str]] = frozenset()
    label: ClassVar[str] = "consistency_penalty"
    separable: ClassVar[bool | Literal["images"]] = "images"

    weight: float | Tensor = setting(10.0, "the penalty's weight λ in the loss", low=0.0, varies=True)
    fakes: bool = setting(False, "whether fake samples are held to it too (balanced)")
    shift: int = setting(4, "images: the most pixels by which one is moved in each direction", low=0)
    jitter: float | Tensor = setting(
        0.1, "other samples: size of the jitter, in standard deviations of the batch", low=0.0, varies=True
    )
    every: int = setting(1, "applied at every n-th update only, with n times the weight", low=1)

    def draws(self, *, generators: int, batch: int, shape: tuple[int, ...]) -> dict[str, Draw]:
        """``real`` (and ``fake``): for images mirror, rows and columns, ``[J, B, 3]``; otherwise ``[J, B, *x]``."""

        def draw(batches: int) -> Draw:
            image = Draw("uniform", (batches, batch, 3))
            return image if len(shape) == 3 else Draw("normal", (batches, batch, *shape))

        return {"real": draw(1)} | ({"fake": draw(generators)} if self.fakes else {})

    def changed(self, samples: Tensor, noise: Tensor) -> Tensor:  # [S, J, B, *x] -> [S, J, B, *x]
        """The augmented samples."""
        if samples.ndim == 6:
            return mirrored_and_moved(samples, noise, shift=self.shift)
        return samples + across(self.jitter, samples) * batch_std(samples) * noise

    def gap(
        self, discriminate: DiscriminatorFunction, samples: Tensor, noise: Tensor
    ) -> Tensor:  # [S, J, B, *x] -> [S, J]
        """How far the scores of samples and of their augmentations are apart, weighted."""
        samples = samples.detach()
        # Both are scored here, alike: what the player's own update said may have been of noisy or packed samples.
        score, other = discriminate(torch.cat([samples, self.changed(samples, noise)], 1)).score.chunk(2, 1)
        return (self.weight * (score - other).square()).mean(-1)

    def __call__(
        self,
        discriminate: DiscriminatorFunction,
        *,
        real: Tensor,  # [S, 1, B, *x]
        fake: Tensor,  # [S, K, B, *x]
        noise: Mapping[str, Tensor],  # real [S, 1, B, ...], fake [S, K, B, ...]
    ) -> Tensor:  # [S, K]
        """The weighted penalty; no gradient reaches ``real`` or ``fake``."""
        cost = self.gap(discriminate, real, noise["real"]).expand(-1, fake.shape[1])
        return cost + self.gap(discriminate, fake, noise["fake"]) if self.fakes else cost


def mirrored_and_moved(image: Tensor, noise: Tensor, *, shift: int) -> Tensor:  # [S, J, B, C, H, W], [S, J, B, 3]
    """Each image mirrored or not and moved by whole pixels, as three uniform numbers say; the border is repeated.

    Example:
        >>> image = torch.tensor([[1.0, 2.0, 3.0]]).reshape(1, 1, 1, 1, 1, 3)
        >>> mirrored_and_moved(image, torch.tensor([0.2, 0.5, 0.9]).reshape(1, 1, 1, 3), shift=1).flatten()
        tensor([3., 3., 2.])
    """
    mirror, down, right = noise.unbind(-1)
    rows = _sources(down, image.shape[-2], shift)  # [S, J, B, H]
    columns = _sources(right, image.shape[-1], shift)  # [S, J, B, W]
    columns = torch.where(mirror.unsqueeze(-1) < 0.5, image.shape[-1] - 1 - columns, columns)
    moved = image.gather(-2, rows[..., None, :, None].expand_as(image))
    return moved.gather(-1, columns[..., None, None, :].expand_as(image))


def _sources(uniform: Tensor, size: int, shift: int) -> Tensor:  # [S, J, B] -> [S, J, B, size]
    """From which row or column each one comes, if 2·shift + 1 moves are equally likely."""
    reach = min(shift, size - 1)
    moved = (uniform * (2 * reach + 1)).floor().clamp(max=2 * reach) - reach  # float32 may round up to the end
    return (torch.arange(size, device=uniform.device) - moved.unsqueeze(-1)).clamp(0, size - 1).long()
