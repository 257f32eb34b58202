"""Methods: every recipe is complete, means something on every task that it can play, and has its paper's numbers."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any

import pytest

from gantlet import catalogue
from gantlet.errors import Refused
from gantlet.methods.base import Method
from gantlet.requests.parts import Catalogue, Key, keys_of
from gantlet.requests.resolve import Request, expand
from gantlet.settings import settings_of
from gantlet.studies.build import blueprint
from gantlet.studies.cache import Cache
from gantlet.tasks.base import Task
from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet
from terminal import resolve

CACHE = Cache()
METHODS = catalogue.names("method")
TASKS = catalogue.names("task")
DEMANDS = {"autoencoder", "no_batch_statistics", "spectral_norm"}


def recipe(name: str) -> Method:
    found = catalogue.find("method", name)
    assert isinstance(found, Method)
    return found


def small_keys(task: str, method: str) -> list[str]:
    """Small sizes, of those that this pair has."""
    sizes = {"g_width": 8, "d_width": 8, "g_depth": 1, "d_depth": 1, "width": 2, "code": 8, "features": 4}
    sizes |= {"train_size": 256, "test_size": 64, "batch_size": 16}
    (resolved,) = expand(Request(task, (method,)))
    known = {key: value for key, value in sizes.items() if key in resolved.values}
    if not resolved.values["features"]:
        known.pop("features")
    return [f"{key}={value}" for key, value in known.items()]


def keys_somewhere(method: str, wanted: set[str]) -> dict[str, Key]:
    """The keys of a method on as many tasks as it takes to have those that are wanted."""
    keys: dict[str, Key] = {}
    for task in playable(method):
        keys |= keys_of(task, method)
        if wanted <= keys.keys():
            break
    return keys


@cache
def playable(method: str) -> list[str]:
    """The tasks that a method can play."""
    found: list[str] = []
    for name in TASKS:
        task = catalogue.find("task", name)
        assert isinstance(task, Task)
        try:
            Catalogue().offered(task, recipe(method))
        except Refused:
            continue
        found.append(name)
    return found


@pytest.mark.parametrize("name", METHODS)
def test_a_recipe_names_itself_its_paper_and_its_differences(name: str) -> None:
    method = recipe(name)
    assert method.name == name
    assert method.summary
    assert method.paper.endswith(")"), "authors, title (year)"
    assert method.url.startswith("https://")
    assert method.differs
    assert method.requires <= DEMANDS


@pytest.mark.parametrize("name", METHODS)
def test_the_parts_of_a_recipe_exist(name: str) -> None:
    method = recipe(name)
    objective = catalogue.find("objective", method.objective)
    known = {entry.name for entry in fields(objective)}
    assert set(method.fixed) <= known
    assert set(method.options) <= set(settings_of(objective)) - set(method.fixed)
    for penalty in method.penalties:
        assert catalogue.find("penalty", penalty).player in ("generator", "discriminator")
    if method.constraint is not None:
        assert hasattr(catalogue.find("constraint", method.constraint), "project")
    if method.prefers is not None:
        assert method.prefers in catalogue.names("network")


@pytest.mark.parametrize("name", METHODS)
def test_some_task_can_be_played(name: str) -> None:
    assert playable(name)


@pytest.mark.parametrize("name", METHODS)
def test_every_default_and_preset_is_a_key_with_an_admissible_value(name: str) -> None:
    """On some task at least: a preset may speak of networks that only tasks of images offer."""
    method = recipe(name)
    wanted = {key for settings in (method.defaults, *method.presets.values()) for key in settings}
    keys = keys_somewhere(name, wanted)
    for settings in (method.defaults, *method.presets.values()):
        for key, value in settings.items():
            assert keys[key].setting.parse(value) == value


@pytest.mark.parametrize("name", METHODS)
def test_every_preset_can_be_asked_for_on_every_task(name: str) -> None:
    for task in playable(name):
        for preset, settings in recipe(name).presets.items():
            (resolved,) = expand(Request(task, (name,), presets=(preset,)))
            known = {key: value for key, value in settings.items() if key in resolved.values}
            assert {key: resolved.values[key] for key in known} == known
            assert set(settings) - set(known) <= {"init", "first_norm", "energy"}, "keys of networks alone"


@pytest.mark.parametrize("name", METHODS)
def test_a_recipe_says_what_it_minimises_and_what_to_watch(name: str) -> None:
    method = recipe(name)
    assert all(method.formulas)
    assert method.optimum
    assert method.watch
    assert all(":" in line for line in method.watch), "name: what it says"


WATCHED_ANYWAY = {"loss_d", "loss_g", "gradient_d", "gradient_g", "score_real", "score_fake"}


@pytest.mark.parametrize("name", METHODS)
def test_what_is_to_be_watched_is_logged(name: str) -> None:
    """Two steps of a small fleet hold every name that the recipe says to watch."""
    task = "digits" if "autoencoder" in recipe(name).requires else "ring8"
    (resolved,) = resolve(task, name, *small_keys(task, name), "steps=2", "critic_schedule=constant")
    dataset = CACHE.dataset(resolved)
    fleet = Fleet(blueprint([(resolved, 1)], dataset.specification, Execution(route="loop")), dataset)
    for _ in range(2):
        fleet.advance()
    logged = set(fleet.history.take().name)
    assert logged >= {*WATCHED_ANYWAY, "moved_d", "moved_g"}
    watched = {word for line in recipe(name).watch for word in line.partition(":")[0].split(", ")}
    assert watched <= logged, f"{watched - logged} is not in the history"


PAPERS: dict[str, dict[str, Any]] = {
    "vanilla": {"optimiser": "adam", "n_critic": 1},
    "vanilla-saturating": {"optimiser": "adam", "n_critic": 1},
    "least-squares": {"lr_g": 1e-3, "lr_d": 1e-3, "beta1": 0.5, "a": 0.0, "b": 1.0, "c": 1.0},
    "wgan": {
        "optimiser": "rmsprop",
        "lr_g": 5e-5,
        "lr_d": 5e-5,
        "beta1": 0.0,
        "beta2": 0.99,  # beta2: RMSprop's alpha
        "n_critic": 5,
        "critic_schedule": "wgan",
        "clip": 0.01,
    },
    "wgan-gp": {
        "lr_g": 1e-4,
        "lr_d": 1e-4,
        "beta1": 0.0,
        "beta2": 0.9,
        "n_critic": 5,
        "penalty_weight": 10.0,
        "penalty_target": 1.0,
    },
    "alpha": {"lr_g": 1e-4, "lr_d": 1e-4, "beta1": 0.9, "alpha_d": 0.5, "alpha_g": 1.0, "saturating": False},
    "dcgan": {"lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.5, "prior": "uniform", "latent_dim": 100},
    "lsgan": {"lr_g": 1e-3, "lr_d": 1e-3, "beta1": 0.5, "a": 0.0, "b": 1.0, "c": 1.0, "prior": "uniform"},
    "wgan-gp-resnet": {"lr_g": 1e-4, "beta1": 0.0, "beta2": 0.9, "n_critic": 5, "penalty_weight": 10.0},
    "wgan-lp": {"n_critic": 5, "penalty_weight": 10.0, "penalty_target": 1.0},
    "ebgan": {"lr_g": 1e-3, "lr_d": 1e-3, "beta1": 0.5, "margin": 10.0, "energy": "l2"},
    "ebgan-pt": {"lr_g": 1e-3, "lr_d": 1e-3, "beta1": 0.5, "margin": 10.0, "penalty_weight": 0.1},
    "began": {
        "lr_g": 1e-4,
        "lr_d": 1e-4,
        "beta1": 0.5,
        "batch_size": 16,
        "prior": "uniform",
        "gamma": 0.5,
        "rate": 0.001,
        "energy": "l1",
        "lr_decay": 0.5,
    },
    "dragan": {
        "lr_g": 1e-4,
        "lr_d": 1e-4,
        "beta1": 0.5,
        "beta2": 0.9,
        "penalty_weight": 10.0,
        "penalty_target": 1.0,
        "penalty_scale": 0.5,
        "penalty_noise": "two-sided",
    },
    "coulomb": {"lr_g": 1e-4, "lr_d": 5e-5, "beta1": 0.9, "beta2": 0.999, "dimension": 3.0, "epsilon": 1.0},
    "sngan": {"lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.0, "beta2": 0.9, "n_critic": 5, "spectral_norm": True},
    "r3gan": {"r1_weight": 2.0, "r2_weight": 2.0, "beta1": 0.0, "beta2": 0.9, "beta2_end": 0.99, "lr_g": 2e-4},
    "mmd": {"features": 16, "penalty_weight": 1.0, "lr_g": 1e-4, "beta1": 0.5, "beta2": 0.9, "n_critic": 5},
    "cramer": {"penalty_weight": 10.0, "lr_g": 1e-4, "beta1": 0.5, "beta2": 0.9, "n_critic": 5},
    "pacgan": {"pack": 2},
    **{f"f-{kind}": {"lr_g": 1e-4, "lr_d": 1e-4, "beta1": 0.5} for kind in ("kl", "js", "pearson", "hellinger", "tv")},
}
"""What the papers say, restated; a task may say otherwise."""


@pytest.mark.parametrize("name", PAPERS)
def test_the_numbers_are_those_of_the_paper(name: str) -> None:
    method = recipe(name)
    keys = keys_somewhere(name, set(PAPERS[name]))
    values = {key: known.setting.default for key, known in keys.items()} | dict(method.options) | dict(method.defaults)
    assert {key: values[key] for key in PAPERS[name]} == PAPERS[name]


def test_the_two_vanilla_games_differ_in_the_generators_loss_alone() -> None:
    plain, saturating = recipe("vanilla"), recipe("vanilla-saturating")
    assert (plain.fixed, saturating.fixed) == ({"saturating": False}, {"saturating": True})
    assert (plain.objective, plain.defaults) == (saturating.objective, saturating.defaults)


def test_a_gradient_penalty_is_kept_from_batch_statistics() -> None:
    sharp = {name for name in catalogue.names("penalty") if catalogue.find("penalty", name).requires}
    penalised = [name for name in METHODS if (sharp - {"pulling-away"}) & set(recipe(name).penalties)]
    assert {"wgan-gp", "dragan", "r3gan", "lgan", "mmd", "cramer"} <= set(penalised)
    for name in penalised:
        for task in playable(name):
            offered = Catalogue().offered(catalogue.find("task", task), recipe(name))
            assert all("no_batch_statistics" in family.provides for family in offered.values())
