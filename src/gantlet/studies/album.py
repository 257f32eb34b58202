"""Pictures of some members at every evaluation, and at the end: ``samples/<run>/<step>.png`` and ``final.png``.

Images of a team stand in rows by generator, ten to a row, about a hundred in all; a column holds what the generators
make of one latent. Beside a team's last picture lies ``ownership.png``: who made the samples by which the metrics of the
end were judged, by generator and mode.

Legend: ``S`` members, ``K`` generators of a team, ``M`` modes, ``*x`` sample shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from gantlet.metrics.base import Outcome
from gantlet.metrics.teams import Owning
from gantlet.training.fleet import Fleet
from gantlet.training.sampling import LatentDraw, decision, draw_latents, sample

from .pictures import draw_images, draw_ownership, draw_points

if TYPE_CHECKING:
    from .runner import Job

__all__ = ["Album", "pictured_runs", "samples_of"]

_POINTS, _IMAGES, _COLUMNS = 4000, 25, 5
_TEAM_COLUMNS, _TEAM_ROWS = 10, 10


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
        """Draw their last picture, samples alone, and who of a team made what."""
        for slot in self._slots(job):
            self._draw(fleet, job, slot, final=True)
            if fleet.blueprint.makers > 1 and isinstance(job.metric, Owning):
                self._draw_ownership(fleet, job, slot, job.metric)

    def _slots(self, job: Job) -> list[int]:
        return [] if self.kind == "none" else [s for s in job.slots if job.fleet.slots[s] in self.runs]

    def _draw(self, fleet: Fleet, job: Job, slot: int, *, final: bool) -> None:
        path = self.folder / str(job.fleet.slots[slot]) / ("final.png" if final else f"{fleet.step:09d}.png")
        if self.kind == "images":
            _draw_images(path, fleet, slot)
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

    def _draw_ownership(self, fleet: Fleet, job: Job, slot: int, metric: Owning) -> None:
        count = int(job.plan.slots(job.fleet)[0][0].values["samples"]) or job.metric.samples
        draw = draw_latents(fleet, count)
        fake = sample(fleet, draw, [slot]).float()  # [1, N, *x]
        counts = metric.ownership(Outcome(fake=fake, owners=draw.owners_of([slot]).to(fake.device)))[0]  # [K, M]
        path = self.folder / str(job.fleet.slots[slot]) / "ownership.png"
        title = f"good samples, step {fleet.step:,}"
        draw_ownership(path, counts.cpu().numpy(), title=title, modes_are=metric.modes_are)


def _draw_images(path: Path, fleet: Fleet, slot: int) -> None:
    generators = fleet.blueprint.makers
    if generators == 1:
        draw_images(path, samples_of(fleet, slot, _IMAGES).numpy(), columns=_COLUMNS)
        return
    latents = draw_latents(fleet, _TEAM_COLUMNS * max(1, _TEAM_ROWS // generators)).latents
    owners = torch.arange(generators).repeat_interleave(len(latents))
    made = sample(fleet, LatentDraw(latents.repeat(generators, 1), owners), [slot])[0]
    draw_images(path, made.float().cpu().numpy(), columns=_TEAM_COLUMNS, generators=generators)


def samples_of(fleet: Fleet, slot: int, count: int) -> Tensor:
    """The first ``count`` test samples of one member, on the CPU, ``[count, *x]``."""
    return sample(fleet, draw_latents(fleet, count), [slot])[0].float().cpu()


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
