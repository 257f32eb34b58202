r"""Images of a member that runs on image data: its samples, real images on the same grid, and two checks for memorisation.

All are drawn from one fixed batch of latents, the same at every checkpoint, for every member and in every image: the
*grid*. A grid holds 25 images in rows of five; of a team, rows of ten by generator, about a hundred in all, where a column
holds what the generators make of one latent.

``interpolation.png``
    Walks between latents of the grid in ten steps, whose ends are samples of the grid. For a normal prior along the great
    circle, since a straight line would leave the shell that normal latents are on; with the angle ω between the ends
    :math:`a` and :math:`b`,

    .. math::
        z(t) = \frac{\sin((1 - t) ω)}{\sin ω} a + \frac{\sin(t ω)}{\sin ω} b ,

    for a uniform one on the straight line, which stays in the cube. A generator that has learned the data changes gradually
    from one plausible image into another; one that has memorised images jumps. A row each for five pairs of latents, or
    for each generator of a team, all between the same two.
``neighbours.png``
    The first ten samples of the grid (of a team, its generators in turn), and beneath each its five nearest *training*
    images by Euclidean distance of pixels, nearest first: a copy stands above its original. (A copy that was moved by
    some pixels does not, which this distance cannot see.)
``real.png``
    As many test images as the grid has, in its rows, picked by a fixed key, since the first of a file may be of one class.

Images are drawn on the scale of their data: where these are in [0, 1], so is a sample, and values outside that range (a
generator that ends in tanh has them) are clipped.

Legend: ``K`` generators of a team, ``n`` latents, ``N`` images, ``T`` steps, ``k`` neighbours, ``*x`` sample shape.

Reference:
    | Sampling generative networks (White, 2016), https://arxiv.org/abs/1609.04468
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from gantlet.data.base import Dataset, Range
from gantlet.errors import BadValue
from gantlet.randomness import keyed_generator
from gantlet.training.batch_loader import POOL_SEED
from gantlet.training.fleet import Fleet
from gantlet.training.sampling import LatentDraw, draw_latents, sample

from .draw import draw_beneath, draw_images

__all__ = [
    "Neighbours",
    "draw_grid",
    "draw_interpolation",
    "draw_neighbours",
    "draw_real",
    "interpolated",
    "nearest",
    "on_scale",
]

_IMAGES, _COLUMNS = 25, 5
_TEAM_COLUMNS, _TEAM_ROWS = 10, 10
_PAIRS, _STEPS = 5, 10
_QUERIES, _NEIGHBOURS = 10, 5
_PARALLEL = 1e-6  # the sine of an angle below which there is no circle to walk along
_NUMBERS = 1 << 24  # floats of the training pool at once: 64 MiB
_SPARE = 4  # times as many candidates as neighbours: single precision ranks them, double precision decides


@dataclass(frozen=True)
class _Grid:
    """The latents that a member's images show, ``[n, latent]``, and how they are laid out."""

    latents: Tensor
    generators: int
    columns: int

    def made(self, fleet: Fleet, slot: int) -> Tensor:  # [K, n, *x]
        return _made(fleet, slot, self.latents, self.generators)


def draw_grid(path: Path, fleet: Fleet, slot: int, dataset: Dataset) -> None:
    """Draw what a member makes of the grid's latents: ``<step>.png`` and ``final.png``.

    Raises:
        BadValue: Samples are not images ``[1 or 3, height, width]``.
        StoreError: The file cannot be written.
    """
    grid = _grid(fleet)
    made = on_scale(grid.made(fleet, slot), dataset.pixel_range).flatten(0, 1)
    draw_images(path, made.numpy(), columns=grid.columns, generators=grid.generators)


def draw_real(path: Path, fleet: Fleet, dataset: Dataset) -> None:
    """Draw as many test images as a grid has, in its rows: ``real.png``; fewer where there are fewer."""
    grid = _grid(fleet)
    order = torch.randperm(len(dataset.test), generator=keyed_generator(POOL_SEED, 0, "test/pictured"))
    picked = dataset.test[order[: grid.generators * len(grid.latents)]]
    draw_images(path, on_scale(picked, dataset.pixel_range).numpy(), columns=grid.columns)


def draw_interpolation(path: Path, fleet: Fleet, slot: int, dataset: Dataset) -> None:
    """Draw what a member makes of latents between those of the grid: ``interpolation.png``."""
    grid = _grid(fleet)
    pairs = _PAIRS if grid.generators == 1 else 1
    ends = grid.latents[: 2 * pairs].unflatten(0, (pairs, 2))  # [pairs, 2, latent]
    between = interpolated(ends[:, 0], ends[:, 1], _STEPS, prior=fleet.blueprint.prior)  # [pairs, T, latent]
    made = _made(fleet, slot, between.flatten(0, 1), grid.generators).flatten(0, 1)
    draw_images(path, on_scale(made, dataset.pixel_range).numpy(), columns=_STEPS)


def draw_neighbours(path: Path, fleet: Fleet, slot: int, dataset: Dataset) -> None:
    """Draw the first samples of a member's grid over their nearest training images: ``neighbours.png``.

    Of a pool that is streamed, the nearest of its fixed sample.
    """
    made = _grid(fleet).made(fleet, slot).transpose(0, 1).flatten(0, 1)[:_QUERIES].cpu()  # generators in turn
    found = dataset.floats(dataset.train[nearest(made, dataset, _NEIGHBOURS).places])  # [N, k, *x]
    draw_beneath(path, on_scale(made, dataset.pixel_range).numpy(), on_scale(found, dataset.pixel_range).numpy())


def interpolated(first: Tensor, last: Tensor, steps: int, *, prior: Literal["normal", "uniform"]) -> Tensor:
    """Latents from ``first`` to ``last``, each ``[*n, latent]`` -> ``[*n, T, latent]``; the ends are exactly these.

    Along the great circle for a normal prior (and straight where the ends are parallel, which fixes no circle), on the
    straight line for a uniform one.

    Raises:
        BadValue: Fewer than two steps.

    Example:
        >>> interpolated(torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0]), 3, prior="normal")
        tensor([[3.0000, 0.0000],
                [2.1213, 2.1213],
                [0.0000, 3.0000]])
    """
    if steps < 2:
        raise BadValue(f"A walk between two latents has at least its 2 ends, not {steps} steps.")
    ahead = torch.linspace(0, 1, steps, dtype=torch.float64)  # [T]
    back = 1 - ahead
    a, b = first.double(), last.double()
    if prior == "uniform":
        return (back[:, None] * a.unsqueeze(-2) + ahead[:, None] * b.unsqueeze(-2)).to(first.dtype)
    cosine = (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1))  # [*n], nan where an end is the origin
    angle = cosine.clamp(-1, 1).acos().unsqueeze(-1)  # [*n, 1]
    curved = angle.sin() > _PARALLEL
    of_a = torch.where(curved, (back * angle).sin() / angle.sin(), back).unsqueeze(-1)  # [*n, T, 1]
    of_b = torch.where(curved, (ahead * angle).sin() / angle.sin(), ahead).unsqueeze(-1)
    return (of_a * a.unsqueeze(-2) + of_b * b.unsqueeze(-2)).to(first.dtype)


class Neighbours(NamedTuple):
    """The nearest training images of some images: their places in the pool and how far they are, ``[N, k]``."""

    places: Tensor
    distances: Tensor


def nearest(images: Tensor, dataset: Dataset, count: int) -> Neighbours:
    """The nearest training images by Euclidean distance of pixels, nearest first; fewer than ``count`` of a smaller pool.

    Arguments:
        images: On the scale that networks see, ``[N, *x]``; nan counts as 0.
        dataset: Whose ``train`` is searched, in pieces of 64 MiB.
        count: k.

    Returns:
        Places int64 and distances float64, on the CPU; equal ones in the order of the pool.

    Example:
        >>> data = Dataset(train=torch.tensor([[[[0.0]]], [[[3.0]]], [[[4.0]]]]), test=torch.zeros(1, 1, 1, 1))
        >>> nearest(torch.tensor([[[[3.25]]]]), data, 2)
        Neighbours(places=tensor([[1, 2]]), distances=tensor([[0.2500, 0.7500]], dtype=torch.float64))
    """
    queries = images.detach().cpu().float().nan_to_num().flatten(1)  # [N, d]
    close = torch.empty(len(queries), 0)
    place = torch.empty(len(queries), 0, dtype=torch.int64)
    for start, piece in _pieces(dataset):
        # ‖x - y‖² = ‖x‖² - 2 x·y + ‖y‖², and ‖x‖² ranks nothing
        far = piece.square().sum(1) - 2 * queries @ piece.T  # [N, piece]
        close, place = torch.cat([close, far], 1), torch.cat([place, _places(far, start)], 1)
        close, kept = close.topk(min(_SPARE * count, close.shape[1]), largest=False)
        place = place.gather(1, kept)
    place = place.sort().values
    candidates = dataset.floats(dataset.train[place]).flatten(2)  # [N, candidates, d]
    distance = (candidates.double() - queries.double().unsqueeze(1)).norm(dim=-1)
    distance, order = distance.sort(dim=1, stable=True)
    return Neighbours(place.gather(1, order)[:, :count], distance[:, :count])


def on_scale(images: Tensor, pixel_range: Range) -> Tensor:
    """Images on the scale of their data, drawn from black to white as [-1, 1]; float32 on the CPU.

    Example:
        >>> on_scale(torch.tensor([0.0, 0.25, 1.0]), (0.0, 1.0))
        tensor([-1.0000, -0.5000,  1.0000])
    """
    low, high = pixel_range
    shades = images.detach().float().cpu()
    return shades if (low, high) == (-1.0, 1.0) else (shades - low) * (2 / (high - low)) - 1


def _grid(fleet: Fleet) -> _Grid:
    generators = fleet.blueprint.makers
    if generators == 1:
        return _Grid(draw_latents(fleet, _IMAGES).latents, 1, _COLUMNS)
    latents = draw_latents(fleet, _TEAM_COLUMNS * max(1, _TEAM_ROWS // generators)).latents
    return _Grid(latents, generators, _TEAM_COLUMNS)


def _made(fleet: Fleet, slot: int, latents: Tensor, generators: int) -> Tensor:  # [n, latent] -> [K, n, *x]
    owners = torch.arange(generators).repeat_interleave(len(latents))
    made = sample(fleet, LatentDraw(latents.repeat(generators, 1), owners), [slot])[0]
    return made.unflatten(0, (generators, len(latents)))


def _pieces(dataset: Dataset) -> Iterator[tuple[int, Tensor]]:  # [piece, d] float32
    rows = max(1, _NUMBERS // dataset.train[0].numel())
    for start in range(0, len(dataset.train), rows):
        yield start, dataset.floats(dataset.train[start : start + rows]).flatten(1)


def _places(far: Tensor, start: int) -> Tensor:
    return torch.arange(start, start + far.shape[1]).expand_as(far)
