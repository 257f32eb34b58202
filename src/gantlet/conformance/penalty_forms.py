"""What a penalty may be given, told by the names of its parameters, and gantlet's own value for the same.

Legend: ``B`` batch, ``d`` numbers of a code, ``*x`` sample shape.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gantlet import penalties
from gantlet.errors import BadValue

from .doors import Array
from .subjects import bound, frameworks_of, made

__all__ = ["FORMS", "GRADIENT_PENALTIES", "PenaltySubject", "penalty_subject", "reference_value", "samples"]

GRADIENT_PENALTIES = ("gradient", "one-sided-gradient", "max-gradient", "dragan", "r1", "r2")
FORMS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(GRADIENT_PENALTIES, ("critic", "gradients")),
    "pulling-away": ("codes",),
    "lecam": ("scores",),
    "orthogonal": ("matrix",),
    "orthogonal-generator": ("matrix",),
}
"""By penalty: the forms in which it can be tested."""

_NAMES: Mapping[str, tuple[str, ...]] = {
    "critic": ("discriminate", "discriminator", "critic", "netd", "net_d", "d", "model", "disc"),
    "real": ("real", "real_samples", "real_data", "real_images", "x_real", "x"),
    "fake": ("fake", "fake_samples", "fake_data", "fake_images", "x_fake", "generated"),
    "gradients": ("gradients", "gradient", "grads", "grad"),
    "codes": ("codes", "code", "embeddings", "embedding"),
    "real_mean": ("real_mean", "ema_real"),
    "fake_mean": ("fake_mean", "ema_fake"),
    "matrix": ("matrix", "kernel", "parameter"),
}
_WANTS = {
    "critic": "discriminate, real or fake",
    "gradients": "gradients",
    "codes": "codes",
    "scores": "real, fake, real_mean or fake_mean",
    "matrix": "matrix",
}


@dataclass(frozen=True)
class PenaltySubject:
    """A penalty as a function of named arrays; ``critic`` among them is a discriminator.

    Attributes:
        name: What it is called in sentences.
        form: ``critic``, ``gradients``, ``codes``, ``scores`` or ``matrix``.
        call: The function.
        used: The packages that its code uses, which tell its framework.
    """

    name: str
    form: str
    call: Callable[[Mapping[str, Any]], Any]
    used: frozenset[str]


def penalty_subject(
    thing: Any, *, name: str, reference: str, options: Mapping[str, Any], settings: Mapping[str, Any]
) -> PenaltySubject:
    """A subject from what a user named: a function, an instance that can be called, or a class of such.

    Raises:
        BadValue: It cannot be called, or its parameters' names do not say what they stand for.
    """
    if reference not in FORMS:
        raise BadValue(f"The penalty '{reference}' has no known answers here. Those that have: {', '.join(FORMS)}.")
    held = made(thing, options)
    if not callable(held):
        raise BadValue(f"{name} is not a function, nor an instance that can be called.")
    if hasattr(held, "draws") and hasattr(held, "label"):
        form = FORMS[reference][0]
        return PenaltySubject(name, form, partial(_own_protocol, held, form), frozenset({"torch"}))
    names = {_role(parameter) for parameter in inspect.signature(held).parameters}
    form = next((form for form in FORMS[reference] if form in names), FORMS[reference][0])
    wants = " or ".join(dict.fromkeys(_WANTS[each] for each in FORMS[reference]))
    call = bound(held, name=name, role=_role, options=options, settings=settings, wants=wants)
    return PenaltySubject(name, form, call, frameworks_of(thing))


def reference_value(name: str, options: Mapping[str, Any], form: str, arrays: Mapping[str, Array]) -> float:
    """gantlet's own penalty: of gradients at given points, codes, scores, or a matrix."""
    import torch

    penalty = penalties.get(name, **options)
    held = {key: torch.tensor(array, dtype=torch.float64) for key, array in arrays.items()}
    if form == "gradients":
        # A critic whose slopes are these gradients wherever it is asked; no noise moves the points.
        slopes = held["gradients"][None, None]
        points = torch.zeros_like(slopes)
        noise = {
            key: torch.zeros(1, *draw.shape, dtype=torch.float64)
            for key, draw in penalty.draws(generators=1, batch=slopes.shape[2], shape=tuple(slopes.shape[3:])).items()
        }
        critic = partial(_linear, slopes)
        return float(penalty(critic, real=points, fake=points, noise=noise).detach())
    return float(_own_protocol(penalty, form, held).detach())


def _linear(slopes: Any, x: Any) -> Any:
    from gantlet.objectives.base import DiscriminatorOutput

    return DiscriminatorOutput((x * slopes).flatten(3).sum(-1))


def _own_protocol(penalty: Any, form: str, held: Mapping[str, Any]) -> Any:
    """A penalty of gantlet's protocol, called as a player's update calls it, with noise of its own."""
    import torch

    from gantlet.objectives.base import DiscriminatorOutput

    if form == "codes":
        code = held["codes"][None, None]
        output = DiscriminatorOutput(code.new_zeros(code.shape[:3]), code=code)
        return penalty(partial(_constant, output), fake_output=output).squeeze()
    if form == "scores":
        state = {kind: torch.as_tensor(held[f"{kind}_mean"]).reshape(1, 1, 1) for kind in ("real", "fake")}
        outputs = {f"{kind}_output": DiscriminatorOutput(held[kind][None, None]) for kind in ("real", "fake")}
        return penalty(partial(_constant, None), state=state, **outputs).squeeze()
    if form == "matrix":
        nothing = torch.zeros(1, 1, 1, 1)
        parameters = {"weight": held["matrix"][None]}
        return penalty(partial(_constant, None), real=nothing, fake=nothing, parameters=parameters).squeeze()
    real, fake, critic = held["real"][None, None], held["fake"][None, None], held["critic"]
    draws = penalty.draws(generators=1, batch=real.shape[2], shape=tuple(real.shape[3:]))
    source = torch.Generator().manual_seed(11)
    noise = {
        key: (torch.rand if draw.kind == "uniform" else torch.randn)(
            (1, *draw.shape), generator=source, dtype=real.dtype
        )
        for key, draw in draws.items()
    }
    return penalty(partial(_judged, critic), real=real, fake=fake, noise=noise).squeeze()


def _constant(output: Any, x: Any) -> Any:
    return output


def _judged(critic: Any, x: Any) -> Any:  # [1, 1, B, *x]
    from gantlet.objectives.base import DiscriminatorOutput

    return DiscriminatorOutput(critic(x[0, 0]).reshape(1, 1, -1))


def _role(name: str) -> str | None:
    return next((role for role, names in _NAMES.items() if name.lower() in names), None)


def samples(shape: tuple[int, ...], *, batch: int = 16, seed: int = 0) -> dict[str, Array]:
    """Real and fake samples ``[B, *x]`` that lie apart."""
    source = np.random.default_rng(seed)
    return {
        "real": source.normal(0.3, 0.6, (batch, *shape)),
        "fake": source.normal(-1.2, 0.9, (batch, *shape)),
    }
