"""Modules of the user's own as extractors: where they read, and what they may return."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from elsewhere import DEVICE, elsewhere
from gantlet.errors import BadValue
from gantlet.metrics.features.base import extract
from gantlet.metrics.features.modules import ModuleExtractor


class Sums(nn.Module):
    """Weighted sums of the colours, which remember where they were computed."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.places: list[str] = []

    def forward(self, images: Tensor) -> Tensor:
        self.places.append(images.device.type)
        return self.layer(images.mean((2, 3)))


class Anywhere(Sums):
    any_device = True


@pytest.mark.parametrize(("kind", "expected"), [(Sums, "cpu"), (Anywhere, DEVICE.type)])
def test_a_module_reads_on_the_device_only_if_its_class_says_so(kind: type[Sums], expected: str) -> None:
    net = kind().requires_grad_(False)
    extractor = ModuleExtractor(net, "nets.py:Sums")
    images = torch.randint(256, (3, 3, 4, 4), dtype=torch.uint8)
    known = extract(extractor, [images])
    sha256 = extractor.card.sha256
    with elsewhere():
        net.places.clear()
        found = extract(extractor, [images], device=DEVICE).features
        assert (net.places, found.device) == ([expected], DEVICE)
        torch.testing.assert_close(found.cpu(), known.features)
        again = extract(extractor, [images])
        torch.testing.assert_close(again.features, known.features)
    assert extractor.card.sha256 == sha256


def test_a_module_whose_logits_are_none_is_a_sentence() -> None:
    class Labels(nn.Module):
        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            return images.flatten(1), images.flatten(1).argmax(1)

    with pytest.raises(BadValue, match=r"returned \[1\] beside features; expected class logits \[N, Y\]"):
        _ = ModuleExtractor(Labels(), "nets.py:Labels").card
