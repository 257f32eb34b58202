"""What a feature extractor is, its card, and how many images are read in batches.

Legend: ``N`` images, ``C`` channels (1 or 3), ``H`` x ``W`` pixels, ``d`` features, ``Y`` classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from gantlet.errors import BadData

__all__ = ["Extractor", "ExtractorCard", "Features", "extract", "placed"]

_Net = TypeVar("_Net", bound=nn.Module)
_QUANTISATION = "8 bits: rounded to 0 … 255 and clamped before anything else"


class Features(NamedTuple):
    """What an extractor reads in images; probabilities are None where it has no classes."""

    features: Tensor  # [N, d] float32
    probabilities: Tensor | None = None  # [N, Y] float32

    def part(self, places: Tensor) -> Features:  # [n] int64
        """Those of some images."""
        return Features(self.features[places], None if self.probabilities is None else self.probabilities[places])

    def to(self, device: torch.device) -> Features:
        """The same on a device."""
        probabilities = None if self.probabilities is None else self.probabilities.to(device)
        return Features(self.features.to(device), probabilities)


@dataclass(frozen=True)
class ExtractorCard:
    """What a reader must know of an extractor: numbers of two cards are not compared.

    Attributes:
        name: As in the catalogue, or the path of a user's own.
        sha256: Of its weights: of their file where there is one, else of every tensor in order.
        input_size: Height and width that its network sees; None: whatever comes.
        input_range: What pixels 0 and 255 become.
        resizer: How images come to that size.
        dimension: d.
        classes: Y; 0 where it has none.
        standard: The scores that the field calls by their bare names on these features (``fid``); empty for any other.
        quantisation: How floating-point images become pixels.
    """

    name: str
    sha256: str
    input_size: tuple[int, int] | None
    input_range: tuple[float, float]
    resizer: str
    dimension: int
    classes: int = 0
    standard: tuple[str, ...] = ()
    quantisation: str = _QUANTISATION

    @property
    def key(self) -> str:
        """A hash of all of it, 64 hexadecimal digits."""
        return hashlib.sha256(repr(asdict(self)).encode()).hexdigest()

    @property
    def short(self) -> str:
        """The name in columns: that of the class where it is a path, that of the file where it is an ONNX file.

        Example:
            >>> [ExtractorCard(name, "", None, (0, 1), "none", 2).short for name in ("nets.py:Tiny", "nets/tiny.onnx")]
            ['Tiny', 'tiny']
        """
        return PurePath(self.name).stem if self.name.endswith(".onnx") else self.name.rpartition(":")[2]

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


@runtime_checkable
class Extractor(Protocol):
    """A network that reads images. Its weights are loaded when the card or a reading is first asked for.

    One whose class has ``any_device = True`` reads images on the device where they are; others are given them on the CPU.
    """

    @property
    def card(self) -> ExtractorCard:
        """Its card.

        Raises:
            BadData: Its weights are not there; the message says how to get them.
            MissingExtra: The package that carries them is not installed.
        """
        ...

    def __call__(self, images: Tensor, /) -> Features:
        """Read a batch, ``[N, C, H, W]`` uint8 of one size, without gradients."""
        ...


def extract(
    extractor: Extractor,
    images: Iterable[Tensor],
    *,
    batch: int = 64,
    device: torch.device | None = None,
    notify: Callable[[int], object] | None = None,
) -> Features:
    """Read many images, a batch at a time; only the features are kept.

    Arguments:
        extractor: Who reads.
        images: ``[n, C, H, W]`` uint8 each, such as one tensor of all (``[images]``) or single images of several sizes.
        batch: Images at once, of those that come together.
        device: Where they are read if the extractor reads on any device, and where the features are; None: the CPU.
        notify: Called with the number of images read so far.

    Raises:
        BadData: There are no images, they are not 8-bit, or a feature is not finite.
    """
    found: list[Features] = []
    count, there = 0, device or torch.device("cpu")
    reading = there if getattr(extractor, "any_device", False) else torch.device("cpu")
    for part in images:
        if part.dtype != torch.uint8 or part.dim() != 4 or part.shape[1] not in (1, 3):
            raise BadData(
                f"An extractor reads 8-bit images [N, 1 or 3, H, W], but these are {part.dtype} of shape {list(part.shape)}."
            )
        for some in part.split(batch):
            with torch.no_grad():
                found.append(_checked(extractor, extractor(some.to(reading)), len(some)).to(there))
            count += len(some)
            if notify is not None:
                notify(count)
    if not found:
        raise BadData("There are no images to read.")
    probabilities = [entry.probabilities for entry in found if entry.probabilities is not None]
    whole = torch.cat(probabilities) if len(probabilities) == len(found) else None
    return Features(torch.cat([entry.features for entry in found]), whole)


def placed(net: _Net, device: torch.device) -> _Net:
    """A network of an extractor where the images are; it stays there."""
    first = next(net.parameters(), None)
    return net if first is None or first.device == device else net.to(device)


def _checked(extractor: Extractor, found: Features, count: int) -> Features:
    features = found.features.flatten(1).float()
    if len(features) != count or not bool(features.isfinite().all()):
        wrong = f"{len(features)} rows for {count} images" if len(features) != count else "values that are not finite"
        raise BadData(f"The extractor {type(extractor).__name__} returned {wrong}; expected finite features, [N, d].")
    return Features(features, found.probabilities)
