"""Evaluating the members of a fleet: samples and scores in, one row of metrics per member out.

Legend: ``S`` members of a chunk, ``N`` samples, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from gantlet.data.base import Dataset
from gantlet.devices import arithmetic, to_doubles
from gantlet.metrics.base import MetricInput
from gantlet.metrics.compose import Composed
from gantlet.training.fleet import Fleet
from gantlet.training.history import Rows
from gantlet.training.sampling import LatentDraw, draw_latents, sample, scores

__all__ = ["FRESH_LATENTS", "TEST_LATENTS", "as_history", "evaluate"]

TEST_LATENTS = "latent/test"
"""The draw of every evaluation."""

FRESH_LATENTS = "latent/fresh"
"""The draw on which what was chosen by :data:`TEST_LATENTS` is evaluated again."""

_NUMBERS = 1 << 26
"""Numbers of fakes in memory at once: 256 MiB."""


def evaluate(
    fleet: Fleet, metrics: Composed, dataset: Dataset, slots: Sequence[int], count: int, *, latents: str = TEST_LATENTS
) -> list[dict[str, Any]]:
    """The metrics of some members; ``count`` fakes each, 0 for as many as each metric wants.

    All members are given the same latents, of the draw that is named ``latents``. A diverged member is evaluated in its last good state.
    """
    rows: list[dict[str, Any]] = [{} for _ in slots]
    with arithmetic(fleet.blueprint.execution.device):
        for part in [metrics] if count and metrics.metrics else metrics.by_samples():
            draw = draw_latents(fleet, count or part.samples, name=latents)
            for row, found in zip(rows, _rows(fleet, part, dataset, slots, draw), strict=True):
                row.update(found)
    return rows


def _rows(
    fleet: Fleet, metrics: Composed, dataset: Dataset, slots: Sequence[int], draw: LatentDraw
) -> list[dict[str, Any]]:
    generators = fleet.blueprint.makers
    rows: list[dict[str, Any]] = []
    for chunk, boundary in _chunks(fleet, slots, len(draw.latents) * dataset.train[0].numel()):
        fake = sample(fleet, draw, chunk)
        scored = boundary is not None and "scores" in metrics.needs
        made = to_doubles(fake.float())  # metrics are computed where the samples are, but need double precision
        columns = metrics(
            MetricInput(
                fake=made,
                fake_scores=to_doubles(scores(fleet, fake, chunk)) if scored else None,
                real_scores=to_doubles(scores(fleet, dataset.test, chunk)) if scored else None,
                boundary=boundary,
                owners=draw.owners_of(chunk).to(made.device) if generators > 1 else None,
            )
        )
        rows += [{name: values[place] for name, values in columns.items()} for place in range(len(chunk))]
    return rows


def as_history(step: int, slots: Sequence[int], rows: Sequence[dict[str, Any]]) -> Rows:
    """The numeric columns of an evaluation as rows of the long table."""
    history = Rows([], [], [], [])
    for slot, row in zip(slots, rows, strict=True):
        for name, value in row.items():
            if isinstance(value, (bool, int, float)):
                history.slot.append(slot)
                history.step.append(step)
                history.name.append(name)
                history.value.append(float(value))
    return history


def _chunks(fleet: Fleet, slots: Sequence[int], numbers: int) -> Iterator[tuple[list[int], float | None]]:
    """Members that fit into memory together and whose discriminators are undecided at the same score."""
    boundary = getattr(fleet.blueprint.objective, "boundary", None)
    undecided = [_of(boundary, slot) for slot in slots]
    most = max(1, _NUMBERS // max(1, numbers))
    chunk: list[int] = []
    for place, slot in enumerate(slots):
        if chunk and (len(chunk) == most or undecided[place] != undecided[place - 1]):
            yield chunk, undecided[place - 1]
            chunk = []
        chunk.append(slot)
    if chunk:
        yield chunk, undecided[-1]


def _of(boundary: float | Tensor | None, slot: int) -> float | None:
    if not isinstance(boundary, torch.Tensor):
        return boundary
    flat = boundary.flatten()
    return float(flat[slot if len(flat) > 1 else 0])
