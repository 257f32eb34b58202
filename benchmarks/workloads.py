"""The networks and sizes that are measured: the (α_D, α_G) experiment on the ring, and two smaller pairs on it.

Legend: ``S`` members.

Reference:
    | Addressing GAN training instabilities via tunable classification losses (Welfert et al., 2023),
      https://arxiv.org/abs/2310.18291
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import cast

from gantlet.data.base import Dataset
from gantlet.requests.grid import axes_from_mapping
from gantlet.requests.resolve import Request, Resolved, expand
from gantlet.studies.build import blueprint
from gantlet.training.blueprint import Blueprint, Execution, Route
from gantlet.training.fleet import Fleet

__all__ = ["MIDDLE", "NARROW", "RING", "WORKLOADS", "Workload", "dataset", "fleet", "measured_route", "resolved"]

LATENT = POINT = 2


@dataclass(frozen=True)
class Workload:
    """A pair of fully connected networks, and how many are trained.

    ``goal`` is the least ratio of member-steps per second to the plain loop's that is asked for.

    Example:
        >>> NARROW.discriminator_sizes
        (2, 32, 32, 32, 32, 1)
    """

    name: str
    depth: int
    g_width: int
    d_width: int
    batch: int
    members: int
    goal: float

    @property
    def generator_sizes(self) -> tuple[int, ...]:
        """From the latent to the point."""
        return (LATENT, *[self.g_width] * self.depth, POINT)

    @property
    def discriminator_sizes(self) -> tuple[int, ...]:
        """From the point to the score."""
        return (POINT, *[self.d_width] * self.depth, 1)

    def __str__(self) -> str:
        return f"{self.depth}×{self.g_width} / {self.depth}×{self.d_width}, batch {self.batch}"


RING = Workload("ring", depth=4, g_width=400, d_width=200, batch=128, members=8, goal=2.0)
NARROW = Workload("narrow", depth=4, g_width=32, d_width=32, batch=64, members=32, goal=12.0)
MIDDLE = Workload("middle", depth=2, g_width=128, d_width=128, batch=128, members=32, goal=4.0)
WORKLOADS = {workload.name: workload for workload in (RING, NARROW, MIDDLE)}


def resolved(workload: Workload, *, reuse_fake: bool = True) -> Resolved:
    """The setting as ``gantlet run ring8 alpha --preset seed g_width=… …`` resolves it."""
    keys = {
        "g_depth": workload.depth,
        "d_depth": workload.depth,
        "g_width": workload.g_width,
        "d_width": workload.d_width,
        "batch_size": workload.batch,
        "reuse_fake": reuse_fake,
        "drop_last": True,  # as in the plain loop; and batches of one size are what a static step takes
    }
    (setting,) = expand(Request("ring8", ("alpha",), tuple(axes_from_mapping(keys)), presets=("seed",)))
    return setting


def dataset(setting: Resolved) -> Dataset:
    """The data of a setting: 50,000 training points."""
    return setting.source.load()


def fleet(workload: Workload, members: int, *, first_seed: int = 1, reuse_fake: bool = True) -> Fleet:
    """Members of a workload with consecutive seeds, on the :func:`measured_route`."""
    setting = resolved(workload, reuse_fake=reuse_fake)
    data = dataset(setting)
    slots = [(setting, first_seed + place) for place in range(members)]
    route = measured_route("captured" if members > 1 else "loop")
    sheet: Blueprint = blueprint(slots, data.specification, Execution(route=route))
    return Fleet(sheet, data)


def measured_route(usual: Route) -> Route:
    """The route that ``GANTLET_BENCH_ROUTE`` says, or else the one that a study would choose."""
    return cast(Route, os.environ.get("GANTLET_BENCH_ROUTE") or usual)
