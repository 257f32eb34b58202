"""Precision, recall, density, coverage and memorisation by brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu
from torch import Tensor

from gantlet.errors import BadValue
from gantlet.metrics import neighbours
from gantlet.metrics.manifolds import manifold_scores
from gantlet.metrics.memorisation import TrainingDistances, copying, replicas
from gantlet.metrics.neighbours import nearest_of, neighbour_radii


def sample(count: int, seed: int, scale: float = 1.0) -> Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed)) * scale + 50


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that samples fill several tiles, the last ones not whole."""
    monkeypatch.setattr(neighbours, "_ROWS", 64)
    monkeypatch.setattr(neighbours, "_COLUMNS", 48)


def brute_force(real: np.ndarray, fake: np.ndarray, k: int) -> dict[str, float]:
    between = cdist(real, fake)
    r = np.array([sorted(cdist(row[None], real)[0])[k] for row in real])
    f = np.array([sorted(cdist(row[None], fake)[0])[k] for row in fake])
    inside = between <= r[:, None]
    return {
        "precision": np.mean([inside[:, j].any() for j in range(len(fake))]),
        "recall": np.mean([(between[i] <= f).any() for i in range(len(real))]),
        "density": inside.sum() / (k * len(fake)),
        "coverage": np.mean([inside[i].any() for i in range(len(real))]),
    }


def test_they_equal_brute_force() -> None:
    real, fake = sample(150, 1), sample(170, 2, 1.3)
    found = manifold_scores(real=real, fake=fake, ks=(3, 5))
    plain = {k: brute_force(real.double().numpy(), fake.double().numpy(), k) for k in (3, 5)}
    for name, k in (("precision", 3), ("recall", 3), ("density", 5), ("coverage", 5)):
        assert getattr(found, name).mean().item() == pytest.approx(plain[k][name], rel=1e-9), name
    assert 0.3 < plain[3]["precision"] < plain[3]["recall"] < 1, "sides that can be mixed up"


def test_coverage_of_equal_distributions_is_what_its_paper_says() -> None:
    """1 - (n)(n-1)…/(2n-1)… → 1 - ½⁵ for k = 5."""
    found = [manifold_scores(real=sample(300, 2 * seed), fake=sample(300, 2 * seed + 1)) for seed in range(20)]
    coverage = np.array([entry.coverage.mean().item() for entry in found])
    assert coverage.mean() == pytest.approx(1 - 0.5**5, abs=3 * coverage.std() / 20**0.5 + 0.002)
    assert np.mean([entry.density.mean().item() for entry in found]) == pytest.approx(1, abs=0.03)


def test_neighbours_are_exact_even_far_from_the_origin() -> None:
    x, y = sample(100, 1) * 100, sample(90, 2) * 100
    found = nearest_of(x, y)
    exact = cdist(x.double().numpy(), y.double().numpy())
    np.testing.assert_allclose(found.distance.numpy(), exact.min(1), rtol=1e-9)
    np.testing.assert_array_equal(found.place.numpy(), exact.argmin(1))
    np.testing.assert_allclose(neighbour_radii(x, [1])[:, 0].sqrt(), nearest_of(x, x, others=True).distance)
    with pytest.raises(BadValue, match="1 ≤ k < 100"):
        neighbour_radii(x, [100])


def test_memorisation_is_a_mann_whitney_statistic_and_authenticity_brute_force() -> None:
    train, held_out, fake = sample(120, 1), sample(80, 2), sample(60, 3, 0.8)
    found = copying(fake=fake, train=train, known=TrainingDistances.of(held_out=held_out, train=train))
    d = [cdist(side.double().numpy(), train.double().numpy()) for side in (fake, held_out, train)]
    u = mannwhitneyu(d[0].min(1), d[1].min(1)).statistic
    assert found.memorisation == pytest.approx(1 - u / (60 * 80), rel=1e-9)
    np.fill_diagonal(d[2], np.inf)
    authentic = [d[0][i].min() > d[2][d[0][i].argmin()].min() for i in range(60)]
    assert found.authentic.tolist() == [float(entry) for entry in authentic]


def test_memorisation_is_a_half_of_new_samples_and_its_error_is_honest() -> None:
    found = []
    for seed in range(0, 120, 3):
        fake, held_out, train = sample(100, seed), sample(100, seed + 1), sample(200, seed + 2)
        found.append(copying(fake=fake, train=train, known=TrainingDistances.of(held_out=held_out, train=train)))
    values = np.array([entry.memorisation for entry in found])
    assert abs(values.mean() - 0.5) < 3 * values.std() / 40**0.5
    assert np.mean([entry.error for entry in found]) == pytest.approx(values.std(), rel=0.35)


def test_duplicates_are_one_percent_of_new_samples_and_all_twins() -> None:
    fake, held_out = sample(1000, 1), sample(1000, 2)
    assert replicas(fake=fake, held_out=held_out).duplicate.mean().item() == pytest.approx(0.01, abs=0.012)
    assert replicas(fake=held_out, held_out=held_out).duplicate.mean().item() == pytest.approx(0.01, abs=0.001)
    twins = torch.cat([fake[:100], fake[:100] + 1e-3, fake[200:]])
    assert replicas(fake=twins, held_out=held_out).duplicate.mean().item() == pytest.approx(0.2, abs=0.03)
