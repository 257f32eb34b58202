"""The classification error, from scores that were counted by hand."""

from __future__ import annotations

import math

import pytest
import torch

from gantlet.metrics.base import MetricInput
from gantlet.metrics.classification_error import ClassificationErrorMetric


def classification_errors(inputs: MetricInput) -> list[float]:
    return ClassificationErrorMetric()(inputs)["classification_error"]


def error(*, real: list[float], fake: list[float], boundary: float | None = 0.0) -> float:
    inputs = MetricInput(
        fake=torch.zeros(1, len(fake), 2),
        fake_scores=torch.tensor([fake]),
        real_scores=torch.tensor([real]),
        boundary=boundary,
    )
    return classification_errors(inputs)[0]


@pytest.mark.parametrize(
    ("real", "fake", "expected"),
    [
        pytest.param([2.0, 3.0], [-1.0, -2.0], 0.0, id="perfect"),
        pytest.param([-2.0, -3.0], [1.0, 2.0], 1.0, id="always wrong"),
        pytest.param([1.0, 2.0], [1.0, 2.0], 0.5, id="all said to be real"),
        pytest.param([0.0, 0.0], [0.0, 0.0], 0.5, id="at the boundary"),
        pytest.param([0.0, 1.0], [-1.0, -1.0, -1.0, 1.0], 0.5 * 0.25 + 0.5 * 0.25, id="half each, by kind"),
        pytest.param([1.0], [math.nan], 0.25, id="nan is undecided"),
        pytest.param([math.inf], [-math.inf], 0.0, id="infinite"),
    ],
)
def test_shares_of_wrong_decisions(real: list[float], fake: list[float], expected: float) -> None:
    assert error(real=real, fake=fake) == expected


def test_a_least_squares_score_is_cut_at_its_own_boundary() -> None:
    """Thresholding sigmoid(score) at ½ instead calls every score in (0, 1) real: an error of ½ for a perfect one."""
    real, fake = [0.9, 0.8, 0.95], [0.1, 0.2, 0.3]
    assert error(real=real, fake=fake, boundary=0.5) == 0.0
    assert error(real=real, fake=fake, boundary=0.0) == 0.5


def test_members_keep_their_own_errors() -> None:
    inputs = MetricInput(
        fake=torch.zeros(2, 2, 2),
        fake_scores=torch.tensor([[-1.0, -1.0], [1.0, -1.0]]),
        real_scores=torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]),
        boundary=0.0,
    )
    assert classification_errors(inputs) == [0.0, 0.25]


def test_without_boundary_or_scores_there_is_no_error() -> None:
    assert math.isnan(error(real=[1.0], fake=[0.0], boundary=None))
    missing = classification_errors(MetricInput(fake=torch.zeros(3, 2, 2), boundary=0.0))
    assert len(missing) == 3
    assert all(math.isnan(value) for value in missing)
