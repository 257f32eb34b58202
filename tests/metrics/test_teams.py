"""Who owns what in a team: answers by hand, a restatement pair by pair, and what must not matter."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gantlet.data.mixture import Mixture
from gantlet.metrics.base import MetricInput
from gantlet.metrics.classifier import Reading
from gantlet.metrics.images import ClassifierMetric
from gantlet.metrics.mixture import MixtureMetric
from gantlet.metrics.teams import Owning, balance, best, mode_overlap, owned, ownership

BLOBS = Mixture(
    torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0], [5.0, 5.0]]), sigma=0.1, weights=torch.full((4,), 0.25)
)
FAR = [2.0, 1.0]  # nearest to the second centre, and good for none
CLASSES = 4


class Oracle:
    """Reads the class from the first pixel and its probability from the second."""

    accuracy, fingerprint, facts = 0.99, "abc", {"network": "oracle"}

    class net:
        classes = CLASSES

    def read(self, images: Tensor) -> Reading:
        flat = images.flatten(1)
        label, sure = flat[:, 0].nan_to_num(0).long(), flat[:, 1]
        rest = ((1 - sure) / (CLASSES - 1))[:, None].expand(-1, CLASSES)
        return Reading(flat[:, -3:], rest.scatter(1, label[:, None], sure[:, None]))

    def features(self, images: Tensor) -> Tensor:
        return self.read(images).features

    def probabilities(self, images: Tensor) -> Tensor:
        return self.read(images).probabilities


def pictures(labels: list[int], sure: float | list[float] = 1.0) -> Tensor:  # [N, 1, 28, 28]
    images = torch.zeros(len(labels), 784)
    images[:, 0], images[:, 1] = torch.tensor(labels).float(), torch.tensor(sure)
    images[:, -3:] = torch.randn(len(labels), 3, generator=torch.Generator().manual_seed(1))
    return images.view(-1, 1, 28, 28)


def of_images(**settings: Any) -> ClassifierMetric:
    test = pictures([0, 1, 2, 3] * 10)
    return ClassifierMetric(Oracle(), test, torch.tensor([0, 1, 2, 3] * 10), **settings)  # pyright: ignore[reportArgumentType]


def points(*rows: tuple[int, int | list[float]]) -> MetricInput:
    """One member; each row is an owner and a mode, or a point."""
    fake = [BLOBS.centres[where] if isinstance(where, int) else torch.tensor(where) for _, where in rows]
    return MetricInput(fake=torch.stack(fake)[None], owners=torch.tensor([[owner for owner, _ in rows]]))


def random_counts(*shape: int, seed: int = 1) -> Tensor:
    return torch.randint(0, 6, shape, generator=torch.Generator().manual_seed(seed))


def restated(counts: np.ndarray) -> float:  # [K, M]
    """The overlap, pair by pair and mode by mode."""
    shares = [row / row.sum() for row in counts.astype(float) if row.sum()]
    pairs = [sum(min(a, b) for a, b in zip(one, other, strict=True)) for one, other in combinations(shares, 2)]
    return float(np.mean(pairs)) if pairs else math.nan


def test_balance_is_one_if_all_own_as_much_and_nought_if_one_owns_all() -> None:
    owns = torch.tensor([[3, 3, 3], [0, 7, 0], [0, 0, 0], [1, 1, 0]])
    expected = [1.0, 0.0, math.nan, math.log(2) / math.log(3)]
    assert balance(owns).tolist() == pytest.approx(expected, abs=1e-15, nan_ok=True)
    assert math.isnan(balance(torch.tensor([4])))


@pytest.mark.parametrize("seed", range(3))
def test_balance_agrees_with_a_restatement(seed: int) -> None:
    owns = random_counts(5, 4, seed=seed) + 1
    for row, value in zip(owns.tolist(), balance(owns).tolist(), strict=True):
        shares = [count / sum(row) for count in row]
        assert value == pytest.approx(-sum(share * math.log(share) for share in shares) / math.log(4), rel=1e-12)


def test_equal_generators_overlap_wholly_and_disjoint_ones_not_at_all() -> None:
    same = torch.tensor([1, 2, 0, 5]).outer(torch.tensor([1, 3, 7])).T  # multiples of one histogram
    assert mode_overlap(same).item() == pytest.approx(1, abs=1e-15)
    assert mode_overlap(torch.eye(4, dtype=torch.int64) * 9).item() == 0
    assert mode_overlap(torch.tensor([[1, 1, 0], [0, 1, 1]])).item() == 0.5


@pytest.mark.parametrize(("generators", "seed"), [(2, 1), (3, 2), (7, 3)])
def test_overlap_agrees_with_a_restatement_pair_by_pair(generators: int, seed: int) -> None:
    counts = random_counts(4, generators, 5, seed=seed)
    expected = [restated(member.numpy()) for member in counts]
    assert mode_overlap(counts).tolist() == pytest.approx(expected, rel=1e-12)


def test_a_generator_without_samples_is_in_no_pair() -> None:
    counts = torch.tensor([[4, 4], [0, 0], [0, 3]])
    assert mode_overlap(counts).item() == restated(counts.numpy()) == 0.5
    assert math.isnan(mode_overlap(counts[:2]))
    assert math.isnan(mode_overlap(counts[1:2]))


def test_the_order_of_generators_and_of_modes_does_not_matter() -> None:
    counts = random_counts(6, 5, 7)
    swapped = counts[:, [3, 0, 4, 1, 2]][..., torch.randperm(7, generator=torch.Generator().manual_seed(1))]
    assert mode_overlap(swapped).tolist() == pytest.approx(mode_overlap(counts).tolist(), rel=1e-14)
    assert torch.equal(best(swapped > 3), best(counts > 3))
    assert balance(counts[:, :, 0]).tolist() == pytest.approx(
        balance(counts[:, [2, 4, 0, 3, 1], 0]).tolist(), nan_ok=True
    )


def test_owned_modes_are_those_of_the_majority_and_ties_go_to_the_first() -> None:
    close = torch.tensor([[3, 0, 2, 1, 0], [1, 4, 2, 0, 0], [2, 4, 1, 0, 0]])
    assert owned(close).tolist() == [3, 1, 0]
    many = random_counts(50, 3, 5)
    assert torch.equal(owned(many).sum(1), (many.sum(1) > 0).sum(1))


def test_counts_agree_with_a_count_sample_by_sample() -> None:
    generator = torch.Generator().manual_seed(4)
    owners, labels = (torch.randint(low, high, (3, 90), generator=generator) for low, high in ((0, 4), (-1, 7)))
    counts = ownership(owners=owners, labels=labels, generators=5, modes=6)
    assert counts.shape == (3, 5, 6)
    for member in range(3):
        expected = Counter(zip(owners[member].tolist(), labels[member].tolist(), strict=True))
        found = {(k, m): counts[member, k, m].item() for k in range(5) for m in range(6)}
        assert found == {cell: expected[cell] for cell in found}


def test_a_team_on_a_mixture_by_hand() -> None:
    inputs = points((0, 0), (0, 0), (0, 1), (1, 1), (1, 1), (1, 2), (2, FAR), (2, FAR), (2, 2), (2, 2))
    result = MixtureMetric(BLOBS)(inputs)
    assert MixtureMetric(BLOBS).ownership(inputs).tolist() == [[[2, 1, 0, 0], [0, 2, 1, 0], [0, 0, 2, 0]]]
    assert result["modes"] == [3]
    assert result["modes_by_generator"] == [[1, 1, 1]]
    assert result["best_generator_modes"] == [2]
    assert result["team_balance"] == pytest.approx([1.0])
    # Histograms (2, 1, 0) / 3, (0, 2, 1) / 3 and, with what is far from its nearest mode, (0, 2, 2) / 4.
    assert result["team_overlap"] == pytest.approx([(1 / 3 + 1 / 3 + (1 / 2 + 1 / 3)) / 3])


def test_one_generator_that_does_it_all_and_one_that_draws_nothing() -> None:
    result = MixtureMetric(BLOBS)(points((0, 0), (0, 1), (0, 2), (0, 3), (1, [math.nan, 0.0]), (1, [math.inf, 0.0])))
    assert (result["modes_by_generator"], result["best_generator_modes"]) == ([[4, 0]], [4])
    assert result["team_balance"] == [0.0]
    assert math.isnan(result["team_overlap"][0])
    assert math.isnan(MixtureMetric(BLOBS)(points((0, FAR), (1, FAR)))["team_balance"][0])


def test_ownership_of_a_mixture_is_that_of_its_restatement() -> None:
    generator = torch.Generator().manual_seed(5)
    labels = torch.randint(4, (2, 300), generator=generator)
    fake = BLOBS.centres[labels] + 0.2 * torch.randn(2, 300, 2, generator=generator)
    owners = torch.randint(3, (2, 300), generator=generator)
    found = MixtureMetric(BLOBS).ownership(MetricInput(fake=fake, owners=owners))
    expected = np.zeros((2, 3, 4), dtype=int)
    for member in range(2):
        for point, owner in zip(fake[member].tolist(), owners[member].tolist(), strict=True):
            distances = [math.dist(point, centre) for centre in BLOBS.centres.tolist()]
            expected[member, owner, int(np.argmin(distances))] += min(distances) <= 0.3
    assert 0 < expected.sum() < 600
    assert found.tolist() == expected.tolist()


def test_a_team_of_images_by_hand() -> None:
    labels = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
    sure = [1.0, 1.0, 1.0, 1.0, 0.5, 1.0, 1.0, 1.0, 1.0, 0.5]
    owners = torch.tensor([[0, 0, 1, 0, 1, 1, 1, 1, 0, 1]])
    inputs = MetricInput(fake=pictures(labels, sure)[None], owners=owners)
    metric = of_images(coverage_at=0.2)
    result = metric(inputs)
    # Sure fakes of classes 0, 1, 2: generator 0 has 2, 1, 1 of its four, generator 1 has 1, 1, 2 of its six.
    assert metric.ownership(inputs).tolist() == [[[2, 1, 1, 0], [1, 1, 2, 0]]]
    assert result["class_coverage"] == [3]
    assert result["classes_by_generator"] == [[2, 1]]
    assert result["best_generator_coverage"] == [3]
    assert result["team_balance"] == pytest.approx([(math.log(3) - 2 / 3 * math.log(2)) / math.log(2)])
    # All fakes, sure or not: (2, 1, 1, 0) / 4 and (1, 2, 2, 1) / 6.
    assert result["team_overlap"] == pytest.approx([1 / 6 + 1 / 4 + 1 / 4])
    entropies = [-sum(p * math.log(p) for p in shares) for shares in ((0.5, 0.25, 0.25), (1 / 6, 1 / 3, 1 / 3, 1 / 6))]
    assert result["class_entropy_by_generator"][0] == pytest.approx(entropies)


def test_a_class_that_the_team_does_not_cover_is_owned_by_nobody() -> None:
    inputs = MetricInput(fake=pictures([0] * 9 + [1])[None], owners=torch.tensor([[0] * 9 + [1]]))
    result = of_images(coverage_at=0.2)(inputs)
    assert (result["class_coverage"], result["classes_by_generator"]) == ([1], [[1, 0]])
    assert result["best_generator_coverage"] == [1]  # the second covers class 1 by its own measure: one of one
    assert (result["team_balance"], result["team_overlap"]) == ([0.0], [0.0])


def test_coverage_of_a_generator_is_a_share_of_its_own_samples() -> None:
    labels = [0] * 50 + [
        0,
        1,
        2,
        3,
    ]  # in 54 fakes one of a class is too little, in the second generator's four it is not
    inputs = MetricInput(fake=pictures(labels)[None], owners=torch.tensor([[0] * 50 + [1] * 4]))
    result = of_images(coverage_at=0.05)(inputs)
    assert (result["class_coverage"], result["best_generator_coverage"]) == ([1], [4])


def test_images_that_are_not_finite_and_generators_without_images() -> None:
    fake = pictures([0, 1, 0, 1])
    fake[:2] = math.nan
    inputs = MetricInput(fake=torch.stack([fake, pictures([0, 1, 0, 1])]), owners=torch.tensor([[0, 0, 2, 2]] * 2))
    result = of_images()(inputs)
    assert result["classes_by_generator"] == [[0, 0, 2], [2, 0, 0]]
    entropies = [[0.0, math.nan, math.log(2)], [math.log(2), math.nan, math.log(2)]]
    assert [
        row == pytest.approx(to, nan_ok=True)
        for row, to in zip(result["class_entropy_by_generator"], entropies, strict=True)
    ] == [True] * 2
    assert result["team_overlap"] == pytest.approx([math.nan, 1.0], nan_ok=True)
    assert result["best_generator_coverage"] == [2, 2]


def test_single_generators_have_no_columns_of_teams() -> None:
    for metric, fake in ((MixtureMetric(BLOBS), BLOBS.centres), (of_images(), pictures([0, 1, 2, 3]))):
        assert isinstance(metric, Owning)
        alone, team = (
            metric(MetricInput(fake=fake[None], owners=owners)) for owners in (None, torch.zeros(1, 4).long())
        )
        extra = set(team) - set(alone)
        assert {"team_balance", "team_overlap"} < extra
        assert set(team) == {column.name for column in metric.columns}
        assert str(alone) == str({name: values for name, values in team.items() if name not in extra})
        assert metric.ownership(MetricInput(fake=fake[None])).tolist() == [[[1, 1, 1, 1]]]
