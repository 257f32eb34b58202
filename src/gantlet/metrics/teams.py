r"""How the generators of a team share the work: who owns what, how evenly, and how much they repeat each other.

``close[k, m]`` counts the good samples that generator k has on mode m (a centre of a mixture, or a class of images). A
mode that is covered belongs to the generator with the most of them, the first on a tie; generator k then owns a share
:math:`p_k` of the covered modes. ``h[k]`` is the distribution of all of generator k's samples over the modes.

.. math::
    \mathrm{balance} = -\frac{1}{\ln K} \sum_k p_k \ln p_k, \qquad
    \mathrm{overlap} = \binom{K}{2}^{-1} \sum_{k < l} \sum_m \min(h_k(m), h_l(m))

Both lie in [0, 1]. Generators that share the modes evenly have a balance of 1; overlap is one less the mean total
variation distance between two generators: 1 if all draw from the same modes, 0 if no two meet.

Legend: ``S`` members, ``N`` fake samples, ``K`` generators of a team, ``M`` modes, ``P`` samples of a chunk.

Reference:
    | Stackelberg GAN (Zhang et al., 2018), https://arxiv.org/abs/1811.08010: generators that specialise by themselves
"""

from __future__ import annotations

import math
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.special import entr

from .base import MetricColumn, MetricInput

__all__ = [
    "SHARED_MODES",
    "Owning",
    "balance",
    "best",
    "generators_of",
    "mode_overlap",
    "owned",
    "ownership",
    "shared_modes",
    "tally",
]


@runtime_checkable
class Owning(Protocol):
    """A metric that can say which generator made what."""

    @property
    def samples(self) -> int:
        """How many fakes per member it wants."""
        ...

    @property
    def modes_are(self) -> str:
        """What the columns of :meth:`ownership` are, in the singular: ``mode`` or ``class``."""
        ...

    def ownership(self, inputs: MetricInput) -> Tensor:
        """Good samples by generator and mode, ``[S, K, M]`` int64."""
        ...


def balance(owned: Tensor) -> Tensor:  # [..., K] -> [...]
    """How evenly the covered modes are shared: the entropy of ownership over ln K.

    nan where nothing is covered, and for a single generator.

    Example:
        >>> balance(torch.tensor([[2, 2], [4, 0], [0, 0]]))
        tensor([1., 0., nan], dtype=torch.float64)
    """
    share = owned / owned.sum(-1, keepdim=True, dtype=torch.float64)
    generators = owned.shape[-1]
    return entr(share).sum(-1) / (math.log(generators) if generators > 1 else math.nan)


def mode_overlap(counts: Tensor) -> Tensor:  # [..., K, M] -> [...]
    """How much two generators have in common, on average over the pairs of those that have any samples.

    nan where fewer than two have any.

    Example:
        >>> mode_overlap(torch.tensor([[3, 1], [1, 3]]))
        tensor(0.5000, dtype=torch.float64)
    """
    total = counts.sum(-1, keepdim=True)  # [..., K, 1]
    share = counts.double() / total.clamp(min=1)
    # Sorted upwards, the i-th of K values is the lesser in K - 1 - i pairs; a generator without samples adds nothing.
    pairs = torch.arange(counts.shape[-2] - 1, -1, -1, dtype=torch.float64, device=counts.device)
    lesser = (share.sort(-2).values * pairs.unsqueeze(-1)).sum((-2, -1))
    present = (total > 0).sum((-2, -1)).double()
    return lesser / (present * (present - 1) / 2)  # 0 / 0 is nan


def owned(close: Tensor) -> Tensor:  # [..., K, M] -> [..., K] int64
    """How many modes each generator owns; the numbers add up to the covered modes.

    Example:
        >>> owned(torch.tensor([[5, 1, 0, 0], [2, 1, 3, 0]]))
        tensor([2, 1])
    """
    most, owner = close.max(-2)  # [..., M]
    return torch.zeros_like(close[..., 0]).scatter_add_(-1, owner, (most > 0).to(close.dtype))


def best(covered: Tensor) -> Tensor:  # [..., K, M] bool -> [...] int64
    """The modes that the best single generator covers by itself.

    Example:
        >>> best(torch.tensor([[True, False, True], [False, True, False]]))
        tensor(2)
    """
    return covered.sum(-1).amax(-1)


SHARED_MODES = (
    MetricColumn("modes_by_generator", "covered modes that each generator of a team owns; teams only", teams=True),
    MetricColumn(
        "best_generator_modes", "modes that the best generator covers by itself; teams only", "higher", teams=True
    ),
    MetricColumn("team_balance", "entropy of who owns the covered modes, over ln K: 1 is even; teams only", teams=True),
    MetricColumn("team_overlap", "what two generators' modes have in common, in [0, 1]; teams only", teams=True),
)
"""What :func:`shared_modes` reports, in order."""


def shared_modes(close: Tensor, every: Tensor) -> dict[str, list[Any]]:  # [S, K, M] twice
    """The columns on how a team shares the modes: from its good samples by generator and mode, and from all of them.

    Example:
        >>> shared_modes(torch.tensor([[[1, 0], [0, 2]]]), torch.tensor([[[3, 1], [0, 2]]]))
        {'modes_by_generator': [[1, 1]], 'best_generator_modes': [1], 'team_balance': [1.0], 'team_overlap': [0.25]}
    """
    owns = owned(close)
    return {
        "modes_by_generator": owns.tolist(),
        "best_generator_modes": best(close > 0).tolist(),
        "team_balance": balance(owns).tolist(),
        "team_overlap": mode_overlap(every).tolist(),
    }


def ownership(*, owners: Tensor, labels: Tensor, generators: int, modes: int) -> Tensor:  # [S, N] twice -> [S, K, M]
    """Samples by generator and mode, int64; a label outside 0 … M - 1 belongs to no mode and is not counted.

    Example:
        >>> owners, labels = torch.tensor([[0, 1, 1, 1]]), torch.tensor([[0, 1, 1, -1]])
        >>> ownership(owners=owners, labels=labels, generators=2, modes=2)
        tensor([[[1, 0],
                 [0, 2]]])
    """
    members, samples = labels.shape
    counts = torch.zeros(members, generators, modes + 1, dtype=torch.int64, device=labels.device)
    known = labels.where((labels >= 0) & (labels < modes), modes).flatten()
    member = torch.arange(members, device=labels.device).repeat_interleave(samples)
    tally(counts, member=member, owner=owners.to(labels.device).flatten(), mode=known)
    return counts[..., :-1]


def generators_of(inputs: MetricInput) -> int:
    """How many generators made the samples: one more than the highest owner.

    Example:
        >>> generators_of(MetricInput(torch.zeros(1, 2, 2))), generators_of(MetricInput(torch.zeros(1, 1), owners=torch.ones(1, 1)))
        (1, 2)
    """
    return 1 if inputs.owners is None else int(inputs.owners.max()) + 1


def tally(counts: Tensor, *, member: Tensor, owner: Tensor, mode: Tensor, times: Tensor | None = None) -> None:
    """Add samples to ``counts`` ``[S, K, M]`` in place; each is of a member, an owner and a mode ``[P]``.

    ``times`` ``[P]`` says how often each counts, such as 0 where a sample is not good; None: once.
    """
    _, generators, modes = counts.shape
    cell = (member * generators + owner) * modes + mode
    counts.view(-1).scatter_add_(0, cell, torch.ones_like(cell) if times is None else times.to(counts.dtype))
