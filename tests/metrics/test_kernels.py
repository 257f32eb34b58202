"""Kernel distances: double loops, and no bias."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gantlet.errors import TooFewSamples
from gantlet.metrics.distances import fixed_order
from gantlet.metrics.kernels import block_discrepancy, block_size
from thinning import leading


def cubic(x: np.ndarray, y: np.ndarray) -> float:
    return (float(np.dot(x, y)) / len(x) + 1) ** 3


def gaussian(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    return 1000 * math.exp(-float(((x - y) ** 2).sum()) / (2 * 10**2))


def by_double_loop(kernel, x: np.ndarray, y: np.ndarray) -> float:
    n = len(x)
    within = sum(kernel(side[i], side[j]) for side in (x, y) for i in range(n) for j in range(n) if i != j)
    return within / (n * (n - 1)) - 2 * sum(kernel(a, b) for a in x for b in y) / n**2


@pytest.mark.parametrize(("kind", "kernel"), [("kid", cubic), ("mmd", gaussian)])
def test_it_is_the_mean_of_double_loops_over_blocks(kind: str, kernel) -> None:
    numbers = torch.Generator().manual_seed(1)
    x, y = torch.rand(40, 7, generator=numbers), torch.rand(46, 7, generator=numbers) * 1.5
    found = block_discrepancy(kind, real=x, fake=y, block=20)
    x, y = x[fixed_order(40)].double().numpy(), y[fixed_order(46, draw=1)].double().numpy()
    blocks = [by_double_loop(kernel, x[i : i + 20], y[i : i + 20]) for i in (0, 20)]
    assert found.value == pytest.approx(np.mean(blocks), rel=1e-6)
    assert found.error == pytest.approx(np.std(blocks, ddof=1) / math.sqrt(2), rel=1e-6)


@pytest.mark.parametrize("kind", leading(["kid", "mmd"]))
def test_it_is_unbiased_between_equal_distributions_and_its_error_is_honest(kind: str) -> None:
    numbers = torch.Generator().manual_seed(2)
    found = [block_discrepancy(kind, real=x, fake=y) for x, y in torch.rand(200, 2, 60, 12, generator=numbers)]
    values = np.array([entry.value for entry in found])
    assert abs(values.mean()) < 3 * values.std() / math.sqrt(len(values))
    assert (values < 0).mean() > 0.2, "what cannot be negative is biased"
    squares = np.mean([entry.error**2 for entry in found])
    assert math.sqrt(squares) == pytest.approx(values.std(), rel=0.2)


def test_sides_that_come_sorted_by_class_are_not_matched_block_by_block() -> None:
    """By the same shuffle of both sides, blocks would have the same classes, and every distance were below 0."""
    right, matched = [], []
    for count in range(200, 300):  # each has shuffles of its own
        numbers = torch.Generator().manual_seed(count)
        classes = torch.randint(10, (2, count, 1), generator=numbers).sort(1).values
        x, y = classes + torch.randn(2, count, 6, generator=numbers)
        right.append(block_discrepancy("kid", real=x, fake=y).value)
        undone = y[fixed_order(count)[fixed_order(count, draw=1).argsort()]]  # the second shuffle becomes the first
        matched.append(block_discrepancy("kid", real=x, fake=undone).value)
    assert abs(np.mean(right)) < 3 * np.std(right) / 10
    assert np.mean(matched) < -5 * np.std(matched) / 10, "the mistake would be seen"


def test_blocks_are_a_tenth_and_a_thousand_at_most() -> None:
    assert [block_size(count) for count in (20, 2000, 10_000, 60_000)] == [2, 200, 1000, 1000]
    with pytest.raises(TooFewSamples, match="at least 20 samples of each side; there are 19"):
        block_discrepancy("kid", real=torch.zeros(19, 2), fake=torch.zeros(99, 2))
