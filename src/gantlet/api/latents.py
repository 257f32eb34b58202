"""Latents by choice: from a file, truncated, or on the way from one to the next.

Truncation keeps each coordinate of a latent within ±t: samples become more typical and less varied. Under the prior N(0, 1) a
latent z moves to :math:`Φ^{-1}(Φ(-t) + Φ(z)(Φ(t) - Φ(-t)))`, which is distributed as a normal one that was drawn again until
it lay within ±t, and changes with t gradually; under U[-1, 1] to :math:`t z`.

Legend: ``N`` latents, ``T`` steps of a walk.

Reference:
    | Large scale GAN training for high fidelity natural image synthesis (Brock et al., 2019; truncation),
      https://arxiv.org/abs/1809.11096
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gantlet.data.csv_files import read_csv
from gantlet.errors import BadData, BadValue
from gantlet.figures.evaluation import interpolated
from gantlet.training.memory import available_memory
from gantlet.training.trained import LatentSpace

__all__ = ["check_fits", "read_latents", "truncated", "walk"]

_MOST = 1 << 28  # numbers in a file


def check_fits(count: int, latent: int, shape: Sequence[int]) -> None:
    """See that so many samples fit into memory before any is drawn: a machine that promises too much of it ends programs.

    Raises:
        BadValue: They do not.
    """
    needed = 4 * count * (2 * latent + 3 * math.prod(shape))  # float32: latents, samples, and copies of both
    free = available_memory(torch.device("cpu"))
    if needed > free:
        raise BadValue(
            f"{count:,} samples take some {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free. Draw fewer at a time, each part "
            "with a seed of its own."
        )


def read_latents(path: str | Path, dimension: int) -> Tensor:  # -> [N, latent] float32
    """Latents from a ``.npy`` or ``.csv`` file, one in each row.

    Raises:
        BadData: The file cannot be read, or does not hold finite numbers in rows of the latent dimension.
        BadValue: It has another ending.
    """
    place = Path(path)
    if place.suffix == ".csv":
        values = read_csv(place).values
    elif place.suffix == ".npy":
        try:
            values = np.load(place, allow_pickle=False, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise BadData(f"{place} cannot be read as an array: {error}.") from None
    else:
        raise BadValue(f"Latents are read from FILE.npy or FILE.csv, not from {place}.")
    if values.ndim == 1:
        values = values[None]
    if values.ndim != 2 or values.shape[1] != dimension or not len(values) or values.size > _MOST:
        raise BadData(
            f"{place} holds an array of shape {list(values.shape)}; expected latents of this generator, [N, {dimension}]."
        )
    if values.dtype.kind not in "fiu":
        raise BadData(f"{place} holds {values.dtype} values; expected numbers.")
    found = torch.from_numpy(np.array(values, dtype=np.float32))
    if not bool(found.isfinite().all()):
        raise BadData(f"{place} holds numbers that are not finite.")
    return found


def truncated(latents: Tensor, space: LatentSpace, limit: float) -> Tensor:
    """Latents of the prior as those of the truncated prior, ``[N, latent]`` -> ``[N, latent]``.

    Raises:
        BadValue: The limit is not above 0, or above 1 for U[-1, 1].

    Example:
        >>> z = torch.tensor([[-3.0, 0.0, 1.0]])
        >>> truncated(z, LatentSpace(3, "normal"), 0.5).abs().max() < 0.5
        tensor(True)
        >>> truncated(torch.tensor([[-1.0, 0.5]]), LatentSpace(2, "uniform"), 0.5)
        tensor([[-0.5000,  0.2500]])
    """
    if not limit > 0 or not math.isfinite(limit):
        raise BadValue(f"Truncation at {limit:g} leaves no latents: expected a number above 0.")
    if space.prior == "uniform":
        if limit > 1:
            raise BadValue(
                f"Latents of U[-1, 1] lie within ±1; truncation at {limit:g} changes nothing. Give at most 1."
            )
        return latents * limit
    z = latents.double()
    low, high = (torch.special.ndtr(torch.tensor(bound, dtype=torch.float64)) for bound in (-limit, limit))
    return torch.special.ndtri(low + torch.special.ndtr(z) * (high - low)).clamp(-limit, limit).to(latents.dtype)


def walk(ends: Tensor, space: LatentSpace, steps: int) -> Tensor:  # [N, latent] -> [N - 1, T, latent]
    """The ways from each latent to the next: on the great circle for N(0, 1), straight for U[-1, 1]; ends included.

    Raises:
        BadValue: Fewer than two latents or steps.
    """
    if len(ends) < 2:
        raise BadValue("An interpolation needs at least two latents to go between.")
    return interpolated(ends[:-1], ends[1:], steps, prior=space.prior)
