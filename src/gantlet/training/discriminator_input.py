"""From samples to a discriminator's input: instance noise on each, and several side by side as one (PacGAN).

Legend: ``S`` members, ``J`` batches, ``B`` batch, ``m`` samples of a pack, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from .blueprint import InstanceNoise
from .division import Division
from .feed import Feed
from .randomness import KeyedRandom

__all__ = ["DiscriminatorInput", "packed", "packed_shape"]


@dataclass(frozen=True)
class DiscriminatorInput:
    """Adds instance noise, handed on by the feed of a step, to samples and packs them."""

    random: KeyedRandom
    feed: Feed
    pack: int = 1
    noise: InstanceNoise | None = None
    division: Division = field(default_factory=Division)
    whole: int = 0

    def __call__(
        self, x: Tensor, *, name: str, update: Callable[[], int], step: Callable[[], int], part: int = 0
    ) -> Tensor:  # [S, J, b, *x] -> [S, J, b/m, m·x₀, …]
        """The discriminator's input; ``name`` and ``update`` key the noise, ``step`` says how far it has decayed.

        ``part`` is which micro-batch ``x`` is.
        """
        if self.noise is not None:
            shape = tuple(x.shape[1:])
            key = f"instance/{name}{'/partial' if self.division.of_whole(x.shape[2]) < self.whole else ''}"
            x = x + self.feed.tensor(key, lambda: self._noise(key, shape, update=update(), step=step(), part=part))
        return packed(x, self.pack)

    def _noise(
        self, key: str, shape: tuple[int, ...], *, update: int, step: int, part: int
    ) -> Tensor:  # -> [S, *shape]
        assert self.noise is not None
        scale = self.noise.scale
        if isinstance(scale, Tensor):
            scale = scale.reshape(-1, *[1] * len(shape))
        batches, size, *rest = shape
        drawn = self.random.draw(key, update, (batches, self.division.of_whole(size), *rest), "normal")
        fresh = self.division.part(self.division.mine(drawn, 2), 2, part)
        return scale * self.noise.schedule.factor(step) * fresh


def packed(x: Tensor, pack: int) -> Tensor:
    """Neighbours of a batch side by side along their first axis, ``[S, J, B, *x] -> [S, J, B/m, m·x₀, …]``.

    Example:
        >>> import torch
        >>> packed(torch.arange(8.0).reshape(1, 1, 4, 2), 2)
        tensor([[[[0., 1., 2., 3.],
                  [4., 5., 6., 7.]]]])
    """
    if pack == 1:
        return x
    members, batches, size, first, *rest = x.shape
    return x.reshape(members, batches, size // pack, pack * first, *rest)


def packed_shape(shape: tuple[int, ...], pack: int) -> tuple[int, ...]:
    """The shape of a discriminator's input, from a sample's.

    Example:
        >>> packed_shape((3, 28, 28), 2)
        (6, 28, 28)
    """
    return (pack * shape[0], *shape[1:])
