"""Windows of images: what they see, adjoints, derivatives of both orders, axes that are mapped."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.func import vmap
from torch.nn import functional

from gantlet.training.windows import Windows

N, B = 3, 4


def batch(*shape: int, seed: int = 9) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


WINDOWS = [
    Windows((4, 4), (2, 2), (1, 1), (4, 4)),
    Windows((3, 2), (1, 2), (0, 1), (5, 6)),
    Windows((2, 3), (3, 2), (0, 0), (7, 6)),  # two rows and a column that no window sees
]
every_window = pytest.mark.parametrize("windows", WINDOWS, ids=str)


@every_window
def test_windows_are_those_of_torch(windows: Windows) -> None:
    x = batch(B, 2, *windows.image)
    unfolded = functional.unfold(x, windows.kernel, padding=windows.padding, stride=windows.stride)  # [B, C·k·k, h·w]
    assert windows.gather(x).equal(unfolded.transpose(0, 1).flatten(1))
    assert windows.gather(x.contiguous(memory_format=torch.channels_last)).equal(windows.gather(x))


@every_window
def test_gathering_and_scattering_are_adjoint(windows: Windows) -> None:
    x = batch(B, 2, *windows.image)
    pixels = windows.gather(batch(B, 2, *windows.image, seed=2)).cos()
    one, other = (windows.gather(x) * pixels).sum(), (x * windows.scatter(pixels)).sum()
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@every_window
def test_finite_differences_of_both_orders(windows: Windows) -> None:
    x = batch(1, 1, *windows.image).requires_grad_()
    pixels = windows.gather(x.detach()).sin().requires_grad_()
    for function, inputs in ((windows.gather, x), (windows.scatter, pixels)):

        def squared(value: Tensor, function: Callable[[Tensor], Tensor] = function) -> Tensor:
            return function(value).square()

        assert torch.autograd.gradcheck(squared, inputs, fast_mode=True)
        assert torch.autograd.gradgradcheck(squared, inputs, fast_mode=True)


@every_window
def test_axes_before_the_batch_and_mapped_ones_are_kept_apart(windows: Windows) -> None:
    x = batch(N, 2, B, 2, *windows.image)
    apart = torch.stack([torch.stack([windows.gather(images) for images in member]) for member in x])
    for gather in (windows.gather, vmap(windows.gather), vmap(vmap(windows.gather))):
        assert gather(x).equal(apart)
    for scatter in (windows.scatter, vmap(windows.scatter), vmap(vmap(windows.scatter))):
        found = scatter(apart)
        assert found.equal(torch.stack([torch.stack([windows.scatter(p) for p in member]) for member in apart]))
    assert vmap(windows.gather, in_dims=1)(x).equal(apart.transpose(0, 1))
