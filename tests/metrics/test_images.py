"""The image metric, judged by a classifier whose readings are written into the pixels."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gantlet.errors import BadData, BadValue
from gantlet.metrics.base import MetricInput
from gantlet.metrics.classifier import Reading
from gantlet.metrics.distances import fixed_order, frechet, inception_score, moments
from gantlet.metrics.images import ClassifierMetric

CLASSES = 4


class Oracle:
    """Reads the class from the first pixel, its probability from the second, and features from the last row."""

    accuracy, fingerprint, facts = 0.99, "abc", {"network": "oracle"}

    class net:
        classes = CLASSES

    def read(self, images: Tensor) -> Reading:
        flat = images.flatten(1)
        label, sure = flat[:, 0].nan_to_num(0).long(), flat[:, 1]
        rest = ((1 - sure) / (CLASSES - 1))[:, None].expand(-1, CLASSES)
        return Reading(flat[:, -5:], rest.scatter(1, label[:, None], sure[:, None]))

    def features(self, images: Tensor) -> Tensor:
        return self.read(images).features


def pictures(labels: list[int], sure: float | list[float] = 1.0, seed: int = 1) -> Tensor:  # [N, 1, 28, 28]
    images = torch.zeros(len(labels), 784)
    images[:, 0] = torch.tensor(labels).float()
    images[:, 1] = torch.tensor(sure)
    images[:, -5:] = torch.randn(len(labels), 5, generator=torch.Generator().manual_seed(seed))
    return images.view(-1, 1, 28, 28)


TEST = pictures([0, 1, 2, 3] * 25)
LABELS = torch.tensor([0, 1, 2, 3] * 25)


def metric(**settings: Any) -> ClassifierMetric:
    return ClassifierMetric(Oracle(), TEST, LABELS, **settings)  # pyright: ignore[reportArgumentType]


def judged(*members: Tensor, **settings: Any) -> dict[str, list[Any]]:
    return metric(**settings)(MetricInput(fake=torch.stack(members)))


def test_evenly_drawn_classes_are_perfect_and_a_single_one_is_the_worst() -> None:
    result = judged(pictures([3, 2, 1, 0] * 25), pictures([2] * 100))
    assert result["class_coverage"] == [4, 1]
    assert result["class_entropy"] == pytest.approx([math.log(4), 0.0])
    assert result["class_tvd"] == pytest.approx([0.0, 0.75])
    assert result["classifier_is"][1] == pytest.approx(1.0)
    assert result["classifier_is"][0] > 3


@pytest.mark.parametrize(("count", "covered"), [(6, 1), (7, 2), (8, 2)])
def test_a_class_is_covered_from_its_share_on(count: int, covered: int) -> None:
    fake = pictures([1] * count + [0] * (100 - count))
    assert judged(fake, coverage_at=0.07)["class_coverage"] == [covered]


def test_unsure_images_cover_nothing_but_count_as_drawn() -> None:
    fake = pictures([0] * 50 + [1] * 50, sure=[1.0] * 50 + [0.89] * 50)
    result = judged(fake)
    assert result["class_coverage"] == [1]
    assert result["class_tvd"] == pytest.approx([0.5])
    assert judged(fake, sure_at=0.85)["class_coverage"] == [2]


def test_the_distance_is_that_of_the_features_to_the_test_set() -> None:
    members = [pictures([0] * 60, seed=seed) for seed in (4, 5)]
    features = [Oracle().features(member) for member in members]
    expected = [float(frechet(*moments(x), *moments(Oracle().features(TEST)))) for x in features]
    assert judged(*members)["classifier_fd"] == pytest.approx(expected, rel=1e-9)
    assert judged(TEST)["classifier_fd"] == pytest.approx([0.0], abs=1e-9)
    shifted = TEST.clone()
    shifted[..., -1, -5:] += 2.0  # all five features: 5 · 2²
    assert judged(shifted)["classifier_fd"] == pytest.approx([20.0], rel=1e-5)


def test_the_score_does_not_depend_on_how_samples_are_sorted() -> None:
    """Sorted by class (as when every generator of a team draws its own), consecutive splits would score 1 each."""
    fake = pictures([0] * 250 + [1] * 250 + [2] * 250 + [3] * 250)
    score = judged(fake)["classifier_is"][0]
    assert inception_score(Oracle().read(fake).probabilities).item() < 1.8
    assert 3.8 < score <= 4


def test_images_that_are_not_finite_belong_to_no_class() -> None:
    broken = pictures([0, 1, 2, 3] * 25)
    broken[:10] = math.nan
    result = judged(broken, TEST)
    assert result["class_tvd"][0] == pytest.approx((3 / 100 + 3 / 100 + 2 / 100 + 2 / 100 + 10 / 100) / 2)
    assert result["class_coverage"] == [4, 4]
    assert [math.isnan(value) for value in result["classifier_is"]] == [True, False]
    assert [math.isnan(value) for value in result["classifier_fd"]] == [True, False]


def test_the_card_says_by_whom_and_how_well_real_images_do() -> None:
    facts = metric(samples=70).facts
    assert (facts["classifier_accuracy"], facts["classifier_sha256"], facts["samples"]) == (0.99, "abc", 70)
    halves = facts["real_against_real"]
    assert halves["between"] == "50 test images and the other 50"
    train = pictures([0, 1, 2, 3] * 50, seed=9)
    against = metric(samples=70, train=train).facts["real_against_real"]
    assert against["between"].startswith("70 training images")
    expected = judged(train[fixed_order(200)[:70]])["classifier_fd"]
    assert [against["classifier_fd"]] == expected
    # Five features of unit variance: twice 5 / 50 for the means, and some more for the covariances.
    assert 0.1 < halves["classifier_fd"] < 0.6
    assert halves["classifier_is_of_test_images"] == against["classifier_is_of_test_images"] > 3


@pytest.mark.parametrize("settings", [{"samples": 1}, {"coverage_at": 0.0}, {"coverage_at": 1.1}, {"sure_at": 0.0}])
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(BadValue, match="out of range"):
        metric(**settings)


def test_labels_that_do_not_belong_to_the_test_images_are_refused() -> None:
    with pytest.raises(BadData, match=r"100 test images have labels of shape \[99\]"):
        ClassifierMetric(Oracle(), TEST, LABELS[1:])  # pyright: ignore[reportArgumentType]
