"""The losses once more, in NumPy, from the papers' own formulas: probabilities and powers, no tricks.

Each function takes every setting's value and float64 scores ``[..., B]``, and returns both players' losses ``[...]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["RESTATED"]

Array = NDArray[np.float64]
Losses = tuple[Array, Array]


def probability(score: Array) -> Array:
    return 1 / (1 + np.exp(-score))


def mean(terms: Array) -> Array:
    return np.asarray(terms.sum(axis=-1) / terms.shape[-1])


def vanilla(values: Mapping[str, Any], real: Array, fake: Array) -> Losses:
    s_real, s_fake = probability(real), probability(fake)
    game = mean(np.log(1 - s_fake))
    return -mean(np.log(s_real)) - game, game if values["saturating"] else -mean(np.log(s_fake))


def least_squares(values: Mapping[str, Any], real: Array, fake: Array) -> Losses:
    on_real, on_fake = mean((real - values["b"]) ** 2) / 2, mean((fake - values["a"]) ** 2) / 2
    return on_real + on_fake, -on_fake if values["saturating"] else mean((fake - values["c"]) ** 2) / 2


def wasserstein(values: Mapping[str, Any], real: Array, fake: Array) -> Losses:
    return -(mean(real) - mean(fake)), -mean(fake)


def alpha_loss(alpha: float, s: Array) -> Array:
    if alpha == 1:
        return -np.log(s)
    if np.isinf(alpha):
        return 1 - s
    return alpha / (alpha - 1) * (1 - s ** ((alpha - 1) / alpha))


def alpha(values: Mapping[str, Any], real: Array, fake: Array) -> Losses:
    s_real, s_fake = probability(real), probability(fake)
    judged = mean(alpha_loss(values["alpha_d"], s_real)) + mean(alpha_loss(values["alpha_d"], 1 - s_fake))
    if values["saturating"]:
        return judged, -mean(alpha_loss(values["alpha_g"], 1 - s_fake))
    return judged, mean(alpha_loss(values["alpha_g"], s_fake))


RESTATED: dict[str, Callable[[Mapping[str, Any], Array, Array], Losses]] = {
    "vanilla": vanilla,
    "least-squares": least_squares,
    "wasserstein": wasserstein,
    "alpha": alpha,
}
