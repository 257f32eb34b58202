"""Tasks: complete, with the budgets of the experiments, and metrics that have the column they promise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

import terminal
from gantlet import catalogue
from gantlet.data.base import Dataset, Source
from gantlet.errors import BadData
from gantlet.metrics.base import MetricInput
from gantlet.metrics.compose import compose
from gantlet.names import FAMILIES
from gantlet.requests.grid import parse_axis
from gantlet.requests.parts import Catalogue, keys_of
from gantlet.requests.resolve import Request, expand
from gantlet.settings import settings_of
from gantlet.studies.build import steps_of
from gantlet.studies.cache import Cache
from gantlet.tasks.base import CLASSIFIERS, Task, rows_for
from thinning import covering

TASKS = catalogue.names("task")
HUNDREDS = ("grid100", "rotated100", "staggered100")
GAUSSIANS = ("ring8", "grid25", "mixture8", *HUNDREDS)


@pytest.mark.parametrize("name", TASKS)
def test_quick_is_a_small_part_of_the_whole_budget(name: str) -> None:
    """In images that the discriminator sees, of 60,000 to train on where ``epochs`` say how long."""
    for method in ("vanilla", "wgan-gp"):
        seen: list[float] = []
        for presets in ((), ("quick",)):
            (resolved,) = expand(Request(name, (method,), presets=presets))
            chosen, pool = resolved.training, int(resolved.values.get("train_size", 0)) or 60_000
            seen.append(steps_of(chosen, pool) * chosen.n_critic * chosen.batch_size)
            assert chosen.network == resolved.parts.network, "every method plays what it plays without"
        assert 0 < seen[1] <= 0.4 * seen[0]


def experiment(name: str) -> Task:
    found = catalogue.find("task", name)
    assert isinstance(found, Task)
    return found


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_complete(name: str) -> None:
    task = experiment(name)
    assert task.name == name
    assert task.summary
    assert task.paper
    assert isinstance(task.source, Source)
    assert set(task.metrics) <= set(FAMILIES["metric"])
    assert task.metrics
    assert any("no_batch_statistics" in family.provides for family in task.networks.values())


@pytest.mark.parametrize("name", TASKS)
def test_defaults_rows_and_presets_are_keys_with_admissible_values(name: str) -> None:
    task = experiment(name)
    assert set(task.rows) <= set(catalogue.names("method"))
    for method, settings in {"vanilla": task.defaults, **task.rows}.items():
        keys = keys_of(name, method)
        for key, value in settings.items():
            assert keys[key].setting.parse(value) == value
    for preset, settings in task.presets.items():
        (resolved,) = expand(Request(name, ("vanilla",), presets=(preset,)))
        assert {key: resolved.values[key] for key in settings} == dict(settings)


@pytest.mark.parametrize("name", [name for name in TASKS if experiment(name).rows])
@pytest.mark.parametrize("method", CLASSIFIERS)
def test_the_classifying_methods_are_trained_alike(name: str, method: str) -> None:
    training = ("lr_g", "lr_d", "beta1", "beta2", "batch_size", "epochs", "steps", "order", "reuse_fake", "n_critic")
    (mine,), (vanilla,) = (expand(Request(name, (each,))) for each in (method, "vanilla"))
    assert {key: mine.values[key] for key in training} == {key: vanilla.values[key] for key in training}


BUDGETS: dict[str, dict[str, Any]] = {
    "ring8": {"train_size": 50000, "test_size": 25000, "batch_size": 128, "epochs": 400.0, "latent_dim": 2},
    "grid25": {"train_size": 50000, "test_size": 25000, "batch_size": 128, "epochs": 400.0, "latent_dim": 2},
    "mixture8": {"train_size": 8000, "batch_size": 64, "epochs": 200.0, "latent_dim": 2, "order": "g_first"},
    **{name: {"batch_size": 256, "steps": 7000, "latent_dim": 2, "pool": "endless"} for name in HUNDREDS},
}
NETWORKS = {
    "ring8": {"g_width": 400, "g_depth": 4, "d_width": 200, "d_depth": 4},
    "grid25": {"g_width": 400, "g_depth": 4, "d_width": 200, "d_depth": 4},
    "mixture8": {"g_hidden": 16, "g_depth": 1, "d_hidden": 512},
    **{name: {"g_width": 128, "g_depth": 3, "d_width": 128, "d_depth": 3} for name in HUNDREDS},
}
OPTIMISERS = {
    "ring8": {"lr_g": 1e-4, "lr_d": 1e-4, "beta1": 0.9, "beta2": 0.999},
    "grid25": {"lr_g": 1e-4, "lr_d": 1e-4, "beta1": 0.9, "beta2": 0.999},
    "mixture8": {"lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.5, "beta2": 0.999},
    **{name: {"lr_g": 1e-3, "lr_d": 1e-3, "beta1": 0.0, "beta2": 0.999} for name in HUNDREDS},
}


@pytest.mark.parametrize("name", GAUSSIANS)
def test_the_budgets_are_those_of_the_experiments(name: str) -> None:
    (resolved,) = expand(Request(name, ("vanilla",)))
    said = BUDGETS[name] | NETWORKS[name] | OPTIMISERS[name]
    assert {key: resolved.values[key] for key in said} == said


@pytest.mark.parametrize(("name", "steps"), [("ring8", 400 * 390), ("mixture8", 200 * 125)])
def test_the_steps_follow_from_the_epochs(name: str, steps: int) -> None:
    (resolved,) = expand(Request(name, ("vanilla",)))
    assert steps_of(resolved.training, int(resolved.values["train_size"])) == steps  # 25,000 iterations in the paper


def networks_of(name: str) -> tuple[str, ...]:
    return tuple(experiment(name).networks)


@pytest.mark.parametrize("name", covering(TASKS, networks_of))
def test_every_network_fits_the_samples(name: str) -> None:
    task = experiment(name)
    shape = task.shape
    for family in Catalogue().offered(task, catalogue.find("method", "vanilla")).values():
        with torch.device("meta"):  # shapes alone
            z, x = torch.randn(4, 8), torch.randn(4, *shape)
            assert family.generator(latent=8, shape=shape)(z).shape == (4, *shape)
            judged = family.discriminator(shape=shape)(x)
            assert getattr(judged, "score", judged).shape == (4,)


# Evaluation


def small(name: str) -> Dataset:
    size = 2000 if name in HUNDREDS else 200
    words = ("train_size=400", f"test_size={size}") if name in GAUSSIANS else ()
    return Cache().dataset(terminal.resolve(name, "vanilla", *words)[0])


def evaluated(task: Task, dataset: Dataset, fake: torch.Tensor) -> Mapping[str, list[Any]]:
    metric = compose(task.metrics, dataset)
    assert task.headline in {column.name for column in metric.columns}
    return metric(MetricInput(fake=fake))


@pytest.mark.parametrize("name", GAUSSIANS)
def test_the_test_set_itself_is_found_perfect_and_noise_is_not(name: str) -> None:
    task, dataset = experiment(name), small(name)
    noise = 100 + torch.randn(1, len(dataset.test), 2, generator=torch.Generator().manual_seed(1))
    result = evaluated(task, dataset, torch.cat([dataset.test[None], noise]))
    assert dataset.mixture is not None
    assert result[task.headline] == [len(dataset.mixture.centres), 0]
    assert (result["success"], result["failure"]) == ([True, False], [False, True])


def test_own_points_are_compared_by_a_distance(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(1).normal(size=(500, 2)))
    dataset = small(f"points:{tmp_path}/x.npy")
    near, far = (dataset.train[None, :200] + shift for shift in (0.0, 5.0))
    task = experiment("points")
    close, away = (evaluated(task, dataset, fake)[task.headline][0] for fake in (near, far))
    assert 0 <= close < 1 < away


def test_digits_need_labels() -> None:
    with pytest.raises(BadData, match="needs labels beside the images"):
        compose(experiment("digits").metrics, Dataset(torch.zeros(30, 1, 28, 28), torch.zeros(10, 1, 28, 28)))


def test_digits_always_have_one_shape() -> None:
    dataset = small("digits")
    assert (dataset.shape, len(dataset.train), len(dataset.test)) == ((1, 28, 28), 4000, 1000)


def test_tasks_of_ones_own_read_the_file_that_is_named() -> None:
    for name in ("points", "images", "mnist", "stacked-mnist"):
        assert "data_path" in settings_of(experiment(name).source)


def test_one_row_serves_several_methods() -> None:
    row = {"lr_g": 1.0}
    assert rows_for(row, ("a", "b")) == {"a": row, "b": row}


@pytest.mark.parametrize("name", ["digits", "mnist", "fashion-mnist", "stacked-mnist", "images"])
def test_began_keeps_its_own_batch_on_every_task_of_images(name: str) -> None:
    (resolved,) = expand(Request(name, ("began",)))
    assert (resolved.values["batch_size"], resolved.values["latent_dim"]) == (16, 64)


@pytest.mark.parametrize("name", ["digits", "mnist", "fashion-mnist", "emoji64", "cifar10"])
def test_games_give_every_method_the_same_networks_and_optimisers(name: str) -> None:
    axes = (parse_axis("architecture=0:2:1"),)
    every = expand(Request(name, ("vanilla", "wgan-gp", "dragan"), axes=axes, presets=("bogonet",)))
    assert len(every) == 9
    shared = ("lr_g", "lr_d", "beta1", "beta2", "width", "family")
    assert len({tuple(str(each.values[key]) for key in shared) for each in every}) == 1
    assert {str(each.values["architecture"]) for each in every} == {"0", "1", "2"}
