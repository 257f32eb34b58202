"""The tables behind the contract tests: every objective under a few options.

A new name in the catalogue needs a line here (a test says so); everything else follows from the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gantlet.catalogue import find
from gantlet.settings import settings_of

__all__ = ["INF", "MEMBERS", "OBJECTIVES", "PAIRED", "Case", "name_of"]

INF = float("inf")


@dataclass(frozen=True)
class Case:
    """A part under some options; ``owner`` stands in for the class that the catalogue names (a mutant, say)."""

    family: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    owner: type | None = None

    def __str__(self) -> str:
        return "-".join([self.name, *(f"{key}={value}" for key, value in self.options.items())])

    @property
    def type(self) -> Any:
        return self.owner or find(self.family, self.name)

    @property
    def values(self) -> dict[str, Any]:
        """Every setting's value."""
        return {name: entry.default for name, entry in settings_of(self.type).items()} | dict(self.options)

    def build(self, **changes: Any) -> Any:
        return self.type(**{**self.options, **changes})


def name_of(entry: object) -> str:
    """The words by which pytest names a case or a check."""
    return getattr(entry, "__name__", str(entry))


def objective(name: str, **options: Any) -> Case:
    return Case("objective", name, options)


OBJECTIVES = (
    objective("vanilla"),
    objective("vanilla", saturating=True),
    objective("vanilla", smoothing=0.1),
    objective("least-squares"),
    objective("least-squares", saturating=True, a=-0.5),
    objective("least-squares", a=-1.0, b=1.0, c=0.0),
    objective("least-squares", a=0.3, b=-0.9, c=-2.0),
    objective("wasserstein"),
    objective("alpha"),
    objective("alpha", alpha_d=0.3, alpha_g=0.7, saturating=True),
    objective("alpha", alpha_d=1.0, alpha_g=1.0),
    objective("alpha", alpha_d=1.0, alpha_g=2.5, form="stable"),
    objective("alpha", alpha_d=3.0, alpha_g=1.0, saturating=True, form="stable"),
    objective("alpha", alpha_d=INF, alpha_g=INF),
    objective("alpha", alpha_d=INF, alpha_g=0.5, form="stable"),
    objective("hinge"),
    objective("relativistic"),
    objective("relativistic-average"),
    objective("energy"),
    objective("energy", margin=0.7),
    objective("energy", margin=0.7, hinge="batch"),
    objective("boundary-equilibrium"),
    objective("coulomb"),
    objective("coulomb", epsilon=0.4, dimension=4.5),
    objective("f-divergence"),
    objective("f-divergence", saturating=True),
    objective("f-divergence", divergence="reverse-kl"),
    objective("f-divergence", divergence="reverse-kl", saturating=True),
    objective("f-divergence", divergence="js"),
    objective("f-divergence", divergence="pearson"),
    objective("f-divergence", divergence="pearson", saturating=True),
    objective("f-divergence", divergence="neyman", saturating=True),
    objective("f-divergence", divergence="squared-hellinger"),
    objective("f-divergence", divergence="total-variation"),
    objective("f-divergence", divergence="alpha", saturating=True),
    objective("f-divergence", divergence="alpha", order_alpha=0.3),
    objective("f-divergence", divergence="alpha", order_alpha=1.0),
    objective("f-divergence", divergence="alpha", order_alpha=1.7),
    objective("f-divergence", divergence="alpha", order_alpha=3.0, saturating=True),
    objective("mmd"),
    objective("mmd", kernel="rational-quadratic"),
    objective("mmd", kernel="rational-quadratic", linear=True),
    objective("cramer"),
)

PAIRED = frozenset({"relativistic"})
"""The objectives that pair the i-th real sample with the i-th fake one, so that both batches have one size."""

MEMBERS: dict[str, dict[str, tuple[float, float, float, float]]] = {
    "vanilla": {"smoothing": (0.0, 0.1, 0.25, 0.4)},
    "least-squares": {"a": (0.0, -1.0, 0.5, 2.0), "b": (1.0, 1.5, -0.5, 3.0), "c": (0.2, 0.0, 1.0, -4.0)},
    "wasserstein": {},
    "alpha": {"alpha_d": (0.3, 1.0, 2.5, INF), "alpha_g": (1.0, INF, 0.6, 4.0)},
    "hinge": {},
    "relativistic": {},
    "relativistic-average": {},
    "energy": {"margin": (10.0, 0.2, 1.0, 0.5)},
    "boundary-equilibrium": {"gamma": (0.5, 0.3, 0.7, 1.0), "rate": (0.001, 0.1, 1.0, 0.5)},
    "coulomb": {"epsilon": (1.0, 0.5, 0.2, 3.0), "dimension": (3.0, 4.0, 2.5, 6.0)},
    "f-divergence": {"order_alpha": (0.3, 1.0, 1.7, 3.0)},
    "mmd": {},
    "cramer": {},
}
"""Values for a fleet of four of every setting that varies."""
