"""The tables behind the contract tests: every objective, penalty and network family under a few options.

A new name in the catalogue needs a line here (a test says so); everything else follows from the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gantlet.catalogue import find
from gantlet.networks.base import Family
from gantlet.settings import settings_of

__all__ = ["FAMILIES_OF_NETWORKS", "INF", "MEMBERS", "OBJECTIVES", "PENALTIES", "Case", "NetworkCase"]

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


def objective(name: str, **options: Any) -> Case:
    return Case("objective", name, options)


OBJECTIVES = (
    objective("vanilla"),
    objective("vanilla", saturating=True),
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
)

PENALTIES = (
    Case("penalty", "gradient"),
    Case("penalty", "gradient", {"weight": 0.7, "target": 0.0}),
    Case("penalty", "gradient", {"weight": 3.0, "target": 2.5}),
)

MEMBERS: dict[str, dict[str, tuple[float, float, float, float]]] = {
    "vanilla": {},
    "least-squares": {"a": (0.0, -1.0, 0.5, 2.0), "b": (1.0, 1.5, -0.5, 3.0), "c": (0.2, 0.0, 1.0, -4.0)},
    "wasserstein": {},
    "alpha": {"alpha_d": (0.3, 1.0, 2.5, INF), "alpha_g": (1.0, INF, 0.6, 4.0)},
    "gradient": {"weight": (10.0, 0.0, 1.5, 3.0), "target": (1.0, 2.0, 0.0, 0.5)},
}
"""Values for a fleet of four of every setting that varies."""


@dataclass(frozen=True)
class NetworkCase:
    """A family, the shapes it is tried on, and counted parameters (latent, shape, generator, discriminator)."""

    name: str
    family: Family
    shapes: tuple[tuple[int, ...], ...] = ((2,), (1, 6, 5))
    counts: tuple[tuple[int, tuple[int, ...], int, int], ...] = ()

    def __str__(self) -> str:
        return f"{self.name}-{self.family}"


def network(name: str, *, shapes: Any = ((2,), (1, 6, 5)), counts: Any = (), **options: Any) -> NetworkCase:
    return NetworkCase(name, find("network", name)(**options), shapes, counts)


IMAGES = ((1, 28, 28), (3, 28, 28))
# dcgan28 by hand: G 16·(16·49) + 2·16 + 16·8·16 + 2·8 + (8·1·16 + 1), D (1·8·16 + 8) + 8·16·16 + 2·16 + (16·49 + 1).
FAMILIES_OF_NETWORKS = (
    network("mlp", counts=[(2, (2,), 483_202, 121_401)]),
    network("mlp", g_width=8, g_depth=0, d_width=8, d_depth=1, output="tanh", counts=[(3, (2,), 8, 33)]),
    network("stackelberg-mixture", counts=[(2, (2,), 82, 133_121)]),
    network("stackelberg-mixture", g_hidden=32, output="linear", counts=[(2, (2,), 162, 133_121)]),
    network("stackelberg-mixture", g_hidden=128, counts=[(2, (2,), 642, 133_121)]),
    network("stackelberg-mixture", g_hidden=128, g_depth=4, counts=[(2, (2,), 692_354, 133_121)]),
    network("branch-mixture", counts=[(2, (2,), 695_938, 133_121)]),
    network("branch-mixture", g_hidden=8, d_hidden=8, bn_eps=0.8),
    network("fc-mnist", counts=[(96, (1, 28, 28), 1_952_528, 267_009)]),
    network("dcgan28", width=8, shapes=IMAGES, counts=[(16, (1, 28, 28), 14_769, 3_001)]),
    network("dcgan28", width=8, d_norm="layer", g_norm="none", shapes=IMAGES),
    network("dcgan28", width=8, d_norm="none", shapes=IMAGES),
)
