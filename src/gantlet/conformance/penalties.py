"""The known-answer tests of a penalty: where it looks, what it makes of the slopes, and whether its gradient survives.

Legend: ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gantlet import catalogue, penalties
from gantlet.settings import settings_of

from .critics import Critic
from .doors import Array, Door, differences, doors_for, is_single, open_door, to_numpy
from .penalty_causes import explain_penalty
from .penalty_forms import PenaltySubject, reference_value, samples
from .points import misplaced
from .result import Conformance, KnownAnswer

__all__ = ["penalty_conformance"]

_BATCHES = (8, 12, 5)


@dataclass(frozen=True)
class _Trial:
    subject: PenaltySubject
    name: str
    options: Mapping[str, Any]
    shape: tuple[int, ...]
    door: Door
    column: bool = False

    @property
    def settings(self) -> Mapping[str, Any]:
        owner = catalogue.find("penalty", self.name)
        return {key: known.default for key, known in settings_of(owner).items()} | dict(self.options)

    def arrays(self, batch: int) -> dict[str, Array]:
        source = np.random.default_rng(batch)
        if self.subject.form == "critic":
            return samples(self.shape, batch=batch, seed=batch)
        if self.subject.form == "gradients":
            return {"gradients": source.normal(0.1, 0.4, (batch, *self.shape))}
        if self.subject.form == "scores":
            means = {"real_mean": np.asarray(0.6), "fake_mean": np.asarray(-0.7)}
            return {"real": source.normal(0.8, 1.5, batch), "fake": source.normal(-0.4, 0.9, batch), **means}
        return {{"codes": "codes", "matrix": "matrix"}[self.subject.form]: source.normal(0.3, 1.0, (batch, 4))}

    def raw(self, arrays: Mapping[str, Array], critic: Critic | None = None) -> Any:
        held = {name: self.door.into(array) for name, array in arrays.items()}
        if critic is not None:
            held["critic"] = critic
        return self.subject.call(held)

    def critic(self, scale: Any = 1.0) -> Critic:
        return Critic(self.shape, scale, self.column)


def penalty_conformance(
    subject: PenaltySubject, name: str, options: Mapping[str, Any], *, shape: tuple[int, ...]
) -> Conformance:
    """Hold a penalty against gantlet's own.

    Arguments:
        subject: The penalty.
        name: gantlet's.
        options: Its settings, all others at their defaults.
        shape: Of a sample.

    Raises:
        BadValue: The subject cannot be called, or returns no number.
        UnknownName: No such setting.
    """
    penalties.get(name, **options)
    doors = doors_for(subject.used)
    trial = _Trial(subject, name, options, shape, doors[0])
    found: list[_Trial] = []

    def attempt(door: Door) -> None:
        for column in (False, True) if subject.form == "critic" else (False,):
            held = replace(trial, door=door, column=column)
            try:
                value = held.raw(held.arrays(4), held.critic() if subject.form == "critic" else None)
                to_numpy(value)
            except Exception:
                if column or subject.form != "critic":
                    raise
            else:
                found.append(replace(held, door=replace(door, double=door.double and not is_single(value))))
                return

    with np.errstate(all="ignore"):
        open_door(doors, attempt, subject=subject.name)
        findings = tuple(_findings(found[-1]))
    return Conformance(subject.name, name, dict(options), found[-1].door.framework, findings)


def _findings(trial: _Trial) -> Iterator[KnownAnswer]:
    value = to_numpy(trial.raw(trial.arrays(8), _critic_or_none(trial)))
    if value.size != 1:
        shape = "×".join(map(str, value.shape))
        why = "take the mean over the batch" if value.shape == (8,) else "reduce it"
        yield KnownAnswer("one number", False, f"the penalty of 8 samples is an array of {shape} numbers: {why}")
        return
    yield KnownAnswer("one number", True, "a batch of 8 samples gives one number")
    if trial.subject.form == "critic":
        place, given, values = _at_critic(trial)
        yield place
        if not place.passed:
            return
    else:
        given = [trial.arrays(batch) for batch in _BATCHES]
        values = [float(to_numpy(trial.raw(arrays)).squeeze()) for arrays in given]
    yield (sound := _values(trial, given, values))
    if sound.passed:
        yield from _slopes(trial)


def _critic_or_none(trial: _Trial) -> Critic | None:
    return trial.critic() if trial.subject.form == "critic" else None


def _at_critic(trial: _Trial) -> tuple[KnownAnswer, list[dict[str, Array]], list[float]]:
    """Where the penalty asked the discriminator, the slopes there, and its values."""
    name, given, values = "where the discriminator is asked", list[dict[str, Array]](), list[float]()
    wrong = ""
    for batch in _BATCHES:
        arrays, critic = trial.arrays(batch), trial.critic()
        values.append(float(to_numpy(trial.raw(arrays, critic)).squeeze()))
        points = _points(critic, batch)
        if points is None:
            return (
                KnownAnswer(name, False, "the penalty never asks the discriminator about a whole batch"),
                given,
                values,
            )
        wrong = wrong or misplaced(trial.name, trial.settings, at=points, real=arrays["real"], fake=arrays["fake"])
        given.append({"gradients": critic.gradient_at(points)})
    places = {"r1": "at the real samples", "r2": "at the fake samples", "dragan": "near the real samples"}
    return KnownAnswer(name, not wrong, wrong or places.get(trial.name, "between real and fake samples")), given, values


def _points(critic: Critic, batch: int) -> Array | None:
    """The samples of the last call, or of single calls one after the other."""
    if critic.asked and len(critic.asked[-1]) == batch:
        return critic.asked[-1]
    together = [at for at in critic.asked if len(at) < batch]
    held = np.concatenate(together) if together else np.zeros(0)
    return held if len(held) == batch else None


def _values(trial: _Trial, given: list[dict[str, Array]], values: list[float]) -> KnownAnswer:
    form = "gradients" if trial.subject.form == "critic" else trial.subject.form
    expected = [reference_value(trial.name, trial.options, form, arrays) for arrays in given]
    if np.allclose(values, expected, rtol=trial.door.tolerance, atol=1e-9):
        return KnownAnswer("values", True, f"{len(values)} batches, to {trial.door.tolerance:g}")
    told = explain_penalty(
        trial.name, trial.settings, values=values, expected=expected, given=given, tolerance=trial.door.tolerance
    )
    return KnownAnswer("values", False, told)


def _slopes(trial: _Trial) -> Iterator[KnownAnswer]:
    """What reaches the discriminator's parameters, and what a discriminator that is constant does."""
    if trial.subject.form == "critic":
        reaches = _reaches_parameters(trial) if trial.door.framework == "PyTorch" else None
        if reaches is not None:
            yield reaches
        if reaches is None or reaches.passed:
            yield _dead(trial)
        return
    arrays = trial.arrays(5)
    name = next(iter(arrays))
    offered = trial.door.gradient(trial.subject.call, arrays, (name,))
    if offered is None:
        return
    slopes = differences(lambda at: float(to_numpy(trial.raw(at)).squeeze()), arrays, name, step=trial.door.step)
    room = trial.door.slope_tolerance
    if np.allclose(offered[name], slopes, rtol=room, atol=room * float(np.abs(slopes).max())):
        yield KnownAnswer("gradient", True, f"{trial.door.framework}'s equals finite differences")
    else:
        cut = "is cut off (detached or rounded)" if not offered[name].any() else "differs from finite differences"
        yield KnownAnswer("gradient", False, f"the penalty's gradient in the {name} {cut}")
    if trial.subject.form == "gradients":
        flat = trial.door.gradient(trial.subject.call, {name: np.zeros_like(arrays[name])}, (name,))
        finite = flat is None or bool(np.isfinite(flat[name]).all())
        yield KnownAnswer("constant discriminator", finite, "finite" if finite else _ROOT)


_ROOT = (
    "the penalty's gradient is not finite where the discriminator is constant: the square root has an infinite slope at 0; "
    "add a small ε under it"
)


def _reaches_parameters(trial: _Trial) -> KnownAnswer:
    """The gradient in a factor w of the scores, against finite differences of the reference."""
    import torch

    name, arrays = "gradient in the discriminator's parameters", trial.arrays(8)
    scale = torch.ones((), dtype=torch.float64 if trial.door.double else torch.float32, requires_grad=True)
    critic = trial.critic(scale)
    value = trial.raw(arrays, critic)
    points = _points(critic, 8)
    if points is None or not getattr(value, "requires_grad", False):
        why = "it is computed without create_graph=True, or detached"
        return KnownAnswer(name, False, f"no gradient of the penalty reaches the discriminator's parameters: {why}")
    (found,) = torch.autograd.grad(value.sum(), [scale], allow_unused=True, materialize_grads=True)
    slopes = critic.gradient_at(points)

    def at(factor: float) -> float:
        return reference_value(trial.name, trial.options, "gradients", {"gradients": factor * slopes})

    expected = (at(1 + 1e-5) - at(1 - 1e-5)) / 2e-5
    if abs(float(found) - expected) <= 1e-3 * max(1.0, abs(expected)):
        return KnownAnswer(name, True, "equals finite differences")
    if float(found) == 0:
        why = "it is computed without create_graph=True, or detached"
        return KnownAnswer(name, False, f"no gradient of the penalty reaches the discriminator's parameters: {why}")
    return KnownAnswer(
        name, False, f"the gradient in the discriminator's parameters is {float(found) / expected:.4g} times the slope"
    )


def _dead(trial: _Trial) -> KnownAnswer:
    """A discriminator that is constant: the penalty, and in PyTorch its gradient, must be finite."""
    name, arrays = "constant discriminator", trial.arrays(8)
    if trial.door.framework != "PyTorch":
        finite = bool(np.isfinite(to_numpy(trial.raw(arrays, trial.critic(0.0)))).all())
        return KnownAnswer(
            name, finite, "finite" if finite else "the penalty is not finite where the discriminator is constant"
        )
    import torch

    scale = torch.zeros((), dtype=torch.float64 if trial.door.double else torch.float32, requires_grad=True)
    value = trial.raw(arrays, trial.critic(scale))
    (found,) = torch.autograd.grad(value.sum(), [scale], allow_unused=True, materialize_grads=True)
    finite = bool(torch.isfinite(found)) and bool(torch.isfinite(value).all())
    return KnownAnswer(name, finite, "the penalty and its gradient are finite" if finite else _ROOT)
