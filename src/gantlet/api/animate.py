"""``gantlet animate``: a member's samples at every evaluation as an animation of its training.

The frames are ``samples/<run>/<step>.png`` by step, and ``final.png`` last.

Legend: ``T`` frames.
"""

from __future__ import annotations

from pathlib import Path

from gantlet.errors import BadValue
from gantlet.figures.animation import write_animation
from gantlet.files import inside
from gantlet.places import check_free
from gantlet.requests.keeping import parse_step
from gantlet.studies.members import member_fleet
from gantlet.studies.store import Store
from gantlet.studies.stored_weights import best_step

__all__ = ["animate", "frames_of"]


def animate(
    folder: Path,
    run: int,
    *,
    out: Path | None = None,
    seconds: float = 0.2,
    hold: float = 2.0,
    step: int | str | None = None,
) -> Path:
    """Join the images of a member to an animation and return where it is.

    Arguments:
        folder: A study folder.
        run: The member's number in the column ``run``.
        out: ``*.gif``, ``*.webp`` or ``*.mp4``; by default ``animation.gif`` beside the images, which is replaced.
        seconds: How long each frame is shown, 0.02 to 60; a GIF rounds it to hundredths.
        hold: How long the last one is shown; never shorter than the others.
        step: Where the animation ends: ``last`` or None, ``best``, or a number of generator updates.

    Raises:
        BadValue: There is no such run, no best of it was chosen, it has no images, or see :func:`~gantlet.figures.animation.write_animation`.
        BadData: An image cannot be read.
        FolderInUse: The file exists already.
        StoreError: The study cannot be read, or the animation cannot be written.
    """
    store = Store(folder)
    member_fleet(store, run)
    paths = frames_of(folder, run)
    if not paths:
        raise BadValue(f"Run {run} has no images in {folder}. {_with_images(folder)}")
    if (end := parse_step(step)) != "last":
        until = best_step(store, run) if end == "best" else int(end)
        paths = [path for path in paths if path.stem.isdecimal() and int(path.stem) <= until]
        if not paths:
            raise BadValue(f"Run {run} has no image of step {until:,} or before.")
    if out is not None:
        check_free(out, file=True)
    target = out or inside(folder, "samples", str(run)) / "animation.gif"
    write_animation(paths, target, seconds=seconds, hold=hold)
    return target


def frames_of(folder: Path, run: int) -> list[Path]:  # [T]
    """A member's images in the order in which they were drawn; empty where it has none."""
    place = inside(folder, "samples", str(run))
    steps = sorted((path for path in place.glob("*.png") if path.stem.isdecimal()), key=lambda path: int(path.stem))
    return [*steps, *place.glob("final.png")]


def _with_images(folder: Path) -> str:
    found = sorted(int(path.name) for path in (folder / "samples").glob("*") if path.name.isdecimal())
    runs = [run for run in found if frames_of(folder, run)]
    return f"Those with images are: {', '.join(map(str, runs))}." if runs else "No member of this study has any."
