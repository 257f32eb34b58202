"""The table behind the contract tests of penalties: each under a few options, and what is promised of it.

A new penalty in the catalogue needs a case, a promise, values for a fleet and its formula in ``penalty_restated`` (a test
says so); everything else follows.

Legend: ``S`` members, ``K`` generators of a team, ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from contracts.cases import Case

__all__ = ["PENALTIES", "PENALTY_MEMBERS", "PROMISES", "PenaltyCase", "Promise"]

Values = Mapping[str, Any]
DrawsWanted = dict[str, tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class PenaltyCase(Case):
    """A penalty under some options on samples of one shape, and the draws it wants there at K = 3 and B = 5."""

    shape: tuple[int, ...] = (2, 3)
    draws: DrawsWanted = field(default_factory=dict[str, tuple[str, tuple[int, ...]]])

    def __str__(self) -> str:
        return super().__str__() + ("-image" if len(self.shape) == 3 else "")


def penalty(
    name: str, draws: DrawsWanted | None = None, shape: tuple[int, ...] = (2, 3), **options: Any
) -> PenaltyCase:
    return PenaltyCase("penalty", name, options, shape=shape, draws=draws or {})


MIX: DrawsWanted = {"mix": ("uniform", (3, 5))}
PIXEL: DrawsWanted = {"pixel": ("uniform", (1, 5, 2, 3))}
SHARED: DrawsWanted = {**PIXEL, "share": ("uniform", (1, 5))}
NORMAL: DrawsWanted = {"pixel": ("normal", (1, 5, 2, 3))}
JITTER: DrawsWanted = {"real": ("normal", (1, 5, 2, 3))}
MOVES: DrawsWanted = {"real": ("uniform", (1, 5, 3))}
IMAGE = (2, 3, 4)

PENALTIES = (
    penalty("gradient", MIX),
    penalty("gradient", MIX, weight=0.7, target=0.0),
    penalty("gradient", MIX, weight=3.0, target=2.5),
    penalty("one-sided-gradient", MIX),
    penalty("one-sided-gradient", MIX, weight=0.7, target=0.3),
    penalty("max-gradient", MIX),
    penalty("max-gradient", MIX, weight=0.3),
    penalty("dragan", PIXEL),
    penalty("dragan", PIXEL, weight=0.7, target=0.4, scale=1.3),
    penalty("dragan", SHARED, noise="uniform_onesided", weight=3.0, scale=0.9),
    penalty("dragan", SHARED, noise="uniform_scaled", target=0.0, scale=0.7),
    penalty("dragan", NORMAL, noise="gaussian", scale=0.2),
    penalty("r1"),
    penalty("r1", weight=0.3),
    penalty("r2"),
    penalty("r2", weight=0.3),
    penalty("lecam"),
    penalty("lecam", weight=2.0, decay=0.7),
    penalty("pulling-away"),
    penalty("pulling-away", weight=2.0),
    penalty("orthogonal"),
    penalty("orthogonal", weight=0.5),
    penalty("orthogonal-generator"),
    penalty("orthogonal-generator", weight=0.5),
    penalty("consistency", JITTER),
    penalty("consistency", {**JITTER, "fake": ("normal", (3, 5, 2, 3))}, weight=0.7, fakes=True, jitter=0.4),
    penalty("consistency", MOVES, shape=IMAGE),
    penalty("consistency", {**MOVES, "fake": ("uniform", (3, 5, 3))}, shape=IMAGE, fakes=True, shift=1, weight=2.0),
)

WEIGHTS = (10.0, 0.0, 1.5, 3.0)
PENALTY_MEMBERS: dict[str, dict[str, tuple[float, float, float, float]]] = {
    "gradient": {"weight": WEIGHTS, "target": (1.0, 2.0, 0.0, 0.5)},
    "one-sided-gradient": {"weight": WEIGHTS, "target": (0.1, 0.2, 0.0, 0.5)},
    "max-gradient": {"weight": WEIGHTS},
    "dragan": {"weight": WEIGHTS, "target": (1.0, 2.0, 0.0, 0.5), "scale": (0.5, 1.0, 0.2, 0.0)},
    "r1": {"weight": WEIGHTS},
    "r2": {"weight": WEIGHTS},
    "lecam": {"weight": WEIGHTS, "decay": (0.99, 0.5, 0.0, 0.9)},
    "pulling-away": {"weight": WEIGHTS},
    "orthogonal": {"weight": WEIGHTS},
    "orthogonal-generator": {"weight": WEIGHTS},
    "consistency": {"weight": WEIGHTS, "jitter": (0.1, 0.2, 0.0, 0.7)},
}
"""Values for a fleet of four of every setting that varies."""


@dataclass(frozen=True)
class Promise:
    """What is declared of a penalty.

    ``trains`` says whom its gradient reaches. ``at_slope`` is the value at a linear critic of that slope, worked out on
    paper, where the slope alone decides.
    """

    label: str
    player: Literal["generator", "discriminator"] = "discriminator"
    requires: frozenset[str] = frozenset({"no_batch_statistics"})
    needs: frozenset[str] = frozenset()
    trains: Literal["critic", "fakes", "parameters"] = "critic"
    at_slope: Callable[[Values, float], float] | None = None


def two_sided(values: Values, slope: float) -> float:
    return values["weight"] * (slope - values["target"]) ** 2


def half_squared(values: Values, slope: float) -> float:
    return values["weight"] / 2 * slope**2


FREE = frozenset[str]()
OUTPUTS, PARAMETERS = frozenset({"outputs"}), frozenset({"parameters"})
PROMISES: dict[str, Promise] = {
    "gradient": Promise("gradient_penalty", at_slope=two_sided),
    "one-sided-gradient": Promise(
        "one_sided_penalty", at_slope=lambda values, slope: values["weight"] * max(0.0, slope - values["target"]) ** 2
    ),
    "max-gradient": Promise("max_gradient_penalty", at_slope=lambda values, slope: values["weight"] * slope**2),
    "dragan": Promise("dragan_penalty", at_slope=two_sided),
    "r1": Promise("r1_penalty", at_slope=half_squared),
    "r2": Promise("r2_penalty", at_slope=half_squared),
    "lecam": Promise("lecam_penalty", requires=FREE, needs=OUTPUTS | {"state"}),
    "pulling-away": Promise(
        "pulling_away", player="generator", requires=frozenset({"autoencoder"}), needs=OUTPUTS, trains="fakes"
    ),
    "orthogonal": Promise("orthogonal_penalty", requires=FREE, needs=PARAMETERS, trains="parameters"),
    "orthogonal-generator": Promise(
        "orthogonal_generator_penalty", player="generator", requires=FREE, needs=PARAMETERS, trains="parameters"
    ),
    "consistency": Promise("consistency_penalty", requires=FREE),
}
