"""The mixture metric: published numbers, an independent restatement in NumPy, and samples that are no numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from gantlet.errors import BadValue
from gantlet.metrics import mixture as module
from gantlet.metrics.base import MetricInput
from gantlet.metrics.mixture import MixtureMetric


@dataclass
class Blobs:
    """What the metric needs of a mixture."""

    centres: Tensor
    sigma: float
    weights: Tensor


ANGLES = torch.arange(1, 9, dtype=torch.float64) * (math.pi / 4)
RING = Blobs(torch.stack([ANGLES.cos(), ANGLES.sin()], 1).float(), 0.01, torch.full((8,), 1 / 8))
UNEVEN = Blobs(
    torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0]]), 0.25, torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
)


def drawn(blobs: Blobs, *, members: int, samples: int, seed: int = 1) -> Tensor:  # [S, N, d]
    generator = torch.Generator().manual_seed(seed)
    labels = blobs.weights.multinomial(members * samples, replacement=True, generator=generator)
    noise = torch.randn(members * samples, blobs.centres.shape[1], generator=generator)
    return (blobs.centres[labels] + blobs.sigma * noise).unflatten(0, (members, samples))


def restated(points: np.ndarray, blobs: Blobs) -> dict[str, float]:
    """One member's numbers, sample by sample."""
    centres, weights = blobs.centres.double().numpy(), blobs.weights.double().numpy()
    counts, covered, good = np.zeros(len(centres)), set[int](), 0
    for point in points.astype(np.float64):
        distances = [math.dist(point, centre) for centre in centres]
        nearest = int(np.argmin(distances))
        counts[nearest] += 1
        if distances[nearest] <= 3 * blobs.sigma:
            covered.add(nearest)
            good += 1
    fake = (counts + 1) / (len(points) + len(centres))
    middle = [(p + q) / 2 for p, q in zip(weights, fake, strict=True)]
    kl = sum(p * math.log(p / q) for p, q in zip(weights, fake, strict=True))
    reverse = sum(q * math.log(q / p) for p, q in zip(weights, fake, strict=True))
    to_middle = [p * math.log(p / m) for side in (weights, fake) for p, m in zip(side, middle, strict=True)]
    return {
        "modes": len(covered),
        "high_quality": good / len(points),
        "kl": kl,
        "reverse_kl": reverse,
        "jsd": sum(to_middle) / 2,
        "tvd": sum(abs(p - q) for p, q in zip(weights, fake, strict=True)) / 2,
    }


def test_all_samples_on_one_mode_of_the_ring_give_the_published_numbers() -> None:
    fake = RING.centres[2].expand(1, 25_000, 2)
    result = MixtureMetric(RING)(MetricInput(fake=fake))
    assert result["kl"][0] == pytest.approx(6.782, abs=5e-4)
    assert result["reverse_kl"][0] == pytest.approx(2.076, abs=5e-4)
    assert (result["modes"], result["high_quality"]) == ([1], [1.0])
    assert (result["success"], result["failure"]) == ([False], [False])


def test_a_perfect_model_has_the_high_quality_of_its_chi_square() -> None:
    fake = drawn(RING, members=2, samples=25_000)
    result = MixtureMetric(RING)(MetricInput(fake=fake))
    error = math.sqrt(0.9889 * 0.0111 / 25_000)
    assert result["high_quality"] == pytest.approx([1 - math.exp(-4.5)] * 2, abs=4 * error)
    assert (result["modes"], result["success"]) == ([8, 8], [True, True])
    # Twice N times the KL of M counts is χ² with M - 1 degrees of freedom.
    assert max(result["kl"]) < chi2.ppf(0.9999, 7) / (2 * 25_000)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 7])
def test_the_perfect_share_is_stated_for_every_dimension(dimensions: int) -> None:
    blobs = Blobs(torch.zeros(1, dimensions), 1.0, torch.ones(1))
    stated = MixtureMetric(blobs).facts["high_quality_of_a_perfect_model"]
    assert stated == pytest.approx(chi2.cdf(9, dimensions), rel=1e-12)


@pytest.mark.parametrize("spread", [0.2, 1.0, 3.0])
def test_every_number_agrees_with_a_restatement_sample_by_sample(spread: float) -> None:
    generator = torch.Generator().manual_seed(7)
    fake = spread * torch.randn(3, 211, 2, generator=generator) + torch.tensor([1.0, 0.5])
    result = MixtureMetric(UNEVEN)(MetricInput(fake=fake))
    for member in range(3):
        for name, value in restated(fake[member].numpy(), UNEVEN).items():
            assert result[name][member] == pytest.approx(value, rel=1e-10), name


def test_the_two_directions_of_kl_are_not_swapped() -> None:
    """KL(mixture ‖ samples) punishes what is missing: the smallest mode missing costs less than the largest."""
    without = {lost: drawn(UNEVEN, members=1, samples=4000) for lost in (0, 2)}
    for lost, fake in without.items():
        near = torch.cdist(fake[0], UNEVEN.centres).argmin(1) == lost
        fake[0, near] = UNEVEN.centres[1]
    costs = {lost: MixtureMetric(UNEVEN)(MetricInput(fake=fake)) for lost, fake in without.items()}
    assert costs[0]["kl"][0] > costs[2]["kl"][0]
    assert costs[2]["kl"][0] > costs[2]["reverse_kl"][0]


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = MetricInput(
        fake=drawn(UNEVEN, members=3, samples=50),
        owners=torch.arange(150).view(3, 50) % 4,
    )
    whole = MixtureMetric(UNEVEN)(inputs)
    monkeypatch.setattr(module, "_CHUNK", 3 * 7)  # 7 samples: across members, and a rest
    assert str(MixtureMetric(UNEVEN)(inputs)) == str(whole)


def test_a_member_is_judged_as_if_alone() -> None:
    fake = drawn(RING, members=3, samples=40) * torch.tensor([1.0, 1.02, 0.5]).view(3, 1, 1)
    together = MixtureMetric(RING)(MetricInput(fake=fake))
    for member in range(3):
        alone = MixtureMetric(RING)(MetricInput(fake=fake[member : member + 1]))
        assert str({name: [values[member]] for name, values in together.items()}) == str(alone)


@pytest.mark.parametrize(("sigmas", "quality"), [(2.99, 1.0), (3.01, 0.0)])
def test_quality_ends_at_three_sigma_even_far_from_the_origin(sigmas: float, quality: float) -> None:
    """Through ‖x‖² - 2x·c + ‖c‖² in float32 the distances here would be wrong by 0.1 sigma."""
    generator = torch.Generator().manual_seed(3)
    centre = torch.tensor([[100.0, 100.0]])
    directions = torch.nn.functional.normalize(torch.randn(1, 500, 2, generator=generator), dim=2)
    metric = MixtureMetric(Blobs(centre, 0.05, torch.ones(1)))
    result = metric(MetricInput(fake=centre + sigmas * 0.05 * directions))
    assert result["high_quality"] == [quality]
    assert result["success"] == result["modes"] == [quality]


def test_samples_that_are_not_finite_belong_to_no_mode() -> None:
    fake = RING.centres[:4].repeat(1, 1)[None].clone()
    fake[0, 1] = math.nan
    fake[0, 2, 0] = math.inf
    fake[0, 3] = 1e30  # finite, but its distance is not
    result = MixtureMetric(RING)(MetricInput(fake=fake))
    assert (result["modes"], result["high_quality"]) == ([1], [0.25])
    # Counts 1 + [1, 0 × 7] and 3 outside, over 4 + 8.
    outside = 3 / 12
    inside = [2 / 12] + [1 / 12] * 7
    assert result["tvd"][0] == pytest.approx((sum(abs(1 / 8 - q) for q in inside) + outside) / 2)
    assert result["kl"][0] == pytest.approx(sum(math.log(1 / 8 / q) / 8 for q in inside))
    assert result["reverse_kl"] == [math.inf]


def test_nothing_but_nan_is_the_worst_and_not_the_best() -> None:
    result = MixtureMetric(RING)(MetricInput(fake=torch.full((1, 92, 2), math.nan)))
    assert (result["modes"], result["failure"], result["success"]) == ([0], [True], [False])
    assert result["kl"] == pytest.approx([math.log(100 / 8)])
    assert result["tvd"] == pytest.approx([0.92])


def test_a_mode_belongs_to_the_generator_that_made_most_of_it() -> None:
    far = torch.tensor([50.0, 50.0])  # nearest to some mode, but good for none
    first, second, _ = UNEVEN.centres
    fake = torch.stack([first, first, first, second, second, far, far, far])[None]
    owners = torch.tensor([[0, 2, 2, 1, 0, 1, 1, 1]])
    result = MixtureMetric(UNEVEN)(MetricInput(fake=fake, owners=owners))
    # The first mode goes to generator 2; the second is a tie, which the lower one wins; the third is not covered.
    assert result["modes_by_generator"] == [[1, 0, 1]]
    assert result["modes"] == [2]
    assert "modes_by_generator" not in MixtureMetric(UNEVEN)(MetricInput(fake=fake))


def test_owned_modes_add_up_to_the_covered_ones() -> None:
    fake = drawn(RING, members=4, samples=60) + 0.01
    owners = torch.randint(5, (4, 60), generator=torch.Generator().manual_seed(2))
    result = MixtureMetric(RING)(MetricInput(fake=fake, owners=owners))
    assert [sum(owned) for owned in result["modes_by_generator"]] == result["modes"]
    assert all(len(owned) == 5 for owned in result["modes_by_generator"])


def test_wrong_samples_are_refused_with_both_dimensions() -> None:
    with pytest.raises(BadValue, match=r"3 numbers each.*2 dimensions"):
        MixtureMetric(RING)(MetricInput(fake=torch.zeros(1, 5, 3)))
    with pytest.raises(BadValue, match="samples=0"):
        MixtureMetric(RING, samples=0)
