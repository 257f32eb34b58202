"""How well samples cover a mixture of Gaussians whose modes are known.

Each sample goes to its nearest centre; it is of high quality within 3σ of it. A mode is covered by one sample of high
quality. The distribution over modes is that of *all* samples, see :mod:`gantlet.metrics.divergences`.

A perfect model has a share 1 - exp(-9/2) = 0.9889 of high quality in the plane, not 1.

Legend: ``S`` members, ``N`` fake samples, ``M`` modes, ``K`` generators of a team, ``P`` samples of a chunk, ``d``
dimensions.

Reference:
    | (α_D, α_G)-GANs (Welfert, Otstot, Kurri, Sankar, 2023), https://arxiv.org/abs/2302.14320
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from gantlet.data.base import Dataset
from gantlet.errors import BadData, BadValue

from .base import MetricColumn, MetricInput
from .divergences import DIVERGENCES, divergences
from .teams import SHARED_MODES, generators_of, shared_modes, tally

if TYPE_CHECKING:
    from gantlet.data.mixture import Mixture

__all__ = ["Counts", "MixtureMetric"]

_RADIUS = 3.0
"""Standard deviations within which a sample is of high quality."""

_CHUNK = 1 << 22
"""Distances held at once: 16 MiB."""


class Counts(NamedTuple):
    """Samples per mode; the last column, of index M, is of those that belong to no mode."""

    nearest: Tensor  # [S, K, M + 1], by generator
    close: Tensor  # [S, K, M + 1], those of high quality


@dataclass(frozen=True, eq=False)
class MixtureMetric:
    """Modes, quality and distribution over modes, against a mixture that is known exactly.

    A sample that is not finite (or so far away that its distance is not) belongs to no mode: it is never of high
    quality, and its mass lies where the mixture has none, so that ``reverse_kl`` is inf.

    Of teams alone it also reports how the generators share the work, see :mod:`gantlet.metrics.teams`: a mode belongs
    to the generator that made most of its samples of high quality (the first on a tie), so the numbers of
    ``modes_by_generator`` add up to ``modes``.

    Arguments:
        mixture: Centres ``[M, d]``, one ``sigma``, weights ``[M]``.
        samples: Fakes per member that it wants; it reports on as many as it is given.

    Raises:
        BadValue: ``samples`` is below 1, or the samples do not have d numbers.

    Example:
        >>> from gantlet.data.gaussians import Ring8
        >>> ring = Ring8().load()
        >>> result = MixtureMetric(ring.mixture)(MetricInput(fake=ring.test[None]))
        >>> result["modes"], result["success"], round(result["high_quality"][0], 2)
        ([8], [True], 0.99)
    """

    mixture: Mixture
    samples: int = 25_000

    needs: ClassVar[frozenset[str]] = frozenset({"samples", "owners", "mixture"})

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise BadValue(f"samples={self.samples} is out of range: expected 1 ≤ samples.")

    @classmethod
    def of(cls, dataset: Dataset) -> MixtureMetric:
        """Against the data set's own mixture.

        Raises:
            BadData: Its distribution is not known.
        """
        if dataset.mixture is None:
            raise BadData(
                "The metric 'mixture' counts the modes of a mixture that is known exactly, such as that of ring8; these "
                "data have none. Name another one, such as metrics=two-sample."
            )
        return cls(dataset.mixture)

    @property
    def columns(self) -> tuple[MetricColumn, ...]:
        """What it reports."""
        modes = len(self.mixture.centres)
        return (
            MetricColumn("modes", f"covered modes, of {modes}: at least one sample within 3σ", "higher"),
            *SHARED_MODES,
            MetricColumn(
                "high_quality", f"share of samples within 3σ of a centre; perfect: {self._perfect:.4f}", "higher"
            ),
            *DIVERGENCES,
            MetricColumn("success", f"all {modes} modes are covered", "higher"),
            MetricColumn("failure", "no mode is covered", "lower"),
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What a reader must know to compare the numbers with others."""
        return {
            "modes": len(self.mixture.centres),
            "sigma": float(self.mixture.sigma),
            "samples": self.samples,
            "high_quality_radius": f"{_RADIUS:g} sigma of the nearest centre",
            "high_quality_of_a_perfect_model": self._perfect,
            "distribution": "all samples by nearest centre, one added to each count; natural logarithm",
        }

    @property
    def _perfect(self) -> float:
        # ‖x - c‖²/σ² is χ² with d degrees of freedom; in the plane this is 1 - exp(-r²/2).
        half = torch.tensor([self.mixture.centres.shape[1] / 2, _RADIUS**2 / 2], dtype=torch.float64)
        return float(torch.special.gammainc(half[0], half[1]))

    def __call__(self, inputs: MetricInput) -> dict[str, list[Any]]:
        """One value per member and column."""
        counts = self._count(inputs)
        close = counts.close[..., :-1]  # [S, K, M]
        modes = (close.sum(1) > 0).sum(1)  # [S]
        result: dict[str, list[Any]] = {
            "modes": modes.tolist(),
            "high_quality": (close.sum((1, 2)).double() / inputs.fake.shape[1]).tolist(),
            **divergences(counts.nearest.sum(1), self.mixture.weights),
            "success": (modes == close.shape[2]).tolist(),
            "failure": (modes == 0).tolist(),
        }
        if inputs.owners is not None:
            result |= shared_modes(close, counts.nearest[..., :-1])
        return result

    @property
    def modes_are(self) -> str:
        """What the columns of :meth:`ownership` are."""
        return "mode"

    def ownership(self, inputs: MetricInput) -> Tensor:
        """Samples of high quality by generator and mode, ``[S, K, M]`` int64."""
        return self._count(inputs).close[..., :-1]

    def _count(self, inputs: MetricInput) -> Counts:
        fake, owners = self._points(inputs.fake), inputs.owners
        members, samples = fake.shape[:2]
        shape = (members, generators_of(inputs), len(self.mixture.centres) + 1)
        nearest, close = (torch.zeros(shape, dtype=torch.int64, device=fake.device) for _ in range(2))
        points = fake.reshape(-1, fake.shape[2])
        for part in self._parts(len(points)):
            mode, good = self._assign(points[part])
            member = torch.arange(part.start, part.stop, device=fake.device) // samples  # [P]
            owner = torch.zeros_like(member) if owners is None else owners.reshape(-1)[part].to(fake.device)
            tally(nearest, member=member, owner=owner, mode=mode)
            tally(close, member=member, owner=owner, mode=mode, times=good)
        return Counts(nearest, close)

    def _points(self, fake: Tensor) -> Tensor:  # [S, N, *x] -> [S, N, d]
        points, dimensions = fake.detach().flatten(2), self.mixture.centres.shape[1]
        if points.shape[2] != dimensions:
            raise BadValue(
                f"The samples have {points.shape[2]} numbers each, but the mixture lies in {dimensions} dimensions; "
                "give it samples of its own task."
            )
        return points

    def _parts(self, points: int) -> Iterator[slice]:
        size = max(1, _CHUNK // len(self.mixture.centres))
        return (slice(start, min(start + size, points)) for start in range(0, points, size))

    def _assign(self, points: Tensor) -> tuple[Tensor, Tensor]:  # [P, d] -> [P] int64, [P] bool
        """The nearest mode of each sample (M where it has none), and whether it is of high quality."""
        points = points.to(torch.promote_types(points.dtype, torch.float32))
        centres = self.mixture.centres.to(points)
        # By differences: torch's choice for many samples, ‖x‖² - 2x·c + ‖c‖², cancels far from the origin.
        distances = torch.cdist(points, centres, compute_mode="donot_use_mm_for_euclid_dist")
        distance, mode = distances.min(1)
        return mode.where(distance.isfinite(), len(centres)), distance <= _RADIUS * self.mixture.sigma
