"""How often an image halves: the scales that a convolutional pair has for a sample shape.

Published pairs are for one size. Here the number of their scales follows the sample: its sides are halved until the
shorter one has at most ``until`` pixels, so that one family serves 16, 28, 32, 64 or 128 pixels, square or not.

Legend: ``C`` channels, ``h``, ``w`` the sides that are left.
"""

from __future__ import annotations

from dataclasses import dataclass

from gantlet.errors import Refused

__all__ = ["Scales", "scales_of"]

_LEAST = 4
"""Fewer pixels than this are never left on a side."""


@dataclass(frozen=True)
class Scales:
    """``count`` halvings of a sample of ``channels`` leave ``base`` (height, width)."""

    channels: int
    base: tuple[int, int]
    count: int

    @property
    def pixels(self) -> int:
        """How many pixels the base has."""
        return self.base[0] * self.base[1]


def scales_of(shape: tuple[int, ...], *, name: str, until: int = 7, most: int | None = None) -> Scales:
    """The scales for a sample shape ``(C, height, width)``.

    Arguments:
        name: The family's name, for the message.
        until: Halving ends when the shorter side has at most this many pixels.
        most: Halving ends after this many times, whatever is left.

    Raises:
        Refused: Samples that are not images, or whose sides do not halve to between 4 and ``until`` pixels.

    Example:
        >>> scales_of((1, 28, 28), name="dcgan")
        Scales(channels=1, base=(7, 7), count=2)
        >>> scales_of((3, 64, 48), name="began", until=8)
        Scales(channels=3, base=(8, 6), count=3)
    """
    if len(shape) == 3:
        channels, height, width = shape
        count = 0
        while min(height, width) > until and height % 2 == width % 2 == 0 and count != most:
            height, width, count = height // 2, width // 2, count + 1
        if count > 0 and min(height, width) >= _LEAST and (min(height, width) <= until or count == most):
            return Scales(channels, (height, width), count)
    sizes = "×".join(str(size) for size in shape)
    raise Refused(
        f"The network '{name}' is made for images of channels×height×width whose sides halve evenly to {_LEAST}–{until} "
        f"pixels (28, 32 and 64 do), but a sample has the shape {sizes}: {_remedy(shape, until, most)} or choose a network "
        f"for that shape, such as 'fc-mnist'."
    )


def _remedy(shape: tuple[int, ...], until: int, most: int | None) -> str:
    """The nearest size that works, as the key that asks for it."""
    if len(shape) != 3:
        return "give images,"
    height, width = shape[1:]
    bases = range(_LEAST, (until if most is None else max(until, height, width)) + 1)
    sizes = (
        (short << count, long << count)
        for count in range(1, (most or 12) + 1)
        for short in bases
        for long in ([short] if height == width else range(short, max(height, width) + 1))
    )
    target = sorted((height, width))
    short, long = min(sizes, key=lambda size: abs(size[0] - target[0]) + abs(size[1] - target[1]))
    size = str(short) if short == long else f"{short}x{long}" if height < width else f"{long}x{short}"
    return f"the nearest size that works is size={size},"
