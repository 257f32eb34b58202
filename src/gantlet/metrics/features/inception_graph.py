r"""The Inception v3 graph of 2015 as a module: what a ``state_dict`` of FID's weights is the weights of.

Parameters bear the names that pytorch-fid's and torch-fidelity's file has. Three things differ from the Inception of other
libraries: averages leave the padding out, the last block takes a maximum where the others average, and images are brought to
299 pixels as TensorFlow 1 did it, by

.. math::
    y(i) = (1 - t)\, x_{\lfloor s i \rfloor} + t\, x_{\lfloor s i \rfloor + 1}, \qquad s = n / 299, \quad t = s i - \lfloor s i \rfloor

along both axes: corners coincide at the upper left alone, and nothing is smoothed before. Pixels become (y - 128) / 128.

Legend: ``N`` images, ``H`` x ``W`` pixels, ``c`` channels.

Reference:
    | Rethinking the inception architecture for computer vision (Szegedy et al., 2015), https://arxiv.org/abs/1512.00567
    | pytorch-fid, src/pytorch_fid/inception.py; torch-fidelity, feature_extractor_inceptionv3.py: the names, and what differs
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["CLASSES", "SIDE", "InceptionGraph", "resized_as_tensorflow"]

SIDE, CLASSES = 299, 1008
_Pool: TypeAlias = Literal["average", "max", "shrink"]


class _Conv(NamedTuple):
    name: str
    channels: int
    kernel: tuple[int, int]
    stride: int = 1


def _one(name: str, channels: int) -> _Conv:
    return _Conv(name, channels, (1, 1))


def _three(name: str, channels: int, stride: int = 1) -> _Conv:
    return _Conv(name, channels, (3, 3), stride)


def _wide(name: str, channels: int, length: int) -> _Conv:
    return _Conv(name, channels, (1, length))


def _high(name: str, channels: int, length: int) -> _Conv:
    return _Conv(name, channels, (length, 1))


_Branch: TypeAlias = Sequence[_Conv | tuple[_Conv, _Conv]]
"""Convolutions one after another; two in the same place read the same maps, and what they make stands side by side."""


def _a(pooled: int) -> list[_Branch]:
    return [
        [_one("branch1x1", 64)],
        [_one("branch5x5_1", 48), _Conv("branch5x5_2", 64, (5, 5))],
        [_one("branch3x3dbl_1", 64), _three("branch3x3dbl_2", 96), _three("branch3x3dbl_3", 96)],
        [_one("branch_pool", pooled)],
    ]


_B: list[_Branch] = [
    [_three("branch3x3", 384, 2)],
    [_one("branch3x3dbl_1", 64), _three("branch3x3dbl_2", 96), _three("branch3x3dbl_3", 96, 2)],
]


def _c(width: int) -> list[_Branch]:
    double = [_high("branch7x7dbl_2", width, 7), _wide("branch7x7dbl_3", width, 7), _high("branch7x7dbl_4", width, 7)]
    return [
        [_one("branch1x1", 192)],
        [_one("branch7x7_1", width), _wide("branch7x7_2", width, 7), _high("branch7x7_3", 192, 7)],
        [_one("branch7x7dbl_1", width), *double, _wide("branch7x7dbl_5", 192, 7)],
        [_one("branch_pool", 192)],
    ]


_D: list[_Branch] = [
    [_one("branch3x3_1", 192), _three("branch3x3_2", 320, 2)],
    [
        _one("branch7x7x3_1", 192),
        _wide("branch7x7x3_2", 192, 7),
        _high("branch7x7x3_3", 192, 7),
        _three("branch7x7x3_4", 192, 2),
    ],
]
_E: list[_Branch] = [
    [_one("branch1x1", 320)],
    [_one("branch3x3_1", 384), (_wide("branch3x3_2a", 384, 3), _high("branch3x3_2b", 384, 3))],
    [
        _one("branch3x3dbl_1", 448),
        _three("branch3x3dbl_2", 384),
        (_wide("branch3x3dbl_3a", 384, 3), _high("branch3x3dbl_3b", 384, 3)),
    ],
    [_one("branch_pool", 192)],
]
_BLOCKS: dict[str, tuple[list[_Branch], _Pool]] = {
    "Mixed_5b": (_a(32), "average"),
    "Mixed_5c": (_a(64), "average"),
    "Mixed_5d": (_a(64), "average"),
    "Mixed_6a": (_B, "shrink"),
    "Mixed_6b": (_c(128), "average"),
    "Mixed_6c": (_c(160), "average"),
    "Mixed_6d": (_c(160), "average"),
    "Mixed_6e": (_c(192), "average"),
    "Mixed_7a": (_D, "shrink"),
    "Mixed_7b": (_E, "average"),
    "Mixed_7c": (_E, "max"),
}


class InceptionGraph(nn.Module):
    """Inception v3 with FID's three differences: ``[N, 3, H, W]`` uint8 -> features ``[N, 2048]`` and probabilities ``[N, 1008]``.

    Probabilities are those of the logits without their bias, as the inception score was defined.

    Example:
        >>> with torch.device("meta"):
        ...     sum(parameter.numel() for parameter in InceptionGraph().parameters())
        23850960
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Unit(3, _three("", 32, 2), inside=True)
        self.Conv2d_2a_3x3 = _Unit(32, _three("", 32), inside=True)
        self.Conv2d_2b_3x3 = _Unit(32, _three("", 64))
        self.Conv2d_3b_1x1 = _Unit(64, _one("", 80))
        self.Conv2d_4a_3x3 = _Unit(80, _three("", 192), inside=True)
        width = 192
        for name, (branches, pool) in _BLOCKS.items():
            block = _Block(width, branches, pool)
            self.add_module(name, block)
            width = block.channels
        self.fc = nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features after the last pooling, and the probabilities of the classes."""
        x = (resized_as_tensorflow(images.to(self.fc.weight.dtype), SIDE) - 128) / 128
        x = x.contiguous(memory_format=torch.channels_last)
        x = F.max_pool2d(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))), 3, 2)
        x = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, 2)  # [N, 192, 35, 35]
        for name in _BLOCKS:
            x = self.get_submodule(name)(x)
        features = x.mean((2, 3))
        return features, (features @ self.fc.weight.T).softmax(1)


class _Unit(nn.Module):
    """A convolution, batch normalisation with ε = 0.001, and the positive part."""

    def __init__(self, channels: int, form: _Conv, *, inside: bool = False) -> None:
        super().__init__()
        padding = (0, 0) if inside or form.stride > 1 else (form.kernel[0] // 2, form.kernel[1] // 2)
        self.conv = nn.Conv2d(channels, form.channels, form.kernel, form.stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(form.channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)).relu_()


class _Block(nn.Module):
    """Branches side by side, and what a pooling of the input makes; its convolution, where it has one, is the last branch."""

    def __init__(self, channels: int, branches: list[_Branch], pool: _Pool) -> None:
        super().__init__()
        self.branches, self.pool = branches, pool
        self.channels = channels if pool == "shrink" else 0
        for branch in branches:
            width = channels
            for place in branch:
                forms = [place] if isinstance(place, _Conv) else list(place)
                for form in forms:
                    self.add_module(form.name, _Unit(width, form))
                width = sum(form.channels for form in forms)
            self.channels += width

    def forward(self, x: Tensor) -> Tensor:
        pooled = self._pooled(x)
        last = len(self.branches) - (self.pool != "shrink")
        parts = [self._along(branch, x) for branch in self.branches[:last]]
        parts.extend(self._along(branch, pooled) for branch in self.branches[last:])
        return torch.cat(parts if self.pool != "shrink" else [*parts, pooled], 1)

    def _along(self, branch: _Branch, x: Tensor) -> Tensor:
        for place in branch:
            forms = [place] if isinstance(place, _Conv) else list(place)
            x = torch.cat([self.get_submodule(form.name)(x) for form in forms], 1)
        return x

    def _pooled(self, x: Tensor) -> Tensor:
        if self.pool == "shrink":
            return F.max_pool2d(x, 3, 2)
        if self.pool == "max":
            return F.max_pool2d(x, 3, 1, 1)
        return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def resized_as_tensorflow(images: Tensor, side: int) -> Tensor:  # [N, c, H, W] -> [N, c, side, side]
    """Bilinear, the upper left corners one above the other, without antialiasing: ``tf.image.resize_bilinear`` of version 1.

    Example:
        >>> resized_as_tensorflow(torch.tensor([[[[0.0, 2.0], [4.0, 6.0]]]]), 4)[0, 0]
        tensor([[0., 1., 2., 2.],
                [2., 3., 4., 4.],
                [4., 5., 6., 6.],
                [4., 5., 6., 6.]])
    """
    for axis in (2, 3):
        length = images.shape[axis]
        # The step is a float32 there, whatever the type of the pixels.
        places = torch.arange(side, dtype=torch.float32, device=images.device) * torch.tensor(length / side)
        low = places.long().clamp_max(length - 1)
        high = (low + 1).clamp_max(length - 1)
        share = (places - low).to(images.dtype).view(-1, 1) if axis == 2 else (places - low).to(images.dtype)
        first, second = images.index_select(axis, low), images.index_select(axis, high)
        images = first + (second - first) * share
    return images
