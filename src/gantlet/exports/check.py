"""Whether an exported generator makes what gantlet makes: 64 latents through both, and the largest difference.

Values of standardised columns are compared in units of the column (its deviation, or its mean where that is larger, as
single precision rounds relative to it); pixels, which are rounded, by how far they lie beyond half a level, as a share of the
range of [-1, 1]; all else as it is.

Legend: ``N`` latents, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gantlet.data.base import rescaled
from gantlet.errors import BadData, ExportMismatch
from gantlet.training.trained import TrainedGenerator

__all__ = ["CHECKED", "LARGEST", "Check", "Expected", "checked", "reference"]

CHECKED = 64
"""Latents that are compared; more where a team has more generators."""

LARGEST = 1e-4
"""The difference from which an export is wrong."""

_Runtime = Callable[[Tensor, Tensor], Tensor]
"""Samples of latents ``[N, latent]`` and generators ``[N]`` in another runtime; of one generator, the second is ignored."""


@dataclass(frozen=True)
class Check:
    """What a comparison found.

    Attributes:
        latents: How many were compared.
        difference: The largest one.
        runtime: Name and version of what ran the export.
    """

    latents: int
    difference: float
    runtime: str

    def __str__(self) -> str:
        return f"{self.latents} latents in {self.runtime}: the largest difference is {self.difference:.1e}"


@dataclass(frozen=True)
class Expected:
    """Latents, who makes them samples, and what gantlet makes of them; of pixels, before they are rounded."""

    latents: Tensor
    owners: Tensor
    samples: Tensor


def reference(generator: TrainedGenerator, latents: int | None = None) -> Expected:
    """What an export has to make, computed by the module itself in its own floating type.

    Arguments:
        generator: The generator.
        latents: How many; None for :data:`CHECKED`, or one for each generator of a larger team.

    Raises:
        BadData: The samples are not finite.
    """
    count = max(CHECKED, generator.makers) if latents is None else latents
    drawn, _ = generator.space.draw(count, 1)
    owners = torch.arange(count) % generator.makers
    place = next(generator.parameters(), drawn)
    raw = TrainedGenerator(
        generator.network, generator.space, generator.specification, "data" if generator.units == "data" else "network"
    ).eval()
    with torch.no_grad():
        samples = raw(drawn.to(place.dtype), owners).double()
    if not bool(samples.isfinite().all()):
        raise BadData("This run makes samples that are not finite; it diverged, and is not exported.")
    return Expected(drawn, owners, samples)


def checked(generator: TrainedGenerator, expected: Expected, run: _Runtime, runtime: str) -> Check:
    """Compare another runtime with gantlet, on all latents at once and on one alone.

    Raises:
        ExportMismatch: They differ by more than :data:`LARGEST`, or in shape.
    """
    made = run(expected.latents, expected.owners)
    alone = run(expected.latents[:1], expected.owners[:1])
    if made.shape != expected.samples.shape or alone.shape != expected.samples[:1].shape:
        raise ExportMismatch(
            f"{runtime} makes samples of shape {list(made.shape)}, gantlet {list(expected.samples.shape)}; nothing was written."
        )
    pairs = ((made, expected.samples), (alone, expected.samples[:1]))
    found = float(np.max([_difference(generator, *pair) for pair in pairs]))  # of nan and a number, nan
    if not found <= LARGEST:
        raise ExportMismatch(
            f"{runtime} makes other samples of the same latents: they differ by {found:.1e}, and at most {LARGEST:.0e} is "
            "allowed; nothing was written."
        )
    return Check(len(expected.latents), found, runtime)


def _difference(generator: TrainedGenerator, made: Tensor, expected: Tensor) -> float:
    specification = generator.specification
    if generator.units == "pixels":
        levels = rescaled(expected, was=specification.pixel_range, becomes=(0.0, 255.0)).clamp(0, 255)
        return float(((made.double() - levels).abs() - 0.5).clamp_min(0).max() / 127.5)
    apart = (made.double() - expected).abs()
    if generator.units == "data" and specification.standardised:
        columns = torch.tensor([specification.deviation, specification.mean], dtype=torch.float64).abs()
        apart = apart / columns.amax(0)
    return float(apart.max())
