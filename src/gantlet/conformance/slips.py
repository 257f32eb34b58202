"""Slips of the pen that are an objective's own: a square, an absolute value or a hinge that was forgotten.

Legend: ``B`` batch, ``l`` scores of real (``r``) and fake (``f``) samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .doors import Array

__all__ = ["SLIPS", "Slip"]

_Arrays = Mapping[str, Array]
_Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Slip:
    """A loss with one thing wrong: how it reads, and its value for scores and settings."""

    words: str
    loss: Callable[[_Arrays, _Settings], float]


def _mean(terms: Array) -> float:
    return float(terms.mean())


def _log_loss(score: Array) -> Array:
    return np.logaddexp(0, -score)  # -log σ(l)


SLIPS: Mapping[tuple[str, str], tuple[Slip, ...]] = {
    ("vanilla", "discriminator"): (
        Slip(
            "both real and fake scores have the label real in {loss}: 1 - σ(l) is missing in the fake term",
            lambda a, _: _mean(_log_loss(a["real"])) + _mean(_log_loss(a["fake"])),
        ),
        Slip(
            "the logarithm is missing in {loss}",
            lambda a, _: _mean(-np.exp(-_log_loss(a["real"]))) - _mean(np.exp(-_log_loss(-a["fake"]))),
        ),
    ),
    ("least-squares", "discriminator"): (
        Slip(
            "the square is missing in {loss}",
            lambda a, s: 0.5 * _mean(a["real"] - s["b"]) + 0.5 * _mean(a["fake"] - s["a"]),
        ),
        Slip(
            "{loss} has the absolute error in place of its square",
            lambda a, s: 0.5 * _mean(np.abs(a["real"] - s["b"])) + 0.5 * _mean(np.abs(a["fake"] - s["a"])),
        ),
    ),
    ("least-squares", "generator"): (
        Slip("the square is missing in {loss}", lambda a, s: 0.5 * _mean(a["fake"] - s["c"])),
        Slip(
            "{loss} has the absolute error in place of its square", lambda a, s: 0.5 * _mean(np.abs(a["fake"] - s["c"]))
        ),
    ),
    ("wasserstein", "discriminator"): (
        Slip(
            "{loss} has absolute values of the scores", lambda a, _: _mean(np.abs(a["fake"])) - _mean(np.abs(a["real"]))
        ),
        Slip("{loss} is the distance's absolute value", lambda a, _: abs(_mean(a["real"]) - _mean(a["fake"]))),
    ),
    ("hinge", "discriminator"): (
        Slip("the hinge is missing in {loss}: max(0, ·)", lambda a, _: _mean(1 - a["real"]) + _mean(1 + a["fake"])),
    ),
    ("hinge", "generator"): (
        Slip(
            "{loss} has a hinge, which only the discriminator's has", lambda a, _: _mean(np.maximum(0, 1 - a["fake"]))
        ),
    ),
    ("energy", "discriminator"): (
        Slip(
            "the hinge is missing in {loss}: max(0, margin - energy)",
            lambda a, s: _mean(a["real"]) + _mean(s["margin"] - a["fake"]),
        ),
        Slip(
            "in {loss} the hinge is taken of the mean energy, not sample by sample",
            lambda a, s: _mean(a["real"]) + max(0.0, s["margin"] - _mean(a["fake"])),
        ),
    ),
    ("boundary-equilibrium", "discriminator"): (
        Slip("the weight k is missing in {loss}", lambda a, _: _mean(a["real"]) - _mean(a["fake"])),
        Slip("in {loss} k has the wrong sign", lambda a, _: _mean(a["real"]) + float(a["k"]) * _mean(a["fake"])),
        Slip(
            "in {loss} k stands at the real energy, not at the fake one",
            lambda a, _: float(a["k"]) * _mean(a["real"]) - _mean(a["fake"]),
        ),
    ),
    ("coulomb", "generator"): (Slip("{loss} has the wrong sign", lambda a, _: _mean(a["fake"])),),
}
