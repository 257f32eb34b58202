"""Samples of a trained member, in the data's own units: as arrays, tables or images. The training data are not needed.

Legend: ``N`` samples, ``*x`` sample shape, ``d`` columns.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gantlet.data.csv_files import write_csv
from gantlet.data.specification import SampleSpec, restored
from gantlet.errors import BadValue, FolderInUse
from gantlet.figures.draw import draw_images, draw_points
from gantlet.figures.evaluation import on_scale
from gantlet.files import inside, write_whole
from gantlet.studies.members import StudyMember
from gantlet.studies.store import Store
from gantlet.studies.trust import allow

from .loading import Team, latents, trained

__all__ = ["draw_member", "write_samples"]


def draw_member(
    folder: Path, run: int, *, count: int, seed: int, by_generator: bool = False, step: int | str | None = None
) -> tuple[Tensor, Tensor]:
    """Samples of a member in the data's own units, and who made them: ``[N, *x]`` float32 and ``[N]``.

    ``by_generator`` draws ``count`` samples of each generator, one after another; ``step`` says with which of its weights
    (:func:`~gantlet.api.loading.load`).
    """
    member, samples, owners = _drawn(Store(folder), run, count=count, seed=seed, by_generator=by_generator, step=step)
    return restored(samples, member.record.sample), owners


def write_samples(
    folder: Path,
    run: int,
    *,
    out: Path | None,
    count: int = 25,
    seed: int = 1,
    by_generator: bool = False,
    step: int | str | None = None,
    trust: bool = False,
) -> Path:
    """Write samples and return where they are; ``step`` says with which of the member's weights, as in ``load``.

    ``*.png`` is one image, ``*.npy`` an array, ``*.csv`` a table with the data's own column names, anything else a folder
    of PNGs.

    Raises:
        BadValue: Single PNGs of points, an image of points that are not in the plane, a table of images.
        FolderInUse: The file or folder exists already.
        StoreError: It cannot be written.
    """
    if out is not None and (out.is_file() or (out.is_dir() and any(out.iterdir()))):
        raise FolderInUse(f"{out} exists already; nothing was written. Choose another --out.")
    if trust:
        record = Store(folder).record()
        allow(record.settings, record.key)
    member, samples, owners = _drawn(Store(folder), run, count=count, seed=seed, by_generator=by_generator, step=step)
    which = "" if step in (None, "last") else f"step-{step}-"
    target = out or inside(folder, "samples", str(run)) / f"{which}seed-{seed}-n-{count}.png"
    specification, kind = member.record.sample, member.record.task.pictures
    if target.suffix == ".npy":
        write_whole(target, _npy(restored(samples, specification)))
    elif target.suffix == ".csv":
        _write_table(target, restored(samples, specification), specification)
    elif kind == "points":
        title = f"run {run}" if step in (None, "last") else f"run {run}, step {step}"
        _write_points(target, samples, owners, specification, title=title)
    elif target.suffix == ".png":
        columns = min(count, 10) if by_generator else max(1, round(count**0.5))
        generators = int(owners.max()) + 1 if by_generator else 1
        draw_images(
            target, on_scale(samples, specification.pixel_range).numpy(), columns=columns, generators=generators
        )
    else:
        for place, (image, owner) in enumerate(
            zip(on_scale(samples, specification.pixel_range), owners.tolist(), strict=True)
        ):
            name = f"{place:06d}.png" if not by_generator else f"generator-{owner}-{place % count:06d}.png"
            draw_images(target / name, image[None].numpy(), columns=1)
    return target


def _drawn(
    store: Store, run: int, *, count: int, seed: int, by_generator: bool, step: int | str | None
) -> tuple[StudyMember, Tensor, Tensor]:
    net, sheet, member = trained(store, run, step=step)
    team = sheet.makers
    z, owners = latents(sheet, count * team if by_generator else count, seed, net)
    if by_generator:
        owners = torch.arange(team).repeat_interleave(count)
    with torch.no_grad():
        samples = net(z, owners) if isinstance(net, Team) else net(z)
    return member, samples.float(), owners


def _write_points(target: Path, samples: Tensor, owners: Tensor, specification: SampleSpec, *, title: str) -> None:
    if target.suffix != ".png":
        raise BadValue(
            f"--out {target} is a folder for single PNGs, but points are drawn together. Give FILE.png, FILE.npy or FILE.csv."
        )
    if specification.shape != (2,):
        raise BadValue(
            f"Points with {samples[0].numel()} coordinates cannot be drawn. Give --out FILE.npy or FILE.csv."
        )
    extent = specification.extent
    corners = torch.tensor([[-extent, -extent], [extent, extent]])
    (left, bottom), (right, top) = restored(corners, specification).tolist()
    draw_points(
        target,
        fake=restored(samples, specification).numpy(),
        real=np.zeros((0, 2)),
        title=title,
        extent=(left, right, bottom, top),
        owners=owners.numpy() if len(owners.unique()) > 1 else None,
    )


def _npy(samples: Tensor) -> bytes:
    content = io.BytesIO()
    np.save(content, samples.numpy(), allow_pickle=False)
    return content.getvalue()


def _write_table(target: Path, samples: Tensor, specification: SampleSpec) -> None:
    if len(specification.shape) != 1:
        raise BadValue(f"{target} would be a table, but samples are images. Give FILE.png, FILE.npy or a folder.")
    columns = list(specification.columns) or [f"x{place}" for place in range(specification.shape[0])]
    write_csv(target, samples.numpy(), columns)
