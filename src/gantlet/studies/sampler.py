"""``gantlet sample``: a trained member's samples as a picture, an array, or single PNGs.

Legend: ``N`` samples, ``*x`` sample shape.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gantlet.data.base import Dataset
from gantlet.errors import BadValue, FolderInUse
from gantlet.files import write_whole
from gantlet.training.blueprint import Execution

from .build import blueprint
from .evaluation_pictures import on_scale
from .loading import Team, find_member, latents, load
from .parts import find_task
from .pictures import draw_images, draw_points
from .store import Store
from .workshop import Workshop, album_of

__all__ = ["draw_member", "write_samples"]


def draw_member(folder: Path, run: int, *, count: int, seed: int, by_generator: bool = False) -> tuple[Tensor, Tensor]:
    """Samples of a member and who made them: ``[N, *x]`` float32 and ``[N]``.

    ``by_generator`` draws ``count`` samples of each generator, one after another.
    """
    found = find_member(Store(folder), run)
    return _drawn(folder, run, Workshop().dataset(found.resolved), count=count, seed=seed, by_generator=by_generator)


def _drawn(
    folder: Path, run: int, dataset: Dataset, *, count: int, seed: int, by_generator: bool
) -> tuple[Tensor, Tensor]:
    found = find_member(Store(folder), run)
    net = load(folder, run=run)
    sheet = blueprint([(found.resolved, found.seed)], dataset, Execution())
    team = sheet.makers
    z, owners = latents(sheet, count * team if by_generator else count, seed, net)
    if by_generator:
        owners = torch.arange(team).repeat_interleave(count)
    with torch.no_grad():
        made = net(z, owners) if isinstance(net, Team) else net(z)
    return made.float(), owners


def write_samples(
    folder: Path, run: int, *, out: Path | None, count: int = 25, seed: int = 1, by_generator: bool = False
) -> Path:
    """Write samples and return where: ``*.png`` is one picture, ``*.npy`` an array, anything else a folder of PNGs.

    Raises:
        BadValue: Single PNGs of points, or a picture of points that are not in the plane.
        FolderInUse: The file or folder exists already.
        StoreError: It cannot be written.
    """
    store = Store(folder)
    found = find_member(store, run)
    task, _ = find_task(found.resolved.task)
    target = out or folder / "samples" / str(run) / f"seed-{seed}-n-{count}.png"
    if out is not None and (out.is_file() or (out.is_dir() and any(out.iterdir()))):
        raise FolderInUse(f"{out} exists already; nothing was written. Choose another --out.")
    dataset = Workshop().dataset(found.resolved)
    made, owners = _drawn(folder, run, dataset, count=count, seed=seed, by_generator=by_generator)
    if target.suffix == ".npy":
        _write_array(target, made)
    elif target.suffix == ".png" and task.pictures == "points":
        if made.shape[1:] != (2,):
            raise BadValue(f"Points with {made[0].numel()} coordinates cannot be drawn. Give --out FILE.npy.")
        extent = album_of(store, found.plan, task, dataset).extent
        draw_points(
            target,
            fake=made.numpy(),
            real=dataset.test[:4000].numpy(),
            title=f"run {run}",
            extent=(-extent, extent, -extent, extent),
            owners=owners.numpy() if len(owners.unique()) > 1 else None,
        )
    elif target.suffix == ".png":
        columns = min(count, 10) if by_generator else max(1, round(count**0.5))
        draw_images(
            target,
            on_scale(made, dataset).numpy(),
            columns=columns,
            generators=int(owners.max()) + 1 if by_generator else 1,
        )
    elif task.pictures == "points":
        raise BadValue(f"--out {target} is a folder for single PNGs, but points are drawn together. Give FILE.png.")
    else:
        for place, (image, owner) in enumerate(zip(on_scale(made, dataset), owners.tolist(), strict=True)):
            name = f"{place:06d}.png" if not by_generator else f"generator-{owner}-{place % count:06d}.png"
            draw_images(target / name, image[None].numpy(), columns=1)
    return target


def _write_array(path: Path, made: Tensor) -> None:
    content = io.BytesIO()
    np.save(content, made.numpy(), allow_pickle=False)
    write_whole(path, content.getvalue())
