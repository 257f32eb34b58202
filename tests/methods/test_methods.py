"""Methods: every recipe is complete, means something on every task that it can play, and has its paper's numbers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from gantlet import catalogue
from gantlet.errors import Refused
from gantlet.methods.base import Method
from gantlet.settings import settings_of
from gantlet.studies.parts import offered_networks
from gantlet.studies.spec import Request, expand, keys_of
from gantlet.tasks.base import Task

METHODS = catalogue.names("method")
TASKS = catalogue.names("task")
DEMANDS = {"autoencoder", "no_batch_statistics", "spectral_norm"}


def recipe(name: str) -> Method:
    found = catalogue.find("method", name)
    assert isinstance(found, Method)
    return found


def playable(method: str) -> list[str]:
    """The tasks that a method can play."""
    found: list[str] = []
    for name in TASKS:
        task = catalogue.find("task", name)
        assert isinstance(task, Task)
        try:
            offered_networks(task, recipe(method))
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
        assert any(method.prefers in catalogue.find("task", task).networks for task in TASKS)


@pytest.mark.parametrize("name", METHODS)
def test_some_task_can_be_played(name: str) -> None:
    assert playable(name)


@pytest.mark.parametrize("name", METHODS)
def test_every_default_and_preset_is_a_key_with_an_admissible_value(name: str) -> None:
    method, keys = recipe(name), keys_of(playable(name)[0], name)
    for settings in (method.defaults, *method.presets.values()):
        for key, value in settings.items():
            assert keys[key].setting.parse(value) == value


@pytest.mark.parametrize("name", METHODS)
def test_every_preset_can_be_asked_for(name: str) -> None:
    task = playable(name)[0]
    for preset, settings in recipe(name).presets.items():
        (resolved,) = expand(Request(task, (name,), presets=(preset,)))
        assert {key: resolved.values[key] for key in settings} == dict(settings)


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
}
"""What the papers say, restated; a task may say otherwise."""


@pytest.mark.parametrize("name", PAPERS)
def test_the_numbers_are_those_of_the_paper(name: str) -> None:
    method = recipe(name)
    keys = keys_of(playable(name)[0], name)
    values = {key: known.setting.default for key, known in keys.items()} | dict(method.options) | dict(method.defaults)
    assert {key: values[key] for key in PAPERS[name]} == PAPERS[name]


def test_the_two_vanilla_games_differ_in_the_generators_loss_alone() -> None:
    plain, saturating = recipe("vanilla"), recipe("vanilla-saturating")
    assert (plain.fixed, saturating.fixed) == ({"saturating": False}, {"saturating": True})
    assert (plain.objective, plain.defaults) == (saturating.objective, saturating.defaults)


def test_a_gradient_penalty_is_kept_from_batch_statistics() -> None:
    penalised = [name for name in METHODS if "gradient" in recipe(name).penalties]
    assert "wgan-gp" in penalised
    for name in penalised:
        for task in playable(name):
            offered = offered_networks(catalogue.find("task", task), recipe(name))
            assert all("no_batch_statistics" in family.provides for family in offered.values())
