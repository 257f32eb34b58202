"""Any ``nn.Module`` as an extractor.

It is given colour images ``[N, 3, H, W]`` float32 and returns features ``[N, d]`` (more axes are flattened), or a pair of
them and class logits ``[N, Y]``. It may say by attributes what it expects: ``input_size`` (an int or (height, width); without
it, images come as they are), ``input_range`` (what 0 and 255 become; (0, 1)) and ``channels`` (1 for grey),
and by ``any_device = True`` that it may be moved to the device where the images are.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from gantlet.errors import BadValue
from gantlet.files import file_digest
from gantlet.metrics.cache import weights_digest
from gantlet.randomness import seeded

from .base import ExtractorCard, Features, placed
from .own import card_of_own, pixels_of

__all__ = ["ModuleExtractor"]


@dataclass(frozen=True, eq=False)
class ModuleExtractor:
    """A module of the user's own.

    Arguments:
        net: The module.
        name: For its card.

    Example:
        >>> import torch
        >>> pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> ModuleExtractor(pooled, "nets.py:Pooled")(torch.full((2, 1, 4, 4), 255, dtype=torch.uint8)).features
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """

    net: nn.Module
    name: str

    @classmethod
    def of(cls, found: nn.Module | type[nn.Module], name: str) -> Self:
        """From a module, or a class of modules that is made without arguments.

        Raises:
            BadValue: The class cannot be made so.
        """
        if isinstance(found, nn.Module):
            return cls(found, name)
        try:
            with seeded(0):  # random features are the same every time, too
                return cls(found(), name)
        except Exception as error:  # whatever a user's class does
            raise BadValue(
                f"The extractor '{name}' could not be made without arguments: {type(error).__name__}: {error}."
            ) from error

    @property
    def any_device(self) -> bool:
        """Whether the module reads on whatever device the images are, to which it is then moved."""
        return bool(getattr(self.net, "any_device", False))

    @property
    def card(self) -> ExtractorCard:
        """Its card; dimension and classes are those of one black image.

        Raises:
            BadValue: It cannot read that, or returns something else than features.
        """
        return self._card

    @cached_property
    def _card(self) -> ExtractorCard:
        return card_of_own(self, name=self.name, sha256=_digest(self.net), size=self._size, becomes=self._range)

    def __call__(self, images: Tensor) -> Features:
        """Features and, where it has classes, their probabilities."""
        grey = getattr(self.net, "channels", 3) == 1
        pixels = pixels_of(images, grey=grey, size=self._size, becomes=self._range)
        net = placed(self.net, images.device) if self.any_device else self.net
        try:
            found: Any = net.eval()(pixels)
        except Exception as error:  # whatever a user's module does
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BadValue(
                f"The extractor '{self.name}' cannot read images of shape {list(pixels.shape)}: {reason}. Give it an "
                "attribute input_size."
            ) from error
        features, logits = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
        if not isinstance(features, Tensor) or isinstance(found, Mapping):
            raise BadValue(f"The extractor '{self.name}' returned a {type(found).__name__}; expected features [N, d].")
        if logits is not None and not (isinstance(logits, Tensor) and logits.dim() == 2):
            came = list(logits.shape) if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
            raise BadValue(
                f"The extractor '{self.name}' returned {came} beside features; expected class logits [N, Y]."
            )
        return Features(features.flatten(1).float(), None if logits is None else logits.float().softmax(1))

    @property
    def _size(self) -> tuple[int, int] | None:
        given: Any = getattr(self.net, "input_size", None)
        return given if given is None else (given, given) if isinstance(given, int) else (int(given[0]), int(given[1]))

    @property
    def _range(self) -> tuple[float, float]:
        low, high = getattr(self.net, "input_range", (0.0, 1.0))
        return float(low), float(high)


def _digest(net: nn.Module) -> str:
    """SHA-256 of the weights and, where the class is of a file of the user's, of that file: what it computes may have changed."""
    weights, path = weights_digest(net.state_dict().values()), inspect.getsourcefile(type(net))
    if path is None or type(net).__module__.partition(".")[0] in ("torch", "gantlet"):
        return weights
    return hashlib.sha256(f"{weights}{file_digest(Path(path))}".encode()).hexdigest()
