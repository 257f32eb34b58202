"""Why a loss differs: the mistakes that published code has made, each tried until one explains the values.

A cause is a loss with one thing wrong, made from gantlet's own. It is named if it reproduces the subject's values at every
input, up to one factor. What is left is told by the slopes: which of the two terms has the wrong weight or sign.

Legend: ``B`` batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from gantlet import catalogue
from gantlet.errors import GantletError
from gantlet.names import FAMILIES
from gantlet.settings import settings_of

from .doors import Array
from .reference import Case, ReferenceLosses
from .slips import SLIPS

__all__ = ["Difference", "explain", "factor_in_words"]

_Loss = Callable[[Mapping[str, Array]], float]
_Cause = tuple[str, _Loss]
_NUMBERS = (0.0, 0.1, 0.2, 0.5, 0.9, 1.0, 2.0, 10.0, -1.0, float("inf"))
"""The values of a setting that are tried."""


@dataclass(frozen=True)
class Difference:
    """A loss that is not the reference's.

    Attributes:
        reference: gantlet's.
        player: Whose loss it is.
        cases: Inputs, batches of different sizes.
        values: The subject's loss at each.
        subject: The subject's loss as a function of the arrays.
        tolerance: How far two values that are the same may be apart, relatively.
        step: The step of finite differences.
    """

    reference: ReferenceLosses
    player: str
    cases: Sequence[Case]
    values: Sequence[float]
    subject: _Loss
    tolerance: float
    step: float

    def right(self, case: Mapping[str, Array]) -> float:
        """The reference's loss."""
        return float(self.reference.loss(self.player, case))


def explain(found: Difference) -> str:
    """What is wrong, and the likely cause, in a sentence."""
    whose = f"the {found.player}'s loss"
    if not all(np.isfinite(found.values)):
        return _not_finite(found, whose)
    if words := _scaled(found, found.right):
        return f"{whose} {words}"
    for exact in (True, False):
        for cause, loss in _causes(found):
            words = _scaled(found, loss)
            if words == "" or (words and not exact):
                return f"{cause.format(loss=whose)}{f'; besides, it {words}' if words else ''}"
    return _by_slopes(found, whose)


def _not_finite(found: Difference, whose: str) -> str:
    if _wants_probabilities(found):
        return f"{whose} takes probabilities, but scores are logits: leave the sigmoid to the loss"
    return f"{whose} is not finite at moderate scores: {found.values[0]}"


def _wants_probabilities(found: Difference) -> bool:
    try:
        values = [found.subject(_sigmoid(case)) for case in found.cases]
    except Exception:  # whatever a function of the user's does with other scores
        return False
    return _near(values, _right(found), found.tolerance)


def _right(found: Difference) -> list[float]:
    return [found.right(case) for case in found.cases]


def _near(left: Sequence[float] | Array, right: Sequence[float] | Array, tolerance: float) -> bool:
    return bool(np.allclose(left, right, rtol=tolerance, atol=tolerance))


def _scaled(found: Difference, loss: _Loss) -> str | None:
    """How the subject's values follow from a loss: empty if equal, the factor in words, None if not at all."""
    with np.errstate(all="ignore"):
        expected = np.array([loss(case) for case in found.cases])
        sizes = np.array([case["fake"].shape[-1] for case in found.cases], dtype=float)
        values = np.array(found.values)
        if not np.isfinite(expected).all() or np.abs(expected).min() < 1e-6:
            return None
        if _near(values, expected, found.tolerance):
            return ""
        for factors, words in (
            (sizes, "is summed over the batch where it should be averaged"),
            (sizes / 2, "is summed over the batch and halved where it should be averaged"),
            (1 / sizes, "is divided by the batch's size twice"),
        ):
            if _near(values, factors * expected, found.tolerance):
                return words
        ratio = float((values / expected)[0])
        if abs(ratio) < 1e-6 or not _near(values, ratio * expected, found.tolerance):
            return None
        return factor_in_words(ratio)


def factor_in_words(ratio: float) -> str:
    """What a constant factor says.

    Example:
        >>> factor_in_words(0.5)
        'is exactly half of what it should be: a factor ½, or a mean of the two terms in place of their sum'
    """
    special = {
        0.5: "is exactly half of what it should be: a factor ½, or a mean of the two terms in place of their sum",
        2.0: "is exactly twice what it should be: a factor ½ is missing",
        -1.0: "has the wrong sign: what should be minimised is maximised",
        -0.5: "has the wrong sign, and is halved",
        -2.0: "has the wrong sign, and is doubled",
        round(1 / np.log(2), 6): "is 1.443 times what it should be: logarithms are to base 2",
        round(1 / np.log(10), 6): "is 0.434 times what it should be: logarithms are to base 10",
    }
    return next(
        (words for value, words in special.items() if abs(ratio / value - 1) < 1e-3),
        f"is {ratio:.6g} times what it should be",
    )


def _sigmoid(case: Mapping[str, Array]) -> Case:
    return {name: 1 / (1 + np.exp(-array)) if name in ("real", "fake") else array for name, array in case.items()}


def _causes(found: Difference) -> Iterator[_Cause]:
    right, player = found.right, found.player
    other = "generator" if player == "discriminator" else "discriminator"
    yield (
        "real and fake are swapped in {loss}",
        lambda case: right({**case, **{a: case[b] for one in ("", "_code", "_samples") for a, b in _pair(case, one)}}),
    )
    yield "a sigmoid is applied twice in {loss}: scores are logits", lambda case: right(_sigmoid(case))
    if _wants_probabilities(found):
        values = dict(zip(map(id, found.cases), found.values, strict=True))
        yield (
            "{loss} takes probabilities, but scores are logits: leave the sigmoid to the loss",
            lambda case: values[id(case)],
        )
    for slip in SLIPS.get((found.reference.name, player), ()):
        yield slip.words, lambda case, slip=slip: slip.loss(case, _all_settings(found.reference))
    yield from _other_settings(found)
    if player == "generator":
        yield (
            "{loss} looks at the real scores in place of the fake ones",
            lambda case: right({**case, "fake": case["real"]}),
        )
    yield (
        "in {loss} the mean over the batch is taken before the loss is",
        lambda case: right({name: _mean_first(name, array) for name, array in case.items()}),
    )
    yield "every real score meets every fake one (B×B by broadcasting) in {loss}", lambda case: right(_all_pairs(case))
    for names in (("fake",), ("real",), ("real", "fake")):
        yield (
            f"the sign of the {' and '.join(names)} scores is wrong in {{loss}}",
            lambda case, names=names: right({**case, **{name: -case[name] for name in names}}),
        )
    yield f"{{loss}} is that of the {other}", lambda case: float(found.reference.loss(other, case))
    yield from _other_objectives(found)


def _pair(case: Mapping[str, Array], end: str) -> list[tuple[str, str]]:
    real, fake = f"real{end}", f"fake{end}"
    return [(real, fake), (fake, real)] if real in case else []


def _mean_first(name: str, array: Array) -> Array:
    return array.mean(0, keepdims=True) if array.ndim and not name.endswith("samples") else array


def _all_pairs(case: Mapping[str, Array]) -> Case:
    real, fake = case["real"], case["fake"]
    if real.ndim != 1:
        return dict(case)
    return {**case, "real": np.repeat(real, len(fake)), "fake": np.tile(fake, len(real))}


def _all_settings(reference: ReferenceLosses) -> Mapping[str, Any]:
    owner = catalogue.find("objective", reference.name)
    return {key: known.default for key, known in settings_of(owner).items()} | dict(reference.options)


def _other_settings(found: Difference) -> Iterator[_Cause]:
    """The same objective with one setting changed, or two exchanged."""
    held = _all_settings(found.reference)
    declared = settings_of(catalogue.find("objective", found.reference.name))
    for key, known in declared.items():
        tried: Sequence[Any] = (not held[key],) if known.kind is bool else known.choices
        for value in _NUMBERS if known.kind in (int, float) and known.varies else tried:
            if value != held[key]:
                yield from _variant(found, {**held, key: value}, f"{key}={_shown(value)}, not {_shown(held[key])}")
    numeric = [key for key, known in declared.items() if known.kind is float]
    for one, two in combinations(numeric, 2):
        if held[one] != held[two]:
            yield from _variant(found, {**held, one: held[two], two: held[one]}, f"{one} and {two} exchanged")


def _variant(found: Difference, options: Mapping[str, Any], words: str) -> Iterator[_Cause]:
    variant = ReferenceLosses(found.reference.name, options)
    try:
        variant.objective()
    except GantletError:
        return  # a value that the setting does not allow
    yield f"{{loss}} is that of {variant.name} with {words}", lambda case: float(variant.loss(found.player, case))


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _other_objectives(found: Difference) -> Iterator[_Cause]:
    for name in FAMILIES["objective"]:
        other = ReferenceLosses(name, {})
        objective = other.objective()
        if name == found.reference.name or not objective.needs <= {"real"}:
            continue
        yield (
            f"{{loss}} is that of the objective '{name}', not of '{found.reference.name}'",
            lambda case, other=other: float(other.loss(found.player, case)),
        )


def _by_slopes(found: Difference, whose: str) -> str:
    """What the slopes in real and in fake scores tell where no whole loss fits."""
    from .doors import differences

    case = found.cases[0]
    wanted = tuple(name for name in ("real", "fake") if name in case)
    expected = found.reference.gradient(found.player, case, wanted)
    ratios: dict[str, float] = {}
    for name in wanted:
        slopes = differences(found.subject, case, name, step=found.step)
        if np.abs(expected[name]).max() < 1e-9:
            if np.abs(slopes).max() > 1e-4:
                return f"{whose} depends on the {name} scores, and should not"
            continue
        ratio = float((slopes * expected[name]).sum() / (expected[name] ** 2).sum())
        if np.allclose(slopes, ratio * expected[name], rtol=1e-3, atol=1e-3 * float(np.abs(slopes).max()) + 1e-9):
            ratios[name] = ratio
    gap = found.values[0] - found.right(case)
    if (
        ratios
        and all(abs(ratio - 1) < 1e-3 for ratio in ratios.values())
        and set(ratios) == set(wanted) - _flat(expected)
    ):
        return f"{whose} is {abs(gap):.4g} too {'large' if gap > 0 else 'small'}: its slopes are right, a constant is added"
    for name, ratio in ratios.items():
        if abs(ratio - 1) > 1e-3:
            return _of_one_term(whose, name, ratio, case)
    wrong = next((name for name in wanted if name not in ratios), "fake")
    return (
        f"{whose} is {found.values[0]:.6g} where {found.right(case):.6g} is right: the term of the {wrong} scores is another "
        "function, and none of the known mistakes explains it"
    )


def _flat(expected: Mapping[str, Array]) -> set[str]:
    return {name for name, slopes in expected.items() if np.abs(slopes).max() < 1e-9}


def _of_one_term(whose: str, name: str, ratio: float, case: Case) -> str:
    if abs(ratio) < 1e-3:
        return f"{whose} does not depend on the {name} scores: their term is missing or cut off from the gradient"
    size = case[name].shape[-1]
    if abs(ratio / size - 1) < 1e-3:
        return f"in {whose} the term of the {name} scores is summed over the batch where it should be averaged"
    if abs(ratio + 1) < 1e-3:
        return f"in {whose} the term of the {name} scores has the wrong sign"
    if abs(ratio - 0.5) < 1e-3:
        return f"in {whose} the term of the {name} scores is halved: the factor ½ does not belong there"
    return f"in {whose} the term of the {name} scores has {ratio:.4g} times the weight it should have"
