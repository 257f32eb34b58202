"""Pictures of some members at every evaluation, and at the end: ``samples/<run>/<step>.png`` and ``final.png``.

Beside the last picture of images lie ``interpolation.png`` and ``neighbours.png``, and beside that of each setting's first
member ``real.png`` (see :mod:`gantlet.studies.evaluation_pictures`). Beside a team's last picture lies ``ownership.png``:
who made the samples by which the metrics of the end were judged, by generator and mode.

Legend: ``N`` samples, ``K`` generators of a team, ``M`` modes, ``*x`` sample shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from gantlet.metrics.base import MetricInput
from gantlet.metrics.teams import Owning
from gantlet.training.fleet import Fleet
from gantlet.training.sampling import decision, draw_latents, sample

from .evaluation_pictures import draw_grid, draw_interpolation, draw_neighbours, draw_real
from .pictures import draw_ownership, draw_points

if TYPE_CHECKING:
    from .runner import Job

__all__ = ["Album", "pictured_runs"]

_POINTS = 4000


@dataclass(frozen=True)
class Album:
    """Where pictures go, and of whom.

    Attributes:
        folder: The study's ``samples`` folder.
        runs: The members that are pictured.
        kind: How samples look; ``none`` draws nothing.
        extent: Half the side of the window for points.
    """

    folder: Path
    runs: frozenset[int]
    kind: Literal["points", "images", "none"]
    extent: float = 2.0

    def page(self, fleet: Fleet, job: Job) -> None:
        """Draw the pictured members of a fleet at its current step."""
        for slot in self._slots(job):
            self._draw(fleet, job, slot, final=False)

    def final(self, fleet: Fleet, job: Job) -> None:
        """Draw their last picture, samples alone; of images what else they are judged by; and who of a team made what."""
        for slot in self._slots(job):
            self._draw(fleet, job, slot, final=True)
            if self.kind == "images":
                self._draw_evaluation(fleet, job, slot)
            if fleet.blueprint.makers > 1 and job.metric.owning is not None:
                self._draw_ownership(fleet, job, slot, job.metric.owning)

    def _slots(self, job: Job) -> list[int]:
        return [] if self.kind == "none" else [s for s in job.slots if job.fleet.slots[s] in self.runs]

    def _draw(self, fleet: Fleet, job: Job, slot: int, *, final: bool) -> None:
        path = self.folder / str(job.fleet.slots[slot]) / ("final.png" if final else f"{fleet.step:09d}.png")
        if self.kind == "images":
            draw_grid(path, fleet, slot, job.dataset)
            return
        draw = draw_latents(fleet, _POINTS)
        draw_points(
            path,
            fake=sample(fleet, draw, [slot])[0].float().cpu().numpy(),
            real=job.dataset.test[:_POINTS].numpy(),
            title=f"step {fleet.step:,}",
            extent=(-self.extent, self.extent, -self.extent, self.extent),
            decision=None if final else _map(fleet, slot, self.extent),
            owners=draw.owners_of([slot])[0].numpy() if fleet.blueprint.makers > 1 else None,
        )

    def _draw_evaluation(self, fleet: Fleet, job: Job, slot: int) -> None:
        run = job.fleet.slots[slot]
        place = self.folder / str(run)
        draw_interpolation(place / "interpolation.png", fleet, slot, job.dataset)
        draw_neighbours(place / "neighbours.png", fleet, slot, job.dataset)
        if run == self._first_like(run, job):
            draw_real(place / "real.png", fleet, job.dataset)

    def _first_like(self, run: int, job: Job) -> int:
        """The first pictured run of this one's setting."""
        settings = {member.run: member.setting for member in job.plan.members}
        return min(other for other in self.runs if settings.get(other) == settings[run])

    def _draw_ownership(self, fleet: Fleet, job: Job, slot: int, metric: Owning) -> None:
        count = int(job.plan.slots(job.fleet)[0][0].values["samples"]) or metric.samples
        draw = draw_latents(fleet, count)
        fake = sample(fleet, draw, [slot]).float()  # [1, N, *x]
        counts = metric.ownership(MetricInput(fake=fake, owners=draw.owners_of([slot]).to(fake.device)))[0]  # [K, M]
        path = self.folder / str(job.fleet.slots[slot]) / "ownership.png"
        title = f"good samples, step {fleet.step:,}"
        draw_ownership(path, counts.cpu().numpy(), title=title, modes_are=metric.modes_are)


def pictured_runs(settings: int, seeds: int, *, most: int = 8) -> frozenset[int]:
    """The first members of each setting, about ``most`` in all and at least one of each of the first 32 settings.

    Runs are numbered setting by setting.

    Example:
        >>> sorted(pictured_runs(2, 100))
        [0, 1, 2, 3, 100, 101, 102, 103]
    """
    each = min(seeds, max(1, most // settings))
    return frozenset(place * seeds + seed for place in range(min(settings, 32)) for seed in range(each))


def _map(fleet: Fleet, slot: int, extent: float) -> tuple[object, object, object, str]:
    xs, ys, values = (tensor.float().cpu() for tensor in decision(fleet, slot, extent))
    # The field draws a logistic discriminator as a probability, any other as its raw score.
    probability = getattr(fleet.blueprint.objective, "logistic", False)
    return (
        xs.numpy(),
        ys.numpy(),
        (torch.sigmoid(values) if probability else values).numpy(),
        ("probability" if probability else "score"),
    )
