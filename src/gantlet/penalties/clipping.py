r"""Weight clipping: every parameter of the critic is kept in a box, which bounds its Lipschitz constant.

.. math::
    w \leftarrow \min(\max(w, -c), c)

It acts on all trainable parameters after each of the critic's updates, a normalisation's gain and bias
included.

Reference:
    | Wasserstein GAN (Arjovsky et al., 2017), Algorithm 1, https://arxiv.org/abs/1701.07875

Legend: ``S`` members.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gantlet.settings import setting

__all__ = ["WeightClipping"]


@dataclass(frozen=True)
class WeightClipping:
    """Clipping to [-clip, clip].

    ``clip`` is a number or one value per member, ``[S]`` or ``[S, 1, 1]``; parameters differ in rank, so a
    tensor is reshaped to the parameter's own.

    Example:
        >>> WeightClipping(clip=torch.tensor([0.1, 1.0])).project(torch.tensor([[-3.0, 0.05], [-3.0, 0.05]]))
        tensor([[-0.1000,  0.0500],
                [-1.0000,  0.0500]])
    """

    clip: float | Tensor = setting(0.01, "the largest absolute value of a parameter", above=0.0, varies=True)

    def project(self, parameter: Tensor) -> Tensor:  # [S, ...] -> [S, ...]
        """The parameter inside the box, as a new tensor; nan stays nan."""
        if not isinstance(self.clip, Tensor):
            return parameter.clamp(-self.clip, self.clip)
        clip = self.clip.reshape(-1, *[1] * (parameter.ndim - 1))
        return torch.clamp(parameter, min=-clip, max=clip)
