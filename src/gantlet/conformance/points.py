"""Where a gradient penalty looks at the discriminator: between the samples, near the real ones, or at them.

Legend: ``B`` batch, ``n`` numbers of a sample, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .doors import Array

__all__ = ["misplaced"]

_ROOM = 1e-4


def misplaced(name: str, settings: Mapping[str, Any], *, at: Array, real: Array, fake: Array) -> str:
    """What is wrong with the points ``[B, *x]`` of a penalty, in a sentence; empty if nothing is."""
    x, r, f = (array.reshape(len(array), -1) for array in (at, real, fake))
    if name in ("r1", "r2"):
        return _at_samples(name, x, r, f)
    if name == "dragan":
        return _near_real(settings, x, r, f)
    return _between(x, r, f)


def _same(left: Array, right: Array) -> bool:
    return bool(np.allclose(left, right, rtol=0, atol=_ROOM))


def _at_samples(name: str, x: Array, r: Array, f: Array) -> str:
    right, wrong, where = (r, f, "real") if name == "r1" else (f, r, "fake")
    if _same(x, right):
        return ""
    other = "fake" if where == "real" else "real"
    found = f"at the {other} samples" if _same(x, wrong) else "elsewhere"
    return f"the gradient is taken {found}, but {name.upper()} penalises it at the {where} samples"


def _between(x: Array, r: Array, f: Array) -> str:
    if _same(x, r) or _same(x, f):
        which = "real" if _same(x, r) else "fake"
        return f"the gradient is taken at the {which} samples, not between real and fake ones"
    share = (x - f) / (r - f)  # [B, n], from fake (0) to real (1)
    within = share.std(1)
    if within.max() > _ROOM * 10:
        mixed = share.min() > -_ROOM and share.max() < 1 + _ROOM
        if mixed and within.min() > _ROOM * 10:
            return "each number of a sample is mixed by a draw of its own: one draw per sample is right"
        return "the points do not lie between each real sample and its fake one"
    each = share.mean(1)
    if each.min() < -_ROOM or each.max() > 1 + _ROOM:
        return f"the points leave the lines between real and fake samples: shares from {each.min():.3g} to {each.max():.3g}"
    if each.std() < _ROOM:
        return "one draw mixes the whole batch: each sample needs one of its own"
    return ""


def _near_real(settings: Mapping[str, Any], x: Array, r: Array, f: Array) -> str:
    noise, moved = settings["noise"], x - r
    if _same(x, r):
        return "the real samples are not perturbed: the gradient is taken at them"
    if _same(x, f):
        return "the gradient is taken at the fake samples, not near the real ones"
    reach = settings["scale"] * (1.0 if noise == "gaussian" else float(r.std()))
    size = float(np.abs(moved).max())
    one_sided = bool((moved >= -_ROOM).all() or (moved <= _ROOM).all())
    if noise == "uniform_scaled":
        return ""  # clamped to [-1, 1]: both sides and any size may come of it
    if one_sided and noise != "uniform_onesided":
        side = "up" if moved.max() > _ROOM else "down"
        return f"the noise is one-sided: the real samples are only ever moved {side}"
    if not one_sided and noise == "uniform_onesided":
        return "the noise is two-sided: with noise=uniform_onesided the real samples are only ever moved up"
    if moved.std(1).min() < _ROOM:
        return "the noise is one number per sample: each number of a sample needs a draw of its own"
    if noise == "gaussian":
        ratio = float(moved.std()) / reach
        return (
            "" if 0.8 < ratio < 1.25 else f"the noise is {ratio:.3g} times as large as scale={settings['scale']:g} says"
        )
    if size > reach * 1.05:
        return (
            f"the perturbation is up to {size:.3g}, more than scale·σ = {reach:.3g} (σ: standard deviation of all numbers of "
            "the real batch)"
        )
    if size < reach * 0.8:
        return f"the perturbation is only up to {size:.3g}, less than scale·σ = {reach:.3g}"
    return ""
