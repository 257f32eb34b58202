r"""The Dirac-GAN: the smallest game on which an objective's local dynamics can be read off.

The data are a point mass at 0, the generator is a point mass at θ, the discriminator is D(x) = ψx. Let h be
what a fake sample of score l adds to the discriminator's loss and g what it costs the generator. The
simultaneous gradient flow

.. math::
    \dot θ = -ψ\, g'(ψθ), \qquad \dot ψ = -θ\, h'(ψθ)

rests at (0, 0), where its Jacobian is [[0, -g'(0)], [-h'(0), 0]] with the eigenvalues ±√(g'(0) h'(0)): purely
imaginary (the players circle each other and do not converge) whenever the two slopes differ in sign.

Reference:
    | Which training methods for GANs do actually converge? (Mescheder et al., 2018), https://arxiv.org/abs/1801.04406
"""

from __future__ import annotations

import cmath

from torch import Tensor

from gantlet.errors import BadValue

__all__ = ["dirac_pair", "single_value"]


def single_value(value: float | Tensor, *, name: str) -> float:
    """A setting as one number, for formulas that hold for a single member.

    Raises:
        BadValue: A tensor with one value per member.
    """
    if isinstance(value, Tensor) and value.numel() != 1:
        raise BadValue(f"{name} holds {value.numel()} values, but the theory is for a single member: give one number.")
    return float(value)


def dirac_pair(*, discriminator_slope: float, generator_slope: float) -> tuple[complex, complex]:
    """The eigenvalues ±√(g'(0) h'(0)) from both players' slopes in the score of a fake sample.

    Example:
        >>> dirac_pair(discriminator_slope=1.0, generator_slope=4.0)
        ((2+0j), (-2-0j))
    """
    root = cmath.sqrt(generator_slope * discriminator_slope)
    return root, -root
