"""Why a penalty differs: the mistakes that published code has made, each tried until one explains the values.

Legend: ``B`` batch, ``n`` numbers of a sample, ``*x`` sample shape, ``N`` codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .causes import factor_in_words
from .doors import Array

__all__ = ["explain_penalty"]

_Settings = Mapping[str, Any]
_Arrays = Mapping[str, Array]
_Cause = tuple[str, Callable[[_Arrays], float]]


def explain_penalty(
    name: str,
    settings: _Settings,
    *,
    values: Sequence[float],
    expected: Sequence[float],
    given: Sequence[_Arrays],
    tolerance: float,
) -> str:
    """What is wrong, and the likely cause, in a sentence.

    Arguments:
        name: gantlet's penalty.
        settings: All of its settings.
        values: The subject's, at inputs of different batch sizes.
        expected: gantlet's own, at the same.
        given: The inputs: ``gradients`` ``[B, *x]``, ``codes`` ``[N, d]``, scores with their means, or a ``matrix``.
        tolerance: How far two values that are the same may be apart, relatively.
    """
    if not all(np.isfinite(values)):
        return f"the penalty is not finite: {values[0]}"
    if all(value == 0 for value in values):
        return "the penalty is 0 whatever it is given: it is cut off, or is never added up"
    sizes = np.array([len(next(iter(arrays.values()))) for arrays in given], dtype=float)
    found, right = np.array(values), np.array(expected)
    for factor, words in _factors(settings, sizes):
        if np.allclose(found, factor * right, rtol=tolerance, atol=1e-9):
            return f"the penalty {words}"
    for words, cause in _causes(name, settings):
        wrong = np.array([cause(arrays) for arrays in given])
        for factor, more in ((1.0, ""), *_factors(settings, sizes)):
            if np.allclose(found, factor * wrong, rtol=tolerance, atol=1e-9):
                return f"{words}{f'; besides, the penalty {more}' if more else ''}"
    ratio = found / right
    if np.allclose(ratio, ratio[0], rtol=tolerance):
        return f"the penalty {factor_in_words(float(ratio[0]))}"
    return (
        f"the penalty is {values[0]:.6g} where {expected[0]:.6g} is right, and none of the known mistakes explains it"
    )


def _factors(settings: _Settings, sizes: Array) -> Iterator[tuple[Any, str]]:
    weight = settings["weight"]
    yield sizes, "is summed over the batch where it should be averaged"
    yield 1 / sizes, "is divided by the batch's size twice"
    if weight not in (0, 1):
        yield 1 / weight, f"lacks its weight {weight:g}; if that is multiplied elsewhere, say weight=1"
    for factor in (0.5, 2.0, -1.0):
        yield factor, factor_in_words(factor)


def _causes(name: str, settings: _Settings) -> Iterator[_Cause]:
    weight = settings["weight"]
    if name in ("r1", "r2"):
        yield from _of_squares(weight / 2)
    elif name == "pulling-away":
        yield from _of_codes(weight)
    elif name == "lecam":
        yield from _of_scores(weight)
    elif name.startswith("orthogonal"):
        yield from _of_matrix(weight)
    else:
        yield from _of_norms(name, weight, settings.get("target", 0.0))


def _flat(arrays: _Arrays) -> Array:  # [B, *x] -> [B, n]
    return arrays["gradients"].reshape(len(arrays["gradients"]), -1)


def _norms(arrays: _Arrays) -> Array:
    return np.sqrt((_flat(arrays) ** 2).sum(1))


def _cost(name: str, target: float, norm: Array) -> float:
    """What the right penalty makes of norms, whatever they are of."""
    if name == "max-gradient":
        return float((norm**2).max())
    gap = norm - target
    return float(((np.maximum(gap, 0) if name == "one-sided-gradient" else gap) ** 2).mean())


def _over_axes(arrays: _Arrays, axes: tuple[int, ...]) -> Array:
    return np.sqrt((arrays["gradients"] ** 2).sum(axes))


def _of_norms(name: str, weight: float, target: float) -> Iterator[_Cause]:
    def cost(norm: Array) -> float:
        return weight * _cost(name, target, norm)

    per = "the gradient norm is taken"
    yield (
        f"{per} over the whole batch instead of per sample",
        lambda a: cost(np.sqrt((_flat(a) ** 2).sum(keepdims=True))),
    )
    yield f"{per} over the batch, number by number, instead of per sample", lambda a: cost(_over_axes(a, (0,)))
    yield (
        f"{per} along the last axis only (each row apart) instead of over a whole sample",
        lambda a: cost(_over_axes(a, (-1,))),
    )
    yield (
        f"{per} along axis 1 only (each pixel's channels) instead of over a whole sample",
        lambda a: cost(_over_axes(a, (1,))),
    )
    yield (
        f"{per} of each number alone instead of over a whole sample",
        lambda a: cost(np.abs(_flat(a))),
    )
    yield (
        "mean over pixels instead of sum: the squared norm is averaged over a sample's numbers",
        lambda a: cost(np.sqrt((_flat(a) ** 2).mean(1))),
    )
    yield "the square root is missing: the squared norm is compared with the target", lambda a: cost(_norms(a) ** 2)
    yield f"{per} as a sum of absolute values instead of as a root of squares", lambda a: cost(np.abs(_flat(a)).sum(1))
    yield (
        "the gradient is that of the mean score, not of each sample's own: it is divided by the batch's size",
        lambda a: cost(_norms(a) / len(_flat(a))),
    )
    yield "the mean over the batch is taken before the square", lambda a: cost(_norms(a).mean(keepdims=True))
    yield (
        "the square is missing: the gap to the target can be negative",
        lambda a: weight * float((_norms(a) - target).mean()),
    )
    yield "the absolute gap stands in place of its square", lambda a: weight * float(np.abs(_norms(a) - target).mean())
    other = "gradient" if name == "one-sided-gradient" else "one-sided-gradient"
    sides = (
        "two-sided: norms below the target cost, too"
        if other == "gradient"
        else "one-sided: norms below the target cost nothing"
    )
    yield f"the penalty is {sides}", lambda a: weight * _cost(other, target, _norms(a))
    yield f"the target {target:g} is missing", lambda a: weight * float((_norms(a) ** 2).mean())
    yield (
        "the target is squared apart: mean of norm² - target²",
        lambda a: weight * float((_norms(a) ** 2 - target**2).mean()),
    )
    yield (
        "the largest norm of the batch is taken in place of all",
        lambda a: weight * float(((_norms(a) - target) ** 2).max()),
    )
    for value in (0.0, 0.1, 0.5, 1.0, 2.0):
        if value != target:
            yield (
                f"the target is {value:g}, not {target:g}",
                lambda a, value=value: weight * _cost(name, value, _norms(a)),
            )


def _of_squares(weight: float) -> Iterator[_Cause]:
    yield (
        "mean over pixels instead of sum: the squares are averaged over a sample's numbers",
        lambda a: weight * float((_flat(a) ** 2).mean()),
    )
    yield "the square is missing: the norm is penalised, not its square", lambda a: weight * float(_norms(a).mean())
    yield (
        "the gradient is that of the mean score, not of each sample's own: it is divided by the batch's size",
        lambda a: weight * float(((_norms(a) / len(_flat(a))) ** 2).mean()),
    )
    yield "the mean over the batch is taken before the square", lambda a: weight * float(_norms(a).mean() ** 2)
    yield (
        "the gradient norm is pushed towards 1, not towards 0",
        lambda a: weight * float(((_norms(a) - 1) ** 2).mean()),
    )
    yield "the gradients are summed, not their squares", lambda a: weight * float((_flat(a).sum(1) ** 2).mean())


def _cosines(arrays: _Arrays) -> Array:
    unit = arrays["codes"] / np.sqrt((arrays["codes"] ** 2).sum(1, keepdims=True))
    return unit @ unit.T


def _of_codes(weight: float) -> Iterator[_Cause]:
    def off(matrix: Array) -> Array:
        return matrix * (1 - np.eye(len(matrix)))

    def pairs(arrays: _Arrays) -> int:
        return len(arrays["codes"]) * (len(arrays["codes"]) - 1)

    yield (
        "the diagonal is left in: each code is compared with itself",
        lambda a: weight * float((_cosines(a) ** 2).sum()) / pairs(a),
    )
    yield "the diagonal is left in, and the sum is divided by N²", lambda a: weight * float((_cosines(a) ** 2).mean())
    yield "the sum is divided by N², not by the N(N - 1) pairs", lambda a: weight * float(off(_cosines(a) ** 2).mean())
    yield "the sum is not divided by the N(N - 1) pairs", lambda a: weight * float(off(_cosines(a) ** 2).sum())
    yield (
        "the square is missing: opposite codes cancel parallel ones",
        lambda a: weight * float(off(_cosines(a)).sum()) / pairs(a),
    )
    yield (
        "the absolute cosine stands in place of its square",
        lambda a: weight * float(np.abs(off(_cosines(a))).sum()) / pairs(a),
    )
    yield (
        "codes are not divided by their lengths",
        lambda a: weight * float((off(a["codes"] @ a["codes"].T) ** 2).sum()) / pairs(a),
    )


def _of_scores(weight: float) -> Iterator[_Cause]:
    def squares(a: _Arrays, real_from: str, fake_from: str, side: float) -> float:
        on_real, on_fake = a["real"] - a[real_from], a[fake_from] - a["fake"]
        if side:
            on_real, on_fake = np.maximum(side * on_real, 0), np.maximum(side * on_fake, 0)
        return weight * float((on_real**2).mean() + (on_fake**2).mean())

    yield (
        "the moving averages are exchanged: real scores stay near the average of fake ones, and the other way round",
        lambda a: squares(a, "real_mean", "fake_mean", 0),
    )
    yield (
        "only one side is squared: scores beyond the other average cost nothing",
        lambda a: squares(a, "fake_mean", "real_mean", 1),
    )


def _of_matrix(weight: float) -> Iterator[_Cause]:
    def gram(arrays: _Arrays) -> Array:
        rows = arrays["matrix"].reshape(len(arrays["matrix"]), -1)
        return rows @ rows.T

    yield "the diagonal is left in: rows are pushed towards 0", lambda a: weight * float((gram(a) ** 2).sum())
    yield (
        "rows are pushed towards length 1, too: I is subtracted",
        lambda a: weight * float(((gram(a) - np.eye(len(gram(a)))) ** 2).sum()),
    )
    yield "the square is missing", lambda a: weight * float((gram(a) * (1 - np.eye(len(gram(a))))).sum())
