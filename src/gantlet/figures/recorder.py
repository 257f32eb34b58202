"""Images of some members' samples at every evaluation, and at the end: ``samples/<run>/<step>.png`` and ``final.png``.

Image data also get ``interpolation.png`` and ``neighbours.png`` at the end, and each setting's first member gets ``real.png``
(see :mod:`gantlet.figures.evaluation`). A team also gets ``ownership.png``: how many of the samples that the last evaluation
used came from each generator, by mode.

Legend: ``N`` samples, ``K`` generators of a team, ``M`` modes, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from gantlet.data.base import Dataset
from gantlet.files import inside
from gantlet.metrics.base import MetricInput
from gantlet.metrics.teams import Owning
from gantlet.training.fleet import Fleet
from gantlet.training.sampling import decision, draw_latents, sample

from .draw import draw_ownership, draw_points
from .evaluation import draw_grid, draw_interpolation, draw_neighbours, draw_real

__all__ = ["SampleRecorder", "recorded_runs"]

_POINTS = 4000


@dataclass(frozen=True)
class SampleRecorder:
    """Where images of samples are written, and for which members.

    Attributes:
        folder: The study's ``samples`` folder.
        runs: The members whose samples are drawn.
        kind: How samples look; ``none`` draws nothing.
        extent: Half the side of the window for points.
        first_of_settings: The first drawn run of each setting, beside which real samples are drawn.
    """

    folder: Path
    runs: frozenset[int]
    kind: Literal["points", "images", "none"]
    extent: float = 2.0
    first_of_settings: frozenset[int] = frozenset()

    def record(self, fleet: Fleet, members: Mapping[int, int], dataset: Dataset) -> None:
        """Draw the chosen members of a fleet at its current step; ``members`` are slots and their run numbers."""
        for slot, run in self._drawn(members):
            self._draw(fleet, slot, dataset, inside(self.folder, str(run), f"{fleet.step:09d}.png"), final=False)

    def final(
        self, fleet: Fleet, members: Mapping[int, int], dataset: Dataset, metric: Owning | None, samples: int
    ) -> None:
        """Draw their last image, the other images of image data, and which generator of a team made what.

        Arguments:
            fleet: After its last step.
            members: Slots and their run numbers.
            dataset: What the fleet was trained on.
            metric: Counts which generator of a team made what; None for none.
            samples: How many samples of a member it counts; 0: its own number.
        """
        for slot, run in self._drawn(members):
            place = inside(self.folder, str(run))
            self._draw(fleet, slot, dataset, place / "final.png", final=True)
            if self.kind == "images":
                draw_interpolation(place / "interpolation.png", fleet, slot, dataset)
                draw_neighbours(place / "neighbours.png", fleet, slot, dataset)
                if run in self.first_of_settings:
                    draw_real(place / "real.png", fleet, dataset)
            if fleet.blueprint.makers > 1 and metric is not None:
                _draw_ownership(place / "ownership.png", fleet, slot, metric, samples or metric.samples)

    def _drawn(self, members: Mapping[int, int]) -> list[tuple[int, int]]:
        return [] if self.kind == "none" else [(slot, run) for slot, run in members.items() if run in self.runs]

    def _draw(self, fleet: Fleet, slot: int, dataset: Dataset, path: Path, *, final: bool) -> None:
        if self.kind == "images":
            draw_grid(path, fleet, slot, dataset)
            return
        draw = draw_latents(fleet, _POINTS)
        draw_points(
            path,
            fake=sample(fleet, draw, [slot])[0].float().cpu().numpy(),
            real=dataset.test[:_POINTS].numpy(),
            title=f"step {fleet.step:,}",
            extent=(-self.extent, self.extent, -self.extent, self.extent),
            decision=None if final else _map(fleet, slot, self.extent),
            owners=draw.owners_of([slot])[0].numpy() if fleet.blueprint.makers > 1 else None,
        )


def _draw_ownership(path: Path, fleet: Fleet, slot: int, metric: Owning, samples: int) -> None:
    draw = draw_latents(fleet, samples)
    fake = sample(fleet, draw, [slot]).float()  # [1, N, *x]
    counts = metric.ownership(MetricInput(fake=fake, owners=draw.owners_of([slot]).to(fake.device)))[0]  # [K, M]
    title = f"good samples, step {fleet.step:,}"
    draw_ownership(path, counts.cpu().numpy(), title=title, modes_are=metric.modes_are)


def recorded_runs(settings: Mapping[int, int], *, most: int = 8) -> frozenset[int]:
    """The first members of each setting, about ``most`` in all and at least one of each of the first 32 settings; or none.

    Arguments:
        settings: The setting of each run, by position in the study.
        most: About how many.

    Example:
        >>> sorted(recorded_runs({run: run // 100 for run in range(200)}))
        [0, 1, 2, 3, 100, 101, 102, 103]
    """
    runs: dict[int, list[int]] = {}
    for run, setting in sorted(settings.items()):
        runs.setdefault(setting, []).append(run)
    each = max(1, most // max(1, len(runs))) if most else 0
    return frozenset(run for setting, own in runs.items() if setting < 32 for run in own[:each])


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
