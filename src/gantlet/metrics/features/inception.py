"""The Inception network of 2015: the features on which the Fréchet distance is called FID, from a file of the user's.

The file is TorchScript: it takes 8-bit colour images of any size, brings them to 299 pixels itself (bilinear without
antialiasing, as the original graph does), and gives 2048 features after the last pooling (``return_features=True``) or
the probabilities of 1008 classes without the last layer's bias (``no_output_bias=True``), as the inception score was
defined. Nothing of that is done here, so that nothing can differ.

gantlet carries no copy and its tests never ran it: they run a stand-in with the same signature. Scores are called
``fid``, ``kid`` and ``inception_score`` only where the file's SHA-256 is that of the published one.

Reference:
    | GANs trained by a two time-scale update rule (Heusel et al., 2017), https://arxiv.org/abs/1706.08500
    | Improved techniques for training GANs (Salimans et al., 2016), https://arxiv.org/abs/1606.03498
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from gantlet.errors import BadData

from .base import ExtractorCard, Features, placed
from .pixels import as_colour
from .weights import StoredWeights, find_weights

__all__ = ["Inception2015"]

_NAME = "inception-2015"


@dataclass(frozen=True)
class Inception2015:
    """The Inception of FID and IS: 2048 features, 1008 classes; from a TorchScript file of yours."""

    any_device: ClassVar[bool] = True

    @property
    def card(self) -> ExtractorCard:
        """Its card.

        Raises:
            BadData: The weights are not there.
        """
        return ExtractorCard(
            name=_NAME,
            sha256=self._stored.sha256,
            input_size=(299, 299),
            input_range=(-1.0, 1.0),
            resizer="inside the TorchScript file: bilinear without antialiasing",
            dimension=2048,
            classes=1008,
            standard=("fid", "kid", "inception_score") if self._stored.published else (),
        )

    def __call__(self, images: Tensor) -> Features:
        """Features and class probabilities, ``[N, C, H, W]`` uint8 -> ``[N, 2048], [N, 1008]``."""
        pixels, net = as_colour(images).contiguous(), placed(self._net, images.device)
        return Features(net(pixels, return_features=True), net(pixels, no_output_bias=True))

    @cached_property
    def _stored(self) -> StoredWeights:
        return find_weights(_NAME)

    @cached_property
    def _net(self) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is, but the field's file is one
                return torch.jit.load(str(self._stored.path), map_location="cpu").eval()  # pyright: ignore[reportPrivateImportUsage]
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise BadData(f"The weights of '{_NAME}' are not a TorchScript file: {reason}.") from error
