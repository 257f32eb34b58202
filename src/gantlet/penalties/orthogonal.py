r"""Orthogonal regularisation: pushes the filters of each layer towards being orthogonal to one another, whatever their lengths.

.. math::
    β \sum_{\text{weights}} \lVert W^\top W \odot (1 - I) \rVert_F^2

The columns of W are a layer's filters: in torch's layout the rows of ``weight.flatten(1)``, one per output (per input
channel for a transposed convolution). Every parameter of two or more dimensions counts; biases and gains do not. Unlike
:math:`\lVert W^\top W - I \rVert^2`, it leaves the lengths free.

Reference:
    | Large scale GAN training for high fidelity natural image synthesis (Brock et al., 2019), equation 3,
      https://arxiv.org/abs/1809.11096

Legend: ``S`` members, ``K`` generators of a team, ``N`` networks, ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from gantlet.settings import setting

from .base import DiscriminatorFunction, Draw

__all__ = ["Orthogonal", "OrthogonalGenerator", "orthogonality_gap"]


@dataclass(frozen=True)
class Orthogonal:
    """Orthogonal regularisation of the discriminator's weights.

    Every generator of a team is given the same value, so that their mean is it.
    ``weight`` is β, a number or a tensor that broadcasts against scores (per member ``[S, 1, 1]``).

    Example:
        >>> import torch
        >>> held = {"weight": torch.tensor([[[1.0, 0.0], [3.0, 4.0]]]), "bias": torch.ones(1, 2)}  # filters' product 3
        >>> Orthogonal(weight=0.5)(lambda x: x, fake=torch.zeros(1, 2, 4, 1), parameters=held)  # (3² + 3²)/2
        tensor([[9., 9.]])
    """

    player: ClassVar[Literal["generator", "discriminator"]] = "discriminator"
    requires: ClassVar[frozenset[str]] = frozenset()
    needs: ClassVar[frozenset[str]] = frozenset({"parameters"})
    label: ClassVar[str] = "orthogonal_penalty"
    separable: ClassVar[bool] = True

    weight: float | Tensor = setting(1e-4, "the penalty's weight β in the loss", low=0.0, varies=True)
    every: int = setting(1, "applied at every n-th update only, with n times the weight", low=1)

    def draws(self, *, generators: int, batch: int, shape: tuple[int, ...]) -> dict[str, Draw]:
        """None."""
        return {}

    def __call__(
        self,
        discriminate: DiscriminatorFunction,
        *,
        fake: Tensor,  # [S, K, B, *x]
        parameters: Mapping[str, Tensor],  # [S, ...]
        **_: Any,
    ) -> Tensor:  # [S, K]
        """The weighted penalty."""
        each = orthogonality_gap(parameters, fake.shape[0]).reshape(-1, 1, 1)
        return (self.weight * each)[..., 0].expand(-1, fake.shape[1])


@dataclass(frozen=True)
class OrthogonalGenerator:
    """Orthogonal regularisation of the generators, each on its own weights.

    ``weight`` is β, a number or a tensor that broadcasts against scores (per member ``[S, 1, 1]``).

    Example:
        >>> import torch
        >>> held = {"weight": torch.tensor([[[1.0, 0.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 4.0]]])}  # a team of two
        >>> OrthogonalGenerator(weight=0.5)(lambda x: x, fake=torch.zeros(1, 2, 4, 1), parameters=held)
        tensor([[9., 0.]])
    """

    player: ClassVar[Literal["generator", "discriminator"]] = "generator"
    requires: ClassVar[frozenset[str]] = frozenset()
    needs: ClassVar[frozenset[str]] = frozenset({"parameters"})
    label: ClassVar[str] = "orthogonal_generator_penalty"
    separable: ClassVar[bool] = True

    weight: float | Tensor = setting(1e-4, "the penalty's weight β in the loss", low=0.0, varies=True)
    every: int = setting(1, "applied at every n-th update only, with n times the weight", low=1)

    def draws(self, *, generators: int, batch: int, shape: tuple[int, ...]) -> dict[str, Draw]:
        """None."""
        return {}

    def __call__(
        self,
        discriminate: DiscriminatorFunction,
        *,
        fake: Tensor,  # [S, K, B, *x]
        parameters: Mapping[str, Tensor],  # [S·K, ...]
        **_: Any,
    ) -> Tensor:  # [S, K]
        """The weighted penalty."""
        members, team = fake.shape[:2]
        each = orthogonality_gap(parameters, members * team).reshape(members, team, 1)
        return (self.weight * each)[..., 0]


def orthogonality_gap(parameters: Mapping[str, Tensor], networks: int) -> Tensor:  # {name: [N, ...]} -> [N]
    """The squared products of different filters, summed over pairs (each twice) and weights; 0 without weights."""
    total = next(iter(parameters.values())).new_zeros(networks)
    for weight in parameters.values():
        if weight.ndim < 3:  # with the axis of networks: a bias or a gain
            continue
        filters = weight.flatten(2)  # [N, outputs, inputs]
        products = filters @ filters.mT
        apart = products - products.diagonal(dim1=-2, dim2=-1).diag_embed()
        total = total + apart.square().sum((-2, -1))
    return total
