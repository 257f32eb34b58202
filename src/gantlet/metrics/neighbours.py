"""NearestOther neighbours among many vectors, tile by tile: never a whole matrix of distances.

Distances are taken as ‖x‖² - 2⟨x, y⟩ + ‖y‖² of float64 vectors from which a common mean was taken off, so that what
cancels is small; the features themselves stay float32.

Legend: ``n``, ``m`` samples, ``d`` features, ``k`` neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gantlet.errors import BadValue

__all__ = ["NearestOther", "distance_tiles", "nearest_of", "neighbour_radii"]

_ROWS, _COLUMNS = 1024, 4096


class NearestOther(NamedTuple):
    """The nearest of other samples."""

    distance: Tensor  # [n] float64
    place: Tensor  # [n] int64


def distance_tiles(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """The squared Euclidean distances, some rows at a time.

    Arguments:
        x: ``[n, d]``.
        y: ``[m, d]``.

    Yields:
        Which rows of x, and their distances ``[rows, m]`` float64 to all of y.

    Example:
        >>> [tile.tolist() for _, tile in distance_tiles(torch.tensor([[0.0], [3.0]]), torch.tensor([[1.0]]))]
        [[[1.0], [4.0]]]
    """
    centre = y.mean(0, dtype=torch.float64)
    for start in range(0, len(x), _ROWS):
        rows = x[start : start + _ROWS].double() - centre
        norms = rows.square().sum(1, keepdim=True)
        tiles: list[Tensor] = []
        for part in y.split(_COLUMNS):
            columns = part.double() - centre
            tiles.append((norms + columns.square().sum(1) - 2 * rows @ columns.T).clamp_min_(0))
        yield slice(start, start + len(rows)), torch.cat(tiles, 1)


def nearest_of(x: Tensor, y: Tensor, *, others: bool = False) -> NearestOther:  # [n, d], [m, d]
    """The nearest of y for every x.

    Arguments:
        x: ``[n, d]``.
        y: ``[m, d]``.
        others: x and y are the same samples, and none is its own neighbour.

    Example:
        >>> nearest_of(torch.tensor([[0.0], [9.0]]), torch.tensor([[1.0], [7.0]])).distance
        tensor([1., 2.], dtype=torch.float64)
    """
    distances: list[Tensor] = []
    indices: list[Tensor] = []
    for rows, tile in distance_tiles(x, y):
        if others:
            tile[torch.arange(len(tile)), torch.arange(rows.start, rows.stop)] = torch.inf
        found = tile.min(1)
        distances.append(found.values.sqrt())
        indices.append(found.indices)
    return NearestOther(torch.cat(distances), torch.cat(indices))


def neighbour_radii(x: Tensor, ks: Sequence[int]) -> Tensor:  # [n, d] -> [n, len(ks)]
    """The squared distance of each sample to its k-th nearest other sample, for several k.

    Raises:
        BadValue: There are not more than k samples.

    Example:
        >>> neighbour_radii(torch.tensor([[0.0], [1.0], [3.0]]), [1, 2]).round().tolist()
        [[1.0, 9.0], [1.0, 4.0], [4.0, 9.0]]
    """
    if not 1 <= min(ks) <= max(ks) < len(x):
        raise BadValue(f"k={max(ks)} is out of range: expected 1 ≤ k < {len(x)}, the number of samples.")
    found: list[Tensor] = []
    for rows, tile in distance_tiles(x, x):
        # Exactly zero, whatever rounding left: each sample is then the nearest of itself.
        tile[torch.arange(len(tile)), torch.arange(rows.start, rows.stop)] = 0.0
        smallest = tile.topk(max(ks) + 1, dim=1, largest=False).values
        found.append(smallest[:, list(ks)])
    return torch.cat(found)
