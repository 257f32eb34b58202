"""Every metric of the package keeps the protocol: its columns, one value per member, a card that is JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from gantlet.data.base import Dataset
from gantlet.data.gaussians import Ring8
from gantlet.metrics.base import Metric, Outcome
from gantlet.metrics.cache import Card
from gantlet.metrics.classifier import Classifier
from gantlet.metrics.images import ClassifierMetric
from gantlet.metrics.lenet import LeNet, Recipe
from gantlet.metrics.mixture import MixtureMetric
from gantlet.metrics.points import PointsMetric
from gantlet.metrics.stacked import StackedModes

MEMBERS = 3


def mixture() -> tuple[Metric, Outcome]:
    ring = Ring8(train_size=10, test_size=200).load()
    assert ring.mixture is not None
    owners = torch.arange(200).remainder(4).expand(MEMBERS, -1)
    return MixtureMetric(ring.mixture), Outcome(fake=ring.test.expand(MEMBERS, -1, -1), owners=owners)


def images() -> tuple[Metric, Outcome]:
    generator = torch.Generator().manual_seed(1)
    judge = Classifier(LeNet().eval(), Card(0.5, 0.5, "abc"), Recipe())
    test = torch.rand(40, 1, 28, 28, generator=generator) * 2 - 1
    metric = ClassifierMetric(judge, test, torch.arange(40).remainder(10))
    owners = torch.arange(30).remainder(4).expand(MEMBERS, -1)
    return metric, Outcome(fake=torch.rand(MEMBERS, 30, 1, 28, 28, generator=generator) * 2 - 1, owners=owners)


def stacked() -> tuple[Metric, Outcome]:
    generator = torch.Generator().manual_seed(1)
    judge = Classifier(LeNet().eval(), Card(0.5, 0.5, "abc"), Recipe())
    single, test = torch.zeros(20, 1, 28, 28), torch.rand(40, 3, 28, 28, generator=generator)
    digits = Dataset(single, single, train_labels=torch.arange(20).remainder(10))
    metric = StackedModes(judge, Dataset(test, test, origin=digits, pixel_range=(0.0, 1.0)))
    owners = torch.arange(30).remainder(4).expand(MEMBERS, -1)
    return metric, Outcome(fake=torch.rand(MEMBERS, 30, 3, 28, 28, generator=generator), owners=owners)


def points() -> tuple[Metric, Outcome]:
    generator = torch.Generator().manual_seed(1)
    outcome = Outcome(fake=torch.randn(MEMBERS, 30, 2, generator=generator))
    return PointsMetric(torch.randn(40, 2, generator=generator)), outcome


CASES = pytest.mark.parametrize("case", [mixture, images, stacked, points], ids=lambda case: case.__name__)


@CASES
def test_columns_are_those_announced_with_one_plain_value_per_member(case: type, device: torch.device) -> None:
    metric, outcome = case()
    assert isinstance(metric, Metric)
    result = metric(replace(outcome, fake=outcome.fake.to(device)))
    assert set(result) == {column.name for column in metric.columns}
    for name, values in result.items():
        assert len(values) == MEMBERS, name
        assert all(type(value) in (int, float, bool, list) for value in values), name


@CASES
def test_the_card_is_json_and_says_how_many_samples(case: type) -> None:
    metric, _ = case()
    facts = json.loads(json.dumps(metric.facts, allow_nan=False))
    assert facts["samples"] >= 1
    assert all(column.help for column in metric.columns)


@CASES
def test_a_member_alone_gets_the_same_numbers(case: type) -> None:
    metric, outcome = case()
    owners = None if outcome.owners is None else outcome.owners[1:2]
    alone = metric(replace(outcome, fake=outcome.fake[1:2], owners=owners))
    together = {name: values[1:2] for name, values in metric(outcome).items()}
    assert str(alone) == str(together)


@CASES
def test_samples_that_carry_gradients_are_judged(case: type) -> None:
    metric, outcome = case()
    with_graph = replace(outcome, fake=outcome.fake.clone().requires_grad_() * 1.0)
    assert str(metric(with_graph)) == str(metric(outcome))
