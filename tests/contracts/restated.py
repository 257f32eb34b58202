"""The losses once more, in NumPy, from the papers' own formulas: probabilities, powers and loops, no tricks.

Each function takes every setting's value and what an objective may look at, by name, all float64: scores ``real``
``[..., B]`` and ``fake`` ``[..., B']``, ``real_code`` and ``fake_code`` ``[..., B, d]``, ``real_samples`` and
``fake_samples`` ``[..., B, *x]``, and the state's ``k``. It returns both players' losses ``[...]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CRITICS", "RESTATED"]

Array = NDArray[np.float64]
Losses = tuple[Array, Array]
Values = Mapping[str, Any]


def probability(score: Array) -> Array:
    return 1 / (1 + np.exp(-score))


def mean(terms: Array) -> Array:
    return np.asarray(terms.sum(axis=-1) / terms.shape[-1])


def vanilla(values: Values, *, real: Array, fake: Array, **_: Array) -> Losses:
    s_real, s_fake, label = probability(real), probability(fake), 1 - values["smoothing"]
    game = mean(np.log(1 - s_fake))
    loss_d = -mean(label * np.log(s_real) + (1 - label) * np.log(1 - s_real)) - game
    return loss_d, game if values["saturating"] else -mean(np.log(s_fake))


def least_squares(values: Values, *, real: Array, fake: Array, **_: Array) -> Losses:
    on_real, on_fake = mean((real - values["b"]) ** 2) / 2, mean((fake - values["a"]) ** 2) / 2
    return on_real + on_fake, -on_fake if values["saturating"] else mean((fake - values["c"]) ** 2) / 2


def wasserstein(values: Values, *, real: Array, fake: Array, **_: Array) -> Losses:
    return -(mean(real) - mean(fake)), -mean(fake)


def alpha_loss(alpha: float, s: Array) -> Array:
    if alpha == 1:
        return -np.log(s)
    if np.isinf(alpha):
        return 1 - s
    return alpha / (alpha - 1) * (1 - s ** ((alpha - 1) / alpha))


def alpha(values: Values, *, real: Array, fake: Array, **_: Array) -> Losses:
    s_real, s_fake = probability(real), probability(fake)
    loss_d = mean(alpha_loss(values["alpha_d"], s_real)) + mean(alpha_loss(values["alpha_d"], 1 - s_fake))
    if values["saturating"]:
        return loss_d, -mean(alpha_loss(values["alpha_g"], 1 - s_fake))
    return loss_d, mean(alpha_loss(values["alpha_g"], s_fake))


def hinge(values: Values, *, real: Array, fake: Array, **_: Array) -> Losses:
    return -mean(np.minimum(0, real - 1)) - mean(np.minimum(0, -fake - 1)), -mean(fake)


def relativistic(values: Values, *, real: Array, fake: Array, **_: Array) -> Losses:
    return -mean(np.log(probability(real - fake))), -mean(np.log(probability(fake - real)))


def relativistic_average(values: Values, *, real: Array, fake: Array, **_: Array) -> Losses:
    # The chance that a real sample is more real than the mean fake, and a fake one than the mean real.
    s_real = probability(real - mean(fake)[..., None])
    s_fake = probability(fake - mean(real)[..., None])
    loss_d = -mean(np.log(s_real)) - mean(np.log(1 - s_fake))
    return loss_d, -mean(np.log(s_fake)) - mean(np.log(1 - s_real))


def energy(values: Values, *, real: Array, fake: Array, **_: Array) -> Losses:
    judged = mean(fake)[..., None] if values["hinge"] == "batch" else fake
    return mean(real) + mean(np.maximum(0, values["margin"] - judged)), mean(fake)


def boundary_equilibrium(values: Values, *, real: Array, fake: Array, k: Array, **_: Array) -> Losses:
    return mean(real) - k * mean(fake), mean(fake)


def conjugate(f: Callable[[Array], Array], slope: Callable[[Array], Array], u: Array) -> Array:
    """f*(f'(u)) = u f'(u) - f(u), from the definition as a supremum, which is attained at u."""
    return u * slope(u) - f(u)


# Each divergence by f, f' and the u for which f'(u) is the output of a score; so the conjugate is found, not copied.
GENERATORS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array], Callable[[Array], Array]]] = {
    "kl": (lambda u: u * np.log(u), lambda u: 1 + np.log(u), lambda v: np.exp(v - 1)),
    "reverse-kl": (lambda u: -np.log(u), lambda u: -1 / u, np.exp),
    "js": (
        lambda u: u * np.log(u) - (u + 1) * np.log((u + 1) / 2),
        lambda u: np.log(2 * u / (u + 1)),
        np.exp,
    ),
    "pearson": (lambda u: (u - 1) ** 2, lambda u: 2 * (u - 1), lambda v: 1 + v / 2),
    "neyman": (lambda u: (1 - u) ** 2 / u, lambda u: 1 - 1 / u**2, lambda v: (v + np.sqrt(v**2 + 4)) / 2),
    "squared-hellinger": (lambda u: (np.sqrt(u) - 1) ** 2, lambda u: 1 - 1 / np.sqrt(u), lambda v: np.exp(2 * v)),
}


def f_divergence(values: Values, *, real: Array, fake: Array, **_: Array) -> Losses:
    if values["divergence"] == "total-variation":
        on_real, on_fake, on_fake_conjugate = (np.tanh(real) / 2, np.tanh(fake) / 2, np.tanh(fake) / 2)
    elif values["divergence"] == "alpha":
        on_real, on_fake = (alpha_output(values["order_alpha"], v) for v in (real, fake))
        on_fake_conjugate = alpha_conjugate(values["order_alpha"], on_fake)
    else:
        f, slope, u = GENERATORS[values["divergence"]]
        on_real, on_fake = slope(u(real)), slope(u(fake))
        on_fake_conjugate = conjugate(f, slope, u(fake))
    loss_d = -mean(on_real) + mean(on_fake_conjugate)
    return loss_d, -mean(on_fake_conjugate) if values["saturating"] else -mean(on_fake)


def alpha_output(order: float, v: Array) -> Array:
    return v if order >= 1 else (np.exp(v) ** (order - 1) - 1) / (order - 1)


def alpha_conjugate(order: float, t: Array) -> Array:
    """The supremum of u t - f(u) over u ≥ 0, which lies at u = 0 where t is below f'(0)."""
    if order == 1:
        return np.exp(t) - 1
    u = np.maximum(0, 1 + (order - 1) * t) ** (1 / (order - 1))
    return u * t - (u**order - 1 - order * (u - 1)) / (order * (order - 1))


def coulomb(
    values: Values, *, real: Array, fake: Array, real_samples: Array, fake_samples: Array, **_: Array
) -> Losses:
    loss_d = np.zeros(real.shape[:-1])
    for at in np.ndindex(loss_d.shape):
        r, f = real_samples[at], fake_samples[at]
        for scores, points in ((real[at], r), (fake[at], f)):
            for score, point in zip(scores, points, strict=True):
                field = sum(plummer(values, point, other) for other in r) / len(r)
                field -= sum(plummer(values, point, other) for other in f) / len(f)
                loss_d[at] += (score - field) ** 2 / len(points)
    return loss_d, -mean(fake)


def plummer(values: Values, a: Array, b: Array) -> float:
    return 1 / np.sqrt(((a - b) ** 2).sum() + values["epsilon"] ** 2) ** (values["dimension"] - 2)


def mmd_kernel(values: Values, a: Array, b: Array) -> float:
    squared = float(((a - b) ** 2).sum())
    if values["kernel"] == "gaussian":
        mixture = sum(np.exp(-0.5 * (np.sqrt(squared) / sigma) ** 2) for sigma in (1, 2, 4, 8, 16))
    else:
        mixture = sum(1 / (1 + squared / (2 * alpha)) ** alpha for alpha in (0.2, 0.5, 1, 2, 5))
    return mixture + (float(a @ b) if values["linear"] else 0)


def cramer_kernel(values: Values, a: Array, b: Array) -> float:
    return -float(np.sqrt(((a - b) ** 2).sum()))


def kernel_distance(kernel: Callable[[Values, Array, Array], float]) -> Callable[..., Losses]:
    """Both losses from the unbiased estimate, pair by pair."""

    def restated(values: Values, *, real_code: Array, fake_code: Array, **_: Array) -> Losses:
        found = np.zeros(real_code.shape[:-2])
        for at in np.ndindex(found.shape):
            r, f = real_code[at], fake_code[at]
            for own in (r, f):
                pairs = [kernel(values, own[i], own[j]) for i in range(len(own)) for j in range(len(own)) if i != j]
                found[at] += sum(pairs) / len(pairs)
            found[at] -= 2 * sum(kernel(values, a, b) for a in r for b in f) / (len(r) * len(f))
        return -found, found

    return restated


def critic(kernel: Callable[[Values, Array, Array], float]) -> Callable[[Values, Array, Array, Array], Array]:
    """The mean kernel of a code to real ones minus that to fake ones, for single batches ``[B, d]``."""

    def restated(values: Values, at: Array, real: Array, fake: Array) -> Array:
        near = [[sum(kernel(values, a, b) for b in batch) / len(batch) for a in at] for batch in (real, fake)]
        return np.array(near[0]) - np.array(near[1])

    return restated


RESTATED: dict[str, Callable[..., Losses]] = {
    "vanilla": vanilla,
    "least-squares": least_squares,
    "wasserstein": wasserstein,
    "alpha": alpha,
    "hinge": hinge,
    "relativistic": relativistic,
    "relativistic-average": relativistic_average,
    "energy": energy,
    "boundary-equilibrium": boundary_equilibrium,
    "coulomb": coulomb,
    "f-divergence": f_divergence,
    "mmd": kernel_distance(mmd_kernel),
    "cramer": kernel_distance(cramer_kernel),
}

CRITICS = {"mmd": critic(mmd_kernel), "cramer": critic(cramer_kernel)}
"""The critics of those objectives whose critic is not the score."""
