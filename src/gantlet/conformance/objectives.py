"""The known-answer tests of a pair of losses.

Legend: ``B`` batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from gantlet.errors import BadValue, GantletError

from .causes import Difference, explain
from .doors import Array, Call, Door, differences, doors_for, is_single, open_door, to_numpy
from .reference import Case, ReferenceLosses, inputs, named_for
from .result import Conformance, KnownAnswer
from .subjects import ObjectiveSubject

__all__ = ["objective_conformance"]

_Answer = TypeVar("_Answer", bound="KnownAnswer | None")

# Batches of different sizes and asymmetric scores: a sum, a wrong divisor or a swap cannot hide.
_SIZES = ((6, 0), (9, 1), (4, 2))
_REAL, _FAKE = (4, 2, 1, 1), (1, 2, 2, 3)
"""How often each of four atoms comes in two discrete distributions, for the optimum."""

_FAR = 40.0
"""A score at which 1 - σ rounds to 0 in 64 bits."""


class _Raised(Exception):
    """The subject raised an error, in its words."""


@dataclass(frozen=True)
class _Trial:
    """A subject, what it should be, and the door through which it is called."""

    subject: ObjectiveSubject
    reference: ReferenceLosses
    objective: Any
    door: Door

    def raw(self, player: str, case: Mapping[str, Array]) -> Array:
        try:
            return to_numpy(self.door.value(self.call(player), case))
        except GantletError:
            raise
        except Exception as error:  # whatever a function of the user's does
            raise _Raised(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error

    def call(self, player: str) -> Call:
        return self.subject.losses[player]

    def given(self, case: Mapping[str, Array]) -> Case:
        held = named_for(self.objective.needs, case)
        margin = getattr(self.objective, "margin", None)
        if margin is not None:  # energies on both sides of the margin, as are their means over batches
            level = 2.0 if held["fake"].shape[-1] % 2 else 0.8
            held |= {"real": np.abs(held["real"]) * margin, "fake": np.abs(held["fake"]) * level * margin}
        return held

    def scalar(self, player: str, case: Mapping[str, Array]) -> float:
        """One number: a loss that forgot to reduce is reduced for what comes after."""
        return float(self.raw(player, case).mean())


def objective_conformance(subject: ObjectiveSubject, reference: ReferenceLosses) -> Conformance:
    """Hold a pair of losses, or one of them, against an objective.

    Raises:
        BadValue: The subject cannot be called, or returns no numbers.
        UnknownName: No such setting.
    """
    objective = reference.objective()
    case = named_for(objective.needs, inputs(6))
    single: dict[Door, bool] = {}

    def attempt(door: Door) -> None:
        values = [door.value(call, case) for call in subject.losses.values()]
        for value in values:
            to_numpy(value)
        single[door] = any(map(is_single, values))

    with np.errstate(all="ignore"):
        door = open_door(doors_for(subject.used), attempt, subject=subject.name)
        door = replace(door, double=door.double and not single[door])
        findings = tuple(_findings(_Trial(subject, reference, objective, door)))
    return Conformance(subject.name, reference.name, dict(reference.options), door.framework, findings)


def _findings(trial: _Trial) -> Iterator[KnownAnswer]:
    right: dict[str, bool] = {}
    for player in trial.subject.losses:
        shape = _told(_shape, trial, player, f"one number from the {player}'s loss")
        values = _told(_values, trial, player, f"values of the {player}'s loss")
        right[player] = shape.passed and values.passed
        yield from (shape, values)
    tests: tuple[Callable[[_Trial, str], KnownAnswer | None], ...] = (
        _unequal,
        _swapped,
        _optimum,
        _slopes,
        _batches,
        _far,
    )
    for player, sound in right.items():
        if sound:  # what follows from values that are wrong is no news
            named = [(test, f"{test.__name__.strip('_')}, {player}") for test in tests]
            found = (_told(test, trial, player, name) for test, name in named)
            yield from (finding for finding in found if finding is not None)


def _told(test: Callable[[_Trial, str], _Answer], trial: _Trial, player: str, name: str) -> _Answer | KnownAnswer:
    """What a test finds; that the subject raises an error where it is called is a finding."""
    try:
        return test(trial, player)
    except _Raised as error:
        return KnownAnswer(name, False, f"the {player}'s loss raised an error at moderate scores: {error}")


def _shape(trial: _Trial, player: str) -> KnownAnswer:
    name, found = f"one number from the {player}'s loss", trial.raw(player, trial.given(inputs(6)))
    if found.shape == ():
        return KnownAnswer(name, True, "a batch of 6 scores gives one number")
    sizes = "×".join(map(str, found.shape))
    why = {
        (6,): "one loss per sample, not reduced: take the mean over the batch",
        (
            6,
            6,
        ): "every real score meets every fake one (B×B by broadcasting, as of (B, 1) with (B,)): flatten the scores",
        (1,): "an axis of length 1 is left: reduce it",
    }.get(found.shape, "not reduced: take the mean over the batch")
    return KnownAnswer(name, False, f"the {player}'s loss of 6 scores is an array of {sizes} numbers: {why}")


def _values(trial: _Trial, player: str) -> KnownAnswer:
    name = f"values of the {player}'s loss"
    cases = [trial.given(inputs(size, seed=seed)) for size, seed in _SIZES]
    values = [trial.scalar(player, case) for case in cases]
    expected = [float(trial.reference.loss(player, case)) for case in cases]
    tolerance = trial.door.tolerance
    if np.allclose(values, expected, rtol=tolerance, atol=tolerance):
        return KnownAnswer(name, True, f"{len(cases)} batches of asymmetric scores, to {tolerance:g}")
    found = Difference(
        trial.reference, player, cases, values, partial(trial.scalar, player), tolerance, trial.door.step
    )
    return KnownAnswer(name, False, explain(found))


def _unequal(trial: _Trial, player: str) -> KnownAnswer | None:
    """Batches of two sizes, where the mathematics allows them and the function takes them."""
    case = trial.given(inputs(4, fakes=7, seed=3))
    name = f"unequal batches, {player}"
    try:
        expected = float(trial.reference.loss(player, case))
    except Exception:  # an objective that pairs its samples refuses
        return None
    try:
        found = trial.scalar(player, case)
    except Exception:  # whatever a function of the user's does
        return KnownAnswer(name, True, "4 real and 7 fake scores are refused, which is no mistake")
    if abs(found - expected) <= trial.door.tolerance * max(1, abs(expected)):
        return KnownAnswer(name, True, "4 real and 7 fake scores")
    why = "each term has to be averaged over its own batch"
    return KnownAnswer(
        name, False, f"the {player}'s loss of 4 real and 7 fake scores is {found:.6g}, not {expected:.6g}: {why}"
    )


def _swapped(trial: _Trial, player: str) -> KnownAnswer | None:
    """Real and fake exchanged must show, or the test of the values says nothing."""
    if player == "generator" or trial.objective.symmetric:
        return None
    case = trial.given(inputs(6))
    exchanged = {name: case[_exchanged(name)] for name in case}
    apart = abs(trial.scalar(player, case) - trial.scalar(player, exchanged)) > 1e-3
    name = "swapped real and fake"
    return KnownAnswer(name, apart, "exchanging them changes the loss" if apart else "exchanging them changes nothing")


def _right(trial: _Trial, player: str, case: Mapping[str, Array]) -> float:
    return float(trial.reference.loss(player, case))


def _exchanged(name: str) -> str:
    return name.replace("real", "fake") if "real" in name else name.replace("fake", "real")


def _optimum(trial: _Trial, player: str) -> KnownAnswer | None:
    """The discriminator's loss at its optimum is the divergence, and no lower anywhere near."""
    from gantlet.objectives.base import Theory

    if player == "generator" or not isinstance(trial.objective, Theory):
        return None
    import torch

    p, q = (torch.tensor(counts, dtype=torch.float64) / sum(counts) for counts in (_REAL, _FAKE))
    score = trial.objective.optimal_score(real=p, fake=q).double().numpy()
    if not np.isfinite(score).all():
        return None
    least = float(trial.objective.optimal_value(real=p, fake=q))

    def at(loss: Callable[[Mapping[str, Array]], float], scores: Array) -> float:
        real, fake = np.repeat(scores, _REAL), np.repeat(scores, _FAKE)
        # Every real atom meets every fake one, for losses of pairs.
        return loss({"real": np.repeat(real, len(fake)), "fake": np.tile(fake, len(real))})

    subject, right = partial(trial.scalar, player), partial(_right, trial, player)
    found, room = at(subject, score), trial.door.tolerance * max(1.0, abs(least))
    moves = [score + move for move in np.random.default_rng(4).normal(0, 0.3, (10, len(score)))]
    lowest = min((at(subject, moved) for moved in moves if at(right, moved) >= least), default=found)
    if abs(found - least) <= room and lowest >= least - room:
        return KnownAnswer("optimum", True, f"the best discriminator's loss is the divergence's value, {least:.6g}")
    return KnownAnswer("optimum", False, f"the best discriminator's loss is {min(found, lowest):.6g}, not {least:.6g}")


def _slopes(trial: _Trial, player: str) -> KnownAnswer | None:
    """The gradient that the framework, or the subject itself, offers, against finite differences."""
    name, case = f"gradient of the {player}'s loss", trial.given(inputs(5, seed=5))
    wanted = ("fake",) if player == "generator" else ("real", "fake")
    try:
        offered = _offered(trial, player, case, wanted)
    except Exception as error:  # a framework's own words about a function of the user's
        words = " ".join(str(error).split())[:200]
        return KnownAnswer(name, False, f"the {player}'s loss has no gradient: {type(error).__name__}: {words}")
    room = trial.door.slope_tolerance
    for kind in wanted:
        slopes = differences(partial(trial.scalar, player), case, kind, step=trial.door.step)
        found = slopes if offered is None else offered[kind]
        scale = max(float(np.abs(slopes).max()), 1e-3)
        if np.allclose(found, slopes, rtol=room, atol=room * scale):
            continue
        if np.abs(found).max() == 0:
            why = "it is cut off (detached, rounded, or taken out of the framework)"
            return KnownAnswer(name, False, f"no gradient of the {player}'s loss reaches the {kind} scores: {why}")
        ratio = float((found * slopes).sum() / (slopes**2).sum())
        return KnownAnswer(
            name,
            False,
            f"the offered gradient of the {player}'s loss in the {kind} scores is {ratio:.4g} times the slope",
        )
    how = "finite differences alone" if offered is None else f"{trial.door.framework}'s equals finite differences"
    return KnownAnswer(name, True, how)


def _offered(trial: _Trial, player: str, case: Case, wanted: tuple[str, ...]) -> dict[str, Array] | None:
    own = trial.subject.gradients.get(player)
    if own is None:
        return trial.door.gradient(trial.call(player), case, wanted)
    found = trial.door.value(own, case)
    if isinstance(found, Mapping):
        return {kind: to_numpy(found[kind]) for kind in wanted}  # pyright: ignore[reportUnknownArgumentType]
    parts = found if isinstance(found, (tuple, list)) else (found,)
    if len(parts) != len(wanted):  # pyright: ignore[reportUnknownArgumentType]
        raise BadValue(f"{player}_gradient returned {len(parts)} arrays, expected {' and '.join(wanted)}")  # pyright: ignore[reportUnknownArgumentType]
    return {kind: to_numpy(part) for kind, part in zip(wanted, parts, strict=True)}  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]


def _batches(trial: _Trial, player: str) -> KnownAnswer | None:
    """Batches of batches ``[2, 3, B]``: treated one by one, all averaged, or refused."""
    name = f"reduction of the {player}'s loss"
    case = trial.given(inputs(2, 3, 5, seed=6))
    expected = trial.reference.loss(player, case)
    try:
        found = trial.raw(player, case)
    except Exception:  # whatever a function of the user's does
        return KnownAnswer(name, True, "one batch at a time: more axes are refused")
    room = trial.door.tolerance
    if found.shape == expected.shape and np.allclose(found, expected, rtol=room, atol=room):
        return KnownAnswer(name, True, "the mean over the last axis: leading axes are batches of their own")
    if found.shape == () and np.allclose(found, expected.mean(), rtol=room, atol=room):
        return KnownAnswer(name, True, "the mean over every axis")
    if found.shape == ():
        return KnownAnswer(name, True, "one number: give it one batch at a time")
    shape = "×".join(map(str, found.shape))
    return KnownAnswer(
        name, False, f"the {player}'s loss of 2×3 batches is an array of {shape}: reduce over the last axis only"
    )


def _far(trial: _Trial, player: str) -> KnownAnswer | None:
    """Scores so far out that a naive logarithm breaks, where the mathematics is finite."""
    name = f"far scores, {player}"
    case = trial.given(inputs(4, seed=7))
    far = np.array([_FAR, -_FAR, _FAR, -_FAR])
    case |= {"real": far, "fake": far}
    if not np.isfinite(trial.reference.loss(player, case)).all():
        return None
    try:
        if np.isfinite(trial.raw(player, case)).all():
            return KnownAnswer(name, True, f"finite at ±{_FAR:g}")
        what = "is not finite"
    except _Raised as error:  # math.log(0.0) of plain Python
        what = f"raises an error ({error})"
    why = "take log σ(l) as -softplus(-l), not as the logarithm of a rounded probability"
    return KnownAnswer(name, False, f"the {player}'s loss {what} at scores of ±{_FAR:g}: {why}")
