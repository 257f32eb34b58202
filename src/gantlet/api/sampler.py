"""Samples of a trained member, in the data's own units: as arrays, tables or images. The training data are not needed.

Legend: ``N`` samples, ``*x`` sample shape, ``d`` columns.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

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

_NUMBERS = 1 << 20  # of samples that are made at once: networks keep many times as many in their layers


def draw_member(folder: Path, run: int, *, count: int, seed: int, by_generator: bool = False) -> tuple[Tensor, Tensor]:
    """Samples of a member in the data's own units, and who made them: ``[N, *x]`` float32 and ``[N]``.

    ``by_generator`` draws ``count`` samples of each generator, one after another.
    """
    member, samples, owners = _drawn(Store(folder), run, count=count, seed=seed, by_generator=by_generator)
    return restored(samples, member.record.sample), owners


def write_samples(
    folder: Path,
    run: int,
    *,
    out: Path | None,
    count: int = 25,
    seed: int = 1,
    by_generator: bool = False,
    trust: bool = False,
    notify: Callable[[int, int], object] = lambda done, total: None,
) -> Path:
    """Write samples and return where they are.

    ``*.png`` is one image, ``*.npy`` an array, ``*.csv`` a table with the data's own column names, anything else a folder
    of PNGs. ``notify`` is called with how many samples are done, and how many there will be: drawn, and then written one by
    one where each is a file.

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
    asked: dict[str, Any] = {"count": count, "seed": seed, "by_generator": by_generator}
    member, samples, owners = _drawn(Store(folder), run, notify=notify, **asked)
    target = out or inside(folder, "samples", str(run)) / f"seed-{seed}-n-{count}.png"
    specification, kind = member.record.sample, member.record.task.pictures
    if target.suffix == ".npy":
        write_whole(target, _npy(restored(samples, specification)))
    elif target.suffix == ".csv":
        _write_table(target, restored(samples, specification), specification)
    elif kind == "points":
        _write_points(target, samples, owners, specification, title=f"run {run}")
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
            notify(place + 1, len(samples))
    return target


def _drawn(
    store: Store,
    run: int,
    *,
    count: int,
    seed: int,
    by_generator: bool,
    notify: Callable[[int, int], object] = lambda done, total: None,
) -> tuple[StudyMember, Tensor, Tensor]:
    net, sheet, member = trained(store, run)
    team = sheet.makers
    z, owners = latents(sheet, count * team if by_generator else count, seed, net)
    if by_generator:
        owners = torch.arange(team).repeat_interleave(count)
    chunk = max(1024, _NUMBERS // math.prod(member.record.sample.shape))
    parts: list[Tensor] = []
    with torch.no_grad():
        for start in range(0, len(z), chunk):
            some = slice(start, start + chunk)
            parts.append((net(z[some], owners[some]) if isinstance(net, Team) else net(z[some])).float())
            notify(min(start + chunk, len(z)), len(z))
    return member, torch.cat(parts), owners


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
