r"""The pulling-away term: the codes of a batch of fakes are pushed towards different directions.

.. math::
    w \frac{1}{N (N - 1)} \sum_{i \neq j} \left(\frac{s_i^\top s_j}{\lVert s_i \rVert \lVert s_j \rVert}\right)^2

s_i is the encoder's output for the i-th fake sample, flattened. The term is 0 if all codes are orthogonal and w if all
are parallel; it joins the generator's loss only. A batch of one sample has no pairs, and costs nothing.

Reference:
    | Energy-based generative adversarial network (Zhao et al., 2017), https://arxiv.org/abs/1609.03126

Legend: ``S`` members, ``K`` generators of a team, ``B`` batch, ``d`` size of a code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from gantlet.errors import Refused
from gantlet.objectives.base import DiscriminatorOutput
from gantlet.settings import setting

from .base import DiscriminatorFunction, Draw
from .input_gradient import sample_norm

__all__ = ["PullingAway"]

_EPS = 1e-8  # the direction of a code of zeros is zero


@dataclass(frozen=True)
class PullingAway:
    """Pushes the codes of fake samples towards different directions.

    The term is that of each generator's batch apart.
    ``weight`` is a number or a tensor that broadcasts against scores (per member ``[S, 1, 1]``).

    Example:
        >>> import torch
        >>> code = torch.tensor([[[[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]]])  # one pair of three is parallel
        >>> fake = DiscriminatorOutput(torch.zeros(1, 1, 3), code=code)
        >>> PullingAway(weight=0.6)(lambda x: fake, fake_output=fake)
        tensor([[0.2000]])
    """

    player: ClassVar[Literal["generator", "discriminator"]] = "generator"
    requires: ClassVar[frozenset[str]] = frozenset({"autoencoder"})
    needs: ClassVar[frozenset[str]] = frozenset({"outputs"})
    label: ClassVar[str] = "pulling_away"
    separable: ClassVar[bool] = False

    weight: float | Tensor = setting(0.1, "the term's weight in the generator's loss", low=0.0, varies=True)
    every: int = setting(1, "applied at every n-th update only, with n times the weight", low=1)

    def draws(self, *, generators: int, batch: int, shape: tuple[int, ...]) -> dict[str, Draw]:
        """None."""
        return {}

    def __call__(
        self, discriminate: DiscriminatorFunction, *, fake_output: DiscriminatorOutput, **_: Any
    ) -> Tensor:  # code [S, K, B, d] -> [S, K]
        """The weighted term.

        Raises:
            Refused: The discriminator gives no code.
        """
        if fake_output.code is None:
            raise Refused(
                "The penalty 'pulling-away' needs the code of an auto-encoding discriminator, but this one returns scores "
                "only: choose a network that provides 'autoencoder'."
            )
        # One sample's share of the N (N - 1) pairs, so that the reduction is a mean over the batch.
        return (self.weight * _others(fake_output.code) / max(fake_output.code.shape[2] - 1, 1)).mean(-1)

    def monitors(self, *, fake_output: DiscriminatorOutput) -> dict[str, Tensor]:  # code [S, K, B, d] -> [S, K]
        """``pulling_away_unweighted``, the term itself, whatever its weight."""
        assert fake_output.code is not None
        share = _others(fake_output.code) / max(fake_output.code.shape[2] - 1, 1)
        return {"pulling_away_unweighted": share.mean(-1)}


def _others(code: Tensor) -> Tensor:  # [S, K, B, *d] -> [S, K, B]
    """The squared cosines between a code and each other one of its batch, summed."""
    code = code.flatten(3)
    unit = code / (sample_norm(code).unsqueeze(-1) + _EPS)
    cosines = (unit @ unit.mT).square()  # [S, K, B, B]
    return cosines.sum(-1) - cosines.diagonal(dim1=-2, dim2=-1)
