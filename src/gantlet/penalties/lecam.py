r"""The LeCam regulariser: scores stay near what the other kind of sample scored lately.

.. math::
    λ \left(\mathbb{E}_r (D(r) - α_F)^2 + \mathbb{E}_f (D(f) - α_R)^2\right), \qquad
    α \leftarrow β α + (1 - β)\, \mathbb{E} D

α_R and α_F are moving averages of the mean scores of real and of fake samples. They start at 0, near what an untrained
discriminator says, and move after each of its updates; a team's generators share one α_F. For the critic of Wasserstein
this makes the game one of the LeCam divergence.

Differs from the paper in: nothing; published code often squares only the part of D(r) above α_F and of D(f) below α_R.

Reference:
    | Regularizing generative adversarial networks under limited data (Tseng et al., 2021),
      https://arxiv.org/abs/2104.03310

Legend: ``S`` members, ``K`` generators of a team, ``J`` batches scored separately, ``B`` batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from gantlet.objectives.base import DiscriminatorOutput
from gantlet.settings import setting

from .base import DiscriminatorFunction, Draw

__all__ = ["LeCam"]


@dataclass(frozen=True)
class LeCam:
    """Real scores stay near the average of fake ones and the other way round.

    The averages are a state per member.
    ``weight`` and ``decay`` are numbers or tensors that broadcast against scores (per member ``[S, 1, 1]``).

    Example:
        >>> from gantlet.objectives.base import DiscriminatorOutput
        >>> state = {"real": torch.full((1, 1, 1), 2.0), "fake": torch.full((1, 1, 1), -1.0)}
        >>> real, fake = DiscriminatorOutput(torch.tensor([[[1.0, 3.0]]])), DiscriminatorOutput(torch.tensor([[[0.0, 2.0]]]))
        >>> LeCam(weight=1.0)(lambda x: real, real_output=real, fake_output=fake, state=state)  # (4 + 16)/2 + (4 + 0)/2
        tensor([[12.]])
    """

    player: ClassVar[Literal["generator", "discriminator"]] = "discriminator"
    requires: ClassVar[frozenset[str]] = frozenset()
    needs: ClassVar[frozenset[str]] = frozenset({"outputs", "state"})
    label: ClassVar[str] = "lecam_penalty"
    separable: ClassVar[bool] = True

    weight: float | Tensor = setting(0.3, "the penalty's weight λ in the loss", low=0.0, varies=True)
    decay: float | Tensor = setting(
        0.99, "β: how much of a moving average stays at each update", low=0.0, below=1.0, varies=True
    )
    every: int = setting(1, "applied at every n-th update only, with n times the weight", low=1)

    def draws(self, *, generators: int, batch: int, shape: tuple[int, ...]) -> dict[str, Draw]:
        """None."""
        return {}

    def __call__(
        self,
        discriminate: DiscriminatorFunction,
        *,
        real_output: DiscriminatorOutput,  # score [S, 1, B]
        fake_output: DiscriminatorOutput,  # score [S, K, B]
        state: Mapping[str, Tensor],  # real, fake [S, 1, 1]
        **_: Any,
    ) -> Tensor:  # [S, K]
        """The weighted penalty; the moving averages are taken as constants."""
        on_real = (self.weight * (real_output.score - state["fake"]).square()).mean(-1)  # [S, 1]
        on_fake = (self.weight * (fake_output.score - state["real"]).square()).mean(-1)  # [S, K]
        return on_real + on_fake

    def init(self, members: int) -> dict[str, Tensor]:
        """Both moving averages at 0, ``[S, 1, 1]``."""
        return {"real": torch.zeros(members, 1, 1), "fake": torch.zeros(members, 1, 1)}

    def update(
        self, state: Mapping[str, Tensor], *, real: Tensor, fake: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:  # scores [S, 1, B], [S, K, B]
        """The next moving averages, and the same as ``lecam_real`` and ``lecam_fake`` to be logged."""
        now = {"real": real, "fake": fake}
        moved = {
            name: self.decay * state[name] + (1 - self.decay) * score.detach().mean((-2, -1), keepdim=True)
            for name, score in now.items()
        }
        return moved, {f"lecam_{name}": value for name, value in moved.items()}
