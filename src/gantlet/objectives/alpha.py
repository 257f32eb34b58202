r"""The (α_D, α_G) objective: each player has an α-loss of its own.

For the probability s of the right label, and u = 1 - 1/α,

.. math::
    \ell_α(s) = \frac{α}{α - 1} \bigl(1 - s^{(α-1)/α}\bigr) = -\frac{e^{u \log s} - 1}{u},

which is the log loss for α = 1 (u → 0), 1 - s for α = ∞ (u = 1) and an exponential loss for α = 1/2. With
s = σ(l), the probability of being real:

.. math::
    L_D = \mathbb{E}\, \ell_{α_D}(s_r) + \mathbb{E}\, \ell_{α_D}(1 - s_f), \qquad
    L_G = \mathbb{E}\, \ell_{α_G}(s_f), \qquad
    L_G = -\mathbb{E}\, \ell_{α_G}(1 - s_f) \quad \text{(saturating)}

The optimal discriminator is s = p^α / (p^α + q^α) with α = α_D, where L_D = (2 - 2^{1/α})/u - A_α(p, q) with
Arimoto's divergence A_α = (Σ (p^α + q^α)^{1/α} - 2^{1/α})/u: log 4 - 2 JS for α = 1, one minus the total
variation for α = ∞. The saturating game then minimises an f-divergence if α_D ≤ 1 and α_G > α_D/(α_D + 1),
or α_D > 1 and α_D/2 < α_G ≤ α_D; the non-saturating one if α_D + α_G > α_D α_G.

References:
    | Addressing GAN training instabilities via tunable classification losses (Welfert et al., 2024),
      https://arxiv.org/abs/2310.18291
    | α-GAN: convergence and estimation guarantees (Kurri et al., 2022), https://arxiv.org/abs/2205.06393

Legend: ``B`` batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, logsigmoid

from gantlet.settings import setting

from .dirac import dirac_pair, single_value
from .vanilla import Vanilla

__all__ = ["Alpha"]


@dataclass(frozen=True)
class Alpha:
    """The (α_D, α_G) objective on logits, each α in (0, ∞].

    ``form="faithful"`` computes from probabilities in [1e-7, 1 - 1e-7], as the published tables were made: in
    float32 the gradient is exactly zero below l ≈ -16.1 and where σ rounds to 1, above l ≈ 16.6 (for α = 1,
    where nothing is cut off, only there), and these zones are part of the failure rates. ``form="stable"``
    computes from log σ(l) and has none.

    Example:
        >>> score = torch.zeros(4)
        >>> Alpha(alpha_d=float("inf")).discriminator(real=score, fake=score)  # 1/2 + 1/2
        tensor(1.)
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    symmetric: ClassVar[bool] = False
    separable: ClassVar[bool] = True
    logistic: ClassVar[bool] = True

    alpha_d: float | Tensor = setting(0.5, "the discriminator's α", above=0.0, varies=True, infinite=True)
    alpha_g: float | Tensor = setting(1.0, "the generator's α", above=0.0, varies=True, infinite=True)
    saturating: bool = setting(
        False, "the generator minimises minus its α-loss of the label fake instead of that of the label real"
    )
    form: Literal["faithful", "stable"] = setting(
        "faithful",
        "from clamped probabilities, as published, or from log-probabilities",
        choices=("faithful", "stable"),
    )

    @property
    def boundary(self) -> float:
        """The undecided logit, s = 1/2."""
        return 0.0

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [..., B], [..., B] -> [...]
        """The α_D-loss of telling real from fake, without a factor 1/2."""
        on_real = self._loss(real, alpha=self._u_d, label=1)
        on_fake = self._loss(fake, alpha=self._u_d, label=0)
        return on_real.mean(-1) + on_fake.mean(-1)

    def generator(self, *, real: Tensor | None = None, fake: Tensor) -> Tensor:  # [..., B] -> [...]
        """The generator's α_G-loss."""
        if self.saturating:
            return -self._loss(fake, alpha=self._u_g, label=0).mean(-1)
        return self._loss(fake, alpha=self._u_g, label=1).mean(-1)

    def optimal_score(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [atoms], [atoms] -> [atoms]
        """The optimal logit α_D (log p - log q); ±inf for α_D = ∞, where ties are left undecided.

        Raises:
            BadValue: ``alpha_d`` holds one value per member.
        """
        ratio = real.log() - fake.log()
        return torch.where(ratio == 0, 0.0, single_value(self.alpha_d, name="alpha_d") * ratio)

    def optimal_value(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [atoms], [atoms] -> []
        """The undecided discriminator's loss minus Arimoto's divergence, see the module; p + q > 0 at each atom.

        Raises:
            BadValue: ``alpha_d`` holds one value per member.
        """
        alpha = single_value(self.alpha_d, name="alpha_d")
        if alpha == 1:
            return Vanilla().optimal_value(real=real, fake=fake)
        # (p^α + q^α)^{1/α} with the larger one taken out: its limit max(p, q) needs no case of its own.
        large, small = torch.maximum(real, fake), torch.minimum(real, fake)
        norm = large * (1 + (small / large) ** alpha) ** (1 / alpha)
        # The divergence's 2^{1/α} cancels; p + q in place of 2 forgives distributions that sum to 1 only roughly.
        return (real + fake - norm).sum(-1) / (1 - 1 / alpha)

    def dirac_eigenvalues(self) -> tuple[complex, complex]:
        """Those of :mod:`~gantlet.objectives.dirac`: slopes 2^{-(1+u)} of both players, saturating or not.

        Raises:
            BadValue: A setting holds one value per member.
        """
        u_d = 1 - 1 / single_value(self.alpha_d, name="alpha_d")
        u_g = 1 - 1 / single_value(self.alpha_g, name="alpha_g")
        return dirac_pair(discriminator_slope=2 ** -(1 + u_d), generator_slope=-(2 ** -(1 + u_g)))

    # [..., B] -> [..., B]
    def _loss(self, score: Tensor, *, alpha: _Exponent, label: Literal[0, 1]) -> Tensor:
        log_right, log_loss = _stable if self.form == "stable" else _faithful
        if alpha.every:
            return log_loss(score, label)
        loss = -_exp_minus_1(alpha.safe * log_right(score, label)) / alpha.safe
        return torch.where(alpha.limit, log_loss(score, label), loss) if alpha.some else loss

    @cached_property
    def _u_d(self) -> _Exponent:
        return _Exponent.of(self.alpha_d)

    @cached_property
    def _u_g(self) -> _Exponent:
        return _Exponent.of(self.alpha_g)


@dataclass(frozen=True)
class _Exponent:
    """u = 1 - 1/α, and where it is 0: the limits of some members or of every one are looked up once, not each step."""

    safe: float | Tensor
    limit: Tensor
    some: bool
    every: bool

    @classmethod
    def of(cls, alpha: float | Tensor) -> _Exponent:
        """From α itself."""
        u = 1 - 1 / alpha
        limit = torch.as_tensor(u == 0)
        # Dividing by 1 in place of 0 keeps the branch that is not taken, and its gradient, finite.
        safe = torch.where(limit, 1.0, u) if isinstance(u, Tensor) else u or 1.0
        return cls(safe, limit, bool(limit.any()), bool(limit.all()))


def _exp_minus_1(x: Tensor) -> Tensor:
    # Autograd's slope of expm1 is its value + 1, which far out rounds to 0 where the true slope is a small e^x.
    near = x.abs() < 1
    return torch.where(near, torch.expm1(torch.where(near, x, 0.0)), x.exp() - 1)


def _log_right_stable(score: Tensor, label: Literal[0, 1]) -> Tensor:
    return logsigmoid(score if label == 1 else -score)


def _log_loss_stable(score: Tensor, label: Literal[0, 1]) -> Tensor:
    return -_log_right_stable(score, label)


def _log_right_faithful(score: Tensor, label: Literal[0, 1]) -> Tensor:
    s = torch.sigmoid(score)
    inside = (s >= 1e-7) & (s <= 1 - 1e-7)
    # clamp's own gradient at the bounds themselves is 1 up to torch 2.13 and 0 from 2.14 on, and there lies all of [15.6, 16.6].
    kept = torch.where(inside, s, s.detach().clamp(1e-7, 1 - 1e-7))
    return (kept if label == 1 else 1 - kept).log()


def _log_loss_faithful(score: Tensor, label: Literal[0, 1]) -> Tensor:
    s = torch.sigmoid(score)
    # binary_cross_entropy (its log is floored at -100) aborts on nan; one diverged member must not stop all.
    broken = s.isnan()
    target = torch.full_like(s, label)
    log_loss = binary_cross_entropy(torch.where(broken, 0.5, s), target, reduction="none")
    return torch.where(broken, s, log_loss)


_stable = (_log_right_stable, _log_loss_stable)
_faithful = (_log_right_faithful, _log_loss_faithful)
