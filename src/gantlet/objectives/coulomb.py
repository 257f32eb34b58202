r"""The Coulomb objective: samples are charges, and the discriminator learns the potential of their field.

With the Plummer kernel k(a, b) = (‖a - b‖² + ε²)^{-(d-2)/2} on flattened samples and the potential
P(a) = mean_j k(a, r_j) - mean_j k(a, f_j) of a batch:

.. math::
    L_D = \mathbb{E} (l_r - P(r))^2 + \mathbb{E} (l_f - P(f))^2, \qquad L_G = -\mathbb{E}\, l_f

Real samples attract fakes, fakes repel each other; the only local Nash equilibrium is p = q (Theorem 1), where
the potential vanishes. A sample of the batch meets itself: of two batches with one law, the expected potential is
0 at an independent point, and (1 - E k)/B at a real point for ε = 1.

Reference:
    | Coulomb GANs: provably optimal Nash equilibria via potential fields (Unterthiner et al., 2018),
      https://arxiv.org/abs/1708.08819

Differs from the paper in: no factors 1/2, and no noise is added to the points where the potential is learnt.

Legend: ``B`` real and ``B'`` fake samples, ``n`` numbers of a sample, ``*x`` sample shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gantlet.settings import setting

from .pairs import per_pair, squared_distances

__all__ = ["Coulomb"]


@dataclass(frozen=True)
class Coulomb:
    """The Coulomb objective on unbounded scores, for batches of any two sizes.

    Samples have the leading dimensions of their scores: scores ``[..., B]`` go with samples ``[..., B, *x]``.

    Example:
        A real and a fake charge at distance √3: k is 1 with itself and 1/2 with the other, so P = ±1/2.

        >>> import torch
        >>> zero, real, fake = torch.zeros(1), torch.zeros(1, 1), torch.full((1, 1), 3.0).sqrt()
        >>> Coulomb().discriminator(real=zero, fake=zero, real_samples=real, fake_samples=fake)  # 1/4 + 1/4
        tensor(0.5000)
    """

    needs: ClassVar[frozenset[str]] = frozenset({"samples"})
    symmetric: ClassVar[bool] = False
    separable: ClassVar[bool] = False

    epsilon: float | Tensor = setting(
        1.0, "width ε of the Plummer kernel, in units of the samples", above=0.0, varies=True
    )
    dimension: float | Tensor = setting(
        3.0, "dimension d of the kernel: how fast it falls, not the samples' own", above=2.0, varies=True
    )

    @property
    def boundary(self) -> float:
        """The potential where both densities are alike."""
        return 0.0

    def discriminator(
        self, *, real: Tensor, fake: Tensor, real_samples: Tensor, fake_samples: Tensor
    ) -> Tensor:  # [..., B], [..., B'], [..., B, *x], [..., B', *x] -> [...]
        """The squared errors of the learnt potential at real and at fake samples; samples get no gradient."""
        r, f = _points(real_samples, like=real), _points(fake_samples, like=fake)
        at_real, at_fake = _potentials(real=r, fake=f, epsilon=self.epsilon, dimension=self.dimension)
        return (real - at_real).square().mean(-1) + (fake - at_fake).square().mean(-1)

    def generator(
        self,
        *,
        real: Tensor | None = None,
        fake: Tensor,
        real_samples: Tensor | None = None,
        fake_samples: Tensor | None = None,
    ) -> Tensor:  # [..., B'] -> [...]
        """Minus the learnt potential: fakes climb towards real samples."""
        return -fake.mean(-1)

    def monitors(
        self, *, real: Tensor, fake: Tensor, real_samples: Tensor, fake_samples: Tensor
    ) -> dict[str, Tensor]:  # -> [...]
        """``potential_real`` and ``potential_fake``: the batch's own mean potentials at both."""
        r, f = _points(real_samples, like=real), _points(fake_samples, like=fake)
        at_real, at_fake = _potentials(real=r, fake=f, epsilon=self.epsilon, dimension=self.dimension)
        return {"potential_real": at_real.mean(-1), "potential_fake": at_fake.mean(-1)}


def _points(samples: Tensor, *, like: Tensor) -> Tensor:  # [..., B, *x], [..., B] -> [..., B, n]
    """Detached samples, flattened behind the dimensions that they share with their scores."""
    return samples.detach().reshape(*samples.shape[: like.dim()], -1)


def _potentials(
    *, real: Tensor, fake: Tensor, epsilon: float | Tensor, dimension: float | Tensor
) -> tuple[Tensor, Tensor]:  # [..., B, n], [..., B', n] -> [..., B], [..., B']
    """P at the real and at the fake points."""
    width, power = per_pair(epsilon), (per_pair(dimension) - 2) / 2

    def kernel(left: Tensor, right: Tensor) -> Tensor:
        softened = squared_distances(left, right) + width**2
        # Powers per member by a logarithm, which is several times as fast as a power by a tensor.
        return (-power * softened.log()).exp() if isinstance(power, Tensor) else softened**-power

    across = kernel(real, fake)  # [..., B, B']
    return kernel(real, real).mean(-1) - across.mean(-1), across.mean(-2) - kernel(fake, fake).mean(-1)
