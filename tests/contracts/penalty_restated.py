"""The penalties once more, in NumPy, sample by sample from the papers' own formulas.

Each function takes every setting's value, a critic and what the penalty is given (float64 arrays), and returns its value
for one member ``s`` and one generator ``k``.

Legend: ``S`` members, ``K`` generators of a team, ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["RESTATED_PENALTIES", "NumpyCritic"]

Array = NDArray[np.float64]
Values = Mapping[str, Any]
Given = Mapping[str, Any]


@dataclass(frozen=True)
class NumpyCritic:
    """Score, its gradient and a code of one sample ``[*x]``."""

    score: Callable[[Array], float]
    gradient: Callable[[Array], Array]
    code: Callable[[Array], Array]

    def gradient_norm(self, x: Array) -> float:
        return float(np.sqrt((self.gradient(x) ** 2).sum()))


def mixed(given: Given, s: int, k: int) -> Iterator[Array]:
    """Real samples first: mix 1 is the real one."""
    for e, real, fake in zip(given["noise"]["mix"][s, k], given["real"][s, 0], given["fake"][s, k], strict=True):
        yield e * real + (1 - e) * fake


def gradient(values: Values, critic: NumpyCritic, given: Given, s: int, k: int) -> float:
    gaps = [critic.gradient_norm(x) - values["target"] for x in mixed(given, s, k)]
    return values["weight"] * np.mean(np.square(gaps))


def one_sided(values: Values, critic: NumpyCritic, given: Given, s: int, k: int) -> float:
    gaps = [max(0.0, critic.gradient_norm(x) - values["target"]) for x in mixed(given, s, k)]
    return values["weight"] * np.mean(np.square(gaps))


def max_gradient(values: Values, critic: NumpyCritic, given: Given, s: int, k: int) -> float:
    return values["weight"] * max(critic.gradient_norm(x) for x in mixed(given, s, k)) ** 2


def dragan(values: Values, critic: NumpyCritic, given: Given, s: int, k: int) -> float:
    batch, scale, gaps = given["real"][s, 0], values["scale"], []
    deviation = np.sqrt(np.mean((batch - batch.mean()) ** 2))
    for i, x in enumerate(batch):
        u = given["noise"]["pixel"][s, 0, i]
        a = given["noise"]["share"][s, 0, i] if "share" in given["noise"] else np.nan
        perturbed = x + scale * deviation * u
        at = {
            "two-sided": x + scale * deviation * (u - (1 - u)),
            "uniform_onesided": x + a * (perturbed - x),
            "uniform_scaled": np.minimum(np.maximum(x + (a - (1 - a)) * scale * deviation * u, -1), 1),
            "gaussian": x + scale * u,
        }[values["noise"]]
        gaps.append(critic.gradient_norm(at) - values["target"])
    return values["weight"] * np.mean(np.square(gaps))


def r1(values: Values, critic: NumpyCritic, given: Given, s: int, k: int) -> float:
    return values["weight"] * np.mean([critic.gradient_norm(x) ** 2 for x in given["real"][s, 0]]) / 2


def r2(values: Values, critic: NumpyCritic, given: Given, s: int, k: int) -> float:
    return values["weight"] * np.mean([critic.gradient_norm(x) ** 2 for x in given["fake"][s, k]]) / 2


def lecam(values: Values, critic: NumpyCritic, given: Given, s: int, k: int) -> float:
    from_fake = [critic.score(x) - given["state"]["fake"][s, 0, 0] for x in given["real"][s, 0]]
    from_real = [critic.score(x) - given["state"]["real"][s, 0, 0] for x in given["fake"][s, k]]
    return values["weight"] * (np.mean(np.square(from_fake)) + np.mean(np.square(from_real)))


def pulling_away(values: Values, critic: NumpyCritic, given: Given, s: int, k: int) -> float:
    codes = [critic.code(x) for x in given["fake"][s, k]]
    pairs = [(i, j) for i in range(len(codes)) for j in range(len(codes)) if i != j]
    lengths = [np.sqrt((code**2).sum()) + 1e-8 for code in codes]
    squared = [(codes[i] @ codes[j] / (lengths[i] * lengths[j])) ** 2 for i, j in pairs]
    return values["weight"] * sum(squared) / len(pairs)


def overlap(parameters: Mapping[str, Array], n: int) -> float:
    total = 0.0
    for weight in (stack[n] for stack in parameters.values() if stack[n].ndim > 1):
        columns = weight.reshape(weight.shape[0], -1).T
        total += (((columns.T @ columns) * (1 - np.eye(weight.shape[0]))) ** 2).sum()
    return total


def orthogonal(values: Values, critic: NumpyCritic, given: Given, s: int, k: int) -> float:
    return values["weight"] * overlap(given["parameters"], s)


def orthogonal_generator(values: Values, critic: NumpyCritic, given: Given, s: int, k: int) -> float:
    return values["weight"] * overlap(given["parameters"], s * given["fake"].shape[1] + k)


def augmented(values: Values, batch: Array, draws: Array, i: int) -> Array:
    if batch.ndim < 4:
        return batch[i] + values["jitter"] * np.sqrt(np.mean((batch - batch.mean()) ** 2)) * draws[i]
    mirror, down, right = draws[i]
    rows, columns = batch.shape[-2:]
    x = batch[i][:, :, ::-1] if mirror < 0.5 else batch[i]
    for axis, size, u in ((1, rows, down), (2, columns, right)):
        reach = min(values["shift"], size - 1)
        move = int(u * (2 * reach + 1)) - reach
        widths = [(0, 0), (0, 0), (0, 0)]
        widths[axis] = (max(move, 0), max(-move, 0))
        x = np.take(np.pad(x, widths, mode="edge"), range(max(-move, 0), max(-move, 0) + size), axis=axis)
    return x


def consistency(values: Values, critic: NumpyCritic, given: Given, s: int, k: int) -> float:
    total = 0.0
    for name, j in [("real", 0)] + ([("fake", k)] if values["fakes"] else []):
        batch, draws = given[name][s, j], given["noise"][name][s, j]
        gaps = [critic.score(x) - critic.score(augmented(values, batch, draws, i)) for i, x in enumerate(batch)]
        total += values["weight"] * np.mean(np.square(gaps))
    return total


RESTATED_PENALTIES: dict[str, Callable[[Values, NumpyCritic, Given, int, int], float]] = {
    "gradient": gradient,
    "one-sided-gradient": one_sided,
    "max-gradient": max_gradient,
    "dragan": dragan,
    "r1": r1,
    "r2": r2,
    "lecam": lecam,
    "pulling-away": pulling_away,
    "orthogonal": orthogonal,
    "orthogonal-generator": orthogonal_generator,
    "consistency": consistency,
}
