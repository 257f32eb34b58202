"""TensorBoard event files, if asked: ``tensorboard/<run>/`` with every point of the history, images, and histograms.

Each run has its settings as text and its networks as a graph at its first step, and its settings as hyper-parameters with its
final metrics (HParams) at its last. The images are those of ``samples/<run>/``, where the member has some.

At evaluations there are histograms of what the discriminator says of test samples and of fakes (its logits, critic values,
energies or potentials). Points and histograms are written just before their checkpoint, into files whose names say after which
step they begin. Who trains from a checkpoint withdraws those that begin there or later, so a study that was interrupted, even
by a kill, holds each of them once.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torch import Tensor

from gantlet.errors import MissingExtra
from gantlet.files import inside, write_whole
from gantlet.settings import Scalar
from gantlet.training.fleet import Fleet
from gantlet.training.history import Rows
from gantlet.training.sampling import draw_latents, sample, scores

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = [
    "Drawn",
    "Histogram",
    "check_tensorboard",
    "drawn",
    "histograms",
    "withdraw",
    "write_events",
    "write_final",
    "write_settings",
]

_EVENTS = "events.out.tfevents."
_AFTER = re.compile(r"\.after-(\d+)$")
_SAMPLES = 1024


@dataclass(frozen=True)
class Histogram:
    """The values of a named quantity of one slot at one step."""

    slot: int
    step: int
    name: str
    values: Tensor


@dataclass(frozen=True)
class Drawn:
    """The image of one slot's samples at one step: a PNG file."""

    slot: int
    step: int
    path: Path


def drawn(samples: Path, step: int, runs: Mapping[int, int]) -> list[Drawn]:
    """The images that were just drawn of some slots, in the study's ``samples`` folder."""
    places = [Drawn(slot, step, samples / str(run) / f"{step:09d}.png") for slot, run in runs.items()]
    return [place for place in places if place.path.is_file()]


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


def withdraw(folder: Path, runs: Iterable[int], step: int) -> None:
    """Delete the event files of runs that begin at a step or later: what is in them is trained again."""
    for run in runs:
        for path in inside(folder, str(run)).glob(f"{_EVENTS}*"):
            if (found := _AFTER.search(path.name)) and int(found[1]) >= step:
                path.unlink()


def write_settings(folder: Path, run: int, values: Mapping[str, Scalar], graph: bytes) -> None:
    """Write a run's settings as a table in text, and the serialised graph of its networks, as of step 0."""
    event = import_module("tensorboard.compat.proto.event_pb2").Event(graph_def=graph)
    rows = "\n".join(f"| {name} | {value} |" for name, value in values.items())
    with _appended(inside(folder, str(run)), 0) as writer:
        writer.add_text("settings", f"| key | value |\n| --- | --- |\n{rows}", 0)
        if writer.file_writer is not None:
            writer.file_writer.add_event(event)


def write_final(folder: Path, run: int, values: Mapping[str, Scalar], final: Mapping[str, Any], step: int) -> None:
    """Write a run's settings as hyper-parameters, with its final metrics."""
    numbers = {
        f"final/{name}": float(value)
        for name, value in final.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    with _appended(inside(folder, str(run))) as writer:
        writer.add_hparams(dict(values), numbers, run_name=".", global_step=step)


def write_events(
    folder: Path,
    begin: int,
    rows: Rows,
    runs: Mapping[int, int],
    seen: Sequence[Histogram] = (),
    images: Sequence[Drawn] = (),
) -> None:
    """Append the points of some slots to their runs' event files.

    Arguments:
        folder: The study's ``tensorboard`` folder.
        begin: The step after which the points begin.
        rows: Points of the history.
        runs: Slots to run numbers; other slots are left out.
        seen: Histograms of some slots.
        images: Images of some slots.
    """
    with ExitStack() as open_files:
        writers = {
            slot: open_files.enter_context(_appended(inside(folder, str(run)), begin))
            for slot, run in runs.items()
            if slot in set(rows.slot)
        }
        for entry in seen:
            if entry.slot in writers:
                writers[entry.slot].add_histogram(entry.name, entry.values, entry.step)
        for image in images:
            if image.slot in writers and image.path.is_file():
                with Image.open(image.path) as picture:
                    pixels = np.asarray(picture.convert("RGB"))
                writers[image.slot].add_image("samples", pixels, image.step, dataformats="HWC")
        for slot, step, name, value in zip(rows.slot, rows.step, rows.name, rows.value, strict=True):
            if slot in writers:
                writers[slot].add_scalar(name, value, step)


@contextmanager
def _appended(folder: Path, begin: int | None = None) -> Generator[SummaryWriter]:
    """A writer whose events stand behind all that a run's folder has; with the step after which they begin they can be withdrawn.

    TensorBoard reads the files of a folder in the order of their names, which begin with the second of their making; within
    one second the names of two files say nothing of their order (process 10002 comes before 9998). So the files are written
    elsewhere, and get a second of their own when they are moved to the folder, whole.
    """
    from torch.utils.tensorboard import SummaryWriter

    with tempfile.TemporaryDirectory() as aside:
        with SummaryWriter(aside) as writer:
            yield writer
        newest = max((_second(path) for path in folder.glob(f"{_EVENTS}*")), default=-1)
        for path in sorted(Path(aside).iterdir()):
            newest = max(newest + 1, _second(path))
            _, _, writing = path.name.removeprefix(_EVENTS).partition(".")
            after = "" if begin is None else f".after-{begin}"
            write_whole(folder / f"{_EVENTS}{newest:010d}.{writing}{after}", path.read_bytes())


def _second(path: Path) -> int:
    """The second of its making in an event file's name, -1 where it has none."""
    second, _, _ = path.name.removeprefix(_EVENTS).partition(".")
    return int(second) if second.isdecimal() else -1
