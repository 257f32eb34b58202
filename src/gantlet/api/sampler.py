"""Samples of a trained member, in the data's own units: as arrays, tables or images. The training data are not needed.

The member is one of a study, or a model folder of ``gantlet export --format hub``.

Legend: ``N`` samples, ``*x`` sample shape, ``d`` columns.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gantlet.data.csv_files import write_csv
from gantlet.data.specification import SampleSpec, restored
from gantlet.errors import BadValue
from gantlet.exports.model_folder import read_model
from gantlet.figures.draw import draw_images, draw_points
from gantlet.figures.evaluation import on_scale
from gantlet.files import inside, write_whole
from gantlet.places import check_free, user_path, whole_folder
from gantlet.studies.model_record import is_model_folder
from gantlet.studies.store import Store
from gantlet.studies.trust import allow
from gantlet.training.trained import TrainedGenerator, latent_space

from .given import earlier_name, whole_number
from .latents import check_fits, read_latents, truncated, walk
from .loading import trained

__all__ = ["Drawable", "draw_member", "drawable", "interpolate", "write_drawn", "write_samples"]

_NOT_WRITTEN = re.compile(r"\.(jpe?g|webp|gif|bmp|tiff?|pdf|svg|npz|pt|tsv|txt|parquet|zip)", re.IGNORECASE)
"""Endings of files: a folder of such a name is not what anybody meant."""
_NUMBERS = 1 << 20  # of samples that are made at once: networks keep many times as many in their layers


@dataclass(frozen=True)
class Drawable:
    """A generator whose samples can be drawn and written.

    Attributes:
        generator: It makes samples in the networks' own units.
        pictures: How samples are drawn: ``points``, ``images`` or ``none``.
        title: Over a plot.
    """

    generator: TrainedGenerator
    pictures: str
    title: str

    @property
    def specification(self) -> SampleSpec:
        """What a sample looks like."""
        return self.generator.specification

    @torch.no_grad()
    def make(
        self, latents: Tensor, owners: Tensor, notify: Callable[[int, int], object] = lambda done, total: None
    ) -> Tensor:
        """Samples ``[N, *x]`` float32 of latents ``[N, latent]`` and generators ``[N]``; ``notify`` is told how many are done."""
        place = next(self.generator.parameters(), latents)
        chunk = max(1024, _NUMBERS // math.prod(self.specification.shape))
        parts: list[Tensor] = []
        for start in range(0, len(latents), chunk):
            some = slice(start, start + chunk)
            parts.append(self.generator(latents[some].to(place.dtype), owners[some]).float())
            notify(min(start + chunk, len(latents)), len(latents))
        return torch.cat(parts)


def drawable(folder: Path, run: int | None = None, *, step: int | str | None = None, trust: bool = False) -> Drawable:
    """The generator of a study's member, with its weights at ``step`` (:func:`~gantlet.api.loading.load`), or of a model folder.

    Raises:
        BadValue: There is no such run, or none was named in a study of several.
        StoreError: The study or folder cannot be read.
    """
    if is_model_folder(folder):
        if run:
            raise BadValue(f"There is no run {run} in {folder}: a model folder is one member, 0.")
        if step not in (None, "last"):
            raise BadValue(f"{folder} is a model folder, which has one set of weights: leave --step out.")
        generator, config = read_model(folder, units="network", trust=trust)
        return Drawable(generator, config.pictures, f"{config.method}, seed {config.seed}")
    store = Store(folder)
    record = store.record()
    if run is None and record.members > 1:
        raise BadValue(f"{folder} has {record.members} runs; name one, 0 to {record.members - 1}.")
    if trust:
        allow(record.settings, record.key)
    net, sheet, member = trained(store, run or 0, step=step)
    generator = TrainedGenerator(net, latent_space(sheet, net), member.sample, "network").eval()
    title = f"run {run or 0}" if step in (None, "last") else f"run {run or 0}, step {step}"
    return Drawable(generator, member.record.task.pictures, title)


def draw_member(
    folder: Path,
    run: int | None,
    *,
    n: int,
    seed: int,
    by_generator: bool = False,
    step: int | str | None = None,
) -> tuple[Tensor, Tensor]:
    """Samples of a member in the data's own units, and who made them: ``[N, *x]`` float32 and ``[N]``.

    ``by_generator`` draws ``n`` samples of each generator, one after another; ``step`` says with which of its weights
    (:func:`~gantlet.api.loading.load`).
    """
    source = drawable(folder, run, step=step)
    latents, owners = _latents(source, count=n, seed=seed, by_generator=by_generator)
    return restored(source.make(latents, owners), source.specification), owners


@earlier_name("count", "n")
def write_samples(  # noqa: PLR0913 - each argument is an option of the command line
    folder: str | Path,
    run: int | None = None,
    *,
    out: str | Path | None = None,
    n: int = 25,
    seed: int = 1,
    by_generator: bool = False,
    latents: str | Path | None = None,
    truncation: float | None = None,
    step: int | str | None = None,
    trust: bool = False,
    notify: Callable[[int, int], object] = lambda done, total: None,
) -> Path:
    """Write samples and return where they are; ``step`` says with which of the member's weights, as in ``load``.

    ``*.png`` is one image, ``*.npy`` an array, ``*.csv`` a table with the data's own column names, anything else a folder
    of PNGs. ``notify`` is called with how many samples are done, and how many there will be: drawn, and then written one by
    one where each is a file.

    Arguments:
        folder: A study, or a model folder.
        run: The member's number; None where there is one.
        out: Where to; by default in the study's ``samples``, or in the folder in which the command runs.
        n: How many; of each generator with ``by_generator``.
        seed: Of the latents.
        by_generator: Whether each generator makes ``n`` samples.
        latents: A ``.npy`` or ``.csv`` file with latents ``[N, latent]`` instead of drawn ones; a team's generators make a
            sample of each in turn with ``by_generator``.
        truncation: Keep each coordinate of drawn latents within ± this (:mod:`gantlet.api.latents`).
        trust: Whether parts of the study's author's own may run here.

    Raises:
        BadValue: Single PNGs of points, an image of points that are not in the plane, a table of images, or truncation of
            given latents; a file of another kind.
        BadData: The file of latents cannot be used.
        FolderInUse: The file or folder exists already.
        StoreError: It cannot be written.
    """
    place, chosen, given = user_path(folder), _path(out), _path(latents)
    n, seed = whole_number("n", n, low=1), whole_number("seed", seed, low=None)
    _check_free(chosen)
    source = drawable(place, run, step=step, trust=trust)
    z, owners = _latents(source, count=n, seed=seed, by_generator=by_generator, given=given, truncation=truncation)
    words = [] if step in (None, "last") else [f"step-{step}"]
    words += [f"seed-{seed}-n-{n}"] if given is None else [f"latents-{given.stem}"]
    words += [f"truncation-{truncation:g}"] if truncation is not None else []
    target = chosen or _default(place, run or 0, "-".join(words))
    makers = source.generator.makers if by_generator else 1
    each = len(z) // makers
    samples = source.make(z, owners, notify)
    write_drawn(target, source, samples, owners, groups=makers, columns=_columns(each, by_generator), notify=notify)
    return target


@earlier_name("count", "n")
def interpolate(  # noqa: PLR0913 - each argument is an option of the command line
    folder: str | Path,
    run: int | None = None,
    *,
    out: str | Path | None = None,
    latents: str | Path | None = None,
    n: int = 6,
    seed: int = 1,
    steps: int = 10,
    generator: int = 0,
    step: int | str | None = None,
    trust: bool = False,
) -> Path:
    """Write what a generator makes of the latents between given ones, and return where it is: a row from each to the next.

    Arguments:
        folder: A study, or a model folder.
        run: The member's number; None where there is one.
        out: As for :func:`write_samples`.
        latents: A ``.npy`` or ``.csv`` file with the latents to go between; None draws some.
        n: How many are drawn.
        seed: Of drawn latents.
        steps: Samples of a row, both ends included.
        generator: Of a team, the one that makes them.
        step: Which of the member's weights.
        trust: Whether parts of the study's author's own may run here.

    Raises:
        BadValue: Fewer than two latents or steps, or there is no such generator; see :func:`write_samples`, too.
        BadData: The file of latents cannot be used.
        FolderInUse: The file or folder exists already.
    """
    place, chosen, given = user_path(folder), _path(out), _path(latents)
    n, steps = whole_number("n", n), whole_number("steps", steps)
    seed = whole_number("seed", seed, low=None)
    _check_free(chosen)
    source = drawable(place, run, step=step, trust=trust)
    space = source.generator.space
    if not 0 <= generator < space.makers:
        raise BadValue(f"--generator {generator}: this run has generators 0 to {space.makers - 1}.")
    if given is None:
        check_fits(n, space.dimension, source.specification.shape)
    ends = space.draw(n, seed)[0] if given is None else read_latents(given, space.dimension)
    check_fits(len(ends) * steps, space.dimension, source.specification.shape)
    between = walk(ends, space, steps).flatten(0, 1)
    owners = torch.full((len(between),), generator)
    which = "" if step in (None, "last") else f"step-{step}-"
    name = f"{which}interpolation-{f'seed-{seed}' if given is None else given.stem}"
    target = chosen or _default(place, run or 0, name)
    write_drawn(target, source, source.make(between, owners), owners, columns=steps)
    return target


def write_drawn(
    target: Path,
    source: Drawable,
    samples: Tensor,
    owners: Tensor,
    *,
    columns: int,
    groups: int = 1,
    notify: Callable[[int, int], object] = lambda done, total: None,
) -> None:
    """Write samples ``[N, *x]`` in the networks' units, by the ending of the file: see :func:`write_samples`.

    Arguments:
        target: Where to.
        source: Whose samples they are.
        samples: They.
        owners: Who made each, ``[N]``.
        columns: Of an image grid.
        groups: Parts of a grid that stand apart, one for each generator.
        notify: Told how many are written, where each is a file.
    """
    specification = source.specification
    ending = target.suffix.lower()
    if ending == ".npy":
        write_whole(target, _npy(restored(samples, specification)))
    elif ending == ".csv":
        _write_table(target, restored(samples, specification), specification)
    elif source.pictures == "points":
        _write_points(target, samples, owners, specification, title=source.title)
    elif ending == ".png":
        shades = on_scale(samples, specification.pixel_range).numpy()
        draw_images(target, shades, columns=columns, generators=groups)
    else:
        with whole_folder(target) as fresh:
            _write_images(fresh, on_scale(samples, specification.pixel_range), owners, groups, notify)


def _write_images(
    folder: Path, shades: Tensor, owners: Tensor, groups: int, notify: Callable[[int, int], object]
) -> None:
    """Write images ``[N, C, H, W]`` in [0, 1], a file each."""
    each = len(shades) // groups
    for place, (image, owner) in enumerate(zip(shades, owners.tolist(), strict=True)):
        name = f"{place:06d}.png" if groups == 1 else f"generator-{owner}-{place % each:06d}.png"
        draw_images(folder / name, image[None].numpy(), columns=1)
        notify(place + 1, len(shades))


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else user_path(given)


def _check_free(out: Path | None) -> None:
    if out is not None and _NOT_WRITTEN.fullmatch(out.suffix):
        raise BadValue(
            f"--out {out} ends like a file of a kind that is not written. Give FILE.png, FILE.npy, FILE.csv or a folder."
        )
    if out is not None:
        check_free(out, file=out.suffix.lower() in (".png", ".npy", ".csv"))


def _default(folder: Path, run: int, name: str) -> Path:
    """Where samples go if nobody says: into the study, whose views they are; not into a model folder, which is whole."""
    if is_model_folder(folder):
        target = Path(f"{folder.resolve().name}-{name}.png")
        _check_free(target)
        return target
    return inside(folder, "samples", str(run)) / f"{name}.png"


def _columns(count: int, by_generator: bool) -> int:
    return min(count, 10) if by_generator else max(1, round(count**0.5))


def _latents(
    source: Drawable,
    *,
    count: int,
    seed: int,
    by_generator: bool,
    given: Path | None = None,
    truncation: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Latents ``[N, latent]`` and who makes each a sample, ``[N]``."""
    space = source.generator.space
    if given is not None:
        if truncation is not None:
            raise BadValue("--truncation is of drawn latents; those of --latents are taken as they are. Leave one out.")
        z = read_latents(given, space.dimension)
        if by_generator:
            return z.repeat(space.makers, 1), torch.arange(space.makers).repeat_interleave(len(z))
        return z, space.draw(len(z), seed)[1]
    total = count * space.makers if by_generator else count
    check_fits(total, space.dimension, source.specification.shape)
    z, owners = space.draw(total, seed)
    if truncation is not None:
        z = truncated(z, space, truncation)
    if by_generator:
        owners = torch.arange(space.makers).repeat_interleave(count)
    return z, owners


def _write_points(target: Path, samples: Tensor, owners: Tensor, specification: SampleSpec, *, title: str) -> None:
    if target.suffix.lower() != ".png":
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
