"""TensorBoard event files, if asked: ``tensorboard/<run>/`` with every point of the history, and histograms.

At evaluations there are histograms of what the discriminator says of test samples and of fakes (its logits, critic values,
energies or potentials). Points and histograms are written when their checkpoint is, so an interrupted and resumed study
holds each of them once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

from gantlet.errors import MissingExtra
from gantlet.training.fleet import Fleet
from gantlet.training.history import Rows
from gantlet.training.sampling import draw_latents, sample, scores

__all__ = ["Histogram", "check_tensorboard", "histograms", "write_events"]

_SAMPLES = 1024


@dataclass(frozen=True)
class Histogram:
    """The values of a named quantity of one slot at one step."""

    slot: int
    step: int
    name: str
    values: Tensor


def histograms(fleet: Fleet, test: Tensor, slots: Sequence[int]) -> list[Histogram]:
    """What the discriminators say of at most 1,024 test samples ``[N, *x]`` and as many fakes."""
    fake = sample(fleet, draw_latents(fleet, _SAMPLES), slots)
    said = {"score_fake": scores(fleet, fake, slots), "score_real": scores(fleet, test[:_SAMPLES], slots)}
    return [
        Histogram(slot, fleet.step, name, values[place].cpu())
        for name, values in said.items()
        for place, slot in enumerate(slots)
        if bool(values[place].isfinite().all())  # TensorBoard has no bin for nan
    ]


def check_tensorboard() -> None:
    """Make sure that event files can be written.

    Raises:
        MissingExtra: The package is not installed.
    """
    if find_spec("tensorboard") is None:
        raise MissingExtra("tensorboard", extra="tensorboard", purpose="--tensorboard")


def write_events(folder: Path, rows: Rows, runs: Mapping[int, int], seen: Sequence[Histogram] = ()) -> None:
    """Append the points of some slots to their runs' event files.

    Arguments:
        folder: The study's ``tensorboard`` folder.
        rows: Points of the history.
        runs: Slots to run numbers; other slots are left out.
        seen: Histograms of some slots.
    """
    from torch.utils.tensorboard import SummaryWriter

    writers = {slot: SummaryWriter(str(folder / str(run))) for slot, run in runs.items() if slot in set(rows.slot)}
    for entry in seen:
        if entry.slot in writers:
            writers[entry.slot].add_histogram(entry.name, entry.values, entry.step)
    for slot, step, name, value in zip(rows.slot, rows.step, rows.name, rows.value, strict=True):
        if slot in writers:
            writers[slot].add_scalar(name, value, step)
    for writer in writers.values():
        writer.close()
