"""Rules of success that can fail: every built-in task's rule refuses the task's bad arms and accepts real samples."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gantlet import catalogue
from gantlet.data.base import Dataset
from gantlet.metrics.base import MetricInput
from gantlet.metrics.compose import compose
from gantlet.requests.criterion import Criterion, parse_criteria
from gantlet.studies.success import succeeds
from gantlet.tasks.bad_arms import BAD_ARMS
from gantlet.tasks.base import Task

TASKS = {name: catalogue.find("task", name) for name in catalogue.names("task")}
RULED = {name: task for name, task in TASKS.items() if task.defaults.get("success")}


@pytest.fixture(scope="module")
def datasets() -> dict[str, Dataset]:
    return {name: task.source.load() for name, task in RULED.items()}


def measured(task: Task, dataset: Dataset, samples: Tensor) -> dict[str, Any]:
    metrics = compose([name for name in task.metrics if name != "classification-error"], dataset)
    return {name: values[0] for name, values in metrics(MetricInput(fake=samples[None])).items()}


def judged(rule: tuple[Criterion, ...], row: dict[str, Any]) -> bool:
    recent: list[list[float]] = []
    return [succeeds(rule, recent, row) for _ in range(max(each.held for each in rule))][-1]


def test_tasks_with_a_rule_name_bad_arms() -> None:
    assert set(RULED) >= {"ring8", "grid25", "mixture8", "grid100", "rotated100", "staggered100"}
    for name, task in TASKS.items():
        assert bool(task.bad_arms) == (name in RULED)
        assert set(task.bad_arms) <= set(BAD_ARMS)


@pytest.mark.parametrize("name", RULED)
def test_every_rule_refuses_its_bad_arms_and_accepts_real_samples(name: str, datasets: dict[str, Dataset]) -> None:
    task, dataset = RULED[name], datasets[name]
    rule = parse_criteria(str(task.defaults["success"]))
    count = 25_000
    assert judged(rule, measured(task, dataset, dataset.test[:count]))
    for arm in task.bad_arms:
        samples = BAD_ARMS[arm](dataset, count, torch.Generator().manual_seed(3))
        assert samples.shape[1:] == dataset.test.shape[1:]
        assert not judged(rule, measured(task, dataset, samples)), arm


def test_counting_modes_alone_would_accept_noise(datasets: dict[str, Dataset]) -> None:
    """Why the rules have a second criterion."""
    samples = BAD_ARMS["noise"](datasets["ring8"], 25_000, torch.Generator().manual_seed(3))
    row = measured(RULED["ring8"], datasets["ring8"], samples)
    assert row["modes"] == 8
    assert row["high_quality"] < 0.01


def test_a_hundred_copies_are_a_hundred_different_samples_at_most(datasets: dict[str, Dataset]) -> None:
    copies = BAD_ARMS["memorised"](datasets["ring8"], 5000, torch.Generator().manual_seed(3))
    assert len(copies.unique(dim=0)) == 100
