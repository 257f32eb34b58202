r"""The Fréchet distance of many features: moments piece by piece, its sampling error, and published reference statistics.

Sums are float64 around the first piece's mean, so that nothing cancels; of 50,000 × 2,048 features nothing is held beside
two covariances and one piece. The sampling error is a delete-a-group jackknife: with g = 10 groups of both sides left out
in turn,

.. math::
    \mathrm{se}^2 = \frac{g - 1}{g} \sum_i (d^2_{(i)} - \bar{d^2})^2

It says how much the number would differ with other samples of the same size; it does not contain the bias, which makes
every Fréchet distance of few samples too large, and which the distance between real and real of that size shows.

Legend: ``N`` samples, ``n`` of a piece, ``d`` features.

Reference:
    | GANs trained by a two time-scale update rule (Heusel et al., 2017), https://arxiv.org/abs/1706.08500, equation 6
    | The jackknife and bootstrap (Shao, Tu, 1995), section 2.3: groups
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from gantlet.errors import BadData, BadValue
from gantlet.files import write_whole

from .distances import Moments, fixed_order, frechet

__all__ = [
    "GROUPS",
    "RunningMoments",
    "check_statistics_name",
    "frechet_error",
    "moments_of",
    "read_statistics",
    "write_statistics",
]

GROUPS = 10
_PIECE = 4096
_NAMES = ("mu", "sigma")
_WRITTEN = (".npz", ".pt")


@dataclass
class RunningMoments:
    """Mean and covariance of features that come in pieces; ``d`` float64 numbers squared are all that it holds.

    Example:
        >>> running = RunningMoments.of(2)
        >>> for piece in torch.tensor([[[0.0, 1.0]], [[2.0, 3.0]]]):
        ...     running.add(piece)
        >>> running.moments().covariance
        tensor([[2., 2.],
                [2., 2.]], dtype=torch.float64)
    """

    count: int
    shift: Tensor  # [d], the first piece's mean
    total: Tensor  # [d]
    products: Tensor  # [d, d]

    @classmethod
    def of(cls, dimension: int, device: torch.device | None = None) -> Self:
        """Of nothing yet, for features on a device."""
        zeros = torch.zeros(dimension, dtype=torch.float64, device=device)
        return cls(0, zeros, zeros.clone(), zeros.new_zeros(dimension, dimension))

    def add(self, features: Tensor, sign: int = 1) -> None:  # [n, d]
        """Take in more samples; with ``sign=-1`` take some out again."""
        for part in features.split(_PIECE):
            if not self.count:
                self.shift = part.mean(0, dtype=torch.float64)
            wide = part.double() - self.shift
            self.count += sign * len(part)
            self.total += sign * wide.sum(0)
            self.products.addmm_(wide.T, wide, alpha=sign)

    def without(self, features: Tensor) -> Self:  # [n, d]
        """The same without some of the samples."""
        rest = type(self)(self.count, self.shift, self.total.clone(), self.products.clone())
        rest.add(features, sign=-1)
        return rest

    def moments(self) -> Moments:
        """The mean and the unbiased covariance (divided by N - 1).

        Raises:
            BadValue: Fewer than two samples.
        """
        if self.count < 2:
            raise BadValue(f"A covariance needs at least 2 samples; there is {self.count}.")
        mean = self.total / self.count
        covariance = self.products - torch.outer(self.total, mean)
        return Moments(self.shift + mean, covariance / (self.count - 1))


def moments_of(features: Tensor) -> Moments:  # [N, d]
    """The moments of features in hand, without a float64 copy of them."""
    running = RunningMoments.of(features.shape[1], features.device)
    running.add(features)
    return running.moments()


def frechet_error(*, real: Tensor, fake: Tensor) -> float:  # [N', d], [N, d]
    """The standard error of the Fréchet distance by a jackknife over ten groups; nan where a side has fewer than 40 samples."""
    if min(len(real), len(fake)) < 4 * GROUPS:
        return float("nan")
    sides = [
        (side, fixed_order(len(side), draw=draw).tensor_split(GROUPS), RunningMoments.of(side.shape[1], side.device))
        for draw, side in enumerate((real, fake))
    ]
    for side, _, running in sides:
        running.add(side)
    left_out = torch.stack(
        [
            frechet(*(value for side, groups, running in sides for value in running.without(side[groups[i]]).moments()))
            for i in range(GROUPS)
        ]
    )
    return ((GROUPS - 1) * left_out.var(correction=0)).sqrt().item()


def read_statistics(path: Path) -> Moments:
    """Published reference statistics: an ``.npz`` with ``mu`` and ``sigma``, as pytorch-fid, clean-fid and StudioGAN write it,
    or a ``.pt`` with a dict of these, as torch-fidelity keeps it in its cache (``…-stat-fid-2048.pt``).

    Raises:
        BadData: It is not such a file, the shapes disagree, or a value is not finite.
    """
    try:
        held = _held(path)
        mu, sigma = (np.asarray(held[name], dtype=np.float64) for name in _NAMES)
    except Exception as error:  # NumPy, zipfile and torch raise what they like for damage
        raise BadData(
            f"{path} cannot be read as reference statistics: expected an .npz file with the arrays mu [d] and sigma [d, d], or "
            f"a .pt file with a dict of them ({type(error).__name__})."
        ) from error
    if mu.ndim != 1 or sigma.shape != (len(mu), len(mu)):
        raise BadData(
            f"{path} holds mu of shape {list(mu.shape)} and sigma {list(sigma.shape)}; expected [d] and [d, d]."
        )
    if not (np.isfinite(mu).all() and np.isfinite(sigma).all()):
        raise BadData(f"{path} holds values that are not finite.")
    return Moments(torch.from_numpy(mu), torch.from_numpy(sigma))


def _held(path: Path) -> Mapping[str, Any]:
    if path.suffix == ".pt":
        with torch.serialization.safe_globals(_STAND_INS):
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
        parts = {name: found[name] for name in _NAMES}
        return {name: part.values if isinstance(part, _Array) else part for name, part in parts.items()}
    with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
        return {name: held[name] for name in _NAMES}


class _Kind:
    """What a pickle says of an array's type: its name and, set afterwards, the order of its bytes."""

    def __init__(self, name: str, *_: object) -> None:
        if name not in ("f4", "f8"):
            raise ValueError(name)
        self.name, self.order = name, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = str(state[1])


class _Array:
    """What a pickle says of an array: nothing of NumPy's is called with it but to read its bytes as numbers."""

    values: np.ndarray[Any, Any]

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, columns_first, content = state
        numbers = np.frombuffer(content, f"{kind.order}{kind.name}").astype(np.float64)
        self.values = numbers.reshape(shape, order="F" if columns_first else "C")


_STAND_INS: list[Any] = [
    (_Array, "numpy.ndarray"),
    (_Array, "numpy.core.multiarray._reconstruct"),
    (_Array, "numpy._core.multiarray._reconstruct"),
    (_Kind, "numpy.dtype"),
]
"""NumPy's own would do what a file says, down to changing the float64 of this process."""


def check_statistics_name(path: Path) -> None:
    """Make sure that statistics can be written under this name.

    Raises:
        BadValue: It does not end in ``.npz`` or ``.pt``.
    """
    if path.suffix not in _WRITTEN:
        raise BadValue(f"Statistics are written as FILE.npz or FILE.pt, not {path}.")


def write_statistics(path: Path, moments: Moments) -> None:
    """Write ``mu`` and ``sigma`` for other tools: ``.npz`` for pytorch-fid, clean-fid and StudioGAN, ``.pt`` for torch-fidelity.

    Raises:
        BadValue: The file's name ends in neither.
        StoreError: It cannot be written.
    """
    check_statistics_name(path)
    mu, sigma = moments.mean.numpy(), moments.covariance.numpy()

    def fill(fresh: Path) -> None:
        with fresh.open("wb") as file:
            if path.suffix == ".pt":  # there the mean is float32, and types must agree
                torch.save({"mu": mu.astype(np.float32), "sigma": sigma}, file)
            else:
                np.savez_compressed(file, mu=mu, sigma=sigma)

    write_whole(path, fill)
