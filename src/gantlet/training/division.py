"""How a batch is divided: into micro-batches that are computed one after another, and among processes.

Of a batch of B samples, micro-batch m of process r holds run ``m·N + r`` of ``k·N`` equal runs of neighbours, so that the
N processes together hold in their m-th micro-batch what one process holds in its m-th. Everything keyed is drawn for the
whole batch and then cut, so that a division changes no sample.

Legend: ``S`` members, ``B`` batch, ``k`` micro-batches, ``N`` processes, ``b = B / (k·N)`` samples of a micro-batch.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gantlet.errors import Refused

__all__ = ["Division"]


@dataclass(frozen=True)
class Division:
    """Who computes which samples of a batch, and when.

    Attributes:
        parts: Micro-batches of an update, k.
        processes: Processes that share each of them, N.
        rank: Which of them this one is.
        groups: Runs of equal length that a batch consists of, each of which is divided by itself: branches that share a
            batch make one each.
    """

    parts: int = 1
    processes: int = 1
    rank: int = 0
    groups: int = 1

    @property
    def whole(self) -> bool:
        """Whether a batch is computed at once, by this process."""
        return self.parts == self.processes == 1

    def mine(self, x: Tensor, axis: int, *, groups: int | None = None) -> Tensor:
        """What this process computes of a whole batch: along ``axis``, ``B -> B / N`` samples, micro-batch by micro-batch.

        Example:
            >>> import torch
            >>> Division(parts=2, processes=2, rank=1).mine(torch.arange(8), 0)
            tensor([2, 3, 6, 7])
            >>> Division(parts=2, groups=2).mine(torch.arange(8), 0)  # both branches' samples in each micro-batch
            tensor([0, 1, 4, 5, 2, 3, 6, 7])
        """
        groups = self.groups if groups is None else groups
        if self.processes == 1 and (groups == 1 or self.parts == 1):
            return x
        runs = x.unflatten(axis, (groups, self.parts, self.processes, -1)).select(axis + 2, self.rank)
        return runs.transpose(axis, axis + 1).flatten(axis, axis + 2)

    def part(self, x: Tensor, axis: int, index: int) -> Tensor:
        """One micro-batch of what this process computes: along ``axis``, ``B / N -> b`` samples.

        Example:
            >>> import torch
            >>> Division(parts=2).part(torch.arange(8), 0, 1)
            tensor([4, 5, 6, 7])
        """
        if self.parts == 1:
            return x
        size = x.shape[axis] // self.parts
        return x.narrow(axis, index * size, size)

    def of_whole(self, samples: int) -> int:
        """The size of the whole batch, from a micro-batch's."""
        return samples * self.parts * self.processes

    def cut(self, x: Tensor, shape: tuple[int, ...], index: int) -> Tensor:
        """A draw for a whole batch, ``[S, …, B, …]``, as one micro-batch needs it, ``[S, *shape]``.

        Raises:
            Refused: It is not by sample: more than one of its axes is as long as the batch.

        Example:
            >>> import torch
            >>> Division(parts=2).cut(torch.arange(4.0).reshape(1, 1, 4), (1, 2), 0)
            tensor([[[0., 1.]]])
        """
        axes = [axis for axis, (have, want) in enumerate(zip(x.shape[1:], shape, strict=True), 1) if have != want]
        if not axes:  # drawn once for the batch
            return x
        if len(axes) > 1:
            raise Refused(
                f"A penalty draws random numbers of the shape {list(x.shape[1:])}, of which more than one axis grows with "
                f"the batch, so they cannot be divided. Use accumulate=1 and one process."
            )
        return self.part(self.mine(x, axes[0]), axes[0], index)

    def called(self, player: str, index: int) -> str:
        """The name of an update of one micro-batch, by which masks of stochastic layers are drawn.

        Example:
            >>> Division().called("generator", 0), Division(parts=2).called("generator", 1)
            ('generator', 'generator/1of2')
        """
        count = self.parts * self.processes
        return player if count == 1 else f"{player}/{index * self.processes + self.rank}of{count}"
