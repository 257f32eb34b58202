"""What goes wrong between an image and its features, and by how much it moves the Fréchet distance of EfficientNet-Lite0.

The same 240 images are read rightly and wrongly; between right and right the distance is 0. For scale: one half of the
images is 90 from the other (which is mostly the bias of so few).
"""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

import gantlet
from gantlet.metrics.distances import frechet
from gantlet.metrics.features.base import extract
from gantlet.metrics.features.efficientnet import _loaded
from gantlet.metrics.features.pixels import quantised, resized
from gantlet.metrics.gaussian_fit import moments_of

COUNT, FEW, SIDE = 240, 4, 160


def scenes(count: int) -> Tensor:
    """Fine stripes and blobs of many colours, in [-1, 1]: a little noisy, none of them using the whole range."""
    numbers = torch.Generator().manual_seed(1)
    y, x = torch.meshgrid(torch.linspace(-1, 1, SIDE), torch.linspace(-1, 1, SIDE), indexing="ij")
    a = torch.rand(count, 3, 1, 1, 6, generator=numbers)
    stripes = torch.sin(90 * (a[..., 0] - 0.5) * x + 90 * (a[..., 1] - 0.5) * y)
    blob = torch.exp(-((x - a[:, :1, ..., 2] * 2 + 1) ** 2 + (y - a[:, :1, ..., 3] * 2 + 1) ** 2) * 6)
    noise = 0.02 * torch.randn(count, 3, SIDE, SIDE, generator=numbers)
    return ((a[..., 4] - 0.5) + 0.3 * stripes + (a[..., 5] - 0.5) * blob + noise).clamp(-0.95, 0.95)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return scenes(COUNT)


def read(pixels: Tensor) -> Tensor:
    """The features of pixels 0 … 255 of the right size, whatever was done to them."""
    with torch.no_grad():
        return torch.cat([_loaded().net.extract_features((part - 127) / 128).mean((2, 3)) for part in pixels.split(48)])


@pytest.fixture(scope="module")
def right(images: Tensor) -> Tensor:
    return extract(gantlet.features.get("efficientnet-lite0"), [quantised(images)]).features


def distance(x: Tensor, y: Tensor) -> float:
    return float(frechet(*moments_of(x), *moments_of(y)))


def jpeg(image: Tensor, quality: int) -> Tensor:
    held = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(held, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(held))).permute(2, 0, 1)


def wrongly(images: Tensor, trap: str) -> Tensor:
    pixels = quantised(images)
    size = (96, 96)
    if trap == "not rounded to 8 bits":
        return resized((images + 1) * 127.5, size)
    if trap == "rounded down":
        return resized(((images + 1) * 127.5).floor(), size)
    if trap == "rounded again after resizing":
        return resized(pixels, size).round()
    if trap == "no antialias":
        return F.interpolate(pixels.float(), size=size, mode="bilinear", antialias=False)
    if trap == "bilinear for bicubic":
        return F.interpolate(pixels.float(), size=size, mode="bilinear", antialias=True)
    if trap.startswith("JPEG"):
        return resized(torch.stack([jpeg(image, int(trap[5:])) for image in pixels]), size)
    if trap == "stretched to the batch's extremes":
        return resized((images - images.min()) / (images.max() - images.min()) * 255, size)
    assert trap == "[0, 1] read as [-1, 1]"
    return resized(quantised((images + 1) / 2), size)


SIZES = {
    "not rounded to 8 bits": (1e-4, 0.1),
    "rounded down": (0.01, 1.5),
    "rounded again after resizing": (1e-4, 0.1),
    "no antialias": (0.3, 20),
    "bilinear for bicubic": (0.3, 20),
    "JPEG 95": (0.1, 10),
    "JPEG 75": (1, 40),
    "stretched to the batch's extremes": (0.02, 5),
    "[0, 1] read as [-1, 1]": (5, 120),
}
"""Between which distances each lies: what a test can hold on every machine."""


@pytest.mark.slow
@pytest.mark.parametrize("trap", SIZES)
def test_how_much_a_trap_moves_the_distance(trap: str, images: Tensor, right: Tensor) -> None:
    found = distance(right, read(wrongly(images, trap)))
    least, most = SIZES[trap]
    print(f"{trap}: {found:.4g}")
    assert least < found < most


def test_the_extractor_itself_falls_into_none() -> None:
    images = scenes(FEW)
    found = extract(gantlet.features.get("efficientnet-lite0"), [quantised(images)]).features
    rightly = read(resized(quantised(images), (96, 96)))
    torch.testing.assert_close(found.to(rightly.dtype), rightly, atol=1e-4, rtol=1e-4)
    for trap in SIZES:
        assert float((found - read(wrongly(images, trap))).abs().max()) > 1e-3, trap


@pytest.mark.slow
def test_what_is_read_rightly_has_no_distance(images: Tensor, right: Tensor) -> None:
    assert distance(right, read(resized(quantised(images), (96, 96)))) < 1e-3
    assert distance(right, right) < 1e-6
