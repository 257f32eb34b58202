"""Convolutions aligned as TensorFlow's padding SAME: known impulses, a restatement by loops, exact adjoints.

Legend: ``n`` pixels of a side.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gantlet.networks.same_padding import same_convolution, same_deconvolution

KERNELS = [(5, 2), (4, 2), (3, 2), (2, 2), (3, 1), (5, 1), (6, 3)]
every_kernel = pytest.mark.parametrize(("kernel", "stride"), KERNELS)


def with_weight(layers: list[nn.Module], weight: Tensor) -> nn.Sequential:
    module = nn.Sequential(*layers).double()
    with torch.no_grad():
        next(module.parameters()).copy_(weight)
    return module


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def before(kernel: int, stride: int) -> int:
    """TensorFlow's rule: of all missing pixels, half come first, rounded down."""
    return (kernel - stride) // 2


@every_kernel
def test_the_convolution_by_loops(kernel: int, stride: int) -> None:
    n = 2 * stride * 2
    x, weight = noise(1, 2, n, n).numpy(), noise(3, 2, kernel, kernel, seed=1).numpy()
    expected = np.zeros((1, 3, n // stride, n // stride))
    for row, column in np.ndindex(expected.shape[2:]):
        for i, j in np.ndindex(kernel, kernel):
            m, k = stride * row + i - before(kernel, stride), stride * column + j - before(kernel, stride)
            if 0 <= m < n and 0 <= k < n:
                expected[0, :, row, column] += weight[:, :, i, j] @ x[0, :, m, k]
    module = with_weight(same_convolution((2, 3), kernel=kernel, stride=stride, bias=False), torch.tensor(weight))
    np.testing.assert_allclose(module(torch.tensor(x)).detach().numpy(), expected, rtol=1e-12, atol=1e-14)


@every_kernel
def test_the_deconvolution_is_the_adjoint(kernel: int, stride: int) -> None:
    """⟨A x, y⟩ = ⟨x, Aᵀ y⟩ with one and the same weight."""
    n = 4
    weight = noise(3, 2, kernel, kernel)
    down = with_weight(same_convolution((2, 3), kernel=kernel, stride=stride, bias=False), weight)
    up = with_weight(same_deconvolution((3, 2), kernel=kernel, stride=stride, bias=False), weight)
    x, y = noise(1, 2, stride * n, stride * n, seed=1), noise(1, 3, n, n, seed=2)
    assert up(y).shape == x.shape
    assert torch.allclose((down(x) * y).sum(), (x * up(y)).sum(), rtol=1e-12)


def impulse(n: int, row: int, column: int) -> Tensor:
    x = torch.zeros(1, 1, n, n, dtype=torch.float64)
    x[0, 0, row, column] = 1
    return x


def test_one_pixel_of_a_five_by_five_deconvolution() -> None:
    """Pixel (i, j) is spread over rows 2i - 1 to 2i + 3: one before it, three from it on."""
    weight = torch.arange(1.0, 26, dtype=torch.float64).reshape(1, 1, 5, 5)
    up = with_weight(same_deconvolution((1, 1), kernel=5, bias=False), weight)
    inside = up(impulse(4, 1, 2))[0, 0]
    expected = torch.zeros(8, 8, dtype=torch.float64)
    expected[1:6, 3:8] = weight[0, 0]
    assert torch.equal(inside, expected)
    corner = up(impulse(4, 0, 0))[0, 0]
    assert torch.equal(corner[:4, :4], weight[0, 0, 1:, 1:])
    assert corner.count_nonzero() == 16


def test_one_pixel_of_a_five_by_five_convolution() -> None:
    """Output i sees inputs 2i - 1 to 2i + 3, so input 2 meets weight 3 at output 0 and weight 1 at output 1."""
    weight = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    weight[0, 0, :, 1] = torch.arange(5.0)
    down = with_weight(same_convolution((1, 1), kernel=5, bias=False), weight)
    found = down(impulse(8, 2, 0))[0, 0, :, 0]
    assert found.tolist() == [3.0, 1.0, 0.0, 0.0]


def test_symmetric_padding_would_shift() -> None:
    weight = noise(1, 1, 5, 5)
    up = with_weight(same_deconvolution((1, 1), kernel=5, bias=False), weight)
    symmetric = nn.functional.conv_transpose2d(impulse(4, 1, 1), weight, stride=2, padding=2, output_padding=1)
    assert torch.equal(up(impulse(4, 1, 1))[..., 1:, 1:], symmetric[..., :-1, :-1])
    assert not torch.allclose(up(impulse(4, 1, 1)), symmetric)


def test_biases_are_added_everywhere() -> None:
    for layers in (same_convolution((1, 1), kernel=5), same_deconvolution((1, 1), kernel=5)):
        module = nn.Sequential(*layers)
        bias = dict(module.named_parameters())[next(n for n, p in module.named_parameters() if p.ndim == 1)]
        with torch.no_grad():
            bias.fill_(0.5)
            found = module(torch.zeros(1, 1, 4, 4))
        assert (found == 0.5).all()
