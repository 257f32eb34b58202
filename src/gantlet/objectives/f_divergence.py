r"""The f-divergence objectives (f-GAN): the discriminator maximises a variational lower bound of D_f(p‖q).

For a convex f with f(1) = 0, its conjugate f* and an output T = g(v) in the domain of f*, of a score v:

.. math::
    L_D = -\mathbb{E}\, T(v_r) + \mathbb{E}\, f^*(T(v_f)), \qquad L_G = -\mathbb{E}\, T(v_f), \qquad
    L_G = -\mathbb{E}\, f^*(T(v_f)) \quad \text{(saturating)}

The optimal output is T = f'(p/q), where L_D = -D_f(p‖q) = -Σ q f(p/q); the boundary is the score with T = f'(1).

==================  ================================  ===========================  ================
divergence          f(u)                              T = g(v)                     f*(g(v))
==================  ================================  ===========================  ================
kl                  u log u                           v                            e^(v - 1)
reverse-kl          -log u                            -e^(-v)                      v - 1
js                  u log u - (u + 1) log((u + 1)/2)  log 2 + log σ(v)             -log 2 - log σ(-v)
pearson             (u - 1)²                          v                            v²/4 + v
neyman              (1 - u)²/u                        1 - e^(-2w)                  2 - 2 e^(-w)
squared-hellinger   (√u - 1)²                         1 - e^(-v)                   e^v - 1
total-variation     ½ \|u - 1\|                       ½ tanh v                     ½ tanh v
alpha, α < 1        (u^α - 1 - α(u - 1))/(α(α - 1))   (e^((α-1)v) - 1)/(α - 1)     (e^(αv) - 1)/α
alpha, α > 1        the same                          v                            see below
==================  ================================  ===========================  ================

For neyman, w = asinh(v/2). For α > 1, f*(v) = ((1 + (α - 1) v)₊^{α/(α-1)} - 1)/α; at α = 1 both lines meet in v and e^v - 1, which is kl with
v shifted by 1. ``js`` is KL(p‖m) + KL(q‖m) with m = (p + q)/2, twice the usual JS: its L_D is that of ``vanilla``
minus log 4.

Reference:
    | f-GAN: training generative neural samplers using variational divergence minimization (Nowozin et al., 2016),
      https://arxiv.org/abs/1606.00709

Differs from the paper in: for α < 1 the output is f'(e^v), which runs into kl at α = 1; neyman has 2w in place of v,
so that its terms, which have no bound on either side, grow as powers of v.

Legend: ``B`` batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from gantlet.settings import setting

from .dirac import dirac_pair, single_value

__all__ = ["FDivergence"]

_Order = float | Tensor


@dataclass(frozen=True)
class FDivergence:
    """An f-divergence by its variational bound, on unbounded scores; real samples score high.

    Example:
        >>> real, fake = torch.tensor([1.0, 3.0]), torch.tensor([1.0])
        >>> FDivergence().discriminator(real=real, fake=fake)  # -2 + e^0
        tensor(-1.)
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    symmetric: ClassVar[bool] = False
    separable: ClassVar[bool] = True

    divergence: Literal[
        "kl", "reverse-kl", "js", "pearson", "neyman", "squared-hellinger", "total-variation", "alpha"
    ] = setting(
        "kl",
        "which divergence of the data from the fakes is bounded",
        choices=("kl", "reverse-kl", "js", "pearson", "neyman", "squared-hellinger", "total-variation", "alpha"),
    )
    order_alpha: float | Tensor = setting(0.5, "the order α of divergence=alpha; 1 is kl", above=0.0, varies=True)
    saturating: bool = setting(False, "the generator minimises the bound itself instead of raising the output on fakes")

    @property
    def boundary(self) -> float:
        """The score with T = f'(1): 1 for kl, else 0."""
        return _KINDS[self.divergence].boundary

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [..., B], [..., B] -> [...]
        """Minus the variational bound of the divergence."""
        kind = _KINDS[self.divergence]
        on_real, on_fake = kind.output(real, self.order_alpha), kind.conjugate(fake, self.order_alpha)
        return -on_real.mean(-1) + on_fake.mean(-1)

    def generator(self, *, real: Tensor | None = None, fake: Tensor) -> Tensor:  # [..., B] -> [...]
        """Minus the mean output on fakes, or what the bound holds of them."""
        kind = _KINDS[self.divergence]
        if self.saturating:
            return -kind.conjugate(fake, self.order_alpha).mean(-1)
        return -kind.output(fake, self.order_alpha).mean(-1)

    def monitors(self, *, real: Tensor, fake: Tensor) -> dict[str, Tensor]:  # [..., B], [..., B] -> [...]
        """``divergence_bound``: at most D_f(p‖q) but for the batch's chance."""
        return {"divergence_bound": -self.discriminator(real=real, fake=fake)}

    def optimal_score(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [atoms], [atoms] -> [atoms]
        """The score with T = f'(p/q); ±inf for the total variation, where ties are left undecided.

        Raises:
            BadValue: ``order_alpha`` holds one value per member.
        """
        return _KINDS[self.divergence].optimum(real / fake, single_value(self.order_alpha, name="order_alpha"))

    def optimal_value(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [atoms], [atoms] -> []
        """Minus the divergence, -Σ q f(p/q); q > 0 at each atom.

        Raises:
            BadValue: ``order_alpha`` holds one value per member.
        """
        order = single_value(self.order_alpha, name="order_alpha")
        return -(fake * _KINDS[self.divergence].f(real / fake, order)).sum(-1)

    def dirac_eigenvalues(self) -> tuple[complex, complex]:
        """Those of :mod:`~gantlet.objectives.dirac`: ±i but for kl (±i e^{-1/2}), js and total variation (±i/2).

        A saturating kl has ±i/e.
        """
        kind = _KINDS[self.divergence]
        slope = kind.conjugate_slope if self.saturating else kind.output_slope
        return dirac_pair(discriminator_slope=kind.conjugate_slope, generator_slope=-slope)


@dataclass(frozen=True)
class _Kind:
    """A line of the table, and the slopes of T and of f*(T) at score 0; each function also takes the order α."""

    f: Callable[[Tensor, float], Tensor]
    output: Callable[[Tensor, _Order], Tensor]
    conjugate: Callable[[Tensor, _Order], Tensor]  # f* of the output
    optimum: Callable[[Tensor, float], Tensor]  # from p/q
    boundary: float = 0.0
    output_slope: float = 1.0
    conjugate_slope: float = 1.0


def _alpha_f(u: Tensor, order: float) -> Tensor:
    if order == 1:
        return torch.xlogy(u, u) - (u - 1)
    return (u**order - 1 - order * (u - 1)) / (order * (order - 1))


def _alpha_output(v: Tensor, order: _Order) -> Tensor:
    if not isinstance(order, Tensor):
        return torch.expm1((order - 1) * v) / (order - 1) if order < 1 else v
    # Harmless numbers in the branch that is not taken keep its gradient finite.
    below = order < 1
    rate = torch.where(below, order - 1, -1.0)
    return torch.where(below, torch.expm1(rate * torch.where(below, v, 0.0)) / rate, v)


def _alpha_conjugate(v: Tensor, order: _Order) -> Tensor:
    if not isinstance(order, Tensor):
        return _alpha_power(v, order) if order > 1 else torch.expm1(order * v) / order
    above = order > 1
    power = _alpha_power(torch.where(above, v, 0.0), torch.where(above, order, 2.0))
    return torch.where(above, power, torch.expm1(order * torch.where(above, 0.0, v)) / order)


def _alpha_power(v: Tensor, order: _Order) -> Tensor:
    # The power by log1p: near α = 1 its base is 1 but for rounding, and its exponent is large.
    base = (order - 1) * v
    inside = base > -1
    log_power = torch.log1p(torch.where(inside, base, 0.0)) * (order / (order - 1))
    return torch.where(inside, torch.expm1(log_power), -1.0) / order


def _alpha_optimum(u: Tensor, order: float) -> Tensor:
    return (u ** (order - 1) - 1) / (order - 1) if order > 1 else u.log()


_KINDS = {
    "kl": _Kind(
        f=lambda u, _: torch.xlogy(u, u),
        output=lambda v, _: v,
        conjugate=lambda v, _: (v - 1).exp(),
        optimum=lambda u, _: 1 + u.log(),
        boundary=1.0,
        conjugate_slope=math.exp(-1),
    ),
    "reverse-kl": _Kind(
        f=lambda u, _: -u.log(),
        output=lambda v, _: -(-v).exp(),
        conjugate=lambda v, _: v - 1,
        optimum=lambda u, _: u.log(),
    ),
    "js": _Kind(
        f=lambda u, _: torch.xlogy(u, u) - torch.xlogy(u + 1, (u + 1) / 2),
        output=lambda v, _: math.log(2) + logsigmoid(v),
        conjugate=lambda v, _: -math.log(2) - logsigmoid(-v),
        optimum=lambda u, _: u.log(),
        output_slope=0.5,
        conjugate_slope=0.5,
    ),
    "pearson": _Kind(
        f=lambda u, _: (u - 1).square(),
        output=lambda v, _: v,
        conjugate=lambda v, _: v.square() / 4 + v,
        optimum=lambda u, _: 2 * (u - 1),
    ),
    "neyman": _Kind(
        f=lambda u, _: (1 - u).square() / u,
        # By w = asinh(v/2), which grows as a logarithm: e^(-v) of a real and of a fake sample would be inf - inf.
        output=lambda v, _: -torch.expm1(-2 * (v / 2).asinh()),
        conjugate=lambda v, _: -2 * torch.expm1(-(v / 2).asinh()),
        optimum=lambda u, _: u - 1 / u,
    ),
    "squared-hellinger": _Kind(
        f=lambda u, _: (u.sqrt() - 1).square(),
        output=lambda v, _: -torch.expm1(-v),
        conjugate=lambda v, _: torch.expm1(v),
        optimum=lambda u, _: u.log() / 2,
    ),
    "total-variation": _Kind(
        f=lambda u, _: (u - 1).abs() / 2,
        output=lambda v, _: v.tanh() / 2,
        conjugate=lambda v, _: v.tanh() / 2,
        optimum=lambda u, _: torch.where(u == 1, 0.0, (u - 1) * math.inf),
        output_slope=0.5,
        conjugate_slope=0.5,
    ),
    "alpha": _Kind(f=_alpha_f, output=_alpha_output, conjugate=_alpha_conjugate, optimum=_alpha_optimum),
}
