"""Divergences over modes: NumPy's own sums, the extremes, and samples that have no mode."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gantlet.metrics.divergences import DIVERGENCES, divergences


def restated(counts: list[int], weights: list[float]) -> dict[str, float]:
    p = np.array(weights) / sum(weights)
    q = (np.array(counts) + 1) / (sum(counts) + len(counts))
    middle = (p + q) / 2

    def kl(a: np.ndarray, b: np.ndarray) -> float:
        return float((a * np.log(a / b)).sum())

    return {
        "kl": kl(p, q),
        "reverse_kl": kl(q, p),
        "jsd": (kl(p, middle) + kl(q, middle)) / 2,
        "tvd": float(abs(p - q).sum()) / 2,
    }


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [0.2, 0.5, 1.3]])
def test_they_are_numpys_sums_member_by_member(weights: list[float]) -> None:
    counts = [[5, 0, 12], [1, 40, 2]]
    found = divergences(torch.tensor([[*row, 0] for row in counts]), torch.tensor(weights, dtype=torch.float64))
    assert set(found) == {column.name for column in DIVERGENCES}
    for place, row in enumerate(counts):
        for name, value in restated(row, weights).items():
            assert found[name][place] == pytest.approx(value, rel=1e-12), name


def test_samples_without_a_mode_lie_where_the_truth_has_no_mass() -> None:
    found = divergences(torch.tensor([[9, 9, 20], [0, 0, 10**9]]), torch.ones(2))
    assert found["reverse_kl"] == [math.inf, math.inf]
    assert found["tvd"] == [pytest.approx(0.5), pytest.approx(1.0)]  # 20 of 40; all
    assert found["kl"][0] == pytest.approx(math.log(2))
    assert found["jsd"][1] == pytest.approx(math.log(2), rel=1e-6)
