"""Scores on equal features against other tools, restated from their sources: their packages pull in torchvision or an old SciPy.

    | torch-fidelity 0.4, metric_fid.py, metric_kid.py, metric_isc.py, metric_prc.py
    | torchmetrics 1.9, image/fid.py, image/kid.py, image/inception.py
    | prdc 0.2, prdc.py

All agree to 1e-4 relative. Where tools differ from each other (prdc's balls are open and torch-fidelity's closed; random subsets
of KID that overlap, and blocks that do not) the same subsets are given to both sides.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.metrics.distances import fixed_order
from gantlet.metrics.feature_scores import Reference, Scoring
from gantlet.metrics.features.base import Features
from gantlet.metrics.kernels import block_discrepancy

Floats = NDArray[np.float64]
COUNT, DIMENSION, CLASSES, SPLITS = 600, 96, 12, 10


def side(seed: int, shift: float) -> tuple[Tensor, Tensor]:
    """Features as networks make them (not negative, correlated, some never active), and logits."""
    numbers = torch.Generator().manual_seed(seed)
    mixing = torch.randn(DIMENSION, DIMENSION, generator=torch.Generator().manual_seed(99)) / DIMENSION**0.5
    features = (torch.randn(COUNT, DIMENSION, generator=numbers) @ mixing + shift).relu()
    features[:, :4] = 0
    return features, features[:, 10 : 10 + CLASSES] * 4


(REAL, REAL_LOGITS), (FAKE, FAKE_LOGITS) = side(1, 0.2), side(2, 0.35)


def scored(*names: str) -> dict[str, float]:
    real, fake = Features(REAL, REAL_LOGITS.softmax(1)), Features(FAKE, FAKE_LOGITS.softmax(1))
    found = Scoring(Reference(real), fake, intervals=False).scores(names)
    return {name: score.value for name, score in found.items()}


def fid_of_torch_fidelity(x: Floats, y: Floats) -> float:
    """NumPy's covariances and the eigenvalues of their product, which torchmetrics takes in torch."""
    first, second = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    apart = x.mean(0) - y.mean(0)
    roots = np.sqrt(np.linalg.eigvals(first @ second).astype(complex)).real.sum()
    return float(apart @ apart + np.trace(first) + np.trace(second) - 2 * roots)


def fid_of_torchmetrics(x: Tensor, y: Tensor) -> float:
    """From running sums and products in float64, as its states are."""
    moments = []
    for features in (x.double(), y.double()):
        total, products, count = features.sum(0), features.T @ features, len(features)
        mean = total / count
        moments.append((mean, (products - count * torch.outer(mean, mean)) / (count - 1)))
    (mu, sigma), (nu, tau) = moments
    roots = torch.linalg.eigvals(sigma @ tau).sqrt().real.sum(-1)
    return float((mu - nu).square().sum() + sigma.trace() + tau.trace() - 2 * roots)


def polynomial_mmd(x: Floats, y: Floats) -> float:
    """Of both: the unbiased estimate, with the kernel (⟨x, y⟩ / d + 1)³."""
    m = len(x)
    kxx, kyy, kxy = ((a @ b.T / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    within = kxx.sum() - np.trace(kxx) + kyy.sum() - np.trace(kyy)
    return float(within / (m * (m - 1)) - 2 * kxy.sum() / m**2)


def inception_score_of_torch_fidelity(logits: Tensor) -> float:
    scores = []
    count = len(logits)
    for i in range(SPLITS):
        part = logits.double()[i * count // SPLITS : (i + 1) * count // SPLITS]
        p, log_p = part.softmax(1), part.log_softmax(1)
        scores.append((p * (log_p - p.mean(0, keepdim=True).log())).sum(1).mean().exp().item())
    return float(np.mean(scores))


def kth_of_prdc(distances: Floats, k: int) -> Floats:
    """The largest of the k smallest, oneself included."""
    return np.take_along_axis(distances, np.argpartition(distances, k, axis=-1)[:, :k], axis=-1).max(-1)


def of_prdc(x: Floats, y: Floats, k: int) -> dict[str, float]:
    apart = torch.cdist(torch.from_numpy(x), torch.from_numpy(y), compute_mode="donot_use_mm_for_euclid_dist").numpy()
    own = [torch.cdist(*[torch.from_numpy(s)] * 2, compute_mode="donot_use_mm_for_euclid_dist").numpy() for s in (x, y)]
    real_radius, fake_radius = (kth_of_prdc(distances, k + 1) for distances in own)
    return {
        "precision": float((apart < real_radius[:, None]).any(0).mean()),
        "recall": float((apart < fake_radius[None]).any(1).mean()),
        "density": float((apart < real_radius[:, None]).sum(0).mean() / k),
        "coverage": float((apart.min(1) < real_radius).mean()),
    }


def precision_recall_of_torch_fidelity(real: Tensor, fake: Tensor, k: int = 3) -> tuple[float, float]:
    own = [torch.cdist(s, s).kthvalue(k + 1).values for s in (real, fake)]
    between = torch.cdist(fake, real)
    return (between <= own[0]).any(1).double().mean().item(), (own[1] >= between.T).any(1).double().mean().item()


def test_the_frechet_distance_is_that_of_torch_fidelity_and_torchmetrics() -> None:
    found = scored("fd")["fd"]
    assert found == pytest.approx(fid_of_torch_fidelity(REAL.double().numpy(), FAKE.double().numpy()), rel=1e-4)
    assert found == pytest.approx(fid_of_torchmetrics(REAL, FAKE), rel=1e-4)
    assert found > 0.1


def test_kid_is_the_mean_of_theirs_over_the_same_subsets() -> None:
    orders = [fixed_order(COUNT, draw=draw).split(60) for draw in (0, 1)]
    subsets = [(REAL[a].double().numpy(), FAKE[b].double().numpy()) for a, b in zip(*orders, strict=True)]
    assert scored("kid")["kid"] == pytest.approx(np.mean([polynomial_mmd(*pair) for pair in subsets]), rel=1e-4)
    whole = block_discrepancy("kid", real=REAL, fake=FAKE, block=COUNT).value
    assert whole == pytest.approx(polynomial_mmd(REAL.double().numpy(), FAKE.double().numpy()), rel=1e-4)
    assert whole > 0.001


def test_the_inception_score_is_theirs_on_the_same_order() -> None:
    """Both shuffle, by a number of their own."""
    expected = inception_score_of_torch_fidelity(FAKE_LOGITS[fixed_order(COUNT)])
    assert scored("inception_score")["inception_score"] == pytest.approx(expected, rel=1e-4)
    assert 1.2 < expected < CLASSES


def test_precision_recall_density_and_coverage_are_those_of_prdc_and_torch_fidelity() -> None:
    found = scored("precision", "recall", "density", "coverage")
    x, y = REAL.double().numpy(), FAKE.double().numpy()
    three, five = of_prdc(x, y, 3), of_prdc(x, y, 5)
    expected = {name: (five if name in ("density", "coverage") else three)[name] for name in found}
    assert found == pytest.approx(expected, rel=1e-4)
    assert (found["precision"], found["recall"]) == pytest.approx(
        precision_recall_of_torch_fidelity(REAL.double(), FAKE.double()), rel=1e-4
    )
    assert all(0.02 < value < 0.98 for value in found.values()), "values that say something"
